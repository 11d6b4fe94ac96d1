"""Large results reuse memory, and nobody can tell but by the clock."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes._memory import empty

LARGE = (1 << 20,)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 5), (7,), LARGE, (1024, 513)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_are_ordinary(shape, dtype):
    array = empty(shape, np.dtype(dtype), "t")
    assert array.shape == shape
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    assert array.flags.writeable
    array[...] = 1.0
    assert array.sum() == array.size


def test_freed_memory_is_used_again_and_living_memory_is_not():
    first = empty(LARGE, np.dtype(np.float64), "t")
    address = first.ctypes.data
    beside = empty(LARGE, np.dtype(np.float64), "t")
    assert not np.may_share_memory(first, beside)
    view = first[::2]
    del first
    held = empty(LARGE, np.dtype(np.float64), "t")
    assert not np.may_share_memory(view, held)  # a view keeps its memory alive
    del view
    assert empty(LARGE, np.dtype(np.float64), "t").ctypes.data == address


def test_large_results_lie_on_a_cache_line():
    assert empty(LARGE, np.dtype(np.float32), "t").ctypes.data % 64 == 0


def test_impossible_sizes_are_refused():
    for shape in [(1 << 40, 1 << 40), (1 << 45,), (0, 1 << 61)]:
        with pytest.raises(
            ValueError, match=r"^\[t\] expected .* fits in memory, got "
        ):
            empty(shape, np.dtype(np.float64), "t")


def test_short_memory_speaks_in_the_one_voice():
    with pytest.raises(MemoryError, match=r"^\[t\] expected memory .*, got none"):
        empty((1 << 43,), np.dtype(np.float64), "t")


def test_the_newest_memory_is_kept_and_the_oldest_makes_room():
    sizes = [(n << 20,) for n in (300, 400)]
    bytes_ = np.dtype(np.uint8)
    older, newer = (empty(size, bytes_, "t") for size in sizes)
    newer[:: 1 << 12] = 1
    address = newer.ctypes.data
    del older
    del newer  # both together are more than is kept
    again = empty(sizes[1], bytes_, "t")
    assert again.ctypes.data == address
    again[:: 1 << 12] = 2  # its pages may have been taken: they come back
    assert (again[:: 1 << 12] == 2).all()
