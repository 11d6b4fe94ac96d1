"""Rows that learn or are scored, in the encoder's form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import as_real_array, check_finite, check_shape
from fastnotes.boosting._objective import as_weight
from fastnotes.boosting.equal_rows import find_equal_rows
from fastnotes.boosting.targets import group_rows
from fastnotes.boosting.training_table import TrainingTable

#: Up to so many rows in all, integer weights repeat rows.
_MOST_REPEATED = 1 << 14


@dataclass(eq=False)
class Rows:
    """Rows in the encoder's form, lists together.

    Attributes
    ----------
    values : encoded matrix
    y, weight : arrays of shape (n_rows,), or None for no weights
    offsets : int64 array of shape (n_lists + 1,), or None
    base_margin : float64 array of shape (n_rows, n_outputs), or None
    moved : bool
        Whether they are not the user's rows one by one.
    counts : uint8 array of shape (n_rows,), or None
        How many equal rows each stands for; None: itself alone.
    numbers : int64 array of shape (n_rows,), or None
        The user's numbers of merged rows.
    """

    values: Any
    y: NDArray[Any]
    weight: NDArray[np.float32] | None
    offsets: NDArray[np.int64] | None
    base_margin: NDArray[np.float64] | None
    moved: bool = False
    counts: NDArray[np.uint8] | None = None
    numbers: NDArray[np.int64] | None = None

    @property
    def total_weight(self) -> NDArray[np.float32] | None:
        """Weights, of merged rows times their counts."""
        if self.counts is None:
            return self.weight
        counts = self.counts.astype(np.float32)
        return counts if self.weight is None else counts * self.weight

    def take(self, order: NDArray[np.int64], with_values: bool = True) -> None:
        """Put other rows in place: some twice, some not at all, in another order."""
        if with_values:
            self.values = self.values[order]
        self.y = self.y[order]
        if self.weight is not None:
            self.weight = self.weight[order]
        if self.base_margin is not None:
            self.base_margin = self.base_margin[order]
        self.moved = True


def as_margins(
    given: Any, n_rows: int, n_outputs: int | None, where: str
) -> NDArray[np.float64]:
    """Return the user's margins as float64 of shape (n_rows, n_outputs)."""
    margins = as_real_array(given, where, "base_margin", ndim=(1, 2))
    check_finite(margins, where, "base_margin")
    columns: NDArray[np.float64] = margins.astype(np.float64, copy=False)
    columns = columns.reshape(len(columns), -1)
    shape = (n_rows, columns.shape[1] if n_outputs is None else n_outputs)
    check_shape(columns, where, "base_margin", shape, "(n_rows, n_outputs)")
    return columns


def as_rows(
    values: Any, y: NDArray[Any], weight: Any, base_margin: Any, where: str
) -> Rows:
    """Check weights and margins, and put them with their rows."""
    n_rows = values.shape[0]
    if base_margin is not None:
        base_margin = as_margins(base_margin, n_rows, None, where)
    return Rows(values, y, as_weight(weight, n_rows, where), None, base_margin)


def repeated_rows(weight: NDArray[np.float32] | None) -> NDArray[np.int64] | None:
    """Rows as often as integer weights say, if they are few; None for weights to use.

    So the model of weights is that of repeated rows to the last bit. Of many rows it is
    so to rounding, which decides between splits that are equally good: few rows have
    many of those.
    """
    if weight is None or not weight.sum(dtype=np.float64) <= _MOST_REPEATED:
        return None
    if (weight != np.rint(weight)).any():
        return None
    return np.repeat(np.arange(len(weight)), weight.astype(np.int64))


def gather_lists(rows: Rows, qid: NDArray[np.int64] | None) -> None:
    """Put the rows of each list together."""
    if qid is not None:
        groups = group_rows(qid)
        if groups.order is not None:
            rows.take(groups.order)
        rows.offsets = groups.offsets


def order_lists(rows: Rows, table: TrainingTable, with_values: bool) -> TrainingTable:
    """Put the rows of each list in an order that does not depend on the user's.

    A ranking breaks ties by place. By a hash of what a row holds, neither a list sorted
    by relevance gives itself away, nor does the order of rows change the model.
    """
    key = np.zeros(len(table.bins), np.uint64)
    for column in (rows.y.astype(np.float64).view(np.uint64), *table.bins.T):
        key = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(32)
    n_rows = len(key)
    offsets = np.array([0, n_rows]) if rows.offsets is None else rows.offsets
    which = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((key, which))
    rows.take(order, with_values)
    return TrainingTable(table.bins[order], table.columns)


def merge_equal(rows: Rows, table: TrainingTable, n_threads: int) -> TrainingTable:
    """Let one row count for all that are equal to it, if they are many.

    Gradients, found row by row, are equal then, and the model is the same to the last
    bit.
    """
    equal = find_equal_rows(table.bins, rows.y, rows.weight, n_threads)
    if equal is None:
        return table
    rows.take(equal.rows, with_values=False)
    rows.counts = equal.counts
    rows.numbers = equal.rows
    return TrainingTable(table.bins[equal.rows], table.columns, equal.counts)
