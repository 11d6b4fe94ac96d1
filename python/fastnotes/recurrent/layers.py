"""Layers with parameters: stacks of LSTMs or vanilla networks, one way or both."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastnotes._core import native
from fastnotes._validation import (
    RealArray,
    as_integer,
    as_real,
    check_choice,
    fail,
)
from fastnotes.recurrent._arguments import CANDIDATES
from fastnotes.recurrent._shapes import kinds_of
from fastnotes.recurrent.exchange import read_parameters, settings_of, write_module
from fastnotes.recurrent.layer_norm import LayerNorm
from fastnotes.recurrent.lstm import lstm_backward, lstm_forward
from fastnotes.recurrent.rnn import (
    NONLINEARITIES,
    RNNWeights,
    rnn_backward,
    rnn_forward,
)
from fastnotes.recurrent.stack import Stack, States
from fastnotes.recurrent.weights import LSTMWeights

#: Philox purposes: 2 k and 2 k + 1 added, zoneout on h and c of direction k of all.
ZONEOUT_PURPOSE = 0x72660000
#: Random numbers set apart for one sequence: more than it has steps and units.
SEQUENCE_STRIDE = 2**36


class LSTM(Stack):
    """Layers of LSTMs.

    Parameters
    ----------
    input_size, hidden_size
        D and H.
    num_layers
        Layers, each on the outputs of the one below.
    bidirectional
        A second set of weights runs from every sequence's own end; outputs of both lie
        side by side.
    dropout
        Part of the outputs between layers that is set to 0 in training, the rest
        scaled up.
    candidate
        ``"tanh"`` or ``"sigmoid"``, as in :func:`lstm_forward`.
    peephole
        Gates see the cell, as in :func:`lstm_forward`.
    proj_size
        R, below H: outputs are projected to R columns, as in :func:`lstm_forward`; 0:
        they are not.
    zoneout
        Probability that a unit of the state stays as it was, at every step of training
        anew, or two, of h and of c. Otherwise that part of it stays, its expectation.
    layer_norm
        Sums and cells are normalised, as in :func:`lstm_forward`, with the parameters
        of a :class:`LayerNorm`: gains that start at 1, and a bias at 0.
    forget_bias
        Start of the forget gate's bias.
    random_state
        Seed of the first weights and of dropout.
    dtype
        float32 or float64; inputs are converted to it.
    n_threads
        Threads; None: see the threads page. The same bytes for any count.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.recurrent import LSTM
    >>> layers = LSTM(3, 8, num_layers=2, bidirectional=True)
    >>> h, (h_last, c_last) = layers.forward(np.ones((4, 10, 3)), training=True)
    >>> h.shape, h_last.shape
    ((4, 10, 16), (4, 4, 8))
    >>> layers.backward(np.ones_like(h)).shape
    (4, 10, 3)
    >>> layers.gradients["weight_hh_l1_reverse"].shape
    (32, 8)
    """

    _n_gates = 4
    _n_states = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        candidate: str = "tanh",
        proj_size: int = 0,
        peephole: bool = False,
        zoneout: float | tuple[float, float] = 0.0,
        layer_norm: bool = False,
        forget_bias: float = 1.0,
        random_state: int = 0,
        dtype: DTypeLike = np.float32,
        n_threads: int | None = None,
    ) -> None:
        where = self._where()
        self.candidate = check_choice(candidate, where, "candidate", CANDIDATES)
        self.forget_bias = as_real(forget_bias, where, "forget_bias")
        self.peephole = bool(peephole)
        self.zoneout = as_zoneout_rates(zoneout, where)
        self.proj_size = as_integer(proj_size, where, "proj_size", low=0)
        self.layer_norm = bool(layer_norm)
        self._kinds = kinds_of(self.peephole, self.proj_size, self.layer_norm)
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            random_state=random_state,
            dtype=dtype,
            n_threads=n_threads,
        )
        if self.proj_size >= self.hidden_size:
            got = f"{self.proj_size} and {self.hidden_size}"
            fail(where, "proj_size below hidden_size", got)
        for layer, direction in self._each_direction():
            bias = self._weights(layer, direction)[2]
            bias[self.hidden_size : 2 * self.hidden_size] = self.forget_bias

    def forward(
        self,
        x: ArrayLike,
        state: tuple[ArrayLike, ArrayLike] | None = None,
        *,
        lengths: ArrayLike | None = None,
        training: bool = False,
        keep_states: bool = False,
        dtype: str | None = None,
    ) -> tuple[RealArray, tuple[RealArray, RealArray]]:
        """Run over a batch of sequences.

        Parameters
        ----------
        x
            (B, T, D). Steps at and past a sequence's length are never read.
        state
            ``(h, c)``, each (layers * directions, B, H); None for zeros.
        lengths
            (B,) integers from 0 to T, in any order; None: T everywhere.
        training
            Apply dropout, and keep what :meth:`backward` needs.
        keep_states
            Leave h and c of every layer and direction after every step in ``states``.
        dtype
            None, or ``"bfloat16"``: run with weights rounded to it, as
            :class:`LSTMWeights` has them, not in training. They are rounded in every
            call: a stream of steps does it once.

        Returns
        -------
        h
            (B, T, directions * H), 0 past a sequence's end.
        state
            ``(h, c)`` after each sequence's last step, as PyTorch lays them out.

        With ``proj_size`` h, not c, has as many columns where H is said here.
        """
        h, (h_last, c_last) = self._run(x, state, lengths, training, keep_states, dtype)
        return h, (h_last, c_last)

    def _forward_one(
        self, x: RealArray, weights: States, state: States, **options: Any
    ) -> tuple[RealArray, States, Any]:
        (weight_ih, weight_hh, bias), (h0, c0) = weights[:3], state
        options = self._parts(weights) | options
        out = lstm_forward(x, weight_ih, weight_hh, bias, h0, c0, **options)
        return out.h, (out.h_last, out.c_last), out.cache

    def _backward_one(
        self, dh: RealArray, cache: Any, dstate: States, n_threads: int
    ) -> tuple[RealArray, States, States]:
        gradients = lstm_backward(
            dh, cache, dh_last=dstate[0], dc_last=dstate[1], n_threads=n_threads
        )
        norm = LayerNorm._fields
        own = (kind for kind in self._kinds if kind not in norm)
        weights = tuple(getattr(gradients, "d" + kind) for kind in own)
        weights += gradients.dlayer_norm or ()
        return gradients.dx, weights, (gradients.dh0, gradients.dc0)

    @property
    def output_size(self) -> int:
        """Columns of h that one direction gives."""
        return self.proj_size or self.hidden_size

    def _parts(self, weights: States) -> dict[str, Any]:
        """What one layer passes on beside its two weights and its bias."""
        optional: dict[str, Any] = dict(zip(self._kinds[3:], weights[3:], strict=True))
        if self.layer_norm:
            parts = (optional.pop(name) for name in LayerNorm._fields)
            optional["layer_norm"] = LayerNorm(*parts)
        rates = {"zoneout_h": self.zoneout[0], "zoneout_c": self.zoneout[1]}
        return {"candidate": self.candidate, **rates, **optional}

    def _draw(
        self, k: int, batch: int, time: int, lengths: NDArray[np.int64] | None
    ) -> dict[str, RealArray]:
        """What stays: by sequence, step and unit, whatever is drawn beside it."""
        drawn: dict[str, RealArray] = {}
        ends = np.full(batch, time) if lengths is None else lengths
        for state, rate in enumerate(self.zoneout):
            if rate == 0:
                continue
            purpose = ZONEOUT_PURPOSE + self._n_states * k + state
            width = (self.output_size, self.hidden_size)[state]
            uniform = np.ones((batch, time, width), self.dtype)
            for b, end in enumerate(ends):
                first = (self._n_sequences + b) * SEQUENCE_STRIDE
                steps = uniform[b, :end].reshape(-1)
                native.runtime.fill_uniform(self.random_state, purpose, first, steps)
            drawn["zoneout_" + "hc"[state]] = (uniform < rate).astype(self.dtype)
        return drawn

    @classmethod
    def from_torch(cls, module: Any) -> LSTM:
        """Return the layers of a ``torch.nn.LSTM``: its weights are copied.

        Its two biases are added, which is all that they do. ``batch_first`` is how
        calls here are laid out, whatever it was.
        """
        where = "recurrent.LSTM.from_torch"
        network = cls(**settings_of(module, "LSTM", where))
        read_parameters(module, network, where)
        return network

    def to_torch(self) -> Any:
        """Return a ``torch.nn.LSTM`` with ``batch_first`` and the same weights.

        Raises
        ------
        ValueError
            With what torch has not: the sigmoid candidate, peepholes, zoneout, layer
            normalisation.
        """
        where = "recurrent.LSTM.to_torch"
        if self.candidate != "tanh":
            fail(where, "candidate 'tanh'", repr(self.candidate))
        if self.peephole:
            fail(where, "peephole=False", "True")
        if self.layer_norm:
            fail(where, "layer_norm=False", "True")
        if any(self.zoneout):
            fail(where, "zoneout 0", str(self.zoneout))
        return write_module(self, proj_size=self.proj_size)

    def _packed(self, weights: States, dtype: str | None) -> LSTMWeights:
        return LSTMWeights(*weights[:3], dtype=dtype, **self._parts(weights))


def as_zoneout_rates(zoneout: Any, where: str) -> tuple[float, float]:
    """Return the rates of h and c."""
    both: Any = zoneout if isinstance(zoneout, tuple) else (zoneout, zoneout)
    if len(both) != 2:
        fail(where, "zoneout as a number, or two", f"{len(both)} of them")
    h, c = (as_real(each, where, "zoneout", low=0.0, high=1.0) for each in both)
    return h, c


class RNN(Stack):
    """Layers of vanilla recurrent networks.

    Parameters
    ----------
    nonlinearity
        ``"tanh"`` or ``"relu"``, as in :func:`rnn_forward`.
    others
        As for :class:`LSTM`.
    """

    _n_gates = 1
    _n_states = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: str = "tanh",
        bidirectional: bool = False,
        dropout: float = 0.0,
        random_state: int = 0,
        dtype: DTypeLike = np.float32,
        n_threads: int | None = None,
    ) -> None:
        self.nonlinearity = check_choice(
            nonlinearity, self._where(), "nonlinearity", NONLINEARITIES
        )
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            random_state=random_state,
            dtype=dtype,
            n_threads=n_threads,
        )

    def forward(
        self,
        x: ArrayLike,
        state: ArrayLike | None = None,
        *,
        lengths: ArrayLike | None = None,
        training: bool = False,
        keep_states: bool = False,
        dtype: str | None = None,
    ) -> tuple[RealArray, RealArray]:
        """Run over a batch of sequences, as :meth:`LSTM.forward` with one state."""
        h, (h_last,) = self._run(x, state, lengths, training, keep_states, dtype)
        return h, h_last

    def _forward_one(
        self, x: RealArray, weights: States, state: States, **options: Any
    ) -> tuple[RealArray, States, Any]:
        out = rnn_forward(
            x, *weights, *state, nonlinearity=self.nonlinearity, **options
        )
        return out.h, (out.h_last,), out.cache

    def _backward_one(
        self, dh: RealArray, cache: Any, dstate: States, n_threads: int
    ) -> tuple[RealArray, States, States]:
        dx, *weights, dh0 = rnn_backward(
            dh, cache, dh_last=dstate[0], n_threads=n_threads
        )
        return dx, tuple(weights), (dh0,)

    @classmethod
    def from_torch(cls, module: Any) -> RNN:
        """Return the layers of a ``torch.nn.RNN``, as :meth:`LSTM.from_torch`."""
        where = "recurrent.RNN.from_torch"
        settings = settings_of(module, "RNN", where)
        network = cls(**settings, nonlinearity=module.nonlinearity)
        read_parameters(module, network, where)
        return network

    def to_torch(self) -> Any:
        """Return a ``torch.nn.RNN`` with ``batch_first`` and the same weights."""
        return write_module(self, nonlinearity=self.nonlinearity)

    def _packed(self, weights: States, dtype: str | None) -> RNNWeights:
        return RNNWeights(*weights, nonlinearity=self.nonlinearity, dtype=dtype)
