"""Rows of training that are equal become one that counts for all of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native

#: Fewer rows are not worth looking at.
LEAST_ROWS = 1 << 16

#: Rows that tell whether a look at all of them pays.
_SAMPLE = 1 << 14

#: Share of the rows that may be left where merging them pays.
_MOST_LEFT = 0.75


class EqualRows(NamedTuple):
    """Rows to keep, ascending, and how many rows each stands for, itself included."""

    rows: NDArray[np.int64]
    counts: NDArray[np.uint8]


def find_equal_rows(
    bins: NDArray[np.uint8],
    y: NDArray[Any],
    weight: NDArray[np.float32] | None,
    n_threads: int,
) -> EqualRows | None:
    """Merge rows of equal codes, target and weight; None where that does not pay.

    A look at every k-th row comes first: of n rows each with c equal ones, it shows
    (c - 1) m^2 / 2n pairs in m.
    """
    n_rows = len(bins)
    tags = _octets(y) if weight is None else np.hstack([_octets(y), _octets(weight)])
    if n_rows < LEAST_ROWS:
        return None
    step = max(1, n_rows // _SAMPLE)
    sample = np.ascontiguousarray(bins[::step])
    counts = _count(sample, np.ascontiguousarray(tags[::step]), n_threads)
    pairs = np.count_nonzero(counts == 0)
    if 2 * n_rows * pairs < len(sample) ** 2 * (1 / _MOST_LEFT - 1):
        return None
    counts = _count(bins, tags, n_threads)
    rows = np.flatnonzero(counts)
    if len(rows) > _MOST_LEFT * n_rows:
        return None
    return EqualRows(rows, counts[rows])


def _count(
    bins: NDArray[np.uint8], tags: NDArray[np.uint8], n_threads: int
) -> NDArray[np.uint8]:
    return native.boosting.count_equal_rows(bins, tags, n_threads)


def _octets(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Bytes of each value."""
    octets: NDArray[np.uint8] = np.ascontiguousarray(values).view(np.uint8)
    return octets.reshape(len(values), -1)
