"""Bins of sparse tables, in memory proportional to the stored entries."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import fail
from fastnotes.boosting.binning import (
    as_cut_weights,
    as_seed,
    check_sampling,
    round_cuts,
)
from fastnotes.boosting.training_table import MISSING_CODE, ColumnBins

_WHERE = "boosting.bin_sparse"
_MOST_ROWS = 2**31 - 1


class SparseBins(NamedTuple):
    """Bins of the stored entries of a table, column by column.

    Attributes
    ----------
    n_rows : int
    offsets : int64 array of shape (n_columns + 1,)
        Entries of column c are ``offsets[c]`` to ``offsets[c + 1] - 1``.
    rows : int32 array of shape (n_entries,)
        Ascending within a column.
    bins : uint8 array of shape (n_entries,)
    absent_bins : uint8 array of shape (n_columns,)
        Bin of the entries that are not stored: that of 0, or 255 for missing.
    """

    n_rows: int
    offsets: NDArray[np.int64]
    rows: NDArray[np.int32]
    bins: NDArray[np.uint8]
    absent_bins: NDArray[np.uint8]


class SparseTrainingTable(NamedTuple):
    """Binned sparse rows of training, and what their bins stand for."""

    bins: SparseBins
    columns: ColumnBins


class _Entries(NamedTuple):
    n_rows: int
    offsets: NDArray[np.int64]
    rows: NDArray[np.int32]
    values: NDArray[Any]
    absent_is_zero: bool


def bin_sparse(
    matrix: Any,
    *,
    absent: str = "zero",
    missing: float = np.nan,
    sample_weight: NDArray[Any] | None = None,
    max_bin: int = 255,
    subsample: int | None = 200_000,
    random_state: int = 0,
    n_threads: int | None = None,
) -> SparseTrainingTable:
    """Bin the rows of training, with the thresholds and bins of their dense form.

    Parameters
    ----------
    matrix : csc_array of shape (n_rows, n_columns)
        Of float32 or float64, with ascending, distinct rows in each column, as
        ``TableEncoder`` makes it.
    absent : {"zero", "missing"}
        What an entry means that is not stored.
    missing : float
        A number that means missing, beside NaN.
    sample_weight, max_bin, subsample, random_state, n_threads
        As of ``bin_table``.
    """
    entries = _open(matrix, absent, missing)
    threads = resolve_n_threads(n_threads, _WHERE)
    cuts, places, counts = native.boosting.fit_sparse_thresholds(
        *entries,
        as_cut_weights(sample_weight, entries.n_rows, _WHERE),
        *check_sampling(max_bin, subsample, _WHERE),
        as_seed(random_state, _WHERE),
        threads,
    )
    offsets = np.concatenate([[0], np.cumsum(counts)])
    first = np.repeat(places[:-1] - offsets[:-1], counts)
    columns = ColumnBins(
        cuts[np.arange(offsets[-1]) + first],
        offsets,
        (counts + 1).astype(np.int32),
        np.zeros(len(counts), bool),
        {},
    )
    return SparseTrainingTable(_assign(columns, entries, threads), columns)


def assign_sparse(
    columns: ColumnBins,
    matrix: Any,
    *,
    absent: str = "zero",
    missing: float = np.nan,
    n_threads: int | None = None,
) -> SparseBins:
    """Bin new rows by what training found; parameters as for ``bin_sparse``."""
    entries = _open(matrix, absent, missing)
    return _assign(columns, entries, resolve_n_threads(n_threads, _WHERE))


def _open(matrix: Any, absent: str, missing: float) -> _Entries:
    n_rows = matrix.shape[0]
    if n_rows > _MOST_ROWS:
        fail(_WHERE, "a sparse X of fewer than 2**31 rows", str(n_rows))
    values = matrix.data
    if not np.isnan(missing):
        values = np.where(values == missing, np.array(np.nan, values.dtype), values)
    return _Entries(
        n_rows,
        np.ascontiguousarray(matrix.indptr, np.int64),
        np.ascontiguousarray(matrix.indices, np.int32),
        np.ascontiguousarray(values),
        absent == "zero" and missing != 0,
    )


def _assign(columns: ColumnBins, entries: _Entries, threads: int) -> SparseBins:
    bins, zero_bins = native.boosting.assign_sparse_bins(
        entries.offsets,
        entries.values,
        round_cuts(columns.cuts, entries.values.dtype),
        columns.cut_offsets,
        MISSING_CODE + 1,
        threads,
    )
    if not entries.absent_is_zero:
        zero_bins[:] = MISSING_CODE
    return SparseBins(entries.n_rows, entries.offsets, entries.rows, bins, zero_bins)
