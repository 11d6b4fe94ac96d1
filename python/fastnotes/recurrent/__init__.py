"""Recurrent networks: the LSTM and the vanilla one, forward, backward, step by step."""

from __future__ import annotations

from fastnotes.recurrent.estimators import SequenceClassifier, SequenceRegressor
from fastnotes.recurrent.language_model import LanguageModel
from fastnotes.recurrent.layer_norm import LayerNorm
from fastnotes.recurrent.layers import LSTM, RNN
from fastnotes.recurrent.losses import (
    SequenceNLL,
    sequence_nll,
    softmax_jacobian,
    softmax_vjp,
)
from fastnotes.recurrent.lstm import lstm_backward, lstm_forward
from fastnotes.recurrent.plots import plot_history
from fastnotes.recurrent.results import (
    LSTMCache,
    LSTMGradients,
    LSTMOutput,
    RNNCache,
    RNNGradients,
    RNNOutput,
)
from fastnotes.recurrent.rnn import RNNWeights, rnn_backward, rnn_forward
from fastnotes.recurrent.stack import Stream
from fastnotes.recurrent.weights import LSTMWeights

__all__ = [
    "LSTM",
    "RNN",
    "LSTMCache",
    "LSTMGradients",
    "LSTMOutput",
    "LSTMWeights",
    "LanguageModel",
    "LayerNorm",
    "RNNCache",
    "RNNGradients",
    "RNNOutput",
    "RNNWeights",
    "SequenceClassifier",
    "SequenceNLL",
    "SequenceRegressor",
    "Stream",
    "lstm_backward",
    "lstm_forward",
    "plot_history",
    "rnn_backward",
    "rnn_forward",
    "sequence_nll",
    "softmax_jacobian",
    "softmax_vjp",
]
