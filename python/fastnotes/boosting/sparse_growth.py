"""Growth of one tree from sparse columns of bin codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import as_integer, describe, fail
from fastnotes.boosting.growth import (
    MISSING_CODE,
    GrownTree,
    GrowthParameters,
    TreeGrower,
    as_native_tree,
    check_array,
)
from fastnotes.boosting.sparse_table import SparseBins


class SparseTreeGrower(TreeGrower):
    """Grow trees on one sparse table of bin codes, without its dense form.

    Every tree has the bytes of the one that ``TreeGrower`` grows on the dense form.

    Parameters
    ----------
    bins : SparseBins
        Read in place, so its arrays must not change. Rows ascend within a column,
        codes are as for ``TreeGrower``.
    column_bins, categorical, parameters, missing_code, n_threads
        As of ``TreeGrower``.

    Raises
    ------
    TypeError
        If an array or a parameter is of the wrong kind.
    ValueError
        If a shape, row number, code or parameter is out of range, or rows of a column
        do not ascend.

    Notes
    -----
    All nodes of a level are searched in one pass over the stored entries, at a cost
    proportional to them. The pass gives bounds of the gains in float32 arithmetic; only
    columns that may still win are searched exactly.
    """

    def __init__(
        self,
        bins: SparseBins,
        column_bins: ArrayLike,
        *,
        categorical: ArrayLike | None = None,
        parameters: GrowthParameters | None = None,
        missing_code: int = MISSING_CODE,
        n_threads: int | None = None,
    ) -> None:
        where = "boosting.SparseTreeGrower"
        self._native = native.boosting.SparseTreeGrower(
            *bins,
            *self._settings(
                (bins.n_rows, _check(bins, where)),
                column_bins,
                categorical,
                parameters,
                missing_code,
                n_threads,
                where,
            ),
        )


class SparseRows:
    """Sparse rows, binned as those of training, that trees are evaluated at.

    Parameters
    ----------
    bins : SparseBins
        Read in place, so its arrays must not change.
    missing_code : int, default=255
    n_threads : int, optional

    Raises
    ------
    ValueError
        If a shape or row number is out of range, or rows of a column do not ascend.
    """

    def __init__(
        self,
        bins: SparseBins,
        *,
        missing_code: int = MISSING_CODE,
        n_threads: int | None = None,
    ) -> None:
        where = "boosting.SparseRows"
        self.n_threads = resolve_n_threads(n_threads, where)
        self.shape = bins.n_rows, _check(bins, where)
        self._native = native.boosting.SparseRows(
            *bins,
            as_integer(missing_code, where, "missing_code", low=1, high=255),
            self.n_threads,
        )

    def add_tree_values(self, margins: NDArray[np.float64], tree: GrownTree) -> None:
        """Add the value of each row's leaf to ``margins`` of shape (n_rows,)."""
        if self.shape[1] <= tree.feature.max():
            fail(
                "boosting.SparseRows.add_tree_values",
                f"bins with over {tree.feature.max()} columns",
                f"{self.shape[1]}",
            )
        leaf_of_row = self._native.find_leaves(as_native_tree(tree))
        native.boosting.add_leaf_values(
            leaf_of_row, tree.value, margins, self.n_threads
        )


def _check(bins: SparseBins, where: str) -> int:
    """Check dtypes; give the number of columns."""
    check_array(bins.offsets, "offsets", np.int64, 1, where)
    check_array(bins.rows, "rows", np.int32, 1, where)
    check_array(bins.bins, "bins", np.uint8, 1, where)
    check_array(bins.absent_bins, "absent_bins", np.uint8, 1, where)
    if bins.offsets.size != bins.absent_bins.size + 1:
        fail(where, "offsets of size n_columns + 1", describe(bins.offsets))
    return bins.absent_bins.size
