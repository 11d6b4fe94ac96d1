from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boosting.growing import (
    arrays,
    assert_same_structure,
    assert_same_tree,
    grow,
    random_table,
    walk,
)
from fastnotes._reference.boosting_growth import grow_tree
from fastnotes.boosting import BinMapper, leaf_weight
from fastnotes.boosting.growth import GrowthParameters, TreeGrower, add_tree_values
from support.sweeps import AWKWARD_SIZES, same_bytes_for_threads
from support.tolerances import ELEMENTWISE

RULES = {
    "default": {},
    "stump": {"max_depth": 1},
    "unlimited": {"max_depth": 0},
    "heavy children": {"min_child_weight": 15.0},
    "penalties": {"reg_alpha": 1.0, "gamma": 0.2, "reg_lambda": 0.3},
    "no lambda": {"reg_lambda": 0.0, "min_child_weight": 0.0},
    "max_delta_step": {"max_delta_step": 0.3},
    "depthwise leaves": {"max_leaves": 7},
    "lossguide": {"grow_policy": "lossguide", "max_leaves": 12, "max_depth": 0},
    "lossguide, shallow": {"grow_policy": "lossguide", "max_leaves": 9, "max_depth": 4},
    "lossguide, unlimited": {"grow_policy": "lossguide", "max_depth": 0},
    "monotone": {"monotone": (0, 1, 0, -1, 0)},
    "interaction": {"interaction": ((0, 1), (1, 2, 3))},
    "nothing interacts": {"interaction": ()},
}


def brute_force(table, *, categorical=None, rows=None, columns=None, **parameters):
    bins, column_bins, grad, hess = table
    return grow_tree(
        bins,
        column_bins,
        grad,
        hess,
        GrowthParameters(**parameters),
        categorical=categorical,
        rows=rows,
        columns=columns,
    )


@pytest.mark.parametrize("n_bins", [12, 20], ids=["shared bytes", "own bytes"])
@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_equals_brute_force(rules, n_bins):
    for seed, n_rows in enumerate((60, 700)):
        table = random_table(seed, n_rows, n_bins=n_bins)
        assert_same_tree(grow(table, **rules), brute_force(table, **rules))


@pytest.mark.parametrize("max_cat_to_onehot", [4, 20])
@pytest.mark.parametrize(
    "rules",
    [{}, {"max_cat_threshold": 3}, {"cat_smooth": 0.0}, {"max_delta_step": 0.5}],
)
def test_categories_equal_brute_force(rules, max_cat_to_onehot):
    categorical = np.array([True, False, True, False, True])
    rules = {**rules, "max_cat_to_onehot": max_cat_to_onehot, "max_depth": 4}
    for seed, n_rows in enumerate((50, 600)):
        table = random_table(seed, n_rows)
        got = grow(table, categorical=categorical, **rules)
        expected = brute_force(table, categorical=categorical, **rules)
        assert_same_tree(got, expected)
        assert got.is_categorical.any()


@pytest.mark.parametrize("n_rows", [n for n in AWKWARD_SIZES if n > 0])
def test_awkward_rows(n_rows):
    table = random_table(1, n_rows, n_columns=3)
    assert_same_tree(grow(table), brute_force(table))


@pytest.mark.parametrize("n_columns", [1, 13, 14, 15, 31, 33, 65])
def test_awkward_columns(n_columns):
    table = random_table(2, 300, n_columns, n_bins=255)
    assert_same_tree(grow(table, max_depth=2), brute_force(table, max_depth=2))


def test_no_rows_is_a_leaf_of_zero():
    tree = grow(random_table(0, 0))
    assert tree.value.tolist() == [0.0]
    assert tree.n_nodes == 1
    tree = grow(random_table(0, 9), draw={"rows": np.empty(0, np.int32)})
    assert tree.leaf_of_row.tolist() == [0] * 9


@pytest.mark.parametrize("policy", ["depthwise", "lossguide"])
@pytest.mark.parametrize(
    ("n_rows", "n_columns"), [(70_000, 6), (150_001, 4), (999, 300)]
)
def test_same_bytes_for_threads(n_rows, n_columns, policy):
    rng = np.random.default_rng(n_rows)
    bins, column_bins, grad, hess = random_table(3, n_rows, n_columns, n_bins=200)
    grad += rng.standard_normal(n_rows).astype(np.float32)
    rules = {"max_depth": 7, "max_leaves": 50, "grow_policy": policy}
    same_bytes_for_threads(
        lambda n: arrays(grow((bins, column_bins, grad, hess), n_threads=n, **rules))
    )


def test_many_rows_of_one_bin_do_not_overflow():
    n = 200_000
    bins = np.zeros((n, 2), np.uint8)
    bins[: n // 4, 1] = 1
    grad = np.where(bins[:, 1] == 1, -1.0, 1.0).astype(np.float32)
    for n_threads in (1, 2):
        tree = grow((bins, [1, 2], grad, np.ones(n, np.float32)), n_threads=n_threads)
        assert tree.feature.tolist() == [1, -1, -1]
        assert tree.cover.tolist() == [n, n - n // 4, n // 4]


@pytest.mark.parametrize("policy", ["depthwise", "lossguide"])
def test_order_of_rows_makes_no_difference(policy):
    bins, column_bins, grad, hess = random_table(4, 30_000, 6, n_bins=100)
    rules = {"max_leaves": 40, "grow_policy": policy}
    order = np.random.default_rng(0).permutation(len(grad))
    one = grow((bins, column_bins, grad, hess), n_threads=2, **rules)
    other = grow(
        (bins[order], column_bins, grad[order], hess[order]), n_threads=2, **rules
    )
    for got, expected in zip(arrays(other)[:-1], arrays(one)[:-1], strict=True):
        assert got.tobytes() == expected.tobytes()
    np.testing.assert_array_equal(other.leaf_of_row, one.leaf_of_row[order])


def test_repeated_rows_are_weights():
    bins, column_bins, grad, hess = random_table(5, 2000)
    weight = np.random.default_rng(5).integers(1, 4, len(grad)).astype(np.float32)
    one = grow((bins, column_bins, grad * weight, hess * weight))
    again = np.repeat(np.arange(len(grad)), weight.astype(np.int64))
    other = grow((bins[again], column_bins, grad[again], hess[again]))
    np.testing.assert_array_equal(other.leaf_of_row, one.leaf_of_row[again])
    ELEMENTWISE.assert_close(other.value, one.value)
    ELEMENTWISE.assert_close(other.cover, one.cover)


@pytest.mark.parametrize("policy", ["depthwise", "lossguide"])
def test_sampled_rows(policy):
    table = random_table(6, 900)
    rows = np.flatnonzero(np.random.default_rng(0).random(900) < 0.6).astype(np.int32)
    rules = {"grow_policy": policy, "max_leaves": 10}
    got = grow(table, draw={"rows": rows}, **rules)
    assert_same_tree(got, brute_force(table, rows=rows, **rules))


def test_chosen_columns():
    table = random_table(7, 500, n_columns=40)
    columns = np.random.default_rng(0).random(40) < 0.3
    got = grow(table, draw={"columns": columns}, max_depth=4)
    assert_same_tree(got, brute_force(table, columns=columns, max_depth=4))
    assert columns[got.feature[got.feature >= 0]].all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["depthwise", "lossguide"]))
def test_leaves_are_reached_and_weighted_by_their_rows(seed, policy):
    rng = np.random.default_rng(seed)
    bins, column_bins, _, _ = table = random_table(seed, int(rng.integers(1, 600)))
    grad = rng.standard_normal(len(bins)).astype(np.float32)
    hess = rng.random(len(bins)).astype(np.float32)
    categorical = rng.random(5) < 0.4
    tree = grow(
        (bins, column_bins, grad, hess),
        categorical=categorical,
        grow_policy=policy,
        max_leaves=int(rng.integers(0, 20)),
        learning_rate=0.5,
    )
    np.testing.assert_array_equal(tree.leaf_of_row, walk(tree, table[0]))
    G, H = (
        np.bincount(tree.leaf_of_row, v.astype(np.float64), tree.n_nodes)
        for v in (grad, hess)
    )
    leaf = tree.feature < 0
    expected = 0.5 * leaf_weight(G[leaf], H[leaf])
    ELEMENTWISE.assert_close(tree.value[leaf], expected.astype(np.float32))
    ELEMENTWISE.assert_close(tree.cover[leaf], H[leaf].astype(np.float32))
    assert (tree.gain[~leaf] > 0).all()


def test_values_reach_the_margins():
    bins, column_bins, grad, hess = random_table(8, 5000)
    grower = TreeGrower(bins, column_bins, categorical=np.arange(5) == 2)
    tree = grower.grow(grad, hess)
    margins = np.full(5000, 0.25)
    grower.add_leaf_values(margins, tree)
    expected = 0.25 + tree.value[tree.leaf_of_row].astype(np.float64)
    np.testing.assert_array_equal(margins, expected)
    walked = np.full(5000, 0.25)
    add_tree_values(bins, tree, walked)
    np.testing.assert_array_equal(walked, expected)


def test_a_grower_forgets_the_trees_before():
    bins, column_bins, grad, hess = random_table(9, 3000)
    grower = TreeGrower(bins, column_bins, n_threads=1)
    first = grower.grow(grad, hess)
    grower.grow(-hess, grad**2, rows=np.arange(0, 3000, 7, dtype=np.int32))
    again = grower.grow(grad, hess)
    for one, other in zip(arrays(first), arrays(again), strict=True):
        assert one.tobytes() == other.tobytes()


def test_column_draws_depend_on_seed_and_tree():
    table = random_table(10, 800, n_columns=12)
    rules = {"colsample_bylevel": 0.5, "colsample_bynode": 0.5}
    trees = [
        grow(table, draw={"seed": seed, "tree_index": index}, **rules).feature
        for seed, index in ((0, 0), (0, 0), (1, 0), (0, 1))
    ]
    assert trees[0].tolist() == trees[1].tolist()
    assert trees[0].tolist() != trees[2].tolist()
    assert trees[0].tolist() != trees[3].tolist()
    stump = grow(table, colsample_bylevel=1e-9, max_depth=1)
    assert stump.n_nodes == 3


def test_hessians_without_a_minimum_make_leaves_of_zero():
    bins, column_bins, grad, hess = random_table(11, 300)
    tree = grow((bins, column_bins, grad, -hess))
    assert tree.value.tolist() == [0.0]
    zero = np.zeros_like(hess)
    tree = grow((bins, column_bins, grad, zero), reg_lambda=0.0)
    assert tree.value.tolist() == [0.0]
    assert grow((bins, column_bins, grad, zero), min_child_weight=0.0).n_nodes > 1


def test_missing_code_of_fewer_bins():
    X = np.random.default_rng(0).standard_normal((500, 3)).astype(np.float32)
    X[::5, 1] = np.nan
    grad = np.where(np.isnan(X[:, 1]), 2.0, X[:, 0]).astype(np.float32)
    ones = np.ones(500, np.float32)
    few = BinMapper(16).fit_transform(X)
    grower = TreeGrower(few.bins, [16] * 3, missing_code=16)
    bins = np.where(few.bins == 16, 255, few.bins).astype(np.uint8)
    other = TreeGrower(bins, [16] * 3)
    assert_same_structure(grower.grow(grad, ones), other.grow(grad, ones))


def test_outliers_do_not_wipe_out_the_rest():
    rng = np.random.default_rng(12)
    bins, column_bins, _, _ = random_table(12, 20_000)
    grad = np.where(bins[:, 2] == 7, 1.0, -0.1) + 0.01 * rng.standard_normal(20_000)
    grad[rng.integers(0, 20_000, 5)] = [3e5, -3e5, 2e5, -1e5, -1e5]
    grad = grad.astype(np.float32)
    ones = np.ones(20_000, np.float32)
    table = (bins, column_bins, grad, ones)
    got, expected = grow(table, max_depth=4), brute_force(table, max_depth=4)
    assert_same_structure(got, expected)
    same_bytes_for_threads(lambda n: arrays(grow(table, n_threads=n, max_depth=4)))
    order = rng.permutation(20_000)
    other = grow((bins[order], column_bins, grad[order], ones), max_depth=4)
    assert other.value.tobytes() == got.value.tobytes()


def test_outliers_of_just_under_two_bytes_of_rows():
    """Their records outnumber the rows that packed sums of a node hold."""
    n = 65_500
    bins = np.zeros((n, 2), np.uint8)
    bins[:8, 0] = 1
    bins[:, 1] = np.arange(n) % 3
    grad, hess = np.ones(n, np.float32), np.ones(n, np.float32)
    grad[:8], hess[:8] = -1e4, 1e4
    grad[100:130] = -5e3
    tree = TreeGrower(bins, [2, 3], n_threads=1).grow(grad, hess)
    assert tree.cover[:2].tolist() == [n - 8 + 8e4, n - 8]
