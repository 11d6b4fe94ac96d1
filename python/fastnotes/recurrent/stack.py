"""What layers share: parameters, passes through them, and streams of single steps."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastnotes._core import native
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_dropout,
    as_float_dtype,
    as_integer,
    as_real_array,
    as_seed,
    check_shape,
    fail,
    fail_type,
)
from fastnotes.recurrent._arguments import as_lengths
from fastnotes.recurrent._bfloat16 import BFLOAT16, as_weight_dtype, refuse_training
from fastnotes.recurrent._shapes import PLAIN, Shapes, shapes_of
from fastnotes.recurrent.rnn import RNNWeights
from fastnotes.recurrent.weights import LSTMWeights

States = tuple[RealArray, ...]

#: Philox purposes: the first weights; with k added, dropout on what enters layer k.
WEIGHTS_PURPOSE, DROPOUT_PURPOSE = 0x72650000, 0x72650001


class _Trace(NamedTuple):
    """What a training pass leaves for the backward pass."""

    caches: list[list[Any]]  # of each layer, of each direction
    masks: list[RealArray | None]  # of what enters each layer
    shape: tuple[int, int]


class Stack(ABC):
    """What :class:`LSTM` and :class:`RNN` share.

    Attributes
    ----------
    parameters : dict of str to ndarray
        PyTorch's names with one bias: ``weight_ih_l0``, ``weight_hh_l0``, ``bias_l0``,
        ``weight_ih_l0_reverse`` and so on. They may be changed in place.
    gradients : dict of str to ndarray
        Of the last :meth:`backward`, under the same names.
    state_gradient : tuple of ndarray
        Of the initial state, from the last :meth:`backward`.
    states : dict of str to ndarray
        Those after every step, 0 past a sequence's end, of the last forward pass if it
        had ``keep_states``: ``h_l0`` (B, T, H), ``c_l0`` of an LSTM, ``h_l0_reverse``
        and so on.
    """

    _n_gates: ClassVar[int]
    _n_states: ClassVar[int]
    #: What a layer has of weights in one direction, by their names.
    _kinds: tuple[str, ...] = PLAIN

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        random_state: int = 0,
        dtype: DTypeLike = np.float32,
        n_threads: int | None = None,
    ) -> None:
        where = self._where()
        self.input_size = as_integer(input_size, where, "input_size", low=1)
        self.hidden_size = as_integer(hidden_size, where, "hidden_size", low=1)
        self.num_layers = as_integer(num_layers, where, "num_layers", low=1, high=1024)
        self.bidirectional = bool(bidirectional)
        self.dropout = as_dropout(dropout, where)
        self.random_state = as_seed(random_state, where)
        self.dtype = as_float_dtype(dtype, where)
        resolve_n_threads(n_threads, where)
        self.n_threads = n_threads
        self.parameters: dict[str, RealArray] = {}
        self.gradients: dict[str, RealArray] = {}
        self.state_gradient: States = ()
        self.states: dict[str, RealArray] = {}
        self._n_drawn = 0
        self._n_sequences = 0
        self._trace: _Trace | None = None
        self._start_weights()

    # ------------------------------------------------------------ what a cell decides

    @abstractmethod
    def _forward_one(
        self, x: RealArray, weights: States, state: States, **options: Any
    ) -> tuple[RealArray, States, Any]:
        """One layer in one direction: h, the last state, the cache."""

    @abstractmethod
    def _backward_one(
        self, dh: RealArray, cache: Any, dstate: States, n_threads: int
    ) -> tuple[RealArray, States, States]:
        """Return dx, the gradients of the weights, those of the initial state."""

    def _draw(
        self, k: int, batch: int, time: int, lengths: NDArray[np.int64] | None
    ) -> dict[str, RealArray]:
        """What direction k of all layers draws at random for a training pass."""
        return {}

    @abstractmethod
    def _packed(self, weights: States, dtype: str | None) -> LSTMWeights | RNNWeights:
        """Pack the weights of one layer for inference."""

    def draw_as_after(self, n_steps: int, n_sequences: int) -> None:
        """Draw dropout and zoneout as after training passes over so much.

        Parameters
        ----------
        n_steps, n_sequences
            Steps of all sequences, without padding, and sequences.
        """
        self._n_drawn = n_steps * self.n_directions * self.output_size
        self._n_sequences = n_sequences

    # ------------------------------------------------------------ parameters

    @property
    def n_directions(self) -> int:
        """2 for a bidirectional network."""
        return 2 if self.bidirectional else 1

    @property
    def output_size(self) -> int:
        """Columns of h that one direction gives."""
        return self.hidden_size

    def _where(self, method: str = "") -> str:
        return f"recurrent.{type(self).__name__}{method}"

    def _names(self, layer: int, direction: int) -> tuple[str, ...]:
        return tuple(kind + _suffix(layer, direction) for kind in self._kinds)

    def _weights(self, layer: int, direction: int) -> States:
        names = self._names(layer, direction)
        return tuple(self.parameters[name] for name in names)

    def _each_direction(self) -> list[tuple[int, int]]:
        return [
            (layer, direction)
            for layer in range(self.num_layers)
            for direction in range(self.n_directions)
        ]

    def _shapes(self, layer: int) -> Shapes:
        """Of the weights of a layer in one direction, by kind."""
        below = self.n_directions * self.output_size if layer else self.input_size
        sizes = self.hidden_size, self.output_size
        return shapes_of(self._kinds, self._n_gates, below, *sizes)

    def _start_weights(self) -> None:
        """Uniform in +-1/sqrt(H), as PyTorch starts them; biases 0, gains 1."""
        drawn, bound = 0, self.hidden_size**-0.5
        for layer, direction in self._each_direction():
            names, shapes = self._names(layer, direction), self._shapes(layer)
            for name, (kind, shape) in zip(names, shapes.items(), strict=True):
                if kind.startswith(("bias", "gain")):
                    start = float(kind.startswith("gain"))
                    self.parameters[name] = np.full(shape, start, self.dtype)
                    continue
                values = np.empty(math.prod(shape), self.dtype)
                native.runtime.fill_uniform(
                    self.random_state, WEIGHTS_PURPOSE, drawn, values
                )
                drawn += values.size
                scaled = bound * (2 * values - 1)
                self.parameters[name] = scaled.astype(self.dtype).reshape(shape)

    # ------------------------------------------------------------ passes

    def _run(
        self,
        x: ArrayLike,
        state: Any,
        lengths: ArrayLike | None,
        training: bool,
        keep_states: bool,
        dtype: str | None,
    ) -> tuple[RealArray, States]:
        where = self._where(".forward")
        kept = self._as_weight_dtype(dtype, where)
        refuse_training(kept, training, where, "training")
        refuse_training(kept, keep_states, where, "keep_states")
        below = as_real_array(x, where, "x", ndim=3)
        batch, time, _ = below.shape
        check_shape(below, where, "x", (batch, time, self.input_size), "(B, T, D)")
        ends = as_lengths(lengths, where, batch, time)
        states = self._as_states(state, where, "state", batch)
        options = {
            "lengths": ends,
            "keep_cache": training or keep_states,
            "n_threads": resolve_n_threads(self.n_threads, where),
        }
        run = self._forward_one if kept is None else self._forward_rounded
        below = below.astype(self.dtype, copy=False)
        trace = _Trace([], [], (batch, time))
        last: list[States] = []
        seen: dict[str, RealArray] = {}
        for layer in range(self.num_layers):
            mask = self._mask(layer, below.shape, ends) if training else None
            if mask is not None:
                below = below * mask
            outputs, caches = [], []
            for direction in range(self.n_directions):
                k = layer * self.n_directions + direction
                drawn = self._draw(k, batch, time, ends) if training else {}
                h, end, cache = run(
                    below,
                    self._weights(layer, direction),
                    tuple(s[k] for s in states),
                    reverse=direction == 1,
                    **options,
                    **drawn,
                )
                outputs.append(h)
                last.append(end)
                caches.append(cache)
                if keep_states:
                    suffix = _suffix(layer, direction)
                    seen["h" + suffix] = h
                    if self._n_states > 1:
                        seen["c" + suffix] = cache.cells()
            below = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=2)
            trace.caches.append(caches)
            trace.masks.append(mask)
        self._trace = trace if training else None
        self.states = seen
        self._n_sequences += batch if training else 0
        return below, tuple(np.stack(each) for each in zip(*last, strict=True))

    def _forward_rounded(
        self, x: RealArray, weights: States, state: States, **options: Any
    ) -> tuple[RealArray, States, Any]:
        """:meth:`_forward_one` with weights in bfloat16."""
        h, *end, cache = self._packed(weights, BFLOAT16).forward(x, *state, **options)
        return h, tuple(end), cache

    def _as_weight_dtype(self, dtype: Any, where: str) -> str | None:
        kept = as_weight_dtype(dtype, where)
        if kept is not None and self.dtype != np.float32:
            fail(where, f"layers of float32 for {kept}", str(self.dtype))
        return kept

    def _mask(
        self, layer: int, shape: tuple[int, ...], lengths: NDArray[np.int64] | None
    ) -> RealArray | None:
        """Dropout on what enters a layer above the first: the same with any padding."""
        if layer == 0 or self.dropout == 0:
            return None
        batch, time, width = shape
        ends = np.full(batch, time) if lengths is None else lengths
        valid = np.arange(time) < ends[:, None]
        uniform = np.empty(int(ends.sum()) * width, self.dtype)
        purpose = DROPOUT_PURPOSE + layer
        native.runtime.fill_uniform(self.random_state, purpose, self._n_drawn, uniform)
        if layer == self.num_layers - 1:
            self._n_drawn += uniform.size
        mask = np.zeros(shape, self.dtype)
        kept = uniform.reshape(-1, width) >= self.dropout
        mask[valid] = kept * (1 / (1 - self.dropout))
        return mask

    def _as_states(self, state: Any, where: str, name: str, batch: int) -> States:
        sizes = (self.output_size, self.hidden_size)[: self._n_states]
        shapes = [(self.num_layers * self.n_directions, batch, n) for n in sizes]
        if state is None:
            return tuple(np.zeros(shape, self.dtype) for shape in shapes)
        given = (state,) if self._n_states == 1 else state
        if not isinstance(given, tuple) or len(given) != self._n_states:
            fail_type(where, f"{name} as a tuple (h, c)", type(state).__name__)
        arrays = []
        for array, shape in zip(given, shapes, strict=True):
            values = as_real_array(array, where, name, ndim=3)
            check_shape(values, where, name, shape, "(layers * directions, B, H)")
            arrays.append(values.astype(self.dtype, copy=False))
        return tuple(arrays)

    def backward(self, dh: ArrayLike, dstate: Any = None) -> RealArray:
        """Backpropagate through the last ``forward(..., training=True)``.

        Parameters
        ----------
        dh
            (B, T, directions * H), the gradient with respect to ``h``.
        dstate
            That with respect to the last state, shaped like it; None for zeros.

        Returns
        -------
        RealArray
            (B, T, D), dx. ``gradients`` and ``state_gradient`` are set.

        Raises
        ------
        RuntimeError
            Without a training pass before it; each is backpropagated once.
        TypeError, ValueError
            For arrays that do not fit; the training pass is kept then.
        """
        where = self._where(".backward")
        trace = self._trace
        if trace is None:
            raise RuntimeError(
                f"[{where}] expected forward(..., training=True) before it, got none"
            )
        batch, time = trace.shape
        width = self.n_directions * self.output_size
        above = as_real_array(dh, where, "dh", ndim=3)
        check_shape(above, where, "dh", (batch, time, width), "(B, T, directions * H)")
        dstates = self._as_states(dstate, where, "dstate", batch)
        threads = resolve_n_threads(self.n_threads, where)
        above = above.astype(self.dtype, copy=False)
        gradients: dict[str, RealArray] = {}
        first = [np.empty_like(d) for d in dstates]
        for layer in reversed(range(self.num_layers)):
            below: RealArray | None = None
            parts = np.split(above, self.n_directions, axis=2)
            for direction, cache in enumerate(trace.caches[layer]):
                k = layer * self.n_directions + direction
                dx, dweights, dfirst = self._backward_one(
                    parts[direction], cache, tuple(d[k] for d in dstates), threads
                )
                below = dx if below is None else below + dx
                names = self._names(layer, direction)
                gradients.update(zip(names, dweights, strict=True))
                for to, value in zip(first, dfirst, strict=True):
                    to[k] = value
            mask = trace.masks[layer]
            above = below if mask is None else below * mask  # type: ignore[assignment, operator]
        self.gradients = {name: gradients[name] for name in self.parameters}
        self.state_gradient = tuple(first)
        self._trace = None
        return above

    # ------------------------------------------------------------ one step at a time

    def step(
        self, x: ArrayLike, state: Any = None, *, dtype: str | None = None
    ) -> tuple[RealArray, Stream]:
        """Advance B streams by one step, on the calling thread.

        Parameters
        ----------
        x
            (B, D), the inputs of the step.
        state
            None for zeros, the state that :meth:`forward` returned, or the
            :class:`Stream` of the step before, which is advanced in place.
        dtype
            None, or ``"bfloat16"``: a stream that begins rounds its weights to it, as
            in :class:`LSTMWeights`. One that goes on must have begun so.

        Returns
        -------
        h, stream
            (B, H), the outputs, which the step after the next overwrites; and the
            stream. With a stream given, nothing is allocated.

        Raises
        ------
        ValueError
            For a bidirectional network, which must see the end first, and a ``dtype``
            that is not the stream's.

        Notes
        -----
        A stream goes on with the weights that it began with, packed once. The same
        bytes as :meth:`forward` gives.
        """
        where = self._where(".step")
        if self.bidirectional:
            fail(where, "one direction", "a bidirectional network")
        kept = self._as_weight_dtype(dtype, where)
        if not isinstance(state, Stream):
            rows = as_real_array(x, where, "x", ndim=2).shape[0]
            states = self._as_states(state, where, "state", rows)
            packed = [
                self._packed(self._weights(layer, 0), kept)
                for layer in range(self.num_layers)
            ]
            state = Stream(packed, states)
        elif kept is not None and kept != state.weight_dtype:
            fail(where, f"a stream that began in {kept}", state.weight_dtype)
        return state.step(x), state


def _suffix(layer: int, direction: int) -> str:
    """As PyTorch names them."""
    return f"_l{layer}" + ("_reverse" if direction else "")


class Stream:
    """Running states of a network, and its weights as they were when it began.

    :meth:`LSTM.step` and :meth:`RNN.step` begin one; either goes on with it.
    """

    def __init__(self, weights: list[Any], states: States) -> None:
        self._weights = weights
        #: How the weights are kept: ``"bfloat16"``, or in the dtype of the states.
        self.weight_dtype: str = weights[0].weight_dtype
        #: For each layer the state now, and the arrays that take the next one.
        self._now = [tuple(np.array(s[k]) for s in states) for k in range(len(weights))]
        self._next = [tuple(np.empty_like(s) for s in now) for now in self._now]

    def step(self, x: ArrayLike) -> RealArray:
        """Advance by one step; see :meth:`LSTM.step`."""
        h: Any = x
        for k, weights in enumerate(self._weights):
            now, following = self._now[k], self._next[k]
            if isinstance(weights, LSTMWeights):
                weights.step(h, *now, out=following)  # type: ignore[arg-type]
            else:
                weights.step(h, *now, out=following[0])
            self._now[k], self._next[k] = following, now
            h = following[0]
        return h  # type: ignore[no-any-return]

    @property
    def state(self) -> Any:
        """Copies of the states, shaped as ``forward`` returns them."""
        states = tuple(np.stack(each) for each in zip(*self._now, strict=True))
        return states if len(states) > 1 else states[0]
