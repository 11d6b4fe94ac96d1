from typing import Any

import numpy as np
from numpy.typing import NDArray

def fit_thresholds(
    X: NDArray[Any], max_bin: int, subsample: int, seed: int, n_threads: int
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
