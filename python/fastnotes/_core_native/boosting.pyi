from typing import Any

import numpy as np
from numpy.typing import NDArray

def fit_thresholds(
    X: NDArray[Any],
    sample_weight: NDArray[np.float64] | None,
    max_bin: int,
    subsample: int,
    seed: int,
    n_threads: int,
) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64]]: ...
def assign_bins(
    X: NDArray[Any], thresholds: NDArray[Any], n_bins: int, n_threads: int
) -> NDArray[np.uint8]: ...
def build_histogram(
    bins: NDArray[np.uint8],
    grad: NDArray[Any],
    hess: NDArray[Any],
    rows: NDArray[np.int64] | None,
    n_bins: int,
    n_threads: int,
) -> NDArray[np.float64]: ...
def find_best_split(
    histogram: NDArray[np.float64],
    reg_lambda: float,
    gamma: float,
    min_child_weight: float,
    reg_alpha: float,
    n_threads: int,
) -> tuple[int, int, float, bool, float, float, float, float] | None: ...
def sample_rows(
    chance: float, seed: int, round_index: int, out: NDArray[np.int32], n_threads: int
) -> int: ...

class Predictor:
    def __init__(self, trees: Any) -> None: ...
    def add_margins(
        self,
        X: NDArray[Any],
        margins: NDArray[np.float64],
        first: int,
        last: int,
        n_threads: int,
    ) -> None: ...
    def leaf_ids(
        self, X: NDArray[Any], first: int, last: int, n_threads: int
    ) -> NDArray[np.int32]: ...
    def margins_row(self, x: NDArray[Any]) -> NDArray[np.float64]: ...

class Explainer:
    def __init__(self, trees: Any, background: NDArray[Any] | None) -> None: ...
    def expectation(self) -> NDArray[np.float64]: ...
    def explain(
        self,
        X: NDArray[Any],
        base: NDArray[np.float64],
        interactions: bool,
        n_threads: int,
    ) -> NDArray[np.float64]: ...

def pointwise_gradients(
    loss: str,
    y: NDArray[Any],
    weight: NDArray[np.float32] | None,
    margins: NDArray[np.float64],
    parameters: NDArray[np.float64],
    grad: NDArray[np.float32],
    hess: NDArray[np.float32],
    n_threads: int,
) -> int: ...
def pointwise_loss(
    loss: str,
    y: NDArray[Any],
    weight: NDArray[np.float32] | None,
    margins: NDArray[np.float64],
    parameters: NDArray[np.float64],
    n_threads: int,
) -> NDArray[np.float64]: ...
def softmax_gradients(
    y: NDArray[np.int32],
    weight: NDArray[np.float32] | None,
    margins: NDArray[np.float64],
    grad: NDArray[np.float32],
    hess: NDArray[np.float32],
    n_threads: int,
) -> int: ...
def softmax_loss(
    y: NDArray[np.int32],
    weight: NDArray[np.float32] | None,
    margins: NDArray[np.float64],
    n_threads: int,
) -> float: ...
def leaf_quantiles(
    y: NDArray[Any],
    weight: NDArray[np.float32] | None,
    margins: NDArray[np.float64] | None,
    leaf_of_row: NDArray[np.int32] | None,
    rows: NDArray[np.int32] | None,
    alpha: float,
    values: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def lambdarank_gradients(
    gains: NDArray[np.float64],
    offsets: NDArray[np.int64],
    inverse_ideal: NDArray[np.float64],
    discounts: NDArray[np.float64],
    weight: NDArray[np.float32] | None,
    margins: NDArray[np.float64],
    grad: NDArray[np.float32],
    hess: NDArray[np.float32],
    truncation: int,
    ndcg: bool,
    normalize_scores: bool,
    normalize_lists: bool,
    n_threads: int,
) -> int: ...
def discounted_gain(
    gains: NDArray[np.float64],
    offsets: NDArray[np.int64],
    discounts: NDArray[np.float64],
    scores: NDArray[np.float64],
    truncation: int,
    n_threads: int,
) -> NDArray[np.float64]: ...
def fit_sparse_thresholds(
    n_rows: int,
    offsets: NDArray[np.int64],
    rows: NDArray[np.int32],
    values: NDArray[Any],
    absent_is_zero: bool,
    sample_weight: NDArray[np.float64] | None,
    max_bin: int,
    subsample: int,
    seed: int,
    n_threads: int,
) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64], NDArray[np.int64]]: ...
def assign_sparse_bins(
    offsets: NDArray[np.int64],
    values: NDArray[Any],
    thresholds: NDArray[Any],
    cut_offsets: NDArray[np.int64],
    n_bins: int,
    n_threads: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]: ...
def count_equal_rows(
    codes: NDArray[np.uint8], tags: NDArray[np.uint8], n_threads: int
) -> NDArray[np.uint8]: ...

class TreeGrower:
    def __init__(
        self,
        bins: NDArray[np.uint8],
        counts: NDArray[np.uint8] | None,
        column_bins: NDArray[np.int32],
        categorical: NDArray[np.bool_],
        missing_code: int,
        parameters: dict[str, Any],
        n_threads: int,
    ) -> None: ...
    def grow(
        self,
        grad: NDArray[np.float32],
        hess: NDArray[np.float32],
        rows: NDArray[np.int32] | None,
        columns: NDArray[np.bool_] | None,
        seed: int,
        tree_index: int,
    ) -> tuple[Any, ...]: ...
    def grow_round(
        self,
        grad: NDArray[np.float32],
        hess: NDArray[np.float32],
        rows: NDArray[np.int32] | None,
        columns: NDArray[np.bool_] | None,
        seed: int,
        first_tree_index: int,
    ) -> list[tuple[Any, ...]]: ...

class SparseTreeGrower:
    def __init__(
        self,
        n_rows: int,
        offsets: NDArray[np.int64],
        rows: NDArray[np.int32],
        bins: NDArray[np.uint8],
        absent_bins: NDArray[np.uint8],
        column_bins: NDArray[np.int32],
        categorical: NDArray[np.bool_],
        missing_code: int,
        parameters: dict[str, Any],
        n_threads: int,
    ) -> None: ...
    def grow(
        self,
        grad: NDArray[np.float32],
        hess: NDArray[np.float32],
        rows: NDArray[np.int32] | None,
        columns: NDArray[np.bool_] | None,
        seed: int,
        tree_index: int,
    ) -> tuple[Any, ...]: ...
    def grow_round(
        self,
        grad: NDArray[np.float32],
        hess: NDArray[np.float32],
        rows: NDArray[np.int32] | None,
        columns: NDArray[np.bool_] | None,
        seed: int,
        first_tree_index: int,
    ) -> list[tuple[Any, ...]]: ...

class SparseRows:
    def __init__(
        self,
        n_rows: int,
        offsets: NDArray[np.int64],
        rows: NDArray[np.int32],
        bins: NDArray[np.uint8],
        absent_bins: NDArray[np.uint8],
        missing_code: int,
        n_threads: int,
    ) -> None: ...
    def find_leaves(self, tree: tuple[Any, ...]) -> NDArray[np.int32]: ...

def add_leaf_values(
    leaf_of_row: NDArray[np.int32],
    value: NDArray[np.float32],
    margins: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def add_tree_values(
    bins: NDArray[np.uint8],
    tree: tuple[Any, ...],
    missing_code: int,
    margins: NDArray[np.float64],
    n_threads: int,
) -> None: ...
