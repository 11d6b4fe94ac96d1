"""The reference trainer against values known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes._reference.boosting import find_best_split
from fastnotes._reference.boosting_growth import grow_tree
from fastnotes.boosting import build_histogram, split_gain
from fastnotes.boosting.growth import MISSING_CODE, GrowthParameters
from support.tolerances import ELEMENTWISE, PUBLISHED

EXACT = {"learning_rate": 1.0, "reg_lambda": 0.0, "min_child_weight": 0.0}


def table(n_rows=60, n_columns=3, n_bins=8, seed=0, missing=True):
    rng = np.random.default_rng(seed)
    bins = rng.integers(0, n_bins, (n_rows, n_columns), dtype=np.uint8)
    if missing:
        bins[rng.random(bins.shape) < 0.15] = MISSING_CODE
    grad = rng.standard_normal(n_rows).astype(np.float32)
    return bins, np.full(n_columns, n_bins, np.int32), grad, np.ones(n_rows, np.float32)


def grow(bins, column_bins, grad, hess, parameters=None, **options):
    rules = GrowthParameters(**(parameters or {}))
    return grow_tree(bins, column_bins, grad, hess, rules, **options)


def test_the_notes_example():
    y = np.array([1.0, 1, 2, 5, 6, 5])
    bins = np.arange(6, dtype=np.uint8)[:, None]
    tree = grow(
        bins, [6], -2 * y, np.full(6, 2.0), {"max_depth": 1, "learning_rate": 1.0}
    )
    assert (tree.feature[0], tree.bin[0]) == (0, 2)
    PUBLISHED.assert_close(tree.gain[:1], [16.1758241758242])
    PUBLISHED.assert_close(tree.value[1:], [1.14285714285714, 4.57142857142857])
    assert tree.leaf_of_row.tolist() == [1, 1, 1, 2, 2, 2]


def test_without_penalty_or_limit_a_tree_gives_the_means_of_cells():
    bins, column_bins, grad, hess = table(missing=False, n_columns=2, n_bins=4)
    tree = grow(bins, column_bins, grad, hess, {**EXACT, "max_depth": 0})
    cell = bins[:, 0].astype(int) * 4 + bins[:, 1]
    means = np.bincount(cell, grad, 16) / np.maximum(np.bincount(cell, minlength=16), 1)
    ELEMENTWISE.assert_close(-tree.value[tree.leaf_of_row], means[cell])


def test_the_first_split_is_that_of_the_histogram():
    for seed in range(5):
        bins, column_bins, grad, hess = table(seed=seed)
        codes = np.where(bins == MISSING_CODE, 8, bins).astype(np.uint8)
        integers = np.rint(grad * 8).astype(np.float32)  # sums without rounding
        found = find_best_split(build_histogram(codes, integers, hess, n_bins=9))
        tree = grow(bins, column_bins, integers, hess)
        assert (tree.feature[0], tree.bin[0], tree.default_left[0]) == (
            found.feature,
            found.bin,
            found.default_left,
        )
        assert tree.gain[0] == np.float32(found.gain)


@pytest.mark.parametrize("policy", ["depthwise", "lossguide"])
def test_leaves_and_depth_are_limited(policy):
    data = table(200)
    tree = grow(*data, {"max_leaves": 7, "max_depth": 0, "grow_policy": policy})
    assert (tree.feature < 0).sum() == 7
    tree = grow(*data, {"max_depth": 2, "grow_policy": policy})
    assert (tree.feature < 0).sum() <= 4


def test_best_first_takes_the_largest_gain():
    tree = grow(*table(200), {"max_leaves": 5, "max_depth": 0})
    best = grow(
        *table(200), {"max_leaves": 5, "max_depth": 0, "grow_policy": "lossguide"}
    )
    assert best.gain.sum() >= tree.gain.sum()


def test_monotone_columns():
    for direction in (-1, 1):
        data = table(300, 2, 6, seed=3, missing=False)
        tree = grow(*data, {"monotone": (direction, 0), "max_depth": 4})
        for other in range(6):
            rows = [_value(tree, (b, other)) for b in range(6)]
            assert (np.diff(rows) * direction >= 0).all()


def _value(tree, codes):
    node = 0
    while tree.feature[node] >= 0:
        goes_left = codes[tree.feature[node]] <= tree.bin[node]
        node = (tree.left if goes_left else tree.right)[node]
    return tree.value[node]


def test_interaction_sets():
    rules = {"interaction": ((0, 1),), "max_depth": 5, "min_child_weight": 0.0}
    tree = grow(*table(200), rules)
    paths = {0: set()}
    for node in np.flatnonzero(tree.feature >= 0):
        path = paths[node] | {int(tree.feature[node])}
        paths[tree.left[node]] = paths[tree.right[node]] = path
        assert path <= {0, 1} or path == {2}


@pytest.mark.parametrize("onehot", [1, 100])
def test_categories_part_by_their_order_or_one_by_one(onehot):
    codes = np.repeat(np.arange(6, dtype=np.uint8), 4)[:, None]
    grad = np.repeat([3.0, -2, 3, -2, 3, -2], 4).astype(np.float32)
    tree = grow(
        codes,
        [6],
        grad,
        np.ones(24, np.float32),
        {"max_cat_to_onehot": onehot, "max_depth": 1},
        categorical=np.array([True]),
    )
    sets = {1: 0b101010, 100: 0b000010}
    assert tree.left_bins[0, 0] == sets[onehot]
    assert tree.is_categorical[0]
    left = np.isin(
        codes[:, 0], np.flatnonzero([sets[onehot] >> k & 1 for k in range(6)])
    )
    sums = grad[left].sum(), left.sum(), grad[~left].sum(), (~left).sum()
    ELEMENTWISE.assert_close(tree.gain[:1], [split_gain(*sums)])


def test_unsampled_rows_are_routed_and_not_counted():
    bins, column_bins, grad, hess = table(100)
    rows = np.arange(0, 100, 3)
    tree = grow(bins, column_bins, grad, hess, rows=rows)
    alone = grow(bins[rows], column_bins, grad[rows], hess[rows])
    for name in ("feature", "bin", "value", "gain", "cover"):
        np.testing.assert_array_equal(getattr(tree, name), getattr(alone, name))
    np.testing.assert_array_equal(tree.leaf_of_row[rows], alone.leaf_of_row)
    assert len(tree.leaf_of_row) == 100


def test_steps_are_bounded():
    tree = grow(*table(100), {"max_delta_step": 0.1, "learning_rate": 1.0})
    assert np.abs(tree.value).max() <= np.float32(0.1)


def test_columns_may_be_masked():
    mask = np.array([False, True, False])
    assert set(grow(*table(), columns=mask).feature) <= {-1, 1}
    by_depth = grow(*table(), columns=lambda depth, _: np.arange(3) == depth)
    assert by_depth.feature[0] in (-1, 0)
