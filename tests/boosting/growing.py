"""Inputs and comparisons of the tests of growth."""

from __future__ import annotations

import numpy as np

from fastnotes.boosting.growth import (
    MISSING_CODE,
    GrownTree,
    GrowthParameters,
    TreeGrower,
)
from support.tolerances import COMPOSITE, ELEMENTWISE

STRUCTURE = ("feature", "bin", "default_left", "left", "right", "is_categorical")


def random_table(seed, n_rows=400, n_columns=5, n_bins=12, missing=0.1):
    """Codes, and gradients on a grid that 15 bits hold, so that nothing is rounded."""
    rng = np.random.default_rng(seed)
    bins = rng.integers(0, n_bins, (n_rows, n_columns)).astype(np.uint8)
    signal = np.sin(bins[:, 0]) + (bins[:, -1] % 3 == 0)
    grad = np.round(64 * (rng.standard_normal(n_rows) + signal)) / 64
    hess = rng.integers(1, 65, n_rows) / 64
    bins[rng.random(bins.shape) < missing] = MISSING_CODE
    column_bins = np.full(n_columns, n_bins, np.int32)
    return bins, column_bins, grad.astype(np.float32), hess.astype(np.float32)


def grow(table, *, categorical=None, n_threads=1, draw=None, **parameters):
    """A tree of the table by the kernel; ``draw`` goes to ``grow``."""
    bins, column_bins, grad, hess = table
    grower = TreeGrower(
        bins,
        column_bins,
        categorical=categorical,
        parameters=GrowthParameters(**parameters),
        n_threads=n_threads,
    )
    return grower.grow(grad, hess, **(draw or {}))


def arrays(tree: GrownTree):
    return tuple(vars(tree).values())


def assert_same_structure(got: GrownTree, expected: GrownTree) -> None:
    for name in (*STRUCTURE, "left_bins", "leaf_of_row"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), name)


def assert_same_tree(got: GrownTree, expected: GrownTree) -> None:
    assert_same_structure(got, expected)
    COMPOSITE.assert_close(got.value, expected.value)
    COMPOSITE.assert_close(got.gain, expected.gain)
    ELEMENTWISE.assert_close(got.cover, expected.cover)


def walk(tree: GrownTree, bins):
    """Leaf of every row, by the words of GrownTree alone."""
    node = np.zeros(len(bins), np.int64)
    rows = np.arange(len(bins))
    while (inner := tree.feature[node] >= 0).any():
        code = bins[rows, tree.feature[node]].astype(np.int64)
        in_set = tree.left_bins[node, code // 32] >> (code % 32).astype(np.uint32) & 1
        left = np.where(tree.is_categorical[node], in_set == 1, code <= tree.bin[node])
        left = np.where(code == MISSING_CODE, tree.default_left[node], left)
        node = np.where(inner, np.where(left, tree.left[node], tree.right[node]), node)
    return node
