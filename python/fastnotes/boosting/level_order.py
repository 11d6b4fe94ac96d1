"""Many categories as few ordered bins, by statistics of the target."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes.boosting.binning import BinMapper

#: Philox purpose of the folds ("boo", 2).
FOLD_PURPOSE = 0x626F6F02
N_FOLDS = 5
SMOOTHING = 20.0
MAX_BINS = 254

Array = NDArray[np.float64]


class _Sums(NamedTuple):
    """Weight of each category, of a fold or of all, and weighted sum of the target."""

    weight: Array  # (n_levels,) or (n_folds, n_levels)
    target: Array  # (..., n_outputs)

    def split(self) -> list[_Sums]:
        """Return the sums of each fold."""
        return [_Sums(w, t) for w, t in zip(self.weight, self.target, strict=True)]

    def total(self) -> _Sums:
        """Return the sums over the folds."""
        weight: Array = np.sum(self.weight, axis=0)
        target: Array = np.sum(self.target, axis=0)
        return _Sums(weight, target)

    def without(self, part: _Sums) -> _Sums:
        return _Sums(self.weight - part.weight, self.target - part.target)

    def shrunk_means(self, smoothing: float) -> Array:
        """Mean target of each category, with ``smoothing`` rows of the overall mean."""
        total = self.weight.sum()
        prior = self.target.sum(axis=0) / total if total > 0 else 0.0
        weight = self.weight[:, None] + smoothing
        means: Array = (self.target + smoothing * prior) / weight
        return means


def order_levels(
    codes: NDArray[Any],
    seen: NDArray[np.bool_],
    statistic: NDArray[Any],
    sample_weight: NDArray[Any] | None,
    seed: int,
    column: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Order the categories of a column by their shrunk mean target and bin them.

    Parameters
    ----------
    codes : array of shape (n_rows,)
        NaN where missing.
    seen : bool array of shape (n_levels,)
    statistic : array of shape (n_rows,) or (n_rows, n_outputs)
        The target; of several outputs, the first principal component of the means.
    sample_weight : array of shape (n_rows,) or None
    seed, column : int
        What the folds are drawn by.

    Returns
    -------
    code_bins : uint8 array of shape (n_levels,)
        At most 254 bins of equal weight, 255 for what was not seen.
    row_bins : uint8 array of shape (n_rows,)
        Bins of the training rows by statistics from the other folds, so that a row's
        own target has no part in it; 255 where missing.
    """
    known = ~np.isnan(codes)
    code = codes[known].astype(np.int64)
    target = _two_dimensional(statistic)[known]
    weight = np.ones(len(code)) if sample_weight is None else sample_weight[known]
    fold = draw_folds(len(codes), seed, column)[known]
    parts = _sums(fold * len(seen) + code, target, weight, (N_FOLDS, len(seen)))
    total = parts.total()

    means = total.shrunk_means(SMOOTHING)
    axis = _principal_axis(means, total.weight)
    score = means @ axis
    borders = _equal_weight_borders(score, total.weight)
    code_bins = np.full(len(seen), 255, np.uint8)
    code_bins[seen] = np.searchsorted(borders, score[seen])

    smoothing = SMOOTHING * (N_FOLDS - 1) / N_FOLDS  # as strong as for all rows
    fold_bins = np.stack(
        [
            np.searchsorted(borders, total.without(part).shrunk_means(smoothing) @ axis)
            for part in parts.split()
        ]
    )
    row_bins = np.full(len(codes), 255, np.uint8)
    row_bins[known] = fold_bins[fold, code]
    return code_bins, row_bins


def draw_folds(n_rows: int, seed: int, column: int) -> NDArray[np.int64]:
    """Return a fold from 0 to N_FOLDS - 1 for every row, by Philox."""
    counter = np.zeros((n_rows, 4), np.uint32)
    counter[:, 0] = np.arange(n_rows)
    counter[:, 2] = FOLD_PURPOSE
    counter[:, 3] = column
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)
    draw = native.runtime.philox4x32(counter, key)[:, 0]
    return (draw.astype(np.int64) * N_FOLDS) >> 32


def _two_dimensional(statistic: NDArray[Any]) -> Array:
    target = np.asarray(statistic, np.float64)
    return target[:, None] if target.ndim == 1 else target


def _sums(
    place: NDArray[Any], target: Array, weight: Array, shape: tuple[int, int]
) -> _Sums:
    n_places = shape[0] * shape[1]

    def sums(values: Array) -> Array:
        flat = np.bincount(place, values, minlength=n_places)
        return flat.astype(np.float64).reshape(shape)

    return _Sums(sums(weight), np.stack([sums(weight * y) for y in target.T], axis=-1))


def _principal_axis(means: Array, weight: Array) -> Array:
    """Direction in which the categories' means vary most, its largest part positive."""
    if means.shape[1] == 1:
        return np.ones(1)
    share = weight / weight.sum()
    centred = means - np.einsum("l,lk->k", share, means)
    covariance = np.einsum("l,lj,lk->jk", share, centred, centred)
    axis: Array = np.linalg.eigh(covariance)[1][:, -1]
    return -axis if axis[np.argmax(np.abs(axis))] < 0 else axis


def _equal_weight_borders(score: Array, weight: Array) -> Array:
    """Borders between bins of scores: ascending; a score equal to one is left of it."""
    mapper = BinMapper(MAX_BINS, subsample=None, n_threads=1)
    mapper.fit(score[:, None], sample_weight=weight)
    borders: Array = mapper.thresholds_[0]
    return borders
