"""What the passes of recurrent networks return."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fastnotes._core import native
from fastnotes._validation import RealArray
from fastnotes.recurrent.layer_norm import LayerNorm

if TYPE_CHECKING:
    from fastnotes._core_native.recurrent import LSTMCache as LSTMCache
    from fastnotes._core_native.recurrent import RNNCache as RNNCache
    from fastnotes.recurrent._cuda import CudaLSTMCache
else:
    LSTMCache = native.recurrent.LSTMCache
    RNNCache = native.recurrent.RNNCache


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
        On the CPU ``cache.cells()`` is a new array (B, T, H) of c after every step, 0
        past a sequence's end.
    """

    h: RealArray
    h_last: RealArray
    c_last: RealArray
    cache: LSTMCache | CudaLSTMCache | None


class _LSTMGradients(NamedTuple):
    dx: RealArray
    dweight_ih: RealArray
    dweight_hh: RealArray
    dbias: RealArray
    dh0: RealArray
    dc0: RealArray


class LSTMGradients(_LSTMGradients):
    """Gradients of a scalar with respect to everything that entered the forward pass.

    A tuple of the six that there always are; those of optional parts are attributes
    beside it.

    Attributes
    ----------
    dx
        (B, T, D); 0 past a sequence's end.
    dweight_ih, dweight_hh, dbias
        (4H, D), (4H, H), (4H,), summed over the batch. ``dbias`` is there also where
        no bias was given.
    dh0, dc0
        (B, H).
    dpeephole, dweight_hr
        (3H,), (R, H), summed over the batch; None without the part. With a projection
        dweight_hh is (4H, R) and dh0 (B, R).
    dlayer_norm
        :class:`LayerNorm` of the gains' and the cell's bias', likewise.
    """

    dpeephole: RealArray | None = None
    dweight_hr: RealArray | None = None
    dlayer_norm: LayerNorm | None = None


class RNNOutput(NamedTuple):
    """Result of a forward pass.

    Attributes
    ----------
    h
        (B, T, H), the outputs; 0 past a sequence's end.
    h_last
        (B, H), the state after each sequence's last step; the initial state for a
        sequence of length 0.
    cache
        What :func:`rnn_backward` needs, or None with ``keep_cache=False``, as
        :class:`LSTMOutput` has it.
    """

    h: RealArray
    h_last: RealArray
    cache: RNNCache | None


class RNNGradients(NamedTuple):
    """Gradients of a scalar with respect to everything that entered the forward pass.

    Attributes
    ----------
    dx
        (B, T, D); 0 past a sequence's end.
    dweight_ih, dweight_hh, dbias
        (H, D), (H, H), (H,), summed over the batch. ``dbias`` is there also where no
        bias was given.
    dh0
        (B, H).
    """

    dx: RealArray
    dweight_ih: RealArray
    dweight_hh: RealArray
    dbias: RealArray
    dh0: RealArray
