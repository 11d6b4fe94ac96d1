from typing import Any

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.floating[Any]]

def eigen_matmul(
    a: _Array, b: _Array, transpose_a: bool, out: _Array, n_threads: int
) -> None: ...
