"""Memory for results."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes._validation import check_fits

#: Smaller results are NumPy's business.
_SMALLEST_POOLED = 1 << 18


@contextmanager
def memory_of(where: str) -> Iterator[None]:
    """Say in the one voice that memory is short: the system does so without a word."""
    try:
        yield
    except MemoryError as error:
        raise MemoryError(
            f"[{where}] expected memory for scratch and results, got none ({error})"
        ) from None


def empty(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> NDArray[Any]:
    """Return an uninitialised C-contiguous array for a result.

    Memory of large results that were freed (up to 512 MiB) is used again: a loop over
    large arrays otherwise spends more time on the system's fresh pages than on its
    arithmetic. Large results lie on a cache line, very large ones on huge pages.

    Raises
    ------
    ValueError
        For a result that no memory holds.
    MemoryError
        For one that this machine's does not, now.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if 0 < n_bytes < _SMALLEST_POOLED:
        return np.empty(shape, dtype)
    check_fits(where, "a result", shape, dtype)
    if n_bytes == 0:
        return np.empty(shape, dtype)
    with memory_of(where):
        return native.runtime.pooled_bytes(n_bytes).view(dtype).reshape(shape)
