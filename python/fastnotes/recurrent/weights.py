"""Weights of an LSTM, packed once for many calls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._device import wants_cuda
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import check_choice, fail_type
from fastnotes.recurrent import layer_norm as norms
from fastnotes.recurrent._arguments import (
    CANDIDATES,
    Weights,
    as_cell,
    as_inputs,
    as_step_input,
    as_weights,
    call_wants_cuda,
    refuse_on_cuda,
)
from fastnotes.recurrent._bfloat16 import refuse_training
from fastnotes.recurrent.layer_norm import LayerNorm
from fastnotes.recurrent.results import LSTMOutput

if TYPE_CHECKING:
    from fastnotes.recurrent._cuda import DeviceWeights


class LSTMWeights:
    """Weights of an LSTM, packed once for many calls.

    Parameters
    ----------
    weight_ih, weight_hh, bias
        (4H, D), (4H, H) and (4H,) or None, as in :func:`lstm_forward`. They are copied.
    candidate
        ``"tanh"`` or ``"sigmoid"``.
    peephole
        (3H,) or None, as in :func:`lstm_forward`. Not on CUDA.
    weight_hr
        (R, H) or None, as in :func:`lstm_forward`. Not on CUDA.
    zoneout_h, zoneout_c
        Numbers from 0 to 1, as in :func:`lstm_forward`. Not on CUDA.
    layer_norm
        :class:`LayerNorm` or None, as in :func:`lstm_forward`. Not on CUDA.
    dtype
        None, or ``"bfloat16"``: the three weight matrices are kept rounded to bfloat16
        (nearest, ties to even; from float32, to which other arrays are rounded before),
        at half the bytes. Arithmetic, states and all else are float32. For inference
        alone: no ``keep_cache``. Not on CUDA.
    device
        None: where the arrays are. ``"cuda"`` copies host arrays there; calls then take
        host arrays too, and give results back.

    Attributes
    ----------
    input_size, hidden_size
        D and H.
    dtype
        float32 if every array given is float32 or weights are kept in bfloat16, else
        float64. Calls convert to it.
    weight_dtype
        ``"bfloat16"``, or the name of ``dtype``.

    Notes
    -----
    In bfloat16 results have the bytes of float32 with weights that were rounded before.
    A weight moves by at most 2**-8 of itself, or below 2**-126 by 2**-134; NaN stays,
    and what bfloat16 has not, from 3.4e38 on, is infinity.

    Immutable, so threads may share one. With a projection h has R columns where calls
    say H. A step with a projection or layer normalisation takes scratch.
    """

    def __init__(
        self,
        weight_ih: ArrayLike,
        weight_hh: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        candidate: str = "tanh",
        peephole: ArrayLike | None = None,
        weight_hr: ArrayLike | None = None,
        zoneout_h: float = 0.0,
        zoneout_c: float = 0.0,
        layer_norm: LayerNorm | None = None,
        dtype: str | None = None,
        device: str | None = None,
    ) -> None:
        where = "recurrent.LSTMWeights"
        self._device: DeviceWeights | None = None
        given = {"weight_ih": weight_ih, "weight_hh": weight_hh, "bias": bias}
        parts: dict[str, Any] = {"peephole": peephole, "weight_hr": weight_hr}
        arrays = given | parts | norms.arrays_of(layer_norm, where)
        parts["layer_norm"] = layer_norm
        if wants_cuda(where, device, **arrays):
            zoneouts = {"zoneout_h": zoneout_h, "zoneout_c": zoneout_c}
            refuse_on_cuda(where, False, **parts, **zoneouts, dtype=dtype)
            self._keep_on_device(where, device, candidate, given)
            return
        weights = as_weights(weight_ih, weight_hh, bias, where, **parts)
        self._cell = as_cell(candidate, zoneout_h, zoneout_c, where, dtype)
        self.candidate = candidate
        self.hidden_size: int = weights.hidden_size
        self.input_size: int = weights.weight_ih.shape[1]
        self.dtype = weights.dtype(self._cell.dtype)
        self.weight_dtype = self._cell.dtype or self.dtype.name
        self._weights = weights.cast(self.dtype, copy=True)
        self._inference = self._weights.pack(self._cell, False, 1)
        if self._cell.dtype is not None:
            self._weights = self._weights.rounded()
        #: As wide as h, of the dtype of calls.
        self._like = np.empty((0, weights.weight_hh.shape[1]), self.dtype)
        self._training: native.recurrent.LSTMWeights | None = None

    def _keep_on_device(
        self, where: str, device: str | None, candidate: str, given: dict[str, Any]
    ) -> None:
        from fastnotes.recurrent import _cuda

        check_choice(candidate, where, "candidate", CANDIDATES)
        self.candidate = candidate
        self._device = _cuda.DeviceWeights(where, device, candidate, given)
        self.input_size = self._device.arrays.weight_ih.shape[1]
        self.hidden_size = self._device.arrays.weight_hh.shape[1]
        self.dtype = np.dtype(self._device.dtype)
        self.weight_dtype = self.dtype.name

    def forward(
        self,
        x: ArrayLike,
        h0: ArrayLike | None = None,
        c0: ArrayLike | None = None,
        *,
        lengths: ArrayLike | None = None,
        reverse: bool = False,
        keep_cache: bool = False,
        n_threads: int | None = None,
    ) -> LSTMOutput:
        """Run over a batch of sequences: :func:`lstm_forward` without the packing."""
        where = "recurrent.LSTMWeights.forward"
        if self._device is not None:
            given = {"x": x, "h0": h0, "c0": c0}
            refuse_on_cuda(where, reverse)
            return self._device.forward(given, lengths, keep_cache)
        beside = {"x": x, "weights": self._like, "h0": h0, "c0": c0}
        call_wants_cuda(where, None, lengths, beside)  # refuses CUDA arrays
        refuse_training(self._cell.dtype, keep_cache, where, "keep_cache")
        threads = resolve_n_threads(n_threads, where)
        inputs = as_inputs(x, h0, c0, lengths, where, self._weights)
        packed = self._inference
        if keep_cache:
            if self._training is None:
                self._training = self._weights.pack(self._cell, True, threads)
            packed = self._training
        return inputs.cast(self.dtype).run(packed, reverse, keep_cache, threads, where)

    def step(
        self,
        x: ArrayLike,
        h: ArrayLike,
        c: ArrayLike,
        *,
        out: tuple[NDArray[Any], NDArray[Any]] | None = None,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Advance B streams by one step, on the calling thread.

        Parameters
        ----------
        x
            (B, D), the inputs of the step.
        h, c
            (B, H), the states before it.
        out
            Two arrays (B, H) of this object's dtype that receive the new states, apart
            from the inputs; None makes new ones. With ``out`` nothing is allocated.

        Returns
        -------
        h, c
            The states after the step: the same bytes as :meth:`forward` gives.
        """
        where = "recurrent.LSTMWeights.step"
        if self._device is not None:
            return self._device.step({"x": x, "h": h, "c": c}, out)
        like = self._like
        x_t = as_step_input(x, where, "x", self.input_size, None, like)
        rows = x_t.shape[0]
        h_t = as_step_input(h, where, "h", like.shape[1], rows, like)
        c_t = as_step_input(c, where, "c", self.hidden_size, rows, like)
        new: Any = (np.empty_like(h_t), np.empty_like(c_t)) if out is None else out
        if not isinstance(new, tuple) or len(new) != 2:
            fail_type(where, "out as a tuple of two arrays", type(out).__name__)
        native.recurrent.lstm_step(self._inference, x_t, h_t, c_t, new[0], new[1])
        return new

    @property
    def nbytes(self) -> int:
        """Bytes of the weights here: copies of those given, and packed matrices."""
        if self._device is not None:
            arrays = (a for a in self._device.arrays if a is not None)
            return sum(math.prod(a.shape) for a in arrays) * self.dtype.itemsize
        return self._weights.nbytes + self._inference.nbytes

    def __repr__(self) -> str:
        return (
            f"LSTMWeights(input_size={self.input_size}, "
            f"hidden_size={self.hidden_size}, candidate={self.candidate!r}, "
            f"dtype={self.weight_dtype})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        if self._device is None:
            weights = self._weights._asdict()
            arrays = tuple(weights.pop(name) for name in Weights._fields[:3])
            weights["layer_norm"] = norms.split(weights["layer_norm"], self.hidden_size)
            return _unpickle_weights, (arrays, {**self._cell._asdict(), **weights})
        options = {"candidate": self.candidate, "device": f"cuda:{self._device.device}"}
        return _unpickle_weights, (self._device.to_numpy(), options)


def _unpickle_weights(arrays: Any, options: dict[str, Any]) -> LSTMWeights:
    if options.get("dtype") is not None:
        given = Weights(*arrays)._replace(weight_hr=options["weight_hr"]).widened()
        arrays, options = given[:3], {**options, "weight_hr": given.weight_hr}
    return LSTMWeights(*arrays, **options)
