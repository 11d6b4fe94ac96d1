"""Large results reuse memory, and nobody can tell but by the clock."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes._memory import empty

LARGE = (1 << 20,)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 5), (7,), LARGE, (1024, 513)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_are_ordinary(shape, dtype):
    array = empty(shape, np.dtype(dtype))
    assert array.shape == shape
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    assert array.flags.writeable
    array[...] = 1.0
    assert array.sum() == array.size


def test_freed_memory_is_used_again_and_living_memory_is_not():
    first = empty(LARGE, np.dtype(np.float64))
    address = first.ctypes.data
    beside = empty(LARGE, np.dtype(np.float64))
    assert not np.may_share_memory(first, beside)
    view = first[::2]
    del first
    held = empty(LARGE, np.dtype(np.float64))
    assert not np.may_share_memory(view, held)  # a view keeps its memory alive
    del view
    assert empty(LARGE, np.dtype(np.float64)).ctypes.data == address


def test_large_results_lie_on_a_cache_line():
    assert empty(LARGE, np.dtype(np.float32)).ctypes.data % 64 == 0


def test_impossible_sizes_are_memory_errors():
    with pytest.raises(MemoryError):
        empty((1 << 40, 1 << 40), np.dtype(np.float64))
    with pytest.raises(MemoryError):
        empty((1 << 50,), np.dtype(np.float64))
