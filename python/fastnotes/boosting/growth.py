"""Growth of one tree from bin codes, gradients and hessians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    as_integer,
    as_real,
    check_choice,
    describe,
    fail,
    fail_type,
)

#: The bin code of a missing value.
MISSING_CODE = 255

_WHERE = "boosting.TreeGrower"
_MOST = 2**31 - 1
_SEED_BITS = 2**64 - 1


@dataclass(frozen=True)
class GrowthParameters:
    """What shapes a tree; names and meanings as in XGBoost, the Gain the notes'.

    Attributes
    ----------
    learning_rate : float
        Factor of every leaf's value.
    max_depth, max_leaves : int
        Limits; 0 means none.
    grow_policy : str
        ``"depthwise"`` or ``"lossguide"``.
    reg_lambda, reg_alpha, gamma, min_child_weight, max_delta_step : float
        Penalties and bounds; ``max_delta_step`` 0 means none, and bounds a weight
        before the learning rate.
    colsample_bylevel, colsample_bynode : float
        Fractions of columns drawn anew for a level and within it for a node.
    monotone : tuple of int or None
        -1, 0 or 1 for each column; 0 for categorical ones.
    interaction : tuple of tuples of int or None
        Sets of columns that may meet on a path. Any column may be a path's first.
    max_cat_to_onehot : int
        A categorical column of fewer categories is split one against the rest.
    max_cat_threshold : int
        Most categories on the smaller side of an ordered partition.
    cat_smooth : float
        Categories are ordered by G / (H + cat_smooth).
    """

    learning_rate: float = 0.3
    max_depth: int = 6
    max_leaves: int = 0
    grow_policy: str = "depthwise"
    reg_lambda: float = 1.0
    reg_alpha: float = 0.0
    gamma: float = 0.0
    min_child_weight: float = 1.0
    max_delta_step: float = 0.0
    colsample_bylevel: float = 1.0
    colsample_bynode: float = 1.0
    monotone: tuple[int, ...] | None = None
    interaction: tuple[tuple[int, ...], ...] | None = None
    max_cat_to_onehot: int = 4
    max_cat_threshold: int = 64
    cat_smooth: float = 10.0


@dataclass(eq=False)
class GrownTree:
    """One tree on bin codes; nodes in the order they were made, children in pairs.

    Attributes
    ----------
    feature : int32 array of shape (n_nodes,)
        Column of the split; -1 at a leaf.
    bin : int32 array of shape (n_nodes,)
        Codes up to it go left; -1 at leaves and categorical nodes.
    default_left : bool array of shape (n_nodes,)
        Where missing goes.
    left, right : int32 arrays of shape (n_nodes,)
        -1 at leaves.
    value : float32 array of shape (n_nodes,)
        What a leaf adds, learning rate included; at inner nodes what the node would
        have added as a leaf.
    gain : float32 array of shape (n_nodes,)
        The notes' Gain of the split; 0 at leaves.
    cover : float32 array of shape (n_nodes,)
        Sum of hessians.
    is_categorical : bool array of shape (n_nodes,)
    left_bins : uint32 array of shape (n_nodes, 8)
        Bit k % 32 of word k // 32 is set if code k goes left at a categorical node.
    leaf_of_row : int32 array of shape (n_rows,)
        Leaf of every row of the bins, sampled or not.
    """

    feature: NDArray[np.int32]
    bin: NDArray[np.int32]
    default_left: NDArray[np.bool_]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float32]
    gain: NDArray[np.float32]
    cover: NDArray[np.float32]
    is_categorical: NDArray[np.bool_]
    left_bins: NDArray[np.uint32]
    leaf_of_row: NDArray[np.int32]

    @property
    def n_nodes(self) -> int:
        """Number of nodes, leaves included."""
        return len(self.feature)


class TreeGrower:
    """Grow trees on one table of bin codes.

    Parameters
    ----------
    bins : uint8 array of shape (n_rows, n_columns)
        C-contiguous; may be read in place, so it must not change. Codes are below the
        column's ``column_bins``, or ``missing_code``.
    column_bins : int array of shape (n_columns,)
        Known codes of each column, from 1 to ``missing_code``.
    categorical : bool array of shape (n_columns,), optional
        Columns whose codes have no order.
    parameters : GrowthParameters, optional
    missing_code : int, default=255
    n_threads : int, optional
        Threads; None means the process's default. No tree depends on it.
    counts : uint8 array of shape (n_rows,), optional
        How many equal rows each row stands for, from 1 to 15; may be read in place.
        Trees are those of the rows repeated so.

    Raises
    ------
    TypeError
        If an array or a parameter is of the wrong kind.
    ValueError
        If a shape, code or parameter is out of range.

    Notes
    -----
    Rows are parted by gradients and hessians rounded to 15 bits of the largest one's
    magnitude (of 64 times the mean, if it is beyond 512 times that: what is larger is
    kept whole); leaf values and covers are from the unrounded ones. Both are sums of
    integers, so trees do not depend on the order of rows. Source: Chen & Guestrin
    (2016), "XGBoost"; Shi et al. (2022), "Quantized Training of Gradient Boosting
    Decision Trees".
    """

    def __init__(
        self,
        bins: NDArray[np.uint8],
        column_bins: ArrayLike,
        *,
        categorical: ArrayLike | None = None,
        parameters: GrowthParameters | None = None,
        missing_code: int = MISSING_CODE,
        n_threads: int | None = None,
        counts: NDArray[np.uint8] | None = None,
    ) -> None:
        check_array(bins, "bins", np.uint8, 2)
        if counts is not None:
            check_array(counts, "counts", np.uint8, 1)
        self._native: native.boosting.TreeGrower | native.boosting.SparseTreeGrower
        self._native = native.boosting.TreeGrower(
            bins,
            counts,
            *self._settings(
                bins.shape,
                column_bins,
                categorical,
                parameters,
                missing_code,
                n_threads,
                _WHERE,
            ),
        )

    def _settings(
        self,
        shape: tuple[int, ...],
        column_bins: ArrayLike,
        categorical: ArrayLike | None,
        parameters: GrowthParameters | None,
        missing_code: int,
        n_threads: int | None,
        where: str,
    ) -> tuple[Any, ...]:
        """Check what goes with a table; give it as the bindings take it, in order."""
        n_rows, n_columns = shape
        if n_columns == 0:
            fail(where, "bins with at least one column", f"shape {shape}")
        if categorical is None:
            categorical = np.zeros(n_columns, np.bool_)
        is_categorical = as_mask(categorical, (n_columns,), where, "categorical")
        self.shape = n_rows, n_columns
        self.n_threads = resolve_n_threads(n_threads, where)
        return (
            as_column_bins(column_bins, n_columns, where),
            is_categorical,
            as_integer(missing_code, where, "missing_code", low=1, high=255),
            as_native_parameters(parameters or GrowthParameters(), is_categorical),
            self.n_threads,
        )

    def grow(
        self,
        grad: NDArray[np.float32],
        hess: NDArray[np.float32],
        *,
        rows: NDArray[np.int32] | None = None,
        columns: NDArray[np.bool_] | None = None,
        seed: int = 0,
        tree_index: int = 0,
    ) -> GrownTree:
        """Grow a tree.

        Parameters
        ----------
        grad, hess : float32 arrays of shape (n_rows,)
            Finite. A node whose H + lambda is not positive is a leaf, of value 0.
        rows : int32 array, optional
            Ascending numbers of the rows to learn from; None means all.
        columns : bool array of shape (n_columns,), optional
            Columns to learn from, at least one; None means all.
        seed, tree_index : int, default=0
            Key of the draws of ``colsample_bylevel`` and ``colsample_bynode``.

        Raises
        ------
        ValueError
            If an array is of the wrong dtype or shape, grad or hess is not finite, rows
            are out of range or do not ascend, or no column is left.
        """
        used = self._used_columns(columns, (), "grow")
        return GrownTree(
            *self._native.grow(grad, hess, rows, used, seed & _SEED_BITS, tree_index)
        )

    def grow_round(
        self,
        grad: NDArray[np.float32],
        hess: NDArray[np.float32],
        *,
        rows: NDArray[np.int32] | None = None,
        columns: NDArray[np.bool_] | None = None,
        seed: int = 0,
        first_tree_index: int = 0,
    ) -> list[GrownTree]:
        """Grow the trees that ``grow`` gives for each row of gradients.

        Threads grow trees of a small table side by side, where they would wait for one
        another within a tree.

        Parameters
        ----------
        grad, hess : float32 arrays of shape (n_trees, n_rows)
        rows : int32 array, optional
            Ascending numbers of the rows that all trees learn from; None means all.
        columns : bool array of shape (n_trees, n_columns), optional
            Columns to learn from, at least one a tree; None means all.
        seed, first_tree_index : int, default=0
            As for ``grow``; tree k is number ``first_tree_index + k``.

        Returns
        -------
        list of GrownTree
            Their ``leaf_of_row`` are rows of one array.

        Raises
        ------
        ValueError
            As ``grow`` does, or if shapes do not agree.
        """
        where = f"boosting.{type(self).__name__}.grow_round"
        check_array(grad, "grad", np.float32, 2, where)
        used = self._used_columns(columns, grad.shape[:1], "grow_round")
        grown = self._native.grow_round(
            grad, hess, rows, used, seed & _SEED_BITS, first_tree_index
        )
        return [GrownTree(*arrays) for arrays in grown]

    def _used_columns(
        self, columns: ArrayLike | None, n_trees: tuple[int, ...], method: str
    ) -> NDArray[np.bool_] | None:
        """Check the masks of trees; None stays None."""
        if columns is None:
            return None
        where = f"boosting.{type(self).__name__}.{method}"
        used = as_mask(columns, (*n_trees, self.shape[1]), where, "columns")
        if not used.any(axis=-1).all():
            fail(where, "at least one column", "none")
        return used

    def add_leaf_values(self, margins: NDArray[np.float64], tree: GrownTree) -> None:
        """Add the value of each row's leaf to ``margins`` of shape (n_rows,)."""
        native.boosting.add_leaf_values(
            tree.leaf_of_row, tree.value, margins, self.n_threads
        )


def add_tree_values(
    bins: NDArray[np.uint8],
    tree: GrownTree,
    margins: NDArray[np.float64],
    *,
    missing_code: int = MISSING_CODE,
    n_threads: int | None = None,
) -> None:
    """Add a tree's values for other rows, binned alike, to ``margins`` (n_rows,)."""
    where = "boosting.add_tree_values"
    check_array(bins, "bins", np.uint8, 2, where)
    if bins.shape[1] <= tree.feature.max():
        fail(where, f"bins with over {tree.feature.max()} columns", describe(bins))
    native.boosting.add_tree_values(
        bins,
        as_native_tree(tree),
        missing_code,
        margins,
        resolve_n_threads(n_threads, where),
    )


def as_native_tree(tree: GrownTree) -> tuple[NDArray[Any], ...]:
    """Put what a row's way depends on as the bindings take it."""
    return (
        tree.feature,
        tree.bin,
        tree.default_left,
        tree.left,
        tree.right,
        tree.value,
        tree.is_categorical,
        tree.left_bins,
    )


def check_array(
    value: Any, name: str, dtype: Any, ndim: int, where: str = _WHERE
) -> None:
    """Refuse anything but an array of this dtype and number of dimensions."""
    if not isinstance(value, np.ndarray):
        fail_type(where, f"{name} as a NumPy array", type(value).__name__)
    if value.dtype != dtype or value.ndim != ndim:
        expected = f"{name} of dtype {np.dtype(dtype)} and {ndim} dimensions"
        fail(where, expected, describe(value))


def as_column_bins(value: ArrayLike, n_columns: int, where: str) -> NDArray[np.int32]:
    """Known codes of each column, in range or so that the binding refuses them."""
    counts = np.asarray(value)
    if counts.dtype.kind not in "iu":
        fail_type(where, "column_bins of integers", describe(counts))
    if counts.shape != (n_columns,):
        fail(where, f"column_bins of shape ({n_columns},)", describe(counts))
    return np.ascontiguousarray(np.clip(counts, 0, 256), np.int32)


def as_mask(
    value: ArrayLike, shape: tuple[int, ...], where: str, name: str
) -> NDArray[np.bool_]:
    """Check a mask."""
    mask = np.ascontiguousarray(value)
    if mask.dtype != np.bool_ or mask.shape != shape:
        fail(where, f"{name} of dtype bool and shape {shape}", describe(mask))
    return mask


def as_native_parameters(
    p: GrowthParameters, categorical: NDArray[np.bool_]
) -> dict[str, Any]:
    """Check every parameter, and put it as the binding takes it."""
    rules = asdict(p)
    for name in ("max_depth", "max_leaves", "max_cat_to_onehot"):
        rules[name] = as_integer(rules[name], _WHERE, name, low=0, high=_MOST)
    rules["max_cat_threshold"] = as_integer(
        p.max_cat_threshold, _WHERE, "max_cat_threshold", low=1, high=_MOST
    )
    for name in (
        "learning_rate",
        "reg_lambda",
        "reg_alpha",
        "gamma",
        "min_child_weight",
        "max_delta_step",
        "cat_smooth",
    ):
        rules[name] = as_real(rules[name], _WHERE, name, low=0.0)
    for name in ("colsample_bylevel", "colsample_bynode"):
        rules[name] = as_real(rules[name], _WHERE, name, low=0.0, high=1.0)
        if rules[name] == 0.0:
            fail(_WHERE, f"{name} > 0", "0.0")
    policies = ("depthwise", "lossguide")
    check_choice(p.grow_policy, _WHERE, "grow_policy", policies)
    rules["best_first"] = rules.pop("grow_policy") == "lossguide"
    rules["monotone"] = _monotone(p.monotone, categorical)
    rules["interaction"] = _interaction(p.interaction, len(categorical))
    return rules


def _monotone(signs: Sequence[int] | None, categorical: NDArray[np.bool_]) -> list[int]:
    if signs is None:
        return []
    if len(signs) != len(categorical):
        fail(_WHERE, f"{len(categorical)} monotone constraints", str(len(signs)))
    checked = [as_integer(s, _WHERE, "monotone", low=-1, high=1) for s in signs]
    if (np.asarray(checked, np.bool_) & categorical).any():
        fail(_WHERE, "no monotone constraint on a categorical column", "one")
    return checked if any(checked) else []


def _interaction(
    sets: Sequence[Sequence[int]] | None, n_columns: int
) -> list[list[int]]:
    """Ascending columns of each set; one empty set stands for no set at all."""
    if sets is None:
        return []
    high = n_columns - 1
    checked = [
        sorted({as_integer(c, _WHERE, "interaction", low=0, high=high) for c in one})
        for one in sets
    ]
    return checked or [[]]
