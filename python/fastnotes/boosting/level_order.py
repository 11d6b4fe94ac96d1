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
#: More categories than a code has room for share this many bins.
MAX_ORDERED_BINS = 64
_ROOM = 254
_MISSING = 255

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
        """Return the sums of the other folds."""
        return _Sums(self.weight - part.weight, self.target - part.target)

    def prior(self) -> Array:
        """Return the mean target of all rows."""
        weight = np.sum(self.weight)
        prior: Array = np.sum(self.target, axis=0) / (weight if weight > 0 else 1.0)
        return prior

    def shrunk_means(self, smoothing: float) -> Array:
        """Return mean targets, with ``smoothing`` rows of the prior in each."""
        weight = self.weight[:, None] + smoothing
        means: Array = (self.target + smoothing * self.prior()) / weight
        return means


class LevelOrder:
    """Orders categories by their mean target, and cuts the order into bins.

    A mean is drawn towards that of all rows by as many rows as the ratio of the
    variance within categories to that between them (at least one row). Up to 254
    categories have a bin each; more share 64 bins of equal weight. The bin of a
    training row comes from the means of the other folds, so that its own target has no
    part in it.

    Parameters
    ----------
    statistic : array of shape (n_rows,) or (n_rows, n_outputs)
        The target; of several outputs, the first principal component of the means.
    sample_weight : array of shape (n_rows,) or None
        Not negative, one of them positive.
    seed : int
        Rows are put into 5 folds by Philox, keyed on (seed, row).

    Notes
    -----
    Sources: Micci-Barreca (2001), "A preprocessing scheme for high-cardinality
    categorical attributes"; Buhlmann and Straub (1970) for the shrinkage; Coppersmith,
    Hong and Hosking (1999) for the principal component.
    """

    def __init__(
        self, statistic: NDArray[Any], sample_weight: NDArray[Any] | None, seed: int
    ) -> None:
        target = np.asarray(statistic, np.float64)
        target = target[None] if target.ndim == 1 else target.T
        n_rows = target.shape[1]
        self._weight = np.ones(n_rows)
        if sample_weight is not None:
            self._weight = np.asarray(sample_weight, np.float64)
        self._weighted = [self._weight * y for y in target]
        self._squares = np.sum(target * self._weighted, axis=0)
        self._fold = draw_folds(n_rows, seed)

    def order(
        self, codes: NDArray[Any], seen: NDArray[np.bool_]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the bin of every category, and that of every training row.

        Parameters
        ----------
        codes : array of shape (n_rows,)
            NaN where missing.
        seen : bool array of shape (n_levels,)

        Returns
        -------
        code_bins : uint8 array of shape (n_levels,)
            255 for what was not seen.
        row_bins : uint8 array of shape (n_rows,)
            255 where missing.
        """
        n_levels = len(seen)
        code = np.where(np.isnan(codes), n_levels, codes).astype(np.int64)
        parts = self._sums(code, n_levels)
        total = parts.total()
        smoothing = self._smoothing(code, total)

        means = total.shrunk_means(smoothing)
        axis = _principal_axis(means, total.weight)
        score = means @ axis
        borders = _equal_weight_borders(score[seen], total.weight[seen])
        code_bins = np.full(n_levels, _MISSING, np.uint8)
        code_bins[seen] = np.searchsorted(borders, score[seen])

        smoothing *= (N_FOLDS - 1) / N_FOLDS  # as strong as for all rows
        fold_bins = np.full((N_FOLDS, n_levels + 1), _MISSING, np.uint8)
        for bins, part in zip(fold_bins, parts.split(), strict=True):
            score = total.without(part).shrunk_means(smoothing) @ axis
            bins[:-1] = np.searchsorted(borders, score)
        return code_bins, fold_bins[self._fold, code]

    def _sums(self, code: NDArray[np.int64], n_levels: int) -> _Sums:
        """Sums by fold and category; those of missing rows are left out."""
        place = self._fold * (n_levels + 1) + code
        size = N_FOLDS * (n_levels + 1)

        def sums(values: Array) -> Array:
            flat = np.bincount(place, values, minlength=size).astype(np.float64)
            return flat.reshape(N_FOLDS, n_levels + 1)[:, :-1]

        target = np.stack([sums(values) for values in self._weighted], axis=-1)
        return _Sums(sums(self._weight), target)

    def _smoothing(self, code: NDArray[np.int64], total: _Sums) -> float:
        """Variance within categories over variance between them, in units of weight."""
        used = total.weight > 0
        weight, target = total.weight[used], total.target[used]
        known = (code < len(total.weight)) & (self._weight > 0)
        whole = weight.sum()
        n_rows, n_levels = int(known.sum()), len(weight)
        if n_rows <= n_levels or n_levels < 2:
            return float(max(whole, 1.0))
        means = target / weight[:, None]
        inside = self._squares[known].sum() - (target * means).sum()
        inside = max(inside, 0.0) / (n_rows - n_levels)
        between = (weight[:, None] * (means - total.prior()) ** 2).sum()
        between -= (n_levels - 1) * inside
        between /= whole - (weight**2).sum() / whole
        row = whole / n_rows
        if between * whole <= inside:
            return float(whole)
        return float(max(inside / between, row))


def draw_folds(n_rows: int, seed: int) -> NDArray[np.int64]:
    """Return a fold from 0 to N_FOLDS - 1 for every row."""
    counter = np.zeros((n_rows, 4), np.uint32)
    counter[:, 0] = np.arange(n_rows)
    counter[:, 2] = FOLD_PURPOSE
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)
    draw = native.runtime.philox4x32(counter, key)[:, 0]
    return (draw.astype(np.int64) * N_FOLDS) >> 32


def _principal_axis(means: Array, weight: Array) -> Array:
    """Direction in which the categories' means vary most, its largest part positive."""
    if means.shape[1] == 1:
        return np.ones(1)
    share = weight / max(weight.sum(), 1e-300)
    centred = means - np.einsum("l,lk->k", share, means)
    covariance = np.einsum("l,lj,lk->jk", share, centred, centred)
    axis: Array = np.linalg.eigh(covariance)[1][:, -1]
    return -axis if axis[np.argmax(np.abs(axis))] < 0 else axis


def _equal_weight_borders(score: Array, weight: Array) -> Array:
    """Borders between bins of scores, ascending; a score equal to one is left of it."""
    max_bin = _ROOM if len(score) <= _ROOM else MAX_ORDERED_BINS
    mapper = BinMapper(max_bin, subsample=None, n_threads=1)
    mapper.fit(score[:, None], sample_weight=weight if weight.any() else None)
    borders: Array = mapper.thresholds_[0]
    return borders
