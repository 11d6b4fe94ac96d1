"""What the estimators refuse, in the one error voice."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from fastnotes.boosting import (
    BoostedTreesClassifier,
    BoostedTreesRanker,
    BoostedTreesRegressor,
    TrainingCallback,
)

RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 3))
Y = RNG.random(30)
CODES = (Y > 0.5).astype(int)

PARAMETERS = [
    ({"n_estimators": 0}, ValueError, "n_estimators from 1"),
    ({"n_estimators": 2.0}, TypeError, "n_estimators as an integer"),
    ({"n_estimators": True}, TypeError, "n_estimators as an integer"),
    ({"learning_rate": -0.1}, ValueError, "learning_rate >= 0"),
    ({"learning_rate": float("nan")}, ValueError, "learning_rate finite"),
    ({"learning_rate": "0.1"}, TypeError, "learning_rate as a real number"),
    ({"max_depth": -1}, ValueError, "max_depth from 0"),
    ({"max_leaves": 1.5}, TypeError, "max_leaves as an integer"),
    ({"grow_policy": "widthwise"}, ValueError, "'depthwise', 'lossguide'"),
    ({"max_bin": 256}, ValueError, "max_bin from 2 to 255"),
    ({"reg_lambda": -1}, ValueError, "reg_lambda >= 0"),
    ({"reg_alpha": np.inf}, ValueError, "reg_alpha finite"),
    ({"gamma": -1e-9}, ValueError, "gamma >= 0"),
    ({"min_child_weight": None}, TypeError, "min_child_weight as a real"),
    ({"max_delta_step": -1}, ValueError, "max_delta_step >= 0"),
    ({"subsample": 0.0}, ValueError, "subsample > 0 and <= 1"),
    ({"subsample": 1.1}, ValueError, "subsample > 0 and <= 1"),
    ({"colsample_bytree": 0}, ValueError, "colsample_bytree > 0 and <= 1"),
    ({"colsample_bylevel": -1}, ValueError, "colsample_bylevel"),
    ({"colsample_bynode": 2}, ValueError, "colsample_bynode"),
    ({"base_score": "mean"}, TypeError, "base_score as a real number"),
    ({"missing": "nan"}, TypeError, "missing as a real number"),
    ({"absent": "null"}, ValueError, "absent"),
    ({"unseen": "ignore"}, ValueError, "unseen"),
    ({"categorical_features": [3]}, ValueError, "from 0 to 2"),
    ({"categorical_features": ["x"]}, ValueError, "without names"),
    ({"categorical_features": "x"}, ValueError, "'from_dtype' or as a list"),
    ({"max_cat_to_onehot": 0}, ValueError, "max_cat_to_onehot"),
    ({"monotone_constraints": [1, 0]}, ValueError, "for 3 columns"),
    ({"monotone_constraints": [1, 0, 2]}, ValueError, "from -1 to 1"),
    ({"monotone_constraints": {"a": 1}}, ValueError, "by number"),
    ({"monotone_constraints": {3: 1}}, ValueError, "from 0 to 2"),
    ({"monotone_constraints": "(1, "}, ValueError, "as a literal"),
    ({"monotone_constraints": 1}, TypeError, "sequence or a dict"),
    ({"interaction_constraints": [[0, 5]]}, ValueError, "from 0 to 2"),
    ({"interaction_constraints": [0, 1]}, TypeError, "sequence of sets"),
    ({"interaction_constraints": 3}, TypeError, "sequence of sets"),
    ({"eval_metric": "rsme"}, ValueError, "metric as one of rmse"),
    ({"eval_metric": []}, ValueError, "at least one metric"),
    ({"eval_metric": ["mae", "mae"]}, ValueError, "different names"),
    ({"eval_metric": 3}, TypeError, "string or a callable"),
    ({"early_stopping_rounds": 0}, ValueError, "early_stopping_rounds from 1"),
    ({"early_stopping_rounds": 3}, ValueError, "an eval_set"),
    ({"warm_start": 1}, TypeError, "warm_start as a bool"),
    ({"callbacks": print}, TypeError, "callbacks as a list"),
    ({"callbacks": [print]}, TypeError, "callbacks with a method of"),
    ({"callbacks": [TrainingCallback]}, TypeError, r"objects: TrainingCallback\(\)"),
    ({"random_state": -1}, ValueError, "random_state from 0"),
    ({"random_state": "0"}, TypeError, "random_state as an integer"),
    ({"n_jobs": 0}, ValueError, "n_jobs other than 0"),
    ({"n_jobs": 10**6}, ValueError, "n_jobs <= 1024"),
    ({"n_jobs": "all"}, TypeError, "n_jobs as an integer"),
    ({"verbose": -1}, ValueError, "verbose from 0"),
    ({"importance_type": "gains"}, ValueError, "importance_type as one of"),
]


@pytest.mark.parametrize(("given", "error", "message"), PARAMETERS, ids=str)
def test_parameters(given, error, message):
    model = BoostedTreesRegressor(**{"n_estimators": 2, **given})
    with pytest.raises(error, match=message) as caught:
        model.fit(X, Y)
    assert str(caught.value).startswith("[boosting.BoostedTreesRegressor.fit]")


OBJECTIVES = [
    (BoostedTreesRegressor, "squared", "'reg:squarederror', "),
    (BoostedTreesRegressor, "multi:softprob", "n_classes"),
    (BoostedTreesRegressor, "rank:ndcg", "an objective of numbers"),
    (BoostedTreesClassifier, "reg:squarederror", "an objective of classes"),
    (BoostedTreesRanker, "reg:squarederror", "an objective of lists"),
]


@pytest.mark.parametrize(("kind", "name", "message"), OBJECTIVES)
def test_objectives(kind, name, message):
    with pytest.raises(ValueError, match=message):
        kind(objective=name).fit(X, CODES)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"objective": "poisson"}, "y >= 0"),
        ({"objective": "gamma"}, "y > 0|y >= 0"),
        ({"objective": "reg:logistic"}, "y from 0 to 1"),
        ({"objective": "quantile", "quantile_alpha": 1.0}, "between 0 and 1"),
        ({"objective": "quantile", "quantile_alpha": []}, "at least one"),
        ({"objective": "huber", "huber_slope": 0.0}, "huber_slope > 0"),
        ({"objective": "tweedie", "tweedie_variance_power": 2}, "between 1 and 2"),
        ({"objective": "reg:logistic", "base_score": 1.0}, "base_score|y from"),
    ],
    ids=str,
)
def test_domains_of_losses(given, message):
    with pytest.raises(ValueError, match=message):
        BoostedTreesRegressor(**given).fit(X, Y - 0.5)


DATA = [
    ({"y": Y[:-1]}, ValueError, "y with 30 rows"),
    ({"y": np.where(Y > 0.9, np.nan, Y)}, ValueError, "y finite"),
    ({"y": Y.astype(complex)}, ValueError, "Complex data not supported"),
    ({"y": Y.astype(str)}, TypeError, "real numbers"),
    ({"y": Y.reshape(15, 2)}, ValueError, "1d array"),
    ({"y": np.ma.masked_array(Y, Y > 0.5)}, TypeError, "y without a mask"),
    ({"y": None}, ValueError, "target y is None"),
    ({"X": X[:, 0]}, ValueError, "dimension"),
    ({"X": None}, TypeError, "X as an array or a data frame, got NoneType"),
    ({"X": {"a": Y}}, TypeError, "got dict"),
    ({"X": np.full(X.shape, "2020-01-01", "M8[D]")}, TypeError, "numbers of times"),
    ({"X": X.astype(np.longdouble)}, TypeError, "at most 64 bits"),
    ({"X": X.astype(complex)}, ValueError, "Complex data not supported"),
    ({"X": X[:0]}, ValueError, "at least one row"),
    ({"X": X[:, :0]}, ValueError, "at least one row and one column"),
    ({"sample_weight": Y[:-1]}, ValueError, "sample_weight of shape"),
    ({"sample_weight": -Y}, ValueError, "sample_weight >= 0"),
    ({"sample_weight": np.zeros(30)}, ValueError, "positive"),
    ({"sample_weight": X}, ValueError, "sample_weight with 1 dimension"),
    ({"sample_weight": np.full(30, np.nan)}, ValueError, "sample_weight finite"),
    ({"base_margin": Y[:-1]}, ValueError, "base_margin of shape"),
    ({"base_margin": np.full(30, np.inf)}, ValueError, "base_margin finite"),
    ({"base_margin": X}, ValueError, "base_margin of shape"),
    ({"eval_set": (X, Y)}, TypeError, r"eval_set as a list of \(X, y\)"),
    ({"eval_set": X}, TypeError, r"eval_set as a list of \(X, y\)"),
    ({"eval_set": [(X[:, :2], Y)]}, ValueError, "2 features"),
    ({"eval_set": [(X, Y[:5])]}, ValueError, "y with 30 rows"),
    ({"eval_set": [(X, Y), (X[:0], Y[:0])]}, ValueError, "rows in set 1 of eval_set"),
    ({"eval_set": [(X, Y)], "sample_weight_eval_set": []}, ValueError, "1 items"),
    ({"eval_set": [(X, Y)], "sample_weight_eval_set": Y}, TypeError, "as a list"),
    ({"init_model": 3}, TypeError, "init_model as a BoostedTreesRegressor"),
    ({"init_model": BoostedTreesRegressor()}, NotFittedError, "before fit"),
]


@pytest.mark.parametrize(("given", "error", "message"), DATA, ids=lambda x: None)
def test_data(given, error, message):
    with pytest.raises(error, match=message):
        BoostedTreesRegressor(n_estimators=2).fit(**{"X": X, "y": Y, **given})


def test_classes():
    model = BoostedTreesClassifier(n_estimators=2)
    with pytest.raises(ValueError, match="at least 2 classes"):
        model.fit(X, np.ones(30))
    with pytest.raises(ValueError, match="Unknown label type"):
        model.fit(X, Y)
    with pytest.raises(ValueError, match="y among the classes"):
        model.fit(X, CODES, eval_set=[(X, CODES + 1)])
    three = np.arange(30) % 3
    with pytest.raises(ValueError, match="scale_pos_weight"):
        model.set_params(scale_pos_weight=2.0).fit(X, three)
    with pytest.raises(ValueError, match="scale_pos_weight > 0"):
        model.set_params(scale_pos_weight=0.0).fit(X, CODES)
    half = BoostedTreesClassifier(n_estimators=2).fit(X, CODES)
    with pytest.raises(ValueError, match="y among the classes"):
        BoostedTreesClassifier(n_estimators=2).fit(X, three, init_model=half)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (["a", None], ValueError, "without missing labels, got None: drop"),
        (["a", np.nan], ValueError, "without missing labels, got nan: drop"),
        ([np.nan, 1.0], ValueError, "without missing labels|y finite"),
        ([1, "a"], TypeError, "labels y of one kind, got int and str"),
    ],
    ids=str,
)
def test_labels_that_cannot_be_sorted(labels, error, message):
    y = np.array(labels, dtype=object)[CODES]
    with pytest.raises(error, match=message) as caught:
        BoostedTreesClassifier(n_estimators=2).fit(X, y)
    assert str(caught.value).startswith("[boosting.BoostedTreesClassifier.fit]")


def test_labels_that_fit_has_not_seen():
    model = BoostedTreesClassifier(n_estimators=2)
    with pytest.raises(ValueError, match=r"classes 0, 1, got 2$"):
        model.fit(X, CODES, eval_set=[(X, 2 * CODES)])
    many = np.arange(30) % 15
    with pytest.raises(ValueError, match=r"8, 9, \.\.\. \(15 in all\), got 15$"):
        model.fit(X, many, eval_set=[(X, many + 1)])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"class_weight": "balance"}, TypeError, "'balanced' or None, got 'balance'"),
        ({"class_weight": [1, 2]}, TypeError, "as a dict by class"),
        ({"class_weight": {0: 1, "1": 2}}, ValueError, "class_weight of 1, got"),
        ({"class_weight": {0: 1}, "w": Y[:3]}, ValueError, "sample_weight of shape"),
        ({"class_weight": {0: 1}, "w": ["a"] * 30}, TypeError, "sample_weight of real"),
        ({"scale_pos_weight": 2, "w": Y[:3]}, ValueError, "sample_weight of shape"),
    ],
    ids=str,
)
def test_weights_of_classes(given, error, message):
    weight = given.pop("w", None)
    model = BoostedTreesClassifier(n_estimators=2, **given)
    with pytest.raises(error, match=message) as caught:
        model.fit(X, CODES, sample_weight=weight)
    assert str(caught.value).startswith("[boosting.BoostedTreesClassifier.fit]")


def test_a_fold_may_lack_a_class_of_class_weight():
    model = BoostedTreesClassifier(n_estimators=2, class_weight={0: 1, 1: 1, 2: 9})
    plain = BoostedTreesClassifier(n_estimators=2).fit(X, CODES)
    np.testing.assert_array_equal(
        model.fit(X, CODES).predict_proba(X), plain.predict_proba(X)
    )


def test_monotone_constraints_of_categories():
    codes = np.abs(np.rint(X))
    model = BoostedTreesRegressor(
        categorical_features=[1], monotone_constraints=[1, -1, 0]
    )
    with pytest.raises(ValueError, match="column 1 of categories, got -1") as caught:
        model.fit(codes, Y)
    assert str(caught.value).startswith("[boosting.BoostedTreesRegressor.fit]")


def test_several_quantiles_have_no_score():
    model = BoostedTreesRegressor(objective="quantile", quantile_alpha=[0.1, 0.9])
    with pytest.raises(ValueError, match="mean_pinball_loss"):
        model.fit(X, Y).score(X, Y)


def test_history_without_an_eval_set():
    with pytest.raises(ValueError, match="fitted with an eval_set"):
        BoostedTreesRegressor(n_estimators=2).fit(X, Y).plot_history()


def test_lists():
    model = BoostedTreesRanker(n_estimators=2)
    with pytest.raises(ValueError, match="qid with 30 rows"):
        model.fit(X, CODES, qid=np.zeros(3, int))
    with pytest.raises(TypeError, match="qid of integers"):
        model.fit(X, CODES, qid=np.zeros(30))
    with pytest.raises(ValueError, match="relevance"):
        model.fit(X, -CODES)
    with pytest.raises(ValueError, match="eval_qid with 1 items"):
        model.fit(X, CODES, eval_set=[(X, CODES)], eval_qid=[])


def test_going_on_with_another_loss():
    half = BoostedTreesRegressor(n_estimators=2).fit(X, Y)
    other = BoostedTreesRegressor(n_estimators=2, objective="poisson")
    with pytest.raises(ValueError, match="count:poisson"):
        other.fit(X, Y, init_model=half)
    half.set_params(warm_start=True, n_estimators=1)
    with pytest.raises(ValueError, match="n_estimators >= 2"):
        half.fit(X, Y)


def test_prediction():
    model = BoostedTreesRegressor(n_estimators=3)
    for method in (model.predict, model.apply, model.save_model):
        with pytest.raises(NotFittedError, match=r"\[boosting\.BoostedTreesRegressor"):
            method(X)
    with pytest.raises(NotFittedError):
        next(model.staged_predict(X))
    assert not hasattr(model, "trees_")
    assert not hasattr(model, "feature_importances_")
    model.fit(X, Y)
    with pytest.raises(ValueError, match="X has 2 features"):
        model.predict(X[:, :2])
    for given in ((0, 4), (2, 1), (-1, 2)):
        with pytest.raises(ValueError, match="iteration_range"):
            model.predict(X, iteration_range=given)
    for given in (3, (1, 2, 3), (0.0, 1)):
        with pytest.raises(TypeError, match="iteration_range"):
            model.predict(X, iteration_range=given)
    with pytest.raises(ValueError, match="base_margin of shape"):
        model.predict(X, base_margin=Y[:3])


@pytest.mark.parametrize(
    "labels", [np.array([0, 2**63], np.uint64), np.array([0, 1], "M8[D]")], ids=str
)
def test_labels_that_a_file_cannot_hold(labels, tmp_path):
    model = BoostedTreesClassifier(n_estimators=2).fit(X, labels[CODES])
    with pytest.raises(ValueError, match="pickle keeps others"):
        model.save(tmp_path / "model.json")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    model = BoostedTreesRegressor(n_estimators=2).fit(X, Y)
    with pytest.raises(FileNotFoundError, match=r"a folder that exists, got .*none$"):
        model.save(tmp_path / "none" / "model.json")


def test_files(tmp_path):
    path = tmp_path / "model.json"
    BoostedTreesClassifier(n_estimators=2).fit(X, CODES).save(path)
    with pytest.raises(ValueError, match="an objective of lists"):
        BoostedTreesRanker().load_model(path)
    document = json.loads(path.read_text())
    attributes = document["learner"]["attributes"]
    note = json.loads(attributes["fastnotes"])
    for broken in (
        "{",
        "[]",
        json.dumps(note | {"classes": 3}),
        json.dumps(note | {"base_score": ["a"]}),
        json.dumps(note | {"base_score": [float("inf")]}),
        json.dumps(note | {"base_score": [[0.0]]}),
        json.dumps(note | {"classes": {"kind": "int", "values": [0]}}),
        json.dumps(note | {"classes": {"kind": "int", "values": [1, 0]}}),
        json.dumps(note | {"classes": {"kind": "int", "values": ["a", "b"]}}),
        json.dumps(note | {"classes": {"kind": "str", "values": [[0], [1]]}}),
        json.dumps(note | {"classes": {"kind": "object", "values": [0, 1]}}),
        json.dumps(note | {"classes": {"kind": [], "values": [0, 1]}}),
    ):
        attributes["fastnotes"] = broken
        path.write_text(json.dumps(document))
        with pytest.raises(ValueError, match="expected"):
            BoostedTreesClassifier().load_model(path)
    for wrong in ({"parameters": 3}, {"estimator": 3}):
        attributes["fastnotes"] = json.dumps(note | wrong)
        path.write_text(json.dumps(document))
        with pytest.raises(ValueError, match="expected"):
            BoostedTreesClassifier.load(path)
