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
