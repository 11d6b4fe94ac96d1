"""Base scores as XGBoost's files keep them, and the margins they stand for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LOGISTIC = ("binary:logistic", "reg:logistic")
_LOG = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:aft", "survival:cox")


def to_margin(base: NDArray[np.float32], objective: str) -> NDArray[np.float64]:
    """Return the margins of base scores, in float32 arithmetic as XGBoost does.

    A logistic base score is a probability, one of a log link a mean; others are
    margins. What has no margin becomes NaN or infinity.
    """
    one = np.float32(1)
    with np.errstate(all="ignore"):
        if objective in _LOGISTIC:
            base = -np.log(one / base - one)
        elif objective in _LOG:
            base = np.log(base)
    return base.astype(np.float64)


def from_margin(margin: NDArray[np.float64], objective: str) -> NDArray[np.float32]:
    """Return the base scores whose margins are nearest, within what XGBoost takes."""
    tiny, huge = np.finfo(np.float32).tiny, np.finfo(np.float32).max
    if objective in _LOGISTIC:
        scores = 1 / (1 + np.exp(-np.clip(margin, -80, 80)))
        below_one = np.nextafter(np.float32(1), np.float32(0))
        return np.clip(scores, tiny, below_one).astype(np.float32)
    if objective in _LOG:
        scores = np.exp(np.clip(margin, -80, 80))
        return scores.astype(np.float32)
    return np.clip(margin, -huge, huge).astype(np.float32)
