from typing import Any

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.floating[Any]]

def eigen_matmul(
    a: _Array, b: _Array, transpose_a: bool, out: _Array, n_threads: int
) -> None: ...
def histogram_f64_pairs(
    bins: NDArray[np.uint8],
    grad: NDArray[np.float32],
    hess: NDArray[np.float32],
    rows: NDArray[np.int64] | None,
    n_threads: int,
) -> NDArray[np.float64]: ...
