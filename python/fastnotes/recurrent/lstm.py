"""The LSTM: functions over whole sequences, and weights packed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._device import is_cuda_array, wants_cuda
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_index_array,
    as_real_array,
    check_choice,
    check_shape,
    fail,
    fail_type,
)

if TYPE_CHECKING:
    from fastnotes._core_native.recurrent import LSTMCache as LSTMCache
    from fastnotes.recurrent._cuda import CudaLSTMCache, DeviceWeights
else:
    LSTMCache = native.recurrent.LSTMCache

_CANDIDATES = ("tanh", "sigmoid")


class LSTMOutput(NamedTuple):
    """Result of a forward pass.

    Attributes
    ----------
    h
        (B, T, H), the outputs; 0 past a sequence's end.
    h_last, c_last
        (B, H), the state after each sequence's last step; the initial state for a
        sequence of length 0.
    cache
        What :func:`lstm_backward` needs, or None with ``keep_cache=False``. It holds
        copies, so inputs and outputs may be changed freely, and it may be used again.
    """

    h: RealArray
    h_last: RealArray
    c_last: RealArray
    cache: LSTMCache | CudaLSTMCache | None


class LSTMGradients(NamedTuple):
    """Gradients of a scalar with respect to everything that entered the forward pass.

    Attributes
    ----------
    dx
        (B, T, D); 0 past a sequence's end.
    dweight_ih, dweight_hh, dbias
        (4H, D), (4H, H), (4H,), summed over the batch. ``dbias`` is there also where
        no bias was given.
    dh0, dc0
        (B, H).
    """

    dx: RealArray
    dweight_ih: RealArray
    dweight_hh: RealArray
    dbias: RealArray
    dh0: RealArray
    dc0: RealArray


def lstm_forward(
    x: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    *,
    lengths: ArrayLike | None = None,
    candidate: str = "tanh",
    keep_cache: bool = True,
    n_threads: int | None = None,
    device: str | None = None,
) -> LSTMOutput:
    """Run an LSTM over a batch of sequences.

    With the gates i, f, g, o stacked along the first axis of the weights, as in
    PyTorch::

        a_t = weight_ih x_t + weight_hh h_(t-1) + bias
        c_t = sigmoid(a_f) * c_(t-1) + sigmoid(a_i) * g,    g = tanh(a_g)
        h_t = sigmoid(a_o) * tanh(c_t)

    Parameters
    ----------
    x
        (B, T, D), the inputs. Steps at and past a sequence's length are never read.
    weight_ih, weight_hh
        (4H, D) on the input, (4H, H) on the previous output; U and W in the notes.
    bias
        (4H,), or None for zeros. PyTorch's two biases count as their sum.
    h0, c0
        (B, H), the initial states, or None for zeros.
    lengths
        (B,) integers from 0 to T, in any order; None: every sequence runs for T steps.
    candidate
        ``"tanh"``, or ``"sigmoid"`` for g = sigmoid(a_g), as the Deep Learning book
        writes it.
    keep_cache
        Keep what :func:`lstm_backward` needs (about 6 H + D numbers per step).
    n_threads
        Threads to use; None: see the threads page. Small batches use fewer.
    device
        None: where the arrays are. ``"cuda"`` copies host arrays there and results
        back. CUDA arrays must be C-contiguous and of one dtype; the results are of the
        library of ``x``. ``lengths`` may lie on either side and are read on the host.

    Returns
    -------
    LSTMOutput
        ``(h, h_last, c_last, cache)``, in float32 if every array given is float32, else
        in float64. The same bytes for any number of threads, any batch around a
        sequence, any padding behind it.

    Raises
    ------
    TypeError
        For arrays that are not real, lengths that are not integers.
    ValueError
        For shapes that do not agree, lengths outside 0..T, an unknown candidate.

    Notes
    -----
    NaN and infinity are not refused: they run on through their own sequence. All of B,
    T, D and H may be 0.

    References
    ----------
    Hochreiter and Schmidhuber (1997), "Long Short-Term Memory"; Gers, Schmidhuber and
    Cummins (2000), "Learning to Forget". Goodfellow, Bengio and Courville (2016), "Deep
    Learning", section 10.10.1, for the sigmoid candidate.
    """
    where = "recurrent.lstm_forward"
    given: dict[str, Any] = {"x": x, "weight_ih": weight_ih, "weight_hh": weight_hh}
    given |= {"bias": bias, "h0": h0, "c0": c0}
    if _wants_cuda(where, device, lengths, given):
        from fastnotes.recurrent import _cuda

        return _cuda.lstm_forward(given, lengths, candidate, keep_cache, device)
    threads = resolve_n_threads(n_threads, where)
    weights = _as_weights(weight_ih, weight_hh, bias, where)
    check_choice(candidate, where, "candidate", _CANDIDATES)
    inputs = _as_inputs(x, h0, c0, lengths, where, weights)
    arrays = (*weights, inputs.x, inputs.h0, inputs.c0)
    dtype = np.result_type(*(a for a in arrays if a is not None))
    packed = weights.cast(dtype).pack(candidate, keep_cache, threads)
    return inputs.cast(dtype).run(packed, keep_cache, threads)


def lstm_backward(
    dh: ArrayLike,
    cache: LSTMCache | CudaLSTMCache | None,
    *,
    dh_last: ArrayLike | None = None,
    dc_last: ArrayLike | None = None,
    n_threads: int | None = None,
    device: str | None = None,
) -> LSTMGradients:
    """Backpropagate through time.

    Parameters
    ----------
    dh
        (B, T, H), the gradient with respect to ``h``; not read past a sequence's end.
    cache
        From a forward pass with ``keep_cache=True`` (None, which one without it gives,
        is refused). It is only read.
    dh_last, dc_last
        (B, H), the gradients with respect to ``h_last`` and ``c_last``, added to what
        ``dh`` brings; None for zeros.
    n_threads
        Threads to use; None: see the threads page.
    device
        As in :func:`lstm_forward`; ``cache`` must come from the same device.

    Returns
    -------
    LSTMGradients
        ``(dx, dweight_ih, dweight_hh, dbias, dh0, dc0)`` in the dtype of the forward
        pass, to which the arguments are converted.

    Raises
    ------
    TypeError
        If ``cache`` is not an LSTM's cache, or an array is not real.
    ValueError
        For shapes that do not agree with the forward pass.

    Notes
    -----
    ``dx``, ``dh0`` and ``dc0`` of a sequence do not depend on the rest of the batch.
    The weights' gradients are sums over the batch in a fixed order: the same bytes for
    any number of threads and any padding.
    """
    where = "recurrent.lstm_backward"
    given = {"dh": dh, "dh_last": dh_last, "dc_last": dc_last}
    beside = {} if device or isinstance(cache, LSTMCache) else {"cache": cache}
    if wants_cuda(where, device, **given, **beside):
        from fastnotes.recurrent import _cuda

        return _cuda.lstm_backward(given, cache, device)
    threads = resolve_n_threads(n_threads, where)
    if not isinstance(cache, LSTMCache):
        fail_type(where, "cache from lstm_forward", type(cache).__name__)
    batch, time, _, hidden = cache.sizes
    d_outputs = as_real_array(dh, where, "dh", ndim=3)
    check_shape(d_outputs, where, "dh", (batch, time, hidden), "(B, T, H)")
    arrays = (
        d_outputs,
        _as_state(dh_last, where, "dh_last", batch, hidden),
        _as_state(dc_last, where, "dc_last", batch, hidden),
    )
    d_h, d_h_last, d_c_last = (_cast(a, cache.dtype) for a in arrays)
    return LSTMGradients(
        *native.recurrent.lstm_backward(cache, d_h, d_h_last, d_c_last, threads)
    )


class LSTMWeights:
    """Weights of an LSTM, packed once for many calls.

    Parameters
    ----------
    weight_ih, weight_hh, bias
        (4H, D), (4H, H) and (4H,) or None, as in :func:`lstm_forward`. They are copied.
    candidate
        ``"tanh"`` or ``"sigmoid"``.
    device
        None: where the arrays are. ``"cuda"`` copies host arrays there; calls then take
        host arrays too, and give results back.

    Attributes
    ----------
    input_size, hidden_size
        D and H.
    dtype
        float32 if every array given is float32, else float64. Calls convert to it.

    Notes
    -----
    Immutable, so threads may share one.
    """

    def __init__(
        self,
        weight_ih: ArrayLike,
        weight_hh: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        candidate: str = "tanh",
        device: str | None = None,
    ) -> None:
        where = "recurrent.LSTMWeights"
        self._device: DeviceWeights | None = None
        given = {"weight_ih": weight_ih, "weight_hh": weight_hh, "bias": bias}
        if wants_cuda(where, device, **given):
            self._keep_on_device(where, device, candidate, given)
            return
        weights = _as_weights(weight_ih, weight_hh, bias, where)
        check_choice(candidate, where, "candidate", _CANDIDATES)
        self.candidate = candidate
        self.hidden_size: int = weights.weight_hh.shape[1]
        self.input_size: int = weights.weight_ih.shape[1]
        self.dtype = np.result_type(*(a for a in weights if a is not None))
        self._weights = weights.cast(self.dtype, copy=True)
        self._inference = self._weights.pack(candidate, False, 1)
        self._training: native.recurrent.LSTMWeights | None = None

    def _keep_on_device(
        self, where: str, device: str | None, candidate: str, given: dict[str, Any]
    ) -> None:
        from fastnotes.recurrent import _cuda

        check_choice(candidate, where, "candidate", _CANDIDATES)
        self.candidate = candidate
        self._device = _cuda.DeviceWeights(where, device, candidate, given)
        self.input_size = self._device.arrays.weight_ih.shape[1]
        self.hidden_size = self._device.arrays.weight_hh.shape[1]
        self.dtype = np.dtype(self._device.dtype)

    def forward(
        self,
        x: ArrayLike,
        h0: ArrayLike | None = None,
        c0: ArrayLike | None = None,
        *,
        lengths: ArrayLike | None = None,
        keep_cache: bool = False,
        n_threads: int | None = None,
    ) -> LSTMOutput:
        """Run over a batch of sequences: :func:`lstm_forward` without the packing."""
        where = "recurrent.LSTMWeights.forward"
        if self._device is not None:
            given = {"x": x, "h0": h0, "c0": c0}
            return self._device.forward(given, lengths, keep_cache)
        beside = {"x": x, "weights": self._weights.weight_hh, "h0": h0, "c0": c0}
        _wants_cuda(where, None, lengths, beside)  # refuses CUDA arrays
        threads = resolve_n_threads(n_threads, where)
        inputs = _as_inputs(x, h0, c0, lengths, where, self._weights)
        packed = self._inference
        if keep_cache:
            if self._training is None:
                self._training = self._weights.pack(self.candidate, True, threads)
            packed = self._training
        return inputs.cast(self.dtype).run(packed, keep_cache, threads)

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
        x_t = self._step_input(x, where, "x", self.input_size, None)
        rows = x_t.shape[0]
        h_t = self._step_input(h, where, "h", self.hidden_size, rows)
        c_t = self._step_input(c, where, "c", self.hidden_size, rows)
        new: Any = (np.empty_like(h_t), np.empty_like(h_t)) if out is None else out
        if not isinstance(new, tuple) or len(new) != 2:
            fail_type(where, "out as a tuple of two arrays", type(out).__name__)
        native.recurrent.lstm_step(self._inference, x_t, h_t, c_t, new[0], new[1])
        return new

    def _step_input(
        self, value: Any, where: str, name: str, columns: int, rows: int | None
    ) -> RealArray:
        """A (rows, columns) input; what is right already passes in a microsecond."""
        ready = (
            type(value) is np.ndarray
            and value.dtype is self.dtype
            and value.ndim == 2
            and value.flags.c_contiguous
            and value.flags.aligned
        )
        if not ready:  # refuses CUDA arrays
            wants_cuda(where, None, **{name: value}, weights=self._weights.weight_hh)
        array: RealArray = (
            value
            if ready
            else _cast(as_real_array(value, where, name, ndim=2), self.dtype)
        )
        if array.shape[1] != columns or (rows is not None and array.shape[0] != rows):
            wanted = f"({'B' if rows is None else rows}, {columns})"
            fail(where, f"{name} of shape {wanted}", str(array.shape))
        return array

    def __repr__(self) -> str:
        return (
            f"LSTMWeights(input_size={self.input_size}, "
            f"hidden_size={self.hidden_size}, candidate={self.candidate!r}, "
            f"dtype={self.dtype})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        if self._device is None:
            return _unpickle_weights, (*self._weights, self.candidate)
        place = f"cuda:{self._device.device}"
        return _unpickle_weights, (*self._device.to_numpy(), self.candidate, place)


def _unpickle_weights(
    weight_ih: RealArray,
    weight_hh: RealArray,
    bias: RealArray | None,
    candidate: str,
    device: str | None = None,
) -> LSTMWeights:
    return LSTMWeights(weight_ih, weight_hh, bias, candidate=candidate, device=device)


def _wants_cuda(
    where: str, device: str | None, lengths: Any, given: dict[str, Any]
) -> bool:
    """As `wants_cuda`; host lengths go with everything, CUDA lengths do not."""
    if type(lengths) is not np.ndarray and is_cuda_array(lengths):
        return wants_cuda(where, device, **given, lengths=lengths)
    return wants_cuda(where, device, **given)


class _Weights(NamedTuple):
    """Checked weights, not yet packed."""

    weight_ih: RealArray
    weight_hh: RealArray
    bias: RealArray | None

    def cast(self, dtype: np.dtype[Any], *, copy: bool = False) -> _Weights:
        return _Weights(*(_cast(a, dtype, copy=copy) for a in self))

    def pack(
        self, candidate: str, backward: bool, n_threads: int
    ) -> native.recurrent.LSTMWeights:
        return native.recurrent.pack_lstm_weights(
            self.weight_ih,
            self.weight_hh,
            self.bias,
            candidate == "tanh",
            backward,
            n_threads,
        )


class _Inputs(NamedTuple):
    """Checked inputs of a forward pass."""

    x: RealArray
    h0: RealArray | None
    c0: RealArray | None
    lengths: NDArray[np.int64] | None

    def cast(self, dtype: np.dtype[Any]) -> _Inputs:
        x, h0, c0 = (_cast(a, dtype) for a in self[:3])
        return _Inputs(x, h0, c0, self.lengths)

    def run(
        self, packed: native.recurrent.LSTMWeights, keep_cache: bool, n_threads: int
    ) -> LSTMOutput:
        return LSTMOutput(
            *native.recurrent.lstm_forward(packed, *self, keep_cache, n_threads)
        )


def _cast(array: Any, dtype: np.dtype[Any] | str, *, copy: bool = False) -> Any:
    return None if array is None else array.astype(dtype, copy=copy)


def _as_weights(weight_ih: Any, weight_hh: Any, bias: Any, where: str) -> _Weights:
    weight_ih = as_real_array(weight_ih, where, "weight_ih", ndim=2)
    weight_hh = as_real_array(weight_hh, where, "weight_hh", ndim=2)
    rows, hidden = weight_hh.shape
    if rows != 4 * hidden:
        fail(where, "weight_hh of shape (4H, H)", str(weight_hh.shape))
    columns = weight_ih.shape[1]
    check_shape(weight_ih, where, "weight_ih", (4 * hidden, columns), "(4H, D)")
    if bias is not None:
        bias = as_real_array(bias, where, "bias", ndim=1)
        check_shape(bias, where, "bias", (4 * hidden,), "(4H,)")
    return _Weights(weight_ih, weight_hh, bias)


def _as_inputs(
    x: Any, h0: Any, c0: Any, lengths: Any, where: str, weights: _Weights
) -> _Inputs:
    x = as_real_array(x, where, "x", ndim=3)
    batch, time, _ = x.shape
    hidden = weights.weight_hh.shape[1]
    check_shape(x, where, "x", (batch, time, weights.weight_ih.shape[1]), "(B, T, D)")
    return _Inputs(
        x,
        _as_state(h0, where, "h0", batch, hidden),
        _as_state(c0, where, "c0", batch, hidden),
        _as_lengths(lengths, where, batch, time),
    )


def _as_state(
    state: Any, where: str, name: str, batch: int, hidden: int
) -> RealArray | None:
    if state is None:
        return None
    array = as_real_array(state, where, name, ndim=2)
    check_shape(array, where, name, (batch, hidden), "(B, H)")
    return array


def _as_lengths(
    lengths: Any, where: str, batch: int, time: int
) -> NDArray[np.int64] | None:
    if lengths is None:
        return None
    array = as_index_array(lengths, where, "lengths")
    check_shape(array, where, "lengths", (batch,), "(B,)")
    wrong = (array < 0) | (array > time)
    if wrong.any():
        at = int(np.argmax(wrong))
        fail(where, f"lengths from 0 to T = {time}", f"{array[at]} at index {at}")
    return array
