"""Memory for results."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native

#: Smaller results are NumPy's business.
_SMALLEST_POOLED = 1 << 18


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an uninitialised C-contiguous array for a result.

    Memory of large results that were freed (up to 256 MiB) is used again: a loop over
    large arrays otherwise spends more time on the system's fresh pages than on its
    arithmetic. Large results lie on a cache line, very large ones on huge pages.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes < _SMALLEST_POOLED:
        return np.empty(shape, dtype)
    if n_bytes > sys.maxsize:
        raise MemoryError(f"an array of shape {shape} and dtype {dtype}")
    return native.runtime.pooled_bytes(n_bytes).view(dtype).reshape(shape)
