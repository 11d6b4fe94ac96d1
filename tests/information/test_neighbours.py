"""Neighbours, balls and counts on lines against brute force, ties and all."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes._core import native
from fastnotes._reference import information as reference
from fastnotes.information import _neighbours as kernels
from support.sweeps import AWKWARD_SIZES, same_bytes_for_threads

#: How points lie: anywhere, on a lattice, on few places, on one.
LAYOUTS = {
    "spread": lambda rng, shape: rng.standard_normal(shape),
    "lattice": lambda rng, shape: rng.integers(0, 6, shape) / 4,
    "two places": lambda rng, shape: rng.integers(0, 2, (shape[0], 1)) * np.ones(shape),
    "one place": lambda rng, shape: np.full(shape, 0.75),
    "a line": lambda rng, shape: rng.standard_normal((shape[0], 1)) * np.ones(shape),
}


def points_of(layout, n, dims, seed=0):
    rng = np.random.default_rng(seed)
    return np.ascontiguousarray(LAYOUTS[layout](rng, (n, dims)), np.float64)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n", [n for n in AWKWARD_SIZES if n > 1])
def test_small_sets(layout, n):
    for dims in (1, 2, 3, 5):
        points = points_of(layout, n, dims)
        for k in {1, min(3, n - 1), n - 1}:
            radius, inside = kernels.kth_neighbours(points, k, 2)
            expected = reference.kth_neighbours(points, k)
            np.testing.assert_array_equal(radius, expected[0])
            near = reference.count_inside(points, radius)
            np.testing.assert_array_equal(inside, near)
            np.testing.assert_array_equal(kernels.count_inside(points, radius, 2), near)
            closed = kernels.count_inside(points, radius, 2, closed=True)
            up_to = reference.distances(points) <= radius[:, None]
            np.testing.assert_array_equal(closed, up_to.sum(axis=1))
            counts, extents = kernels.ball_extents(points, radius, 2)
            expected = reference.ball_extents(points, radius)
            np.testing.assert_array_equal(counts, expected[0])
            np.testing.assert_array_equal(extents, expected[1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_queries_of_another_set(layout):
    points, queries = points_of(layout, 200, 2), points_of(layout, 33, 2, seed=1)
    for k in (1, 4, 200):
        got = kernels.kth_neighbours(points, k, 2, queries=queries)
        expected = reference.kth_neighbours(points, k, queries)
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    assert kernels.kth_neighbours(points, 1, 1, queries=queries[:0])[0].shape == (0,)


@pytest.mark.parametrize("n", AWKWARD_SIZES)
def test_lines(n):
    rng = np.random.default_rng(n)
    lines = np.stack([rng.standard_normal(n), rng.integers(0, 4, n), np.zeros(n)])
    radius = rng.choice([0.0, 0.3, 1.0, 9.0], lines.shape)
    for closed in (False, True):
        got = kernels.count_on_lines(lines, radius, 2, closed=closed)
        away = np.abs(lines[:, :, None] - lines[:, None])
        reach = radius[:, :, None]
        near = away <= reach if closed else (away < reach) | (away == 0)
        np.testing.assert_array_equal(got, near.sum(axis=2) - 1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_threads_and_order_do_not_matter(layout):
    points = points_of(layout, 5000, 2)
    radius, _ = same_bytes_for_threads(lambda n: kernels.kth_neighbours(points, 3, n))
    same_bytes_for_threads(lambda n: kernels.count_inside(points, radius, n))
    same_bytes_for_threads(lambda n: kernels.kth_neighbours(points, 3, n, points[:900]))
    lines = np.ascontiguousarray(points.T)
    same_bytes_for_threads(lambda n: kernels.count_on_lines(lines, radius, n))
    same_bytes_for_threads(lambda n: kernels.ball_extents(points, radius, n))
    order = np.random.default_rng(1).permutation(5000)
    moved, _ = kernels.kth_neighbours(points[order], 3, 2)
    np.testing.assert_array_equal(moved, radius[order])


def test_bindings_check_memory():
    points, room = np.zeros((4, 2)), native.information
    out, counts = np.zeros(4), np.zeros(4, np.int64)
    where = r"^\[information\.kth_neighbours\] expected .*, got "
    for arguments in (
        (points, None, 0, out, counts, 1),
        (points, None, 4, out, counts, 1),
        (points, None, 1, out[:3], counts, 1),
        (points, None, 1, out, counts[:3], 1),
        (points, None, 1, out, counts, 0),
        (points, np.zeros((4, 3)), 1, out, counts, 1),
        (points, np.zeros((4, 2)), 5, out, counts, 1),
        (points[:, :0].copy(), None, 1, out, counts, 1),
        (points.astype(np.float32), None, 1, out, counts, 1),
        (points.T, None, 1, out, counts, 1),
    ):
        with pytest.raises(ValueError, match=where):
            room.kth_neighbours(*arguments)
    with pytest.raises(ValueError, match=r"^\[information\.count_inside\]"):
        room.count_inside(points, out[:2], False, counts, 1)
    with pytest.raises(ValueError, match=r"^\[information\.ball_extents\]"):
        room.ball_extents(points, out, counts, np.zeros((4, 3)), 1)
    with pytest.raises(ValueError, match=r"^\[information\.count_on_lines\]"):
        room.count_on_lines(points, points, False, counts.reshape(2, 2), 1)
