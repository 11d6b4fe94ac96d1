"""Equal rows that one row counts for: the same model as without, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from boosting.growing import arrays, random_table
from fastnotes._core import native
from fastnotes._reference import boosting as reference
from fastnotes.boosting import (
    BoostedTreesClassifier,
    BoostedTreesRegressor,
    equal_rows,
    rows,
)
from fastnotes.boosting.growth import GrowthParameters, TreeGrower
from support.sweeps import AWKWARD_SIZES, same_bytes_for_threads

THREADS = (1, 2, 7)
MOST = 15


def repetitive(n_rows, n_columns=3, n_codes=3, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_codes, (n_rows, n_columns)).astype(np.uint8)
    return codes, rng.integers(0, 2, (n_rows, 5)).astype(np.uint8)


def count(codes, tags):
    return same_bytes_for_threads(
        lambda n_threads: native.boosting.count_equal_rows(codes, tags, n_threads)
    )


@pytest.mark.parametrize("n_columns", [1, 7, 8, 9])
@pytest.mark.parametrize("n_rows", AWKWARD_SIZES)
def test_counts_are_those_of_the_reference(n_rows, n_columns):
    codes, tags = repetitive(n_rows, n_columns)
    expected = reference.count_equal_rows(codes, tags, MOST)
    assert np.array_equal(count(codes, tags), expected)


def test_many_rows_on_several_threads():
    codes, tags = repetitive(200_000, 4, 4)
    counts = count(codes, tags)
    assert counts.sum() == len(codes)
    assert counts.max() == MOST
    both = np.hstack([codes, tags])
    kept = np.repeat(both[counts > 0], counts[counts > 0], axis=0)
    for got, expected in zip(
        *(np.unique(t, axis=0, return_counts=True) for t in (kept, both)), strict=True
    ):
        assert np.array_equal(got, expected)


def test_tags_part_rows():
    codes = np.zeros((4, 2), np.uint8)
    tags = np.array([[0], [1], [0], [2]], np.uint8)
    assert count(codes, tags).tolist() == [2, 1, 0, 1]


RULES = {
    "depthwise": {"max_depth": 5},
    "best first": {"grow_policy": "lossguide", "max_leaves": 20, "max_depth": 0},
    "no least weight": {"min_child_weight": 0.0, "reg_lambda": 0.0, "max_depth": 0},
    "draws": {"colsample_bylevel": 0.7, "colsample_bynode": 0.6},
    "constraints": {"monotone": (1, 0, -1, 0, 0), "interaction": ((0, 1, 2), (3, 4))},
}


def grow_both_ways(table, parameters, categorical=None, outliers=0, n_threads=1):
    """Trees of counted rows, and of the same rows repeated and mixed up."""
    bins, column_bins, grad, hess = table
    rng = np.random.default_rng(1)
    counts = rng.integers(1, MOST + 1, len(bins)).astype(np.uint8)
    grad[:outliers] *= 10_000
    hess[:outliers] *= 7_000
    order = rng.permutation(np.repeat(np.arange(len(bins)), counts))
    shared = {
        "categorical": categorical,
        "parameters": GrowthParameters(**parameters),
        "n_threads": n_threads,
    }
    counted = TreeGrower(bins, column_bins, counts=counts, **shared)
    repeated = TreeGrower(bins[order], column_bins, **shared)
    tree = counted.grow(grad, hess, seed=3)
    tree.leaf_of_row = tree.leaf_of_row[order]
    return tree, repeated.grow(grad[order], hess[order], seed=3)


def assert_same_both_ways(*args, **options):
    for got, expected in zip(
        *map(arrays, grow_both_ways(*args, **options)), strict=True
    ):
        assert got.tobytes() == expected.tobytes()


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("name", RULES)
def test_a_count_is_a_repetition(name, n_threads):
    assert_same_both_ways(random_table(0, 3000), RULES[name], n_threads=n_threads)


@pytest.mark.parametrize("n_rows", [1, 2, 100, 9000])
@pytest.mark.parametrize("outliers", [0, 7])
def test_counts_of_outliers_and_of_sums_of_any_width(n_rows, outliers):
    table = random_table(1, n_rows, 3, 200)
    options = {"outliers": outliers, "n_threads": 2}
    assert_same_both_ways(table, {"max_depth": 4}, **options)


def test_counts_in_wide_tables_bundles_and_sets():
    table = random_table(2, 3000, 40, 3)
    categorical = np.arange(40) % 3 == 0
    assert_same_both_ways(table, {"max_depth": 6}, categorical=categorical)


def test_counts_beside_sampled_rows():
    bins, column_bins, grad, hess = random_table(3, 500)
    counts = np.full(500, 2, np.uint8)
    some = np.flatnonzero(np.arange(500) % 3).astype(np.int32)
    tree = TreeGrower(bins, column_bins, counts=counts).grow(grad, hess, rows=some)
    twice = TreeGrower(np.repeat(bins, 2, axis=0), column_bins).grow(
        np.repeat(grad, 2),
        np.repeat(hess, 2),
        rows=np.sort(np.concatenate([2 * some, 2 * some + 1])),
    )
    assert tree.value.tobytes() == twice.value.tobytes()
    assert np.array_equal(np.repeat(tree.leaf_of_row, 2), twice.leaf_of_row)


@pytest.mark.parametrize(
    ("counts", "error", "message"),
    [
        ([1] * 20, TypeError, "NumPy array"),
        (np.ones(20), ValueError, "uint8"),
        (np.ones(19, np.uint8), ValueError, "n_rows"),
        (np.zeros(20, np.uint8), ValueError, "from 1 to 15"),
        (np.full(20, 16, np.uint8), ValueError, "from 1 to 15"),
    ],
)
def test_bad_counts(counts, error, message):
    bins, column_bins, *_ = random_table(0, 20)
    with pytest.raises(error, match=rf"\[boosting\.TreeGrower\] .*{message}"):
        TreeGrower(bins, column_bins, counts=counts)


# ---------------------------------------------------------------- estimators


@pytest.fixture
def merges(monkeypatch):
    """Merge rows of small tables too; tells how many rows were left each time."""
    left = []

    def find(*args):
        found = equal_rows.find_equal_rows(*args)
        left.append(len(args[0]) if found is None else len(found.rows))
        return found

    monkeypatch.setattr(equal_rows, "LEAST_ROWS", 1)
    monkeypatch.setattr(rows, "find_equal_rows", find)
    return left


def coarse_data(n_rows=4000, n_classes=2):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 5, (n_rows, 3)).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    score = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 1]) * rng.normal(size=n_rows)
    return X, np.digitize(score, np.linspace(0, 4, n_classes - 1))


def model_of(model, X, y, **fit):
    """Bytes of the model's file, and its scores."""
    model.fit(X, y, **fit)
    trees = model.trees_
    names = ("feature", "threshold", "value", "gain", "cover", "default_left")
    return [getattr(trees, name).tobytes() for name in names], model.evals_result_


CASES = {
    "two classes": (BoostedTreesClassifier(n_estimators=12), 2),
    "three classes": (BoostedTreesClassifier(n_estimators=12), 3),
    "class weights": (BoostedTreesClassifier(n_estimators=12, scale_pos_weight=3.0), 2),
    "counts": (BoostedTreesRegressor(n_estimators=12, objective="count:poisson"), 4),
    "columns": (BoostedTreesClassifier(n_estimators=12, colsample_bytree=0.5), 2),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_models_are_those_without_merging(name, weighted, merges, monkeypatch):
    model, n_classes = CASES[name]
    X, y = coarse_data(n_classes=n_classes)
    fit = {"eval_set": [(X.copy(), y)]}
    if weighted:
        weight = np.random.default_rng(1).integers(1, 3, len(y))
        fit["sample_weight"] = 1.5 * weight
    merged = model_of(model, X, y, **fit)
    assert merges[0] < len(y) / 2
    monkeypatch.setattr(equal_rows, "LEAST_ROWS", len(y) + 1)
    assert merged == model_of(model, X, y, **fit)


def test_the_progress_shows_the_loss_of_all_rows(merges, capsys):
    X, y = coarse_data()
    shown = []
    for verbose in (0, 1):
        model = BoostedTreesClassifier(n_estimators=9, verbose=verbose).fit(X, y)
        shown.append(capsys.readouterr())
    assert len(merges) == 2
    loss = -np.mean(np.log(model.predict_proba(X)[np.arange(len(y)), y]))
    assert f"{loss:.4g}"[:5] in shown[1].err


def test_rows_that_must_stay_single(merges):
    X, y = coarse_data()

    def seen(y, margins):
        assert len(y) == len(X)
        return margins - y, np.ones_like(margins)

    BoostedTreesRegressor(n_estimators=9, objective=seen).fit(X, y)
    BoostedTreesRegressor(n_estimators=9, objective="quantile").fit(X, y)
    BoostedTreesClassifier(n_estimators=9, subsample=0.5).fit(X, y)
    BoostedTreesClassifier(n_estimators=9).fit(X, y, base_margin=np.zeros(len(y)))
    BoostedTreesClassifier(n_estimators=9).fit(X, y, eval_set=[(X, y)])
    assert merges == []


def test_different_rows_stay(merges):
    X = np.random.default_rng(0).normal(size=(3000, 2))
    BoostedTreesRegressor(n_estimators=9).fit(X, X[:, 0])
    assert merges == [3000]


def test_an_error_names_the_row_of_the_user(merges):
    X, y = coarse_data()
    y = y.astype(float)
    y[-1] = 3e38
    model = BoostedTreesRegressor(n_estimators=9, base_score=-3e38)
    with pytest.raises(ValueError, match=f"at row {len(y) - 1} of output 0"):
        model.fit(X, y)
    assert merges[0] < len(y) / 2
