"""Recurrent networks: the LSTM, forward, backward and step by step."""

from __future__ import annotations

from fastnotes.recurrent.lstm import lstm_backward, lstm_forward
from fastnotes.recurrent.results import LSTMCache, LSTMGradients, LSTMOutput
from fastnotes.recurrent.weights import LSTMWeights

__all__ = [
    "LSTMCache",
    "LSTMGradients",
    "LSTMOutput",
    "LSTMWeights",
    "lstm_backward",
    "lstm_forward",
]
