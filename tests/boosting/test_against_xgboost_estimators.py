"""The same parameters, the same data: as good as XGBoost's estimators."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import KFold

from fastnotes.boosting import (
    BoostedTreesClassifier,
    BoostedTreesRanker,
    BoostedTreesRegressor,
)
from support.tolerances import SINGLE_SUM

xgboost = pytest.importorskip("xgboost")

#: Test losses over five folds may differ by so much of themselves.
NOISE = 0.08

RULES = {"n_estimators": 40, "max_depth": 4, "learning_rate": 0.2, "max_bin": 255}


def losses(model, X, y, loss):
    found = []
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        model.fit(X[train], y[train])
        predict = getattr(model, "predict_proba", model.predict)
        found.append(loss(y[test], predict(X[test])))
    return np.mean(found)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"subsample": 0.8, "colsample_bytree": 0.8},
        {"grow_policy": "lossguide", "max_leaves": 8, "max_depth": 0},
        {"reg_alpha": 0.5, "reg_lambda": 3.0, "min_child_weight": 3.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("load", [load_breast_cancer, load_diabetes, load_digits])
def test_test_losses(load, more):
    X, y = load(return_X_y=True)
    X = X.astype(np.float32)
    rules = RULES | more
    if load is load_diabetes:
        ours, theirs = BoostedTreesRegressor(**rules), xgboost.XGBRegressor(**rules)
        loss = mean_squared_error
    else:
        ours, theirs = BoostedTreesClassifier(**rules), xgboost.XGBClassifier(**rules)
        loss = log_loss
    theirs.set_params(tree_method="hist", n_jobs=2, random_state=0)
    assert losses(ours, X, y, loss) < (1 + NOISE) * losses(theirs, X, y, loss)


def test_ranking():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 5)).astype(np.float32)
    y = np.clip(np.rint(X[:, 0] + X[:, 1] + 0.5 * rng.standard_normal(600)), 0, 4)
    qid = np.repeat(np.arange(60), 10)
    train, test = qid < 40, qid >= 40
    scores = []
    for model in (
        BoostedTreesRanker(**RULES),
        xgboost.XGBRanker(**RULES, tree_method="hist"),
    ):
        model.set_params(eval_metric="ndcg@5")
        model.fit(
            X[train],
            y[train],
            qid=qid[train],
            eval_set=[(X[test], y[test])],
            eval_qid=[qid[test]],
        )
        history = getattr(model, "evals_result_", None) or model.evals_result()
        scores.append(history["validation_0"]["ndcg@5"][-1])
    assert scores[0] > scores[1] - 0.02


def assert_same_margins(theirs, ours, trees):
    """Compare XGBoost's sums, in float32, with ours of the same leaves in float64."""
    largest = np.maximum.reduceat(np.abs(trees.value), trees.tree_offsets[:-1])
    magnitude = np.abs(trees.base_score).max() + largest.sum()
    SINGLE_SUM.assert_close(theirs, ours, (trees.n_trees + 1) * magnitude)


def test_models_travel_both_ways(tmp_path):
    X, y = load_breast_cancer(return_X_y=True)
    X = X.astype(np.float32)
    ours = BoostedTreesClassifier(n_estimators=10).fit(X, y)
    ours.save_model(tmp_path / "ours.json")
    theirs = xgboost.XGBClassifier()
    theirs.load_model(tmp_path / "ours.json")
    assert_same_margins(
        theirs.predict(X, output_margin=True),
        ours.predict(X, output_margin=True),
        ours.trees_,
    )
    theirs = xgboost.XGBClassifier(n_estimators=10, max_depth=3).fit(X, y)
    theirs.save_model(tmp_path / "theirs.ubj")
    ours = BoostedTreesClassifier().load_model(tmp_path / "theirs.ubj")
    assert_same_margins(
        theirs.predict(X, output_margin=True),
        ours.predict(X, output_margin=True),
        ours.trees_,
    )
    np.testing.assert_array_equal(ours.classes_, [0, 1])
    more = BoostedTreesClassifier(n_estimators=2).fit(X, y, init_model=ours)
    assert more.n_rounds_ == 12


def test_a_model_that_is_no_file_yet():
    model = xgboost.XGBRegressor(n_estimators=1).fit(np.eye(3), [0, 1, 2])
    for given in (model, model.get_booster()):
        with pytest.raises(TypeError, match="itself: save it to a file first"):
            BoostedTreesRegressor().load_model(given)


def test_levels_without_rows_go_with_the_missing_there_too(tmp_path):
    """A column of sets and one of ordered categories; levels are 0 .. 7 and 0 .. 59."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 8, 3000), rng.integers(0, 60, 3000)])
    X = np.column_stack([X, rng.standard_normal(3000)]).astype(np.float32)
    y = X[:, 0] % 3 + np.sin(7 * X[:, 1])
    X[rng.random(3000) < 0.1, :2] = np.nan
    seen = ~np.isin(X[:, 0], [2, 5]) & ~np.isin(X[:, 1], [3, 20, 40])
    ours = BoostedTreesRegressor(n_estimators=10, categorical_features=[0, 1])
    ours.fit(X[seen], y[seen]).save_model(tmp_path / "ours.json")
    theirs = xgboost.XGBRegressor()
    theirs.load_model(tmp_path / "ours.json")
    assert_same_margins(theirs.predict(X), ours.predict(X), ours.trees_)
