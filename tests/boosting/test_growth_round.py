"""The trees of a round are those that grow one by one."""

from __future__ import annotations

import numpy as np
import pytest

from boosting.growing import arrays, random_table
from boosting.test_sparse_growth import dense_form, sparse_bins
from fastnotes.boosting.growth import GrowthParameters, TreeGrower
from fastnotes.boosting.sparse_growth import SparseTreeGrower

THREADS = (1, 2, 7)
RULES = {
    "depthwise": {"max_depth": 4},
    "best first": {"grow_policy": "lossguide", "max_leaves": 12},
    "column draws": {"colsample_bylevel": 0.7, "colsample_bynode": 0.6},
    "constraints": {"monotone": (1, 0, -1, 0, 0, 0, 0, 0), "interaction": ((0, 1, 2),)},
}


def random_round(seed, n_trees, n_rows):
    rng = np.random.default_rng(seed)
    grad = rng.standard_normal((n_trees, n_rows)).astype(np.float32)
    return grad, rng.uniform(0.1, 1.0, (n_trees, n_rows)).astype(np.float32)


def sampled(seed, n_trees, n_rows, n_columns):
    rng = np.random.default_rng(seed)
    columns = rng.random((n_trees, n_columns)) < 0.6
    columns[:, 0] = True
    rows = np.flatnonzero(rng.random(n_rows) < 0.7).astype(np.int32)
    return {"rows": rows, "columns": columns}


def as_bytes(tree):
    return [array.tobytes() for array in arrays(tree)]


def assert_round_is_its_trees(make_grower, grad, hess, rows=None, columns=None):
    """make_grower takes a number of threads."""
    expected = [
        as_bytes(
            make_grower(1).grow(
                grad[k],
                hess[k],
                rows=rows,
                columns=None if columns is None else columns[k],
                seed=7,
                tree_index=30 + k,
            )
        )
        for k in range(len(grad))
    ]
    for n_threads in THREADS:
        grower = make_grower(n_threads)
        for _ in range(2):  # scratch is kept
            trees = grower.grow_round(
                grad, hess, rows=rows, columns=columns, seed=7, first_tree_index=30
            )
            assert [as_bytes(tree) for tree in trees] == expected
            again = grower.grow(grad[0], hess[0], seed=7)
            assert again.n_nodes > 1


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("draws", [False, True])
@pytest.mark.parametrize("n_trees", [1, 2, 5])
def test_small_table(rules, draws, n_trees):
    bins, column_bins, _, _ = random_table(0, 900, n_columns=8)
    assert_round_is_its_trees(
        lambda n: TreeGrower(
            bins, column_bins, parameters=GrowthParameters(**rules), n_threads=n
        ),
        *random_round(1, n_trees, 900),
        **(sampled(2, n_trees, 900, 8) if draws else {}),
    )


# Whose trees grow side by side, but for a last turn; whose trees do not.
@pytest.mark.parametrize(("n_rows", "n_columns"), [(5_000, 60), (70_000, 50)])
@pytest.mark.parametrize("policy", ["depthwise", "lossguide"])
def test_larger_table(n_rows, n_columns, policy):
    bins, column_bins, _, _ = random_table(3, n_rows, n_columns, n_bins=200)
    parameters = GrowthParameters(grow_policy=policy, max_leaves=20)
    assert_round_is_its_trees(
        lambda n: TreeGrower(bins, column_bins, parameters=parameters, n_threads=n),
        *random_round(4, 3, n_rows),
        **sampled(5, 3, n_rows, n_columns),
    )


@pytest.mark.parametrize("draws", [False, True])
def test_sparse_table(draws):
    table, column_bins = sparse_bins(np.random.default_rng(6), 800, 20, 30)
    grad, hess = random_round(7, 4, 800)
    draw = sampled(8, 4, 800, 20) if draws else {}
    assert_round_is_its_trees(
        lambda n: SparseTreeGrower(table, column_bins, n_threads=n), grad, hess, **draw
    )
    dense = TreeGrower(dense_form(table), column_bins).grow_round(grad, hess, **draw)
    sparse = SparseTreeGrower(table, column_bins).grow_round(grad, hess, **draw)
    for one, other in zip(dense, sparse, strict=True):
        assert as_bytes(one) == as_bytes(other)


def test_a_round_of_no_trees():
    bins, column_bins, _, _ = random_table(0, 20)
    nothing = np.empty((0, 20), np.float32)
    for n_threads in THREADS:
        grower = TreeGrower(bins, column_bins, n_threads=n_threads)
        assert grower.grow_round(nothing, nothing) == []


N_ROWS, N_COLUMNS = 2_000, 10
TABLE = random_table(9, N_ROWS, N_COLUMNS)
GRAD, HESS = random_round(10, 6, N_ROWS)
MASKS = np.ones((6, N_COLUMNS), bool)


def changed(array, k, value):
    array = array.copy()
    array[k, -1] = value
    return array


BAD_CALLS = {
    "one dimension": ({"grad": GRAD[0]}, "grad of dtype float32 and 2 dim"),
    "hess of one dimension": ({"hess": HESS[0]}, "hess"),
    "grad dtype": ({"grad": GRAD.astype(float)}, "grad of dtype float32"),
    "hess dtype": ({"hess": HESS.astype(float)}, "hess"),
    "grad rows": ({"grad": GRAD[:, 1:].copy()}, "grad of size n_rows"),
    "hess rows": ({"hess": HESS[:, 1:].copy()}, "hess of size n_rows"),
    "grad strided": ({"grad": GRAD[:, ::-1]}, "C-contiguous"),
    "hess of fewer trees": ({"hess": HESS[1:]}, "hess of as many trees"),
    "NaN": ({"grad": changed(GRAD, 3, np.nan)}, "grad finite"),
    "infinity": ({"hess": changed(HESS, 5, np.inf)}, "hess finite"),
    "rows dtype": ({"rows": np.arange(4)}, "int32"),
    "rows descend": ({"rows": np.array([3, 1], np.int32)}, "ascending"),
    "rows too large": ({"rows": np.array([N_ROWS], np.int32)}, "n_rows - 1"),
    "columns dtype": ({"columns": MASKS.astype(int)}, "dtype bool"),
    "columns of fewer trees": ({"columns": MASKS[1:]}, r"shape \(6, 10\)"),
    "columns of one tree": ({"columns": MASKS[0]}, r"shape \(6, 10\)"),
    "no columns": ({"columns": MASKS & (np.arange(6) != 2)[:, None]}, "one column"),
}


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize(("call", "message"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_bad_calls(call, message, n_threads):
    grower = TreeGrower(*TABLE[:2], n_threads=n_threads)
    expected = grower.grow_round(GRAD, HESS)
    kept = [as_bytes(tree) for tree in expected]
    with pytest.raises(
        ValueError, match=rf"^\[boosting\.TreeGrower\.grow_round\] .*{message}"
    ):
        grower.grow_round(**{"grad": GRAD, "hess": HESS, **call})
    assert [as_bytes(tree) for tree in expected] == kept
    assert [as_bytes(tree) for tree in grower.grow_round(GRAD, HESS)] == kept


def test_the_first_wrong_tree_is_told():
    grad, hess = changed(GRAD, 3, np.nan), changed(HESS, 2, np.nan)
    for n_threads in THREADS:
        grower = TreeGrower(*TABLE[:2], n_threads=n_threads)
        for _ in range(20):
            with pytest.raises(ValueError, match="hess finite"):
                grower.grow_round(grad, hess)


def test_bad_sparse_calls():
    table, column_bins = sparse_bins(np.random.default_rng(11), N_ROWS, 5, 9)
    grower = SparseTreeGrower(table, column_bins)
    where = r"^\[boosting\.SparseTreeGrower\.grow_round\] expected "
    with pytest.raises(ValueError, match=where + "hess finite"):
        grower.grow_round(GRAD, changed(HESS, 1, np.nan))
    with pytest.raises(ValueError, match=where + "hess of as many trees"):
        grower.grow_round(GRAD, HESS[1:])
