"""Growth of one tree from binned data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The bin code of a missing value.
MISSING_CODE = 255


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
        -1, 0 or 1 for each column.
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


@dataclass(frozen=True, eq=False)
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
        Learning rate included.
    gain : float32 array of shape (n_nodes,)
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
    leaf_of_row: NDArray[Any]
