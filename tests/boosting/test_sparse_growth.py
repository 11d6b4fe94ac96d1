"""Trees of sparse tables have the bytes of those of their dense forms."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnotes.boosting.growth import GrowthParameters, TreeGrower, add_tree_values
from fastnotes.boosting.sparse_growth import SparseRows, SparseTreeGrower
from fastnotes.boosting.sparse_table import SparseBins

THREADS = (1, 2, 7)
MISSING = 255


def sparse_bins(rng, n_rows, n_columns, most_bins, density=0.1, absent=None):
    """Columns of any density, with stored missing codes; absent: of all columns."""
    column_bins = rng.integers(1, most_bins + 1, n_columns).astype(np.int32)
    absent_bins = rng.integers(0, column_bins).astype(np.uint8)
    absent_bins[rng.random(n_columns) < 0.5] = 0
    if absent is not None:
        absent_bins[:] = absent
    rows, bins = [], []
    for known in column_bins:
        n = rng.binomial(n_rows, min(1.0, density * rng.choice([0.2, 1.0, 5.0, 20.0])))
        rows.append(np.sort(rng.choice(n_rows, n, replace=False)))
        bins.append(rng.integers(0, known, n))
        if rng.random() < 0.4:
            bins[-1][rng.random(n) < 0.2] = MISSING
    offsets = np.cumsum([0, *map(len, rows)])
    table = SparseBins(
        n_rows,
        offsets,
        np.concatenate(rows).astype(np.int32),
        np.concatenate(bins).astype(np.uint8),
        absent_bins,
    )
    return table, column_bins


def dense_form(table):
    bins = np.repeat(table.absent_bins[None], table.n_rows, axis=0)
    column = np.repeat(np.arange(len(table.absent_bins)), np.diff(table.offsets))
    bins[table.rows, column] = table.bins
    return bins


def gradients(rng, n_rows):
    grad = rng.standard_normal(n_rows).astype(np.float32)
    return grad, rng.uniform(0.1, 1.0, n_rows).astype(np.float32)


def as_bytes(tree):
    return [getattr(tree, f.name).tobytes() for f in dataclasses.fields(tree)]


def assert_equals_dense(table, column_bins, grad, hess, categorical=None, **options):
    parameters = GrowthParameters(
        **{k: options.pop(k) for k in list(options) if k not in ("rows", "columns")}
    )
    dense = TreeGrower(
        dense_form(table), column_bins, categorical=categorical, parameters=parameters
    )
    expected = dense.grow(grad, hess, seed=5, tree_index=3, **options)
    for n_threads in THREADS:
        grower = SparseTreeGrower(
            table,
            column_bins,
            categorical=categorical,
            parameters=parameters,
            n_threads=n_threads,
        )
        for _ in range(2):  # scratch is kept
            tree = grower.grow(grad, hess, seed=5, tree_index=3, **options)
            assert as_bytes(tree) == as_bytes(expected)
    return expected


@st.composite
def rules(draw, n_columns):
    best_first = draw(st.booleans())
    share = st.sampled_from([1.0, 0.5])
    return {
        "grow_policy": "lossguide" if best_first else "depthwise",
        "max_depth": draw(st.sampled_from([0, 4] if best_first else [1, 3, 6, 9])),
        "max_leaves": draw(st.sampled_from([5, 31, 200] if best_first else [0, 7])),
        "reg_lambda": draw(st.sampled_from([0.0, 1.0])),
        "reg_alpha": draw(st.sampled_from([0.0, 0.5])),
        "gamma": draw(st.sampled_from([0.0, 0.3])),
        "min_child_weight": draw(st.sampled_from([0.0, 1.0])),
        "max_delta_step": draw(st.sampled_from([0.0, 0.2])),
        "colsample_bynode": draw(share),
        "colsample_bylevel": draw(share),
        "interaction": draw(
            st.none()
            | st.lists(
                st.lists(st.integers(0, n_columns - 1), min_size=1, max_size=4),
                max_size=3,
            )
        ),
    }


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    seed=st.integers(0, 2**32 - 1),
    n_rows=st.sampled_from([1, 2, 7, 60, 500, 3000]),
    n_columns=st.integers(1, 20),
    most_bins=st.sampled_from([2, 5, 60, 255]),
)
def test_equals_the_dense_form(data, seed, n_rows, n_columns, most_bins):
    rng = np.random.default_rng(seed)
    absent = data.draw(st.sampled_from([None, MISSING]))
    table, column_bins = sparse_bins(rng, n_rows, n_columns, most_bins, absent=absent)
    options = data.draw(rules(n_columns))
    categorical = rng.random(n_columns) < data.draw(st.sampled_from([0.0, 0.5]))
    if data.draw(st.booleans()):
        signs = np.where(categorical, 0, rng.integers(-1, 2, n_columns))
        options["monotone"] = tuple(signs.tolist())
    if data.draw(st.booleans()):
        options["rows"] = np.flatnonzero(rng.random(n_rows) < 0.6).astype(np.int32)
    if data.draw(st.booleans()):
        options["columns"] = rng.random(n_columns) < 0.6
        options["columns"][0] = True
    grad, hess = gradients(rng, n_rows)
    if data.draw(st.booleans()):
        grad = np.round(grad)  # ties
    assert_equals_dense(table, column_bins, grad, hess, categorical, **options)


@pytest.mark.parametrize("sampled", [False, True])
def test_outliers_equal_the_dense_form(sampled):
    rng = np.random.default_rng(8)
    table, column_bins = sparse_bins(rng, 6000, 12, 60)
    grad, hess = gradients(rng, 6000)
    grad[[5, 4000, 4001]] = [3e6, -2e6, 1e5]
    hess[[17, 4001]] = [4e5, 7e3]
    rows = {"rows": np.arange(1, 6000, 2, dtype=np.int32)} if sampled else {}
    tree = assert_equals_dense(table, column_bins, grad, hess, max_depth=5, **rows)
    assert tree.n_nodes > 15


@pytest.mark.parametrize("policy", ["depthwise", "lossguide"])
def test_sums_beyond_32_bits(policy):
    rng = np.random.default_rng(0)
    n_rows = 150_000
    table, column_bins = sparse_bins(rng, n_rows, 12, 40, density=0.15)
    assert np.diff(table.offsets).max() > 2 * 65_535
    grad, hess = np.full(n_rows, 1.0, np.float32), np.ones(n_rows, np.float32)
    grad[rng.random(n_rows) < 0.3] = -1.0
    options = {"grow_policy": policy, "max_leaves": 40, "max_depth": 6}
    tree = assert_equals_dense(table, column_bins, grad, hess, **options)
    assert tree.n_nodes > 20


def test_far_mean_and_negative_hessians():
    rng = np.random.default_rng(1)
    table, column_bins = sparse_bins(rng, 2000, 15, 60)
    grad, hess = gradients(rng, 2000)
    assert_equals_dense(table, column_bins, grad + np.float32(1e4), hess)
    assert_equals_dense(table, column_bins, grad, hess - np.float32(0.3))
    assert_equals_dense(table, column_bins, np.ones_like(grad), hess, reg_lambda=0.0)
    assert_equals_dense(table, column_bins, grad, np.zeros_like(hess))


def test_equal_columns_give_the_lowest():
    rng = np.random.default_rng(2)
    one, known = sparse_bins(rng, 1000, 1, 60, density=0.2)
    table = SparseBins(
        one.n_rows,
        np.arange(9) * len(one.rows),
        np.tile(one.rows, 8),
        np.tile(one.bins, 8),
        np.repeat(one.absent_bins, 8),
    )
    grad, hess = gradients(rng, 1000)
    tree = assert_equals_dense(table, np.repeat(known, 8), grad, hess)
    assert set(tree.feature) <= {-1, 0}


@pytest.mark.parametrize("n_rows", [1, 400, 40_000])
def test_values_at_other_rows(n_rows):
    rng = np.random.default_rng(3)
    table, column_bins = sparse_bins(rng, 3000, 12, 30)
    categorical = np.arange(12) % 3 == 0
    grower = SparseTreeGrower(table, column_bins, categorical=categorical)
    tree = grower.grow(*gradients(rng, 3000))
    bins = np.minimum(
        rng.integers(0, 255, (n_rows, 12)), np.append(column_bins, 0)[None, :12] - 1
    )
    column, row = np.nonzero(table.absent_bins[:, None] != bins.T)
    other = SparseBins(
        n_rows,
        np.searchsorted(column, np.arange(13)),
        row.astype(np.int32),
        bins.T[column, row].astype(np.uint8),
        table.absent_bins,
    )
    expected = np.zeros(n_rows)
    add_tree_values(dense_form(other), tree, expected)
    for n_threads in THREADS:
        margins = np.zeros(n_rows)
        SparseRows(other, n_threads=n_threads).add_tree_values(margins, tree)
        np.testing.assert_array_equal(margins, expected)


def test_adds_the_values_of_leaves():
    rng = np.random.default_rng(4)
    table, column_bins = sparse_bins(rng, 500, 5, 30)
    grower = SparseTreeGrower(table, column_bins)
    tree = grower.grow(*gradients(rng, 500))
    margins = np.zeros(500)
    grower.add_leaf_values(margins, tree)
    np.testing.assert_array_equal(margins, tree.value[tree.leaf_of_row])


GOOD = SparseBins(
    4,
    np.array([0, 2, 3]),
    np.array([0, 3, 1], np.int32),
    np.array([1, 2, 255], np.uint8),
    np.zeros(2, np.uint8),
)


@pytest.mark.parametrize(
    "change",
    [
        {"offsets": np.array([0, 2, 4])},
        {"offsets": np.array([0, 4, 3])},
        {"offsets": np.array([1, 2, 3])},
        {"offsets": np.array([0, 3])},
        {"rows": np.array([0, 4, 1], np.int32)},
        {"rows": np.array([-1, 3, 1], np.int32)},
        {"rows": np.array([3, 0, 1], np.int32)},
        {"rows": np.array([3, 3, 1], np.int32)},
        {"rows": np.array([0, 3], np.int32)},
        {"bins": np.array([1, 3, 0], np.uint8)},
        {"absent_bins": np.array([0, 3], np.uint8)},
        {"n_rows": 3},
        {"n_rows": -1},
        {"n_rows": 2**31},
        {"rows": np.array([0, 3, 1])},
        {"bins": np.array([1, 2, 0], np.int8)},
    ],
)
def test_refuses_bad_tables(change):
    with pytest.raises(ValueError, match=r"^\[boosting\.SparseTreeGrower\] expected"):
        SparseTreeGrower(GOOD._replace(**change), [3, 3])
    if "bins" not in change and "absent_bins" not in change:
        with pytest.raises(ValueError, match=r"^\[boosting\.SparseRows\] expected"):
            SparseRows(GOOD._replace(**change))


def test_refuses_other_arguments():
    with pytest.raises(TypeError, match="offsets as a NumPy array"):
        SparseTreeGrower(GOOD._replace(offsets=[0, 2, 3]), [3, 3])
    with pytest.raises(ValueError, match="column_bins of shape"):
        SparseTreeGrower(GOOD, [3])
    with pytest.raises(ValueError, match="column_bins from 1"):
        SparseTreeGrower(GOOD, [0, 3])
    grower = SparseTreeGrower(GOOD, [3, 3])
    bad = np.array([np.nan, 0, 0, 0], np.float32)
    with pytest.raises(
        ValueError, match=r"^\[boosting\.SparseTreeGrower\.grow\] expected grad finite"
    ):
        grower.grow(bad, np.ones(4, np.float32))
    ones = np.ones(4, np.float32)
    with pytest.raises(ValueError, match="rows ascending"):
        grower.grow(ones, ones, rows=np.array([0, 4], np.int32))
