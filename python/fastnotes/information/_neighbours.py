"""The kernels of this room on checked arrays, and psi of whole numbers."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from scipy.special import psi

from fastnotes._core import native
from fastnotes.information._probabilities import Float64Array

Counts = NDArray[np.int64]


def kth_neighbours(
    points: Float64Array, k: int, n_threads: int, queries: Float64Array | None = None
) -> tuple[Float64Array, Counts]:
    """Distance to the k-th neighbour, and how many are nearer; if it is 0, coincide."""
    n = len(points if queries is None else queries)
    distance, inside = np.empty(n), np.empty(n, np.int64)
    native.information.kth_neighbours(points, queries, k, distance, inside, n_threads)
    if queries is None and not distance.all():
        coinciding = count_inside(points, np.zeros(n), n_threads)
        inside = np.where(distance > 0, inside, coinciding)
    return distance, inside


def count_inside(
    points: Float64Array, radius: Float64Array, n_threads: int, *, closed: bool = False
) -> Counts:
    """Other points nearer than a radius; for a radius of 0, those that coincide.

    With ``closed`` those no farther than it.
    """
    if points.shape[1] == 1:
        return count_on_lines(points.T, radius[None], n_threads, closed=closed).ravel()
    counts = np.empty(len(points), np.int64)
    native.information.count_inside(points, radius, closed, counts, n_threads)
    return counts


def count_on_lines(
    lines: Float64Array, radius: Float64Array, n_threads: int, *, closed: bool = False
) -> Counts:
    """The same on every line; with ``closed`` those no farther than the radius."""
    counts = np.empty(lines.shape, np.int64)
    lines = np.ascontiguousarray(lines)
    radius = np.ascontiguousarray(np.broadcast_to(radius, lines.shape))
    native.information.count_on_lines(lines, radius, closed, counts, n_threads)
    return counts


def ball_extents(
    points: Float64Array, radius: Float64Array, n_threads: int
) -> tuple[Counts, Float64Array]:
    """Other points no farther than the radius, and how far they reach on each axis.

    None for a radius of 0.
    """
    counts, extents = np.empty(len(points), np.int64), np.empty_like(points)
    native.information.ball_extents(points, radius, counts, extents, n_threads)
    return counts, extents


def psi_of(counts: Counts | int) -> Float64Array:
    """The digamma function of whole numbers > 0, by a table."""
    most = int(np.max(counts, initial=1))
    return _table(1 << most.bit_length())[counts]


@functools.lru_cache(maxsize=2)
def _table(size: int) -> Float64Array:
    table = np.empty(size)
    table[0] = np.nan
    table[1:] = psi(np.arange(1, size, dtype=np.float64))
    table.flags.writeable = False
    return table
