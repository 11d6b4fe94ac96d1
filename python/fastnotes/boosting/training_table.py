"""From an encoded table to bins, and from the bins of nodes back to splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import RealArray, fail
from fastnotes.boosting.binning import BinMapper, threshold_table
from fastnotes.boosting.categories import Levels
from fastnotes.boosting.level_order import LevelOrder

_WHERE = "boosting.bin_table"
MISSING_CODE = 255
MAX_SUBSET_LEVELS = 16


class NodeSplits(NamedTuple):
    """Fields of a ``TreeEnsemble`` that depend on what bins stand for."""

    threshold: NDArray[np.float64]
    category_offsets: NDArray[np.int64]
    category_words: NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class ColumnBins:
    """What the bins of every column stand for.

    Attributes
    ----------
    cuts : float32 or float64 array
        Thresholds of all columns, one column behind the other. Those of a column whose
        categories are bins lie between their codes; a column of ordered categories has
        none.
    cut_offsets : int64 array of shape (n_columns + 1,)
        Column c has ``cuts[cut_offsets[c]:cut_offsets[c + 1]]``.
    column_bins : int32 array of shape (n_columns,)
        How many codes a column uses; 255 means missing.
    categorical : bool array of shape (n_columns,)
        Columns whose bins have no order.
    code_bins : dict of int to uint8 array
        Bin of each category of the categorical columns, ordered or not; 255 where
        ``fit`` saw none.
    """

    cuts: RealArray
    cut_offsets: NDArray[np.int64]
    column_bins: NDArray[np.int32]
    categorical: NDArray[np.bool_]
    code_bins: dict[int, NDArray[np.uint8]]

    @property
    def n_columns(self) -> int:
        """Number of columns of the encoded table."""
        return len(self.column_bins)

    def bin(
        self, values: RealArray, *, n_threads: int | None = None
    ) -> NDArray[np.uint8]:
        """Return the codes of an encoded table's rows, uint8 (n_rows, n_columns)."""
        bins = self._bin_by_cuts(values, n_threads)
        for c, code_bins in self.code_bins.items():
            if not self.categorical[c]:
                bins[:, c] = _bins_of_codes(values[:, c], code_bins)
        return bins

    def _bin_by_cuts(
        self, values: RealArray, n_threads: int | None
    ) -> NDArray[np.uint8]:
        bins: NDArray[np.uint8] = native.boosting.assign_bins(
            values,
            threshold_table(self.cuts, self.cut_offsets, values.dtype),
            MISSING_CODE + 1,
            resolve_n_threads(n_threads, "boosting.ColumnBins.bin"),
        )
        return bins

    def decode(
        self,
        feature: NDArray[np.int32],
        bins: NDArray[np.int32],
        left_bins: NDArray[np.uint32] | None = None,
        default_left: NDArray[np.bool_] | None = None,
    ) -> NodeSplits:
        """Return what nodes compare with, in terms of the encoded table.

        Parameters
        ----------
        feature : int32 array of shape (n_nodes,)
            Column, -1 at leaves. The nodes may be those of many trees.
        bins : int32 array of shape (n_nodes,)
            Bins up to this one go left; at least 0 also where it has no meaning.
        left_bins : uint32 array of shape (n_nodes, 8), optional
            Sets of the bins that go left; read where the bins have no order.
        default_left : bool array of shape (n_nodes,), optional
            Where missing goes, and with it the categories that ``fit`` did not see; to
            the right by default. Our encoder makes them missing, XGBoost does not.

        Returns
        -------
        NodeSplits
            A threshold is inf where every known value goes left.
        """
        cuts, start, n_cuts = self._cuts_of_nodes
        threshold = cuts[start[feature] + np.minimum(bins, n_cuts[feature])]
        if not self.code_bins:
            offsets = np.zeros(len(feature) + 1, np.int64)
            return NodeSplits(threshold, offsets, np.empty(0, np.uint32))
        n_words = np.zeros(self.n_columns + 1, np.int64)  # the last: leaves
        for c, code_bins in self.code_bins.items():
            n_words[c] = _n_words(len(code_bins))
        offsets = np.concatenate([[0], np.cumsum(n_words[feature])])
        words = np.zeros(offsets[-1], np.uint32)
        for c, code_bins in self.code_bins.items():
            nodes = np.flatnonzero(feature == c)
            if len(nodes) == 0:
                continue
            if self.categorical[c] and left_bins is not None:
                sets = _codes_in(left_bins[nodes], code_bins)
            else:
                sets = _codes_up_to(bins[nodes], code_bins)
            if default_left is not None:
                sets[default_left[nodes]] |= _as_words(code_bins[None] == MISSING_CODE)
            words[offsets[nodes, None] + np.arange(n_words[c])] = sets
        return NodeSplits(threshold, offsets, words)

    @cached_property
    def _cuts_of_nodes(
        self,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Thresholds in one array, where a column's start, and how many it has.

        inf lies behind the last of each column. Categorical columns have a 0 alone, and
        so has what leaves read, behind the last column.
        """
        n_cuts = np.append(np.diff(self.cut_offsets), 0)
        zero = [*self.code_bins, self.n_columns]
        real = np.ones(len(n_cuts), bool)
        real[zero] = False
        kept = np.where(real, n_cuts, 0)
        start = np.cumsum(kept + 1) - (kept + 1)
        flat = np.full(int(kept.sum()) + len(kept), np.inf)
        flat[start[zero]] = 0.0
        column = np.repeat(np.arange(len(n_cuts)), n_cuts)
        place = np.arange(len(column)) - np.repeat(
            np.append(self.cut_offsets[:-1], 0), n_cuts
        )
        used = real[column]
        flat[(start[column] + place)[used]] = self.cuts[used]
        return flat, start, kept


class TrainingTable(NamedTuple):
    """Binned rows of training, and what their bins stand for.

    The bins of training rows are not always those that ``columns.bin`` gives: where the
    categories of a column are ordered by statistics, a row's own label has no part in
    its bin. With ``counts`` a row stands for so many equal ones.
    """

    bins: NDArray[np.uint8]
    columns: ColumnBins
    counts: NDArray[np.uint8] | None = None


def bin_table(
    values: RealArray,
    levels: Mapping[int, Levels],
    *,
    statistic: NDArray[Any] | None = None,
    sample_weight: NDArray[Any] | None = None,
    max_bin: int = 255,
    subsample: int | None = 200_000,
    max_subset_levels: int = MAX_SUBSET_LEVELS,
    random_state: int = 0,
    n_threads: int | None = None,
) -> TrainingTable:
    """Bin the rows of training.

    Parameters
    ----------
    values : float32 or float64 array of shape (n_rows, n_columns)
        Encoded table.
    levels : mapping of int to Levels
        Categories of the categorical columns.
    statistic : array of shape (n_rows,) or (n_rows, n_outputs), optional
        What columns of more than ``max_subset_levels`` categories are ordered by;
        needed if there are any.
    sample_weight : array of shape (n_rows,), optional
        Not negative.
    max_bin, subsample, n_threads
        As of ``BinMapper``.
    max_subset_levels : int
        Up to this many categories, at most 255, each has a bin and nodes send sets of
        them left.
    random_state : int
        Seed of the sample and of the folds.
    """
    mapper = BinMapper(
        max_bin, subsample=subsample, random_state=random_state, n_threads=n_threads
    )
    mapper.fit(values, sample_weight=sample_weight)
    thresholds = list(mapper.thresholds_)
    column_bins = mapper.column_bins_
    categorical = np.zeros(values.shape[1], bool)
    code_bins = {}
    row_bins = {}
    order = None
    for c, level in levels.items():
        seen = np.flatnonzero(level.seen)
        if len(seen) <= max_subset_levels:
            categorical[c] = True
            thresholds[c] = (seen[1:] - 0.5).astype(values.dtype)
            code_bins[c] = np.full(len(level.seen), MISSING_CODE, np.uint8)
            code_bins[c][seen] = np.arange(len(seen))
            column_bins[c] = max(1, len(seen))
            continue
        if statistic is None:
            fail(_WHERE, "a statistic to order many categories by", "None")
        if order is None:
            order = LevelOrder(statistic, sample_weight, random_state)
        thresholds[c] = thresholds[c][:0]
        code_bins[c], row_bins[c] = order.order(values[:, c], level.seen)
        column_bins[c] = code_bins[c][seen].max() + 1
    columns = ColumnBins(
        np.concatenate(thresholds),
        np.cumsum([0, *map(len, thresholds)]),
        column_bins,
        categorical,
        code_bins,
    )
    bins = columns._bin_by_cuts(values, n_threads)
    for c, column in row_bins.items():
        bins[:, c] = column
    return TrainingTable(bins, columns)


def _bins_of_codes(
    codes: NDArray[Any], code_bins: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return the bins of codes; NaN is missing."""
    table = np.append(code_bins, np.uint8(MISSING_CODE))
    place = np.where(np.isnan(codes), len(code_bins), codes).astype(np.int64)
    return table[place]


def _codes_in(
    left_bins: NDArray[np.uint32], code_bins: NDArray[np.uint8]
) -> NDArray[np.uint32]:
    """Return sets of codes from sets of their bins."""
    octets = left_bins.astype("<u4").view(np.uint8)
    bits = np.unpackbits(octets, axis=1, bitorder="little")
    bits[:, MISSING_CODE] = 0
    return _as_words(bits[:, code_bins])


def _codes_up_to(
    bins: NDArray[np.int32], code_bins: NDArray[np.uint8]
) -> NDArray[np.uint32]:
    """Return the sets of codes whose bin is at most each of ``bins``."""
    borders, which = np.unique(bins, return_inverse=True)
    seen = code_bins != MISSING_CODE
    bits = (code_bins <= borders[:, None]) & seen
    return _as_words(bits)[which]


def _as_words(bits: NDArray[Any]) -> NDArray[np.uint32]:
    n_words = _n_words(bits.shape[1])
    octets = np.packbits(bits.astype(bool), axis=1, bitorder="little")
    padded = np.zeros((len(bits), 4 * n_words), np.uint8)
    padded[:, : octets.shape[1]] = octets
    return padded.view("<u4").astype(np.uint32)


def _n_words(n_codes: int) -> int:
    return max(1, -(-n_codes // 32))
