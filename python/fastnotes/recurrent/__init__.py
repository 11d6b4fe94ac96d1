"""Recurrent networks: the LSTM, forward, backward and step by step; their losses."""

from __future__ import annotations

from fastnotes.recurrent.losses import (
    SequenceNLL,
    sequence_nll,
    softmax_jacobian,
    softmax_vjp,
)
from fastnotes.recurrent.lstm import lstm_backward, lstm_forward
from fastnotes.recurrent.results import LSTMCache, LSTMGradients, LSTMOutput
from fastnotes.recurrent.weights import LSTMWeights

__all__ = [
    "LSTMCache",
    "LSTMGradients",
    "LSTMOutput",
    "LSTMWeights",
    "SequenceNLL",
    "lstm_backward",
    "lstm_forward",
    "sequence_nll",
    "softmax_jacobian",
    "softmax_vjp",
]
