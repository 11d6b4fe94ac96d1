"""How well scores rank one class above another: sorted once, ties together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.boosting._objective import Weight


def auc(
    is_class: NDArray[np.bool_], scores: NDArray[Any], weight: Weight | None
) -> float:
    """Area under the receiver operating characteristic; ties count one half."""
    positive, negative = _cumulative(is_class, scores, weight)
    # Trapezia between the corners of the curve.
    widths = np.diff(negative, prepend=0.0)
    heights = positive - 0.5 * np.diff(positive, prepend=0.0)
    return float((widths * heights).sum() / (positive[-1] * negative[-1]))


def average_precision(
    is_class: NDArray[np.bool_], scores: NDArray[Any], weight: Weight | None
) -> float:
    """Sum of precision times the step in recall, from the highest score down."""
    positive, negative = _cumulative(is_class, scores, weight)
    precision = positive / (positive + negative)
    steps = np.diff(positive, prepend=0.0)
    return float((precision * steps).sum() / positive[-1])


def _cumulative(
    is_class: NDArray[np.bool_], scores: NDArray[Any], weight: Weight | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight of both classes at or above each distinct score, the highest first."""
    order = np.argsort(scores)[::-1]  # ties in any order: they count together
    ranked = scores[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    hits = is_class[order].astype(np.float64)
    weights = np.ones(len(hits)) if weight is None else weight[order].astype(np.float64)
    positive = np.cumsum(hits * weights)[ends]
    negative = np.cumsum((1.0 - hits) * weights)[ends]
    # Leading rows of weight 0 would divide 0 by 0.
    counted = positive + negative > 0.0
    return positive[counted], negative[counted]
