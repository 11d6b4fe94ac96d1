"""Tables that the estimators take: sparse, with names, with categories."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score, roc_auc_score

from fastnotes.boosting import BoostedTreesClassifier, BoostedTreesRegressor
from support.tolerances import REDUCTION
from support.trees import assert_same_trees


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


def test_sparse_is_dense(diabetes):
    X, y = diabetes
    X = np.where(np.abs(X) < 0.03, 0.0, X)
    dense = BoostedTreesRegressor(n_estimators=5).fit(X, y)
    for kind in (sparse.csr_array, sparse.csc_matrix):
        model = BoostedTreesRegressor(n_estimators=5)
        model.fit(kind(X), y, eval_set=[(kind(X[::2]), y[::2])])
        assert_same_trees(model, dense)
        np.testing.assert_array_equal(model.predict(kind(X)), dense.predict(X))
        np.testing.assert_array_equal(model.apply(kind(X)), dense.apply(X))
    holes = BoostedTreesRegressor(n_estimators=5, absent="missing")
    nan = np.where(X == 0, np.nan, X)
    expected = BoostedTreesRegressor(n_estimators=5).fit(nan, y)
    assert_same_trees(holes.fit(sparse.csr_array(X), y), expected)
    np.testing.assert_array_equal(
        holes.predict(sparse.csr_array(X)), expected.predict(nan)
    )


def test_data_frames_and_categories():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    town = rng.choice(["a", "b", "c", "d", "e"], 300)
    frame = pandas.DataFrame(
        {"size": rng.random(300), "town": pandas.Categorical(town)}
    )
    y = frame["size"] + np.isin(town, ["b", "e"])
    model = BoostedTreesRegressor(
        n_estimators=20, categorical_features="from_dtype", min_child_weight=0
    ).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["size", "town"]
    assert r2_score(y, model.predict(frame)) > 0.95
    by_name = clone(model).set_params(categorical_features=["town"]).fit(frame, y)
    assert_same_trees(model, by_name)
    unseen = frame.assign(town=pandas.Categorical(["z"] * 300))
    holes = frame.assign(town=pandas.Categorical([None] * 300, ["a"]))
    np.testing.assert_array_equal(model.predict(unseen), model.predict(holes))
    strict = clone(model).set_params(unseen="error").fit(frame, y)
    with pytest.raises(ValueError, match="'z'"):
        strict.predict(unseen)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"size": "other"}))


def test_many_categories():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    code = rng.integers(0, 400, 4000)
    effect = rng.standard_normal(400)
    y = effect[code] + 0.1 * rng.standard_normal(4000) > 0
    frame = pandas.DataFrame({"code": pandas.Categorical(code)})
    model = BoostedTreesClassifier(
        n_estimators=20, categorical_features="from_dtype"
    ).fit(frame[:3000], y[:3000], eval_set=[(frame[3000:], y[3000:])])
    assert roc_auc_score(y[3000:], model.predict_proba(frame[3000:])[:, 1]) > 0.95
    predicted = model.predict_proba(frame[3000:])
    chance = predicted[np.arange(1000), y[3000:].astype(int)]
    got = np.asarray(model.evals_result_["validation_0"]["logloss"][-1])
    REDUCTION.assert_close(got, -np.log(chance).mean())


def test_a_number_that_means_missing(diabetes):
    X, y = diabetes
    holes = np.where(X > 0.05, np.nan, X)
    expected = BoostedTreesRegressor(n_estimators=5).fit(holes, y)
    model = BoostedTreesRegressor(n_estimators=5, missing=-9.0)
    given = np.where(X > 0.05, -9.0, X)
    assert_same_trees(model.fit(given, y), expected)
    np.testing.assert_array_equal(model.predict(given), expected.predict(holes))


def test_sparse_rows_are_scored_as_dense_ones(diabetes):
    X, y = diabetes
    X = np.where(np.abs(X) < 0.02, 0.0, X)
    dense = BoostedTreesRegressor(n_estimators=6, max_depth=3).fit(
        X[:300], y[:300], eval_set=[(X[300:], y[300:]), (X[:300], y[:300])]
    )
    S = sparse.csr_array(X)
    stored = BoostedTreesRegressor(n_estimators=6, max_depth=3).fit(
        S[:300], y[:300], eval_set=[(S[300:], y[300:]), (S[:300], y[:300])]
    )
    assert_same_trees(stored, dense)
    assert stored.evals_result_ == dense.evals_result_


def test_fitting_keeps_no_leaves_of_rows(diabetes):
    X, y = diabetes
    seen = []

    class Sizes:
        def after_iteration(self, model, round_, history):
            seen.extend(len(tree.leaf_of_row) for tree in model._training.trees)

    BoostedTreesRegressor(n_estimators=3, callbacks=[Sizes()]).fit(X, y)
    assert seen == [0] * 6
