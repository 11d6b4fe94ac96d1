"""Recurrent networks: the LSTM, forward, backward and step by step."""

from __future__ import annotations

from fastnotes.recurrent.lstm import (
    LSTMCache,
    LSTMGradients,
    LSTMOutput,
    LSTMWeights,
    lstm_backward,
    lstm_forward,
)

__all__ = [
    "LSTMCache",
    "LSTMGradients",
    "LSTMOutput",
    "LSTMWeights",
    "lstm_backward",
    "lstm_forward",
]
