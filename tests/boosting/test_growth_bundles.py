"""Columns of few codes share a byte in growth: trees must not show it."""

from __future__ import annotations

import numpy as np
import pytest

from boosting.growing import arrays, assert_same_structure, grow
from fastnotes.boosting.growth import MISSING_CODE, GrowthParameters, TreeGrower
from support.sweeps import same_bytes_for_threads

COUNTS = (3, 2, 15, 1, 2, 40, 15, 3, 2, 16, 4, 2)
FULL = 20


def mixed_table(seed, n_rows):
    """Columns of 1 to 40 codes, every third with missing values; two are alike."""
    rng = np.random.default_rng(seed)
    column_bins = np.array(COUNTS, np.int32)
    bins = rng.integers(0, column_bins, (n_rows, len(COUNTS))).astype(np.uint8)
    bins[:, 8] = bins[:, 1]
    grad = rng.standard_normal(n_rows) + (bins[:, 1] == 1) - 0.5 * (bins[:, 5] > 20)
    grad += np.where(bins[:, 2] > 7, bins[:, 0] - 1.0, 1.0 - bins[:, 0])
    for column in range(0, len(COUNTS), 3):
        bins[rng.random(n_rows) < 0.1, column] = MISSING_CODE
    hess = rng.uniform(0.1, 1.0, n_rows)
    return bins, column_bins, grad.astype(np.float32), hess.astype(np.float32)


def with_full_columns(table):
    """The table beside columns of many codes, so that no byte is worth sharing."""
    bins, column_bins, grad, hess = table
    full = np.arange(bins.shape[0] * 80).reshape(-1, 80) % FULL
    many = np.concatenate([bins, full.astype(np.uint8)], axis=1)
    counts = np.concatenate([column_bins, np.full(80, FULL, np.int32)])
    return many, counts, grad, hess


@pytest.mark.parametrize("n_rows", [60, 3000, 150_000])
@pytest.mark.parametrize(
    "rules",
    [
        {"max_depth": 6},
        {"max_depth": 0, "max_leaves": 31, "grow_policy": "lossguide"},
        {"max_depth": 4, "monotone": (1,) + (0,) * 11 + (0,) * 80},
    ],
)
@pytest.mark.parametrize("sampled", [False, True])
def test_trees_do_not_show_it(n_rows, rules, sampled):
    table = mixed_table(0, n_rows)
    used = np.arange(len(COUNTS) + 80) < len(COUNTS)
    draw = {"rows": np.arange(0, n_rows, 3, dtype=np.int32)} if sampled else {}
    expected = grow(
        with_full_columns(table), n_threads=2, draw=draw | {"columns": used}, **rules
    )
    if "monotone" in rules:
        rules = rules | {"monotone": rules["monotone"][: len(COUNTS)]}
    got = grow(table, n_threads=2, draw=draw, **rules)
    assert len(np.unique(got.feature)) > 3
    for one, other in zip(arrays(got), arrays(expected), strict=True):
        assert one.tobytes() == other.tobytes()


def test_bytes_for_threads():
    table = mixed_table(1, 20_000)
    same_bytes_for_threads(lambda n: arrays(grow(table, n_threads=n)))


@pytest.mark.parametrize("place", range(len(COUNTS)))
def test_of_equal_gains_the_lower_column_wins(place):
    bins, column_bins, grad, hess = mixed_table(2, 2000)
    best = grow((bins, column_bins, grad, hess), max_depth=1).feature[0]
    bins[:, place], column_bins[place] = bins[:, best], column_bins[best]
    tree = grow((bins, column_bins, grad, hess), max_depth=1)
    assert tree.feature[0] == min(best, place)


def test_categories_may_share_a_byte():
    table = mixed_table(4, 2000)
    categorical = np.array([count in (3, 15) for count in COUNTS])
    rules = {"max_depth": 5, "max_cat_to_onehot": 4}
    got = grow(table, categorical=categorical, **rules)
    full = np.concatenate([categorical, np.zeros(80, np.bool_)])
    used = {"columns": np.arange(len(COUNTS) + 80) < len(COUNTS)}
    expected = grow(with_full_columns(table), categorical=full, draw=used, **rules)
    assert got.is_categorical.any()
    for one, other in zip(arrays(got), arrays(expected), strict=True):
        assert one.tobytes() == other.tobytes()


def test_table_of_shared_bytes_is_let_go():
    bins, column_bins, grad, hess = mixed_table(5, 5000)
    expected = grow((bins, column_bins, grad, hess), max_depth=5)
    table = bins.copy()
    grower = TreeGrower(
        table, column_bins, parameters=GrowthParameters(max_depth=5), n_threads=1
    )
    table[:] = 0
    got = grower.grow(grad, hess, rows=np.arange(5000, dtype=np.int32))
    assert_same_structure(got, expected)
