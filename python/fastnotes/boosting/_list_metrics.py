"""Metrics of lists, averaged over lists by the mean weight of their rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import fail
from fastnotes.boosting._metric_data import Data
from fastnotes.boosting._objective import Margins
from fastnotes.boosting._sums import weighted_mean
from fastnotes.boosting.ranking import as_gains, discounts, list_gains


class Ndcg:
    """Discounted gain over that of the best order; ties in the order of rows."""

    def __init__(
        self, data: Data, truncation: float | None, exponential: bool, empty: float
    ) -> None:
        self._offsets = data.offsets
        self._gains = as_gains(data.y, exponential, data.where)
        self._truncation = len(data.y) if truncation is None else int(truncation)
        self._discounts = discounts(data.offsets)
        self._ideal = self._gain(self._gains, 1)
        self._empty = empty
        self._weight = list_weights(data)

    def _gain(self, scores: NDArray[np.float64], n_threads: int) -> NDArray[np.float64]:
        return list_gains(
            self._gains,
            scores,
            self._offsets,
            self._truncation,
            self._discounts,
            n_threads,
        )

    def evaluate(self, margins: Margins, n_threads: int) -> float:
        """Mean over lists; one without any gain counts ``empty``."""
        shares = np.full(len(self._ideal), self._empty)
        gained = self._gain(margins[0], n_threads)
        np.divide(gained, self._ideal, out=shares, where=self._ideal > 0.0)
        return weighted_mean(shares, self._weight)


class MeanAveragePrecision:
    """Mean precision at the ranks of relevant items (y > 0), to a truncation level."""

    def __init__(self, data: Data, truncation: float | None, empty: float) -> None:
        offsets = data.offsets
        sizes = np.diff(offsets)
        self._list = np.repeat(np.arange(len(sizes)), sizes)
        self._starts = offsets[:-1]
        self._rank = np.arange(len(data.y)) - np.repeat(self._starts, sizes)
        self._relevant = data.y > 0.0
        self._truncation = len(data.y) if truncation is None else int(truncation)
        n_relevant = np.add.reduceat(self._relevant.astype(np.int64), self._starts)
        self._most = np.minimum(n_relevant, self._truncation)
        self._empty = empty
        self._weight = list_weights(data)

    def evaluate(self, margins: Margins, n_threads: int) -> float:
        """Mean over lists; one without relevant items counts ``empty``."""
        order = np.lexsort((-margins[0], self._list))
        hits = self._relevant[order].astype(np.int64)
        so_far = np.cumsum(hits)
        before = so_far[self._starts] - hits[self._starts]
        precision = (so_far - before[self._list]) / (self._rank + 1.0)
        counted = hits * (self._rank < self._truncation)
        sums = np.add.reduceat(precision * counted, self._starts)
        shares = np.full(len(sums), self._empty)
        np.divide(sums, self._most, out=shares, where=self._most > 0)
        return weighted_mean(shares, self._weight)


def list_weights(data: Data) -> NDArray[Any] | None:
    """Mean weight of the rows of each list."""
    if data.weight is None:
        return None
    starts = data.offsets[:-1]
    sums = np.add.reduceat(data.weight.astype(np.float64), starts)
    if not sums.any():
        fail(data.where, "a list of positive weight", "none")
    return np.asarray(sums / np.diff(data.offsets))
