from typing import Any

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.floating[Any]]

class PackedMatrix32:
    def __init__(self, b: _Array, transpose: bool, n_threads: int) -> None: ...
    def matmul(
        self, a: _Array, out: _Array, accumulate: bool, n_threads: int
    ) -> None: ...

class PackedMatrix64:
    def __init__(self, b: _Array, transpose: bool, n_threads: int) -> None: ...
    def matmul(
        self, a: _Array, out: _Array, accumulate: bool, n_threads: int
    ) -> None: ...

def matmul(
    a: _Array,
    b: _Array,
    transpose_a: bool,
    transpose_b: bool,
    out: _Array,
    accumulate: bool,
    n_threads: int,
) -> None: ...
