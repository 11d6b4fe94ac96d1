"""Sizes, dtypes and thread counts that every kernel is run over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

#: Around every vector width and block edge.
AWKWARD_SIZES = (0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 255, 257)
DTYPES = (np.float32, np.float64)
THREADS = (1, 2, 7)


def same_bytes_for_threads(call: Callable[[int], Any]) -> Any:
    """Run ``call(n_threads)`` for 1, 2 and 7 threads; equal bytes, or fail.

    Returns the result for one thread. Results may be arrays, scalars, None, or (named)
    tuples of them.
    """
    first = call(THREADS[0])
    for n_threads in THREADS[1:]:
        assert_same_bytes(call(n_threads), first, f"{n_threads} threads against 1")
    return first


def assert_same_bytes(got: Any, expected: Any, label: str = "") -> None:
    """Compare dtype, shape and every byte, so that NaN and signed zero count."""
    pairs = list(zip(_arrays(got), _arrays(expected), strict=True))
    assert pairs, "nothing to compare"
    for one, other in pairs:
        assert one.dtype == other.dtype, label
        assert one.shape == other.shape, label
        assert one.tobytes() == other.tobytes(), f"bytes differ: {label}"


def _arrays(value: Any) -> Iterable[np.ndarray[Any, Any]]:
    if isinstance(value, tuple):
        for item in value:
            yield from _arrays(item)
    elif value is not None:
        yield np.asarray(value)
