"""The vanilla recurrent network over whole sequences, and step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._memory import memory_of
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_real_array,
    check_choice,
    check_shape,
    fail_type,
)
from fastnotes.recurrent._arguments import (
    Inputs,
    Weights,
    as_inputs,
    as_state,
    as_step_input,
    as_weights,
    call_wants_cuda,
    cast,
)
from fastnotes.recurrent._bfloat16 import as_weight_dtype, refuse_training
from fastnotes.recurrent.results import RNNCache, RNNGradients, RNNOutput

NONLINEARITIES = ("tanh", "relu")


def rnn_forward(
    x: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    nonlinearity: str = "tanh",
    lengths: ArrayLike | None = None,
    reverse: bool = False,
    keep_cache: bool = True,
    n_threads: int | None = None,
) -> RNNOutput:
    """Run a vanilla recurrent network over a batch of sequences.

    ::

        h_t = f(weight_ih x_t + weight_hh h_(t-1) + bias)

    Parameters
    ----------
    x
        (B, T, D), the inputs. Steps at and past a sequence's length are never read.
    weight_ih, weight_hh
        (H, D) on the input, (H, H) on the previous output; U and W in the notes.
    bias
        (H,), or None for zeros. PyTorch's two biases count as their sum.
    h0
        (B, H), the initial state, or None for zeros.
    nonlinearity
        f: ``"tanh"`` or ``"relu"``.
    lengths
        (B,) integers from 0 to T, in any order; None: every sequence runs for T steps.
    reverse
        Run every sequence from its own end to its beginning, as in
        :func:`lstm_forward`.
    keep_cache
        Keep what :func:`rnn_backward` needs (about H + D numbers per step).
    n_threads
        Threads to use; None: see the threads page. Small batches use fewer.

    Returns
    -------
    RNNOutput
        ``(h, h_last, cache)``, in float32 if every array given is float32, else in
        float64. The same bytes for any number of threads, any batch around a sequence,
        any padding behind it.

    Raises
    ------
    TypeError
        For arrays that are not real, lengths that are not integers, CUDA arrays.
    ValueError
        For shapes that do not agree, lengths outside 0..T, an unknown nonlinearity.

    Notes
    -----
    NaN and infinity are not refused: they run on through their own sequence. All of B,
    T, D and H may be 0.

    References
    ----------
    Elman (1990), "Finding structure in time"; Goodfellow, Bengio and Courville (2016),
    "Deep Learning", section 10.2.
    """
    where = "recurrent.rnn_forward"
    given: dict[str, Any] = {"x": x, "weight_ih": weight_ih, "weight_hh": weight_hh}
    given |= {"bias": bias, "h0": h0}
    _refuse_cuda(where, lengths, given)
    threads = resolve_n_threads(n_threads, where)
    weights = as_weights(weight_ih, weight_hh, bias, where, n_gates=1)
    check_choice(nonlinearity, where, "nonlinearity", NONLINEARITIES)
    inputs = as_inputs(x, h0, None, lengths, where, weights)
    arrays = (*weights, inputs.x, inputs.h0)
    dtype = np.result_type(*(a for a in arrays if a is not None))
    packed = _pack(weights.cast(dtype), nonlinearity, None, keep_cache, threads)
    return _run(inputs.cast(dtype), packed, reverse, keep_cache, threads, where)


def rnn_backward(
    dh: ArrayLike,
    cache: RNNCache | None,
    *,
    dh_last: ArrayLike | None = None,
    n_threads: int | None = None,
) -> RNNGradients:
    """Backpropagate through time.

    Parameters
    ----------
    dh
        (B, T, H), the gradient with respect to ``h``; not read past a sequence's end.
    cache
        From a forward pass with ``keep_cache=True`` (None, which one without it gives,
        is refused). It is only read.
    dh_last
        (B, H), the gradient with respect to ``h_last``, added to what ``dh`` brings;
        None for zeros.
    n_threads
        Threads to use; None: see the threads page.

    Returns
    -------
    RNNGradients
        ``(dx, dweight_ih, dweight_hh, dbias, dh0)`` in the dtype of the forward pass,
        to which the arguments are converted.

    Raises
    ------
    TypeError
        If ``cache`` is not an RNN's cache, or an array is not real.
    ValueError
        For shapes that do not agree with the forward pass.

    Notes
    -----
    The slope of relu at 0 is 0. ``dx`` and ``dh0`` of a sequence do not depend on the
    rest of the batch; the weights' gradients are sums over it in a fixed order, as in
    :func:`lstm_backward`.
    """
    where = "recurrent.rnn_backward"
    _refuse_cuda(where, None, {"dh": dh, "dh_last": dh_last})
    threads = resolve_n_threads(n_threads, where)
    if not isinstance(cache, RNNCache):
        fail_type(where, "cache from rnn_forward", type(cache).__name__)
    batch, time, _, hidden = cache.sizes
    d_outputs = as_real_array(dh, where, "dh", ndim=3)
    check_shape(d_outputs, where, "dh", (batch, time, hidden), "(B, T, H)")
    d_last = as_state(dh_last, where, "dh_last", batch, hidden)
    d_h, d_h_last = (cast(a, cache.dtype) for a in (d_outputs, d_last))
    with memory_of(where):
        return RNNGradients(
            *native.recurrent.rnn_backward(cache, d_h, d_h_last, threads)
        )


class RNNWeights:
    """Weights of a vanilla recurrent network, packed once for many calls.

    Parameters
    ----------
    weight_ih, weight_hh, bias
        (H, D), (H, H) and (H,) or None, as in :func:`rnn_forward`. They are copied.
    nonlinearity
        ``"tanh"`` or ``"relu"``.
    dtype
        None, or ``"bfloat16"``: both matrices are kept rounded to it, for inference
        alone, as in :class:`LSTMWeights`.

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
    Immutable, so threads may share one.
    """

    def __init__(
        self,
        weight_ih: ArrayLike,
        weight_hh: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        nonlinearity: str = "tanh",
        dtype: str | None = None,
    ) -> None:
        where = "recurrent.RNNWeights"
        given = {"weight_ih": weight_ih, "weight_hh": weight_hh, "bias": bias}
        _refuse_cuda(where, None, given)
        weights = as_weights(weight_ih, weight_hh, bias, where, n_gates=1)
        check_choice(nonlinearity, where, "nonlinearity", NONLINEARITIES)
        self.nonlinearity = nonlinearity
        self.hidden_size: int = weights.weight_hh.shape[1]
        self.input_size: int = weights.weight_ih.shape[1]
        self._kept = as_weight_dtype(dtype, where)
        self.dtype = weights.dtype(self._kept)
        self.weight_dtype = self._kept or self.dtype.name
        self._weights = weights.cast(self.dtype, copy=True)
        self._inference = _pack(self._weights, nonlinearity, self._kept, False, 1)
        if self._kept is not None:
            self._weights = self._weights.rounded()
        #: As wide as h, of the dtype of calls.
        self._like = np.empty((0, self.hidden_size), self.dtype)
        self._training: native.recurrent.RNNWeights | None = None

    def forward(
        self,
        x: ArrayLike,
        h0: ArrayLike | None = None,
        *,
        lengths: ArrayLike | None = None,
        reverse: bool = False,
        keep_cache: bool = False,
        n_threads: int | None = None,
    ) -> RNNOutput:
        """Run over a batch of sequences: :func:`rnn_forward` without the packing."""
        where = "recurrent.RNNWeights.forward"
        _refuse_cuda(where, lengths, {"x": x, "h0": h0})
        refuse_training(self._kept, keep_cache, where, "keep_cache")
        threads = resolve_n_threads(n_threads, where)
        inputs = as_inputs(x, h0, None, lengths, where, self._weights)
        packed = self._inference
        if keep_cache:
            if self._training is None:
                self._training = _pack(
                    self._weights, self.nonlinearity, None, True, threads
                )
            packed = self._training
        cast_inputs = inputs.cast(self.dtype)
        return _run(cast_inputs, packed, reverse, keep_cache, threads, where)

    def step(
        self, x: ArrayLike, h: ArrayLike, *, out: NDArray[Any] | None = None
    ) -> RealArray:
        """Advance B streams by one step, on the calling thread.

        Parameters
        ----------
        x
            (B, D), the inputs of the step.
        h
            (B, H), the states before it.
        out
            (B, H), of this object's dtype, receives the new states, apart from the
            inputs; None makes a new array. With ``out`` nothing is allocated.

        Returns
        -------
        RealArray
            The states after the step: the same bytes as :meth:`forward` gives.
        """
        where = "recurrent.RNNWeights.step"
        like = self._like
        x_t = as_step_input(x, where, "x", self.input_size, None, like)
        h_t = as_step_input(h, where, "h", self.hidden_size, x_t.shape[0], like)
        new = np.empty_like(h_t) if out is None else out
        native.recurrent.rnn_step(self._inference, x_t, h_t, new)
        return new

    @property
    def nbytes(self) -> int:
        """Bytes of the weights here: copies of those given, and packed matrices."""
        return self._weights.nbytes + self._inference.nbytes

    def __repr__(self) -> str:
        return (
            f"RNNWeights(input_size={self.input_size}, "
            f"hidden_size={self.hidden_size}, nonlinearity={self.nonlinearity!r}, "
            f"dtype={self.weight_dtype})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle_weights, (*self._weights[:3], self.nonlinearity, self._kept)


def _unpickle_weights(
    weight_ih: RealArray,
    weight_hh: RealArray,
    bias: RealArray | None,
    nonlinearity: str,
    dtype: str | None = None,
) -> RNNWeights:
    given = Weights(weight_ih, weight_hh, bias)
    if dtype is not None:
        given = given.widened()
    return RNNWeights(*given[:3], nonlinearity=nonlinearity, dtype=dtype)


def _pack(
    weights: Weights,
    nonlinearity: str,
    dtype: str | None,
    backward: bool,
    n_threads: int,
) -> native.recurrent.RNNWeights:
    return native.recurrent.pack_rnn_weights(
        *weights[:3], nonlinearity == "tanh", dtype is not None, backward, n_threads
    )


def _run(
    inputs: Inputs,
    packed: native.recurrent.RNNWeights,
    reverse: bool,
    keep_cache: bool,
    n_threads: int,
    where: str,
) -> RNNOutput:
    x, h0, _, lengths = inputs[:4]
    with memory_of(where):
        return RNNOutput(
            *native.recurrent.rnn_forward(
                packed, x, h0, lengths, bool(reverse), keep_cache, n_threads
            )
        )


def _refuse_cuda(where: str, lengths: Any, given: dict[str, Any]) -> None:
    """There is no twin on CUDA."""
    if call_wants_cuda(where, None, lengths, given):
        fail_type(where, "arrays on the CPU", "CUDA arrays")
