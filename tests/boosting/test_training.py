"""Whole small models against the reference trainer, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnotes._reference.boosting import philox4x32
from fastnotes._reference.boosting_growth import grow_tree
from fastnotes.boosting import (
    BoostedTreesClassifier,
    BoostedTreesRanker,
    BoostedTreesRegressor,
)
from fastnotes.boosting.binning import BinMapper
from fastnotes.boosting.growth import GrowthParameters
from fastnotes.boosting.sampling import COLUMNS_PURPOSE, RowSampler, sample_columns
from support.sweeps import AWKWARD_SIZES, same_bytes_for_threads
from support.tolerances import COMPOSITE

ROWS_PURPOSE = 0x626F6F04


def data(n_rows=200, n_columns=5, seed=0, missing=0.1):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_columns)).astype(np.float32)
    y = X[:, 0] * X[:, 1] + np.abs(X[:, 2]) + 0.1 * rng.standard_normal(n_rows)
    X[rng.random(X.shape) < missing] = np.nan
    return X, y


def reference_trees(X, y, n_rounds, max_bin=16, **rules):
    """Squared loss, all rows and columns: every tree of the model."""
    binned = BinMapper(max_bin).fit_transform(X)
    missing = binned.bins == binned.n_bins - 1
    bins = np.where(missing, 255, binned.bins).astype(np.uint8)
    column_bins = np.array([len(cuts) + 1 for cuts in binned.thresholds])
    margins = np.full(len(y), y.mean())
    for _ in range(n_rounds):
        grad = (margins - y).astype(np.float32)
        hess = np.ones(len(y), np.float32)
        tree = grow_tree(bins, column_bins, grad, hess, GrowthParameters(**rules))
        margins += tree.value[tree.leaf_of_row].astype(np.float64)
        yield tree, binned.thresholds


RULES = [
    {},
    {"max_depth": 0, "max_leaves": 9, "grow_policy": "lossguide"},
    {"max_depth": 3, "reg_lambda": 0.3, "reg_alpha": 0.5, "gamma": 0.2},
    {"min_child_weight": 20.0, "max_delta_step": 0.3},
    {"monotone": (1, -1, 0, 0, 1)},
    {"interaction": ((0, 1), (2, 3, 4))},
]


@pytest.mark.parametrize("rules", RULES, ids=str)
def test_the_trees_are_those_of_the_reference(rules):
    X, y = data()
    names = {
        "monotone": "monotone_constraints",
        "interaction": "interaction_constraints",
    }
    given = {names.get(key, key): value for key, value in rules.items()}
    model = BoostedTreesRegressor(n_estimators=3, max_bin=16, **given).fit(X, y)
    trees = model.trees_
    for t, (expected, cuts) in enumerate(reference_trees(X, y, 3, **rules)):
        nodes = slice(*trees.tree_offsets[t : t + 2])
        np.testing.assert_array_equal(trees.feature[nodes], expected.feature)
        np.testing.assert_array_equal(trees.left[nodes], expected.left)
        np.testing.assert_array_equal(trees.default_left[nodes], expected.default_left)
        threshold = [
            0.0 if c < 0 else [*cuts[c], np.inf][b]
            for c, b in zip(expected.feature, expected.bin, strict=True)
        ]
        np.testing.assert_array_equal(trees.threshold[nodes], threshold)
        COMPOSITE.assert_close(trees.value[nodes], expected.value)


def models():
    X, y = data(300, missing=0.1)
    labels = np.digitize(y, [0.2, 0.9])
    sampled = {"subsample": 0.7, "colsample_bytree": 0.7, "colsample_bylevel": 0.8}
    return [
        (BoostedTreesRegressor(n_estimators=5), X, y),
        (BoostedTreesRegressor(n_estimators=5, objective="absolute_error"), X, y),
        (BoostedTreesClassifier(n_estimators=5), X, y > 0.5),
        (BoostedTreesClassifier(n_estimators=4, **sampled), X, labels),
        (BoostedTreesRanker(n_estimators=4, max_leaves=6), X, labels),
    ]


MODELS = models()


@pytest.mark.parametrize(("model", "X", "y"), MODELS, ids=lambda m: type(m).__name__)
def test_the_same_bytes_for_any_number_of_threads(model, X, y, tmp_path):
    def saved(n_threads):
        path = tmp_path / f"{n_threads}.ubj"
        model.set_params(n_jobs=n_threads).fit(X, y).save_model(path)
        content = path.read_bytes()
        # n_jobs is among the parameters that a file remembers.
        return content.replace(b'"n_jobs": %d' % n_threads, b'"n_jobs": 1')

    same_bytes_for_threads(lambda n: np.frombuffer(saved(n), np.uint8))


@pytest.mark.parametrize("most_leaves", [1, 400])  # one tree at a time, two
def test_outputs_may_grow_a_few_at_a_time(most_leaves, monkeypatch, tmp_path):
    X, y = data(200)
    labels = np.digitize(y, np.quantile(y, [0.2, 0.4, 0.6, 0.8]))
    quantiles = {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}
    options = {"n_estimators": 4, "subsample": 0.7, "colsample_bytree": 0.6}

    def saved():
        path = tmp_path / "model.ubj"
        BoostedTreesClassifier(**options).fit(X, labels).save_model(path)
        classes = path.read_bytes()
        BoostedTreesRegressor(**quantiles, **options).fit(X, y).save_model(path)
        return classes, path.read_bytes()

    expected = saved()
    monkeypatch.setattr("fastnotes.boosting.training._MOST_LEAVES", most_leaves)
    assert saved() == expected


def test_the_progress_bar_changes_nothing(capsys):
    X, y = data()
    silent = BoostedTreesRegressor(n_estimators=5).fit(X, y)
    shown = BoostedTreesRegressor(n_estimators=5, verbose=1).fit(X, y)
    for name in ("feature", "threshold", "value", "gain", "cover"):
        one, other = getattr(silent.trees_, name), getattr(shown.trees_, name)
        np.testing.assert_array_equal(one, other)
    error = capsys.readouterr().err
    assert "5/5" in error
    assert "train rmse" in error


def test_progress_without_tqdm(capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tqdm.auto", None)
    X, y = data()
    BoostedTreesRegressor(n_estimators=3, verbose=True).fit(X, y, eval_set=[(X, y)])
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("3/3 rounds")
    assert "validation_0 rmse" in lines[-1]


@pytest.mark.parametrize("n_rows", [n for n in AWKWARD_SIZES if n > 0])
def test_awkward_sizes(n_rows):
    X, y = data(n_rows, 3)
    model = BoostedTreesRegressor(n_estimators=2, subsample=0.5).fit(X, y)
    assert np.isfinite(model.predict(X)).all()


# ---------------------------------------------------------------- sampling


@pytest.mark.parametrize("n_rows", [0, 1, 7, 31, 32, 33, 1000, 70000])
@pytest.mark.parametrize("chance", [1e-6, 0.3, 0.999])
def test_rows_are_drawn_by_philox(n_rows, chance):
    seed, round_ = 7 + (3 << 32), 5
    counter = np.zeros((-(-n_rows // 4), 4), np.uint64)
    counter[:, 0] = np.arange(len(counter))
    counter[:, 1], counter[:, 2] = round_, ROWS_PURPOSE
    words = philox4x32((seed & 0xFFFFFFFF, seed >> 32), counter).ravel()[:n_rows]
    expected = np.flatnonzero(words < np.rint(chance * 2**32))

    def draw(n_threads):
        return RowSampler(n_rows, chance, seed, n_threads).draw(round_)

    np.testing.assert_array_equal(same_bytes_for_threads(draw), expected)


def test_rounds_have_their_own_rows():
    sampler = RowSampler(1000, 0.5, 0, 1)
    first = sampler.draw(0).copy()
    assert 400 < len(first) < 600
    assert not np.array_equal(first, sampler.draw(1))
    np.testing.assert_array_equal(first, sampler.draw(0))
    assert RowSampler(1000, 1.0, 0, 1).draw(0) is None


def test_columns_are_drawn_by_philox():
    counter = np.zeros((10, 4), np.uint64)
    counter[:, 0], counter[:, 1], counter[:, 2] = np.arange(10), 3, COLUMNS_PURPOSE
    words = philox4x32((9, 0), counter)[:, 0]
    mask = sample_columns(10, 0.35, 9, range(3, 4))[0]
    np.testing.assert_array_equal(np.flatnonzero(mask), np.sort(np.argsort(words)[:3]))
    several = sample_columns(10, 0.35, 9, range(1, 5))
    assert several.shape == (4, 10)
    np.testing.assert_array_equal(several[2], mask)
    assert sample_columns(10, 1.0, 9, range(3)) is None
    assert sample_columns(10, 0.01, 9, range(3)).sum(axis=1).tolist() == [1, 1, 1]


# ---------------------------------------------------------------- laws


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_monotone_predictions_are_monotone(seed):
    X, y = data(120, 3, seed)
    for objective in ("squared_error", "absolute_error"):
        model = BoostedTreesRegressor(
            n_estimators=5,
            objective=objective,
            monotone_constraints=(1, -1, 0),
            min_child_weight=0.0,
        ).fit(X, y)
        probe = np.repeat(X[:1], 50, axis=0)
        for column, sign in ((0, 1), (1, -1)):
            line = probe.copy()
            line[:, column] = np.linspace(-3, 3, 50)
            assert (sign * np.diff(model.predict(line)) >= 0).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(seed):
    X, y = data(150, 4, seed)
    order = np.random.default_rng(seed).permutation(len(y))
    one = BoostedTreesRegressor(n_estimators=4).fit(X, y)
    other = BoostedTreesRegressor(n_estimators=4).fit(X[order], y[order])
    for name in ("feature", "threshold", "value", "gain", "cover"):
        np.testing.assert_array_equal(
            getattr(one.trees_, name), getattr(other.trees_, name)
        )


def test_integer_weights_of_many_rows():
    X, y = data(6000, 3)
    weight = np.random.default_rng(0).integers(0, 7, len(y))
    weighted = BoostedTreesRegressor(n_estimators=3).fit(X, y, sample_weight=weight)
    repeated = BoostedTreesRegressor(n_estimators=3)
    repeated.fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    # Gradients are float32, so three times one is not quite the sum of three.
    got = weighted.predict(X).astype(np.float32)
    COMPOSITE.assert_close(got, repeated.predict(X))


@pytest.mark.parametrize("model", [BoostedTreesClassifier, BoostedTreesRanker])
def test_the_order_of_rows_in_classes_and_lists(model):
    X, y = data(200, 4)
    labels, qid = np.digitize(y, [0.2, 0.9]), np.arange(200) // 20
    order = np.random.default_rng(0).permutation(200)
    lists = (
        [{"qid": qid}, {"qid": qid[order]}] if model is BoostedTreesRanker else [{}] * 2
    )
    one = model(n_estimators=4).fit(X, labels, **lists[0])
    other = model(n_estimators=4).fit(X[order], labels[order], **lists[1])
    np.testing.assert_array_equal(one.trees_.value, other.trees_.value)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_integer_weights_equal_repeated_rows(seed):
    X, y = data(100, 3, seed)
    weight = np.random.default_rng(seed).integers(0, 4, len(y))
    weighted = BoostedTreesRegressor(n_estimators=3).fit(X, y, sample_weight=weight)
    repeated = BoostedTreesRegressor(n_estimators=3)
    repeated.fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_array_equal(weighted.predict(X), repeated.predict(X))


def test_interactions_stay_within_their_sets():
    X, y = data(300, 5)
    sets = ((0, 1), (1, 2, 3))
    model = BoostedTreesRegressor(n_estimators=5, interaction_constraints=sets)
    trees = model.fit(X, y).trees_
    for t in range(trees.n_trees):
        start, stop = trees.tree_offsets[t : t + 2]
        feature = trees.feature[start:stop]
        paths = {0: frozenset()}
        for node in np.flatnonzero(feature >= 0):
            path = paths[node] | {int(feature[node])}
            for child in (trees.left, trees.right):
                paths[int(child[start + node])] = path
            assert len(path) == 1 or any(path <= set(s) for s in sets)
