"""The trees of other libraries, predicted and explained by us and by them."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes.boosting import Explainer, Predictor, read_model

N_COLUMNS = 6

#: They add float32 numbers up.
SINGLE = {"rtol": 2e-5, "atol": 2e-5}


def problem(n_classes=2, n_rows=600):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, N_COLUMNS)).astype(np.float32)
    score = X[:, 0] * X[:, 1] + np.abs(X[:, 2])
    y = np.digitize(score, np.quantile(score, np.arange(1, n_classes) / n_classes))
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, y


def xgboost_model(n_classes=2, **parameters):
    xgboost = pytest.importorskip("xgboost")
    X, y = problem(n_classes)
    options = {"objective": "binary:logistic", "nthread": 2, "verbosity": 0}
    if n_classes > 2:
        options |= {"objective": "multi:softprob", "num_class": n_classes}
    data = xgboost.DMatrix(X, y)
    booster = xgboost.train({**options, **parameters}, data, 12)
    return booster, data, X, read_model(bytes(booster.save_raw("ubj"))).trees


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "parameters",
    [
        {"max_depth": 6},
        {"max_depth": 0, "max_leaves": 100, "grow_policy": "lossguide"},
    ],
    ids=["depth", "leaves"],
)
def test_xgboost(n_classes, parameters):
    booster, data, X, trees = xgboost_model(n_classes, **parameters)
    shape = (len(X), trees.n_outputs, N_COLUMNS + 1)
    predictor = Predictor(trees)
    theirs = booster.predict(data, output_margin=True)
    np.testing.assert_allclose(
        predictor.margins(X), theirs.reshape(len(X), -1), **SINGLE
    )
    np.testing.assert_array_equal(
        predictor.leaf_ids(X), booster.predict(data, pred_leaf=True)
    )
    theirs = booster.predict(data, pred_contribs=True).reshape(shape)
    np.testing.assert_allclose(Explainer(trees).contributions(X), theirs, **SINGLE)
    few = booster.predict(data.slice(range(20)), pred_interactions=True)
    few = few.reshape(20, *shape[1:], N_COLUMNS + 1)
    np.testing.assert_allclose(Explainer(trees).interactions(X[:20]), few, **SINGLE)


def test_lightgbm():
    lightgbm = pytest.importorskip("lightgbm")
    X, y = problem()
    options = {"objective": "binary", "num_leaves": 60, "min_data_in_leaf": 1}
    options |= {"verbosity": -1, "num_threads": 2}
    booster = lightgbm.train(options, lightgbm.Dataset(X, y), 12)
    trees = read_model(booster.model_to_string().encode()).trees
    margins = Predictor(trees).margins(X)[:, 0]
    np.testing.assert_allclose(margins, booster.predict(X, raw_score=True), **SINGLE)
    # Its covers here are sums of hessians, its own shares are counts of rows.
    explained = Explainer(trees).contributions(X)
    np.testing.assert_allclose(explained.sum(axis=2)[:, 0], margins, **SINGLE)


def test_shap_with_a_background():
    shap = pytest.importorskip("shap")
    booster, _, X, trees = xgboost_model(max_depth=4)
    X = np.nan_to_num(X)
    background = X[:40]
    explainer = shap.TreeExplainer(
        booster, background, feature_perturbation="interventional"
    )
    theirs = explainer.shap_values(X[40:80])
    ours = Explainer(trees, background).contributions(X[40:80])[:, 0, :-1]
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
