"""Two classical tasks that need a long memory: the LSTM learns them, an RNN does not.

Hochreiter and Schmidhuber (1997), "Long Short-Term Memory", sections 5.4 and 5.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes.recurrent import SequenceClassifier, SequenceRegressor


def adding(n: int, seed: int, n_steps: int = 50) -> tuple[Any, Any]:
    """Numbers, two of them marked, one in each half; their sum."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 1, (n, n_steps))
    marks = np.zeros((n, n_steps))
    half = n_steps // 2
    for first in (0, half):
        marks[np.arange(n), first + rng.integers(0, half, n)] = 1
    return np.stack([values, marks], axis=2), (values * marks).sum(axis=1)


def copying(n: int, seed: int, n_symbols: int = 3, delay: int = 20) -> tuple[Any, Any]:
    """Symbols, blanks, a signal; then the symbols are due again, step by step."""
    rng = np.random.default_rng(seed)
    symbols = rng.integers(0, 4, (n, n_symbols))
    codes = np.full((n, 2 * n_symbols + delay), 4)
    codes[:, :n_symbols] = symbols
    codes[:, n_symbols + delay - 1] = 5
    target = np.full(codes.shape, -1)
    target[:, -n_symbols:] = symbols
    return np.eye(6)[codes], target


def test_adding() -> None:
    settings: dict[str, Any] = {
        "hidden_size": 16,
        "n_epochs": 30,
        "batch_size": 20,
        "learning_rate": 0.02,
        "max_norm": 1.0,
    }
    train, test = adding(1000, seed=0), adding(500, seed=1)
    assert SequenceRegressor("lstm", **settings).fit(*train).score(*test) > 0.95
    assert SequenceRegressor("rnn", **settings).fit(*train).score(*test) < 0.3


@pytest.mark.slow
def test_copying() -> None:
    settings: dict[str, Any] = {
        "return_sequences": True,
        "hidden_size": 32,
        "n_epochs": 50,
        "batch_size": 20,
        "learning_rate": 0.01,
        "max_norm": 1.0,
        "standardize": False,
    }
    train, test = copying(2000, seed=0), copying(500, seed=1)
    assert SequenceClassifier("lstm", **settings).fit(*train).score(*test) > 0.95
    assert SequenceClassifier("rnn", **settings).fit(*train).score(*test) < 0.6
