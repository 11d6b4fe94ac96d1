"""What the three estimators do beside growing the right trees."""

from __future__ import annotations

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, ndcg_score, r2_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnotes.boosting import (
    BoostedTreesClassifier,
    BoostedTreesRanker,
    BoostedTreesRegressor,
)
from support.tolerances import ELEMENTWISE, REDUCTION, TRANSCENDENTAL
from support.trees import assert_same_trees


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True)


def lists(n_lists=30, length=12, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_lists * length, 4))
    y = np.clip(np.rint(1.5 + X[:, 0] + 0.5 * X[:, 1]), 0, 4)
    return X, y, np.repeat(np.arange(n_lists), length)


# ---------------------------------------------------------------- what is learnt


def test_regression(diabetes):
    X, y = diabetes
    model = BoostedTreesRegressor(n_estimators=100, learning_rate=0.1, max_depth=3)
    model.fit(X[::2], y[::2])
    assert r2_score(y[1::2], model.predict(X[1::2])) > 0.3
    assert r2_score(y[::2], model.predict(X[::2])) > 0.85


def test_two_classes(cancer):
    X, y = cancer
    labels = np.array(["malignant", "benign"])[y]
    model = BoostedTreesClassifier(n_estimators=50).fit(X[::2], labels[::2])
    assert model.classes_.tolist() == ["benign", "malignant"]
    assert model.n_classes_ == 2
    assert accuracy_score(labels[1::2], model.predict(X[1::2])) > 0.93
    chances = model.predict_proba(X)
    ELEMENTWISE.assert_close(chances.sum(axis=1), np.ones(len(X)))
    margins = model.predict(X, output_margin=True)
    TRANSCENDENTAL.assert_close(chances[:, 1], 1 / (1 + np.exp(-margins)))
    np.testing.assert_array_equal(model.predict(X) == "malignant", margins > 0)


def test_several_classes():
    X, y = load_iris(return_X_y=True)
    model = BoostedTreesClassifier(n_estimators=20).fit(X[::2], y[::2] * 10 - 5)
    assert model.classes_.tolist() == [-5, 5, 15]
    assert accuracy_score(y[1::2] * 10 - 5, model.predict(X[1::2])) > 0.9
    chances = model.predict_proba(X)
    assert chances.shape == (150, 3)
    assert chances.flags.c_contiguous
    margins = model.predict(X, output_margin=True)
    softmax = np.exp(margins - margins.max(axis=1, keepdims=True))
    REDUCTION.assert_close(chances, softmax / softmax.sum(axis=1, keepdims=True))
    assert model.trees_.n_trees == 60
    np.testing.assert_array_equal(model.trees_.tree_output, np.tile([0, 1, 2], 20))


def test_lists_in_any_order():
    X, y, qid = lists()
    model = BoostedTreesRanker(n_estimators=20, max_depth=3).fit(X, y, qid=qid)
    scores = model.predict(X)
    assert ndcg_score(y.reshape(30, -1), scores.reshape(30, -1)) > 0.9
    # Lists may lie scattered; within a list the order of rows decides ties.
    order = np.argsort(np.tile(np.arange(12), 30), kind="stable")
    mixed = clone(model).fit(X[order], y[order], qid=qid[order])
    assert_same_trees(model, mixed)
    one_list = clone(model).fit(X, y)
    np.testing.assert_array_equal(
        one_list.predict(X), clone(model).fit(X, y, qid=np.zeros(360, int)).predict(X)
    )


def test_ranker_scores_its_lists():
    X, y, qid = lists()
    model = BoostedTreesRanker(n_estimators=5, eval_metric="ndcg@5")
    model.fit(X, y, qid=qid, eval_set=[(X, y)], eval_qid=[qid])
    got = model.evals_result_["validation_0"]["ndcg@5"]
    assert len(got) == 5
    assert got[-1] > got[0]


def test_quantiles_at_once(diabetes):
    X, y = diabetes
    alphas = [0.1, 0.5, 0.9]
    model = BoostedTreesRegressor(
        n_estimators=30, objective="quantile", quantile_alpha=alphas, max_depth=3
    ).fit(X, y)
    predicted = model.predict(X)
    assert predicted.shape == (len(X), 3)
    assert model.base_score_.shape == (3,)
    below = (y[:, None] <= predicted).mean(axis=0)
    assert (np.abs(below - alphas) < 0.12).all()


@pytest.mark.parametrize(
    "objective",
    ["squared_error", "absolute_error", "huber", "quantile", "poisson", "tweedie"],
)
def test_every_loss_goes_down(objective, diabetes):
    X, y = diabetes
    model = BoostedTreesRegressor(n_estimators=10, objective=objective, max_depth=3)
    model.fit(X, y, eval_set=[(X, y)])
    (scores,) = model.evals_result_["validation_0"].values()
    assert scores[-1] < scores[0]
    assert np.isfinite(model.predict(X)).all()


def test_gamma_and_shares(diabetes):
    X, y = diabetes
    model = BoostedTreesRegressor(n_estimators=10, objective="gamma").fit(X, y)
    assert (model.predict(X) > 0).all()
    shares = BoostedTreesRegressor(n_estimators=10, objective="reg:logistic")
    predicted = shares.fit(X, y / y.max()).predict(X)
    assert ((predicted > 0) & (predicted < 1)).all()


# ---------------------------------------------------------------- custom losses


def test_a_custom_loss_is_the_loss_it_imitates(diabetes, cancer):
    X, y = diabetes
    built_in = BoostedTreesRegressor(n_estimators=5, base_score=0.0).fit(X, y)
    own = BoostedTreesRegressor(
        n_estimators=5, objective=lambda y, m: (m - y, np.ones_like(y))
    )
    np.testing.assert_array_equal(own.fit(X, y).predict(X), built_in.predict(X))

    def logistic(codes, margins):
        p = 1 / (1 + np.exp(-margins))
        return p - codes, p * (1 - p)

    X, y = cancer
    own = BoostedTreesClassifier(n_estimators=10, objective=logistic).fit(X, y)
    assert roc_auc_score(y, own.predict_proba(X)[:, 1]) > 0.99


def test_a_custom_loss_of_several_classes():
    X, y = load_iris(return_X_y=True)

    def softmax(codes, margins):
        p = np.exp(margins - margins.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        hit = codes[:, None] == np.arange(3)
        return p - hit, 2 * p * (1 - p)

    model = BoostedTreesClassifier(n_estimators=10, objective=softmax).fit(X, y)
    assert accuracy_score(y, model.predict(X)) > 0.95
    chances = model.predict_proba(X)
    ELEMENTWISE.assert_close(chances.sum(axis=1), np.ones(len(X)))


# ---------------------------------------------------------------- weights, margins


def test_class_weights_are_row_weights(cancer):
    X, y = cancer
    weight = np.where(y == 1, 3.0, 1.0)
    expected = BoostedTreesClassifier(n_estimators=5).fit(X, y, sample_weight=weight)
    for given in ({"class_weight": {0: 1, 1: 3}}, {"scale_pos_weight": 3.0}):
        model = BoostedTreesClassifier(n_estimators=5, **given).fit(X, y)
        assert_same_trees(model, expected)
    balanced = BoostedTreesClassifier(n_estimators=1, class_weight="balanced")
    odds = np.exp(balanced.fit(X, y).base_score_).astype(np.float32)
    ELEMENTWISE.assert_close(odds, np.ones(1))


def test_base_margins(diabetes):
    X, y = diabetes
    offset = X[:, 2] * 500 + 100
    model = BoostedTreesRegressor(n_estimators=5).fit(X, y, base_margin=offset)
    assert model.base_score_.tolist() == [0.0]
    leaves = model.predict(X)
    REDUCTION.assert_close(model.predict(X, base_margin=offset), leaves + offset)
    residual = BoostedTreesRegressor(n_estimators=5, base_score=0.0)
    residual.fit(X, y - offset)
    REDUCTION.assert_close(residual.predict(X), leaves)
    scored = BoostedTreesRegressor(n_estimators=5)
    scored.fit(
        X, y, base_margin=offset, eval_set=[(X, y)], base_margin_eval_set=[offset]
    )
    rmse = np.sqrt(np.mean((y - leaves - offset) ** 2))
    got = np.asarray(scored.evals_result_["validation_0"]["rmse"][-1])
    REDUCTION.assert_close(got, rmse)


def test_base_score_is_on_the_scale_of_predictions(cancer, diabetes):
    X, y = cancer
    model = BoostedTreesClassifier(n_estimators=1, base_score=0.9).fit(X, y)
    ELEMENTWISE.assert_close(model.base_score_, [np.log(0.9 / (1 - 0.9))])
    X, y = diabetes
    model = BoostedTreesRegressor(objective="poisson", n_estimators=1, base_score=2.0)
    ELEMENTWISE.assert_close(model.fit(X, y).base_score_, [np.log(2.0)])
    mean = BoostedTreesRegressor(n_estimators=1).fit(X, y).base_score_
    REDUCTION.assert_close(mean, [y.mean()])


# ---------------------------------------------------------------- going on


def test_going_on_is_training_at_once(diabetes, tmp_path):
    X, y = diabetes
    rules = {"subsample": 0.7, "colsample_bytree": 0.5}
    at_once = BoostedTreesRegressor(n_estimators=12, **rules).fit(X, y)
    half = BoostedTreesRegressor(n_estimators=5, **rules).fit(X, y)
    more = BoostedTreesRegressor(n_estimators=7, **rules).fit(X, y, init_model=half)
    assert_same_trees(more, at_once)
    assert (half.n_rounds_, more.n_rounds_) == (5, 12)
    warm = BoostedTreesRegressor(n_estimators=5, warm_start=True, **rules).fit(X, y)
    warm.set_params(n_estimators=12).fit(X, y)
    assert_same_trees(warm, at_once)
    assert warm.fit(X, y) is warm  # nothing left to do
    assert_same_trees(warm, at_once)
    half.save_model(tmp_path / "half.json")
    read = BoostedTreesRegressor(n_estimators=7, **rules)
    read.fit(X.astype(np.float32), y, init_model=tmp_path / "half.json")
    assert read.n_rounds_ == 12


def test_going_on_with_classes(cancer):
    X, y = cancer
    labels = np.array(["no", "yes"])[y]
    half = BoostedTreesClassifier(n_estimators=4).fit(X, labels)
    one_class = labels == "yes"
    more = BoostedTreesClassifier(n_estimators=2)
    more.fit(X[one_class], labels[one_class], init_model=half)
    assert more.classes_.tolist() == ["no", "yes"]
    assert more.n_rounds_ == 6
    scored = BoostedTreesClassifier(n_estimators=2)
    scored.fit(X, labels, init_model=half, eval_set=[(X[::2], labels[::2])])
    assert len(scored.evals_result_["validation_0"]["logloss"]) == 2


def test_an_interrupt_keeps_the_finished_rounds(diabetes):
    X, y = diabetes

    class Interrupt:
        def after_iteration(self, model, epoch, evals_log):
            if epoch == 3:
                raise KeyboardInterrupt

    model = BoostedTreesRegressor(n_estimators=10, callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y, eval_set=[(X, y)])
    whole = BoostedTreesRegressor(n_estimators=4).fit(X, y)
    assert model.n_rounds_ == 4
    assert len(model.evals_result_["validation_0"]["rmse"]) == 4
    np.testing.assert_array_equal(model.predict(X), whole.predict(X))
    pickle.dumps(model.set_params(callbacks=None))
    model.set_params(warm_start=True, n_estimators=6).fit(X, y)
    at_once = BoostedTreesRegressor(n_estimators=6).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), at_once.predict(X))


def test_an_interrupt_amid_a_round_drops_that_round():
    X, y = load_iris(return_X_y=True)
    calls = []

    def loss(codes, margins):
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        hit = codes[:, None] == np.arange(3)
        return margins - hit, np.ones_like(margins)

    model = BoostedTreesClassifier(n_estimators=9, objective=loss)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert (model.n_rounds_, model.trees_.n_trees) == (2, 6)


def test_a_failed_fit_changes_nothing(diabetes):
    X, y = diabetes
    model = BoostedTreesRegressor(n_estimators=3)
    with pytest.raises(ValueError, match="max_bin"):
        model.set_params(max_bin=1).fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.set_params(max_bin=20).fit(X, y)
    before = model.predict(X)

    def broken(y, m):
        raise RuntimeError("no gradient")

    with pytest.raises(RuntimeError, match="no gradient"):
        model.set_params(objective=broken).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), before)


# ---------------------------------------------------------------- prediction


def test_ranges_and_stages(diabetes):
    X, y = diabetes
    model = BoostedTreesRegressor(n_estimators=6).fit(X, y)
    stages = list(model.staged_predict(X))
    assert len(stages) == 6
    for r, stage in enumerate(stages):
        got = model.predict(X, iteration_range=(0, r + 1))
        np.testing.assert_array_equal(stage, got)
    np.testing.assert_array_equal(stages[-1], model.predict(X))
    base = model.base_score_[0]
    middle = model.predict(X, iteration_range=(2, 4)) - base
    REDUCTION.assert_close(middle, stages[3] - stages[1])
    np.testing.assert_array_equal(
        model.predict(X, iteration_range=(2, 0)),
        model.predict(X, iteration_range=(2, 6)),
    )


def test_apply(diabetes):
    X, y = diabetes
    model = BoostedTreesRegressor(n_estimators=4).fit(X, y)
    leaves, trees = model.apply(X), model.trees_
    assert leaves.shape == (len(X), 4)
    assert leaves.dtype == np.int32
    values = trees.value[trees.tree_offsets[:-1] + leaves].astype(np.float64)
    REDUCTION.assert_close(model.base_score_ + values.sum(axis=1), model.predict(X))
    part = model.apply(X, iteration_range=(1, 3))
    np.testing.assert_array_equal(part, leaves[:, 1:3])


def test_a_row_alone_has_the_bytes_it_has_among_others(cancer):
    X, y = cancer
    model = BoostedTreesClassifier(n_estimators=10).fit(X, y)
    together = model.predict_proba(X[:20])
    for i in range(20):
        np.testing.assert_array_equal(model.predict_proba(X[i : i + 1])[0], together[i])


def test_shapley_values_add_up_to_margins(cancer):
    X, y = cancer
    model = BoostedTreesClassifier(n_estimators=10, early_stopping_rounds=2)
    model.fit(X[::2], y[::2], eval_set=[(X[1::2], y[1::2])])
    margins = model.predict(X[:30], output_margin=True)
    values = model.shap_values(X[:30])
    assert values.shape == (30, 31)
    REDUCTION.assert_close(values.sum(axis=1), margins)
    against = model.shap_values(X[:30], method="interventional", background=X[::9])
    REDUCTION.assert_close(against.sum(axis=1), margins)
    pairs = model.shap_interaction_values(X[:5])
    REDUCTION.assert_close(pairs.sum(axis=2), values[:5])
    np.testing.assert_array_equal(model.shap_values(sparse.csr_array(X[:30])), values)
    with pytest.raises(ValueError, match="a background"):
        model.shap_values(X, method="interventional")
    with pytest.raises(ValueError, match="method as one of"):
        model.shap_values(X, method="exact")
    several = BoostedTreesClassifier(n_estimators=3).fit(X, np.arange(len(y)) % 3)
    assert several.shap_values(X[:4]).shape == (4, 3, 31)


def test_text_tables_and_pictures(diabetes):
    X, y = diabetes
    model = BoostedTreesRegressor(n_estimators=3, max_depth=2, early_stopping_rounds=1)
    model.fit(X, y, eval_set=[(X, y)])
    assert model.dump_trees().count("tree ") == model.best_iteration_ + 1
    pytest.importorskip("pandas")
    assert len(model.trees_to_dataframe()) == model.trees_.n_nodes
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    for axes in (model.plot_importance(), model.plot_tree(1), model.plot_history()):
        assert axes.figure is not None
    pyplot.close("all")


def test_importances(diabetes):
    X, y = diabetes
    X = np.column_stack([X, np.zeros(len(X))])
    model = BoostedTreesRegressor(n_estimators=5).fit(X, y)
    trees = model.trees_
    inner = trees.feature >= 0
    for kind in ("gain", "cover", "weight", "total_gain", "total_cover"):
        got = model.set_params(importance_type=kind).feature_importances_
        assert got.dtype == np.float32
        ELEMENTWISE.assert_close(got.sum(keepdims=True), [1.0])
        assert got[-1] == 0
    count = np.bincount(trees.feature[inner], minlength=11)
    weight = model.set_params(importance_type="weight").feature_importances_
    ELEMENTWISE.assert_close(weight, count / count.sum())
    flat = BoostedTreesRegressor(n_estimators=2).fit(X, np.ones(len(X)))
    assert flat.feature_importances_.sum() == 0


# ---------------------------------------------------------------- scikit-learn


def test_copies_predict_the_same(cancer):
    X, y = cancer
    model = BoostedTreesClassifier(n_estimators=5).fit(X, y)
    expected = model.predict_proba(X)
    stream = io.BytesIO()
    joblib.dump(model, stream)
    stream.seek(0)
    for other in (
        pickle.loads(pickle.dumps(model)),
        copy.copy(model),
        copy.deepcopy(model),
        joblib.load(stream),
    ):
        np.testing.assert_array_equal(other.predict_proba(X), expected)
    again = clone(model)
    assert not hasattr(again, "classes_")
    np.testing.assert_array_equal(again.fit(X, y).predict_proba(X), expected)


def test_at_home_in_scikit_learn(cancer):
    X, y = cancer
    pipeline = make_pipeline(StandardScaler(), BoostedTreesClassifier(n_estimators=5))
    assert pipeline.fit(X, y).score(X, y) > 0.95
    search = GridSearchCV(
        BoostedTreesClassifier(n_estimators=5), {"max_depth": [1, 4]}, cv=3
    )
    assert search.fit(X, y).best_score_ > 0.9
    chances = cross_val_predict(
        BoostedTreesClassifier(n_estimators=5), X, y, method="predict_proba", cv=3
    )
    assert roc_auc_score(y, chances[:, 1]) > 0.95
    calibrated = CalibratedClassifierCV(BoostedTreesClassifier(n_estimators=5), cv=3)
    assert calibrated.fit(X, y).score(X, y) > 0.9


def test_set_output_of_a_pipeline_with_names(diabetes):
    pandas = pytest.importorskip("pandas")
    X, y = diabetes
    frame = pandas.DataFrame(X, columns=[f"x{i}" for i in range(10)])
    pipeline = make_pipeline(StandardScaler(), BoostedTreesRegressor(n_estimators=3))
    pipeline.set_output(transform="pandas").fit(frame, y)
    assert pipeline[-1].feature_names_in_.tolist() == frame.columns.tolist()
    assert pipeline.predict(frame).shape == (len(frame),)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_files(suffix, tmp_path, cancer):
    X, y = cancer
    X = X.astype(np.float32)
    path = tmp_path / f"model.{suffix}"
    labels = np.array(["no", "yes"])[y]
    model = BoostedTreesClassifier(n_estimators=9, max_depth=3, early_stopping_rounds=3)
    model.fit(X[::2], labels[::2], eval_set=[(X[1::2], labels[1::2])])
    model.save(path)
    other = BoostedTreesClassifier.load(path)
    assert other.get_params()["max_depth"] == 3
    assert other.classes_.tolist() == ["no", "yes"]
    assert other.best_iteration_ == model.best_iteration_
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    TRANSCENDENTAL.assert_close(
        other.predict_proba(X).astype(np.float32), model.predict_proba(X)
    )
    plain = BoostedTreesClassifier().load_model(path)
    assert plain.get_params()["max_depth"] == 6
    with pytest.raises(ValueError, match="BoostedTreesRegressor"):
        BoostedTreesRegressor.load(path)


def test_files_keep_categories(tmp_path):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    town = pandas.Categorical(rng.choice(list("abcdef"), 200), list("abcdefg"))
    frame = pandas.DataFrame({"x": rng.random(200, np.float32), "town": town})
    y = town.codes + frame["x"]
    model = BoostedTreesRegressor(n_estimators=5, categorical_features=["town"])
    model.fit(frame, y).save(tmp_path / "model.json")
    other = BoostedTreesRegressor.load(tmp_path / "model.json")
    np.testing.assert_array_equal(other.predict(frame), model.predict(frame))
    assert other.feature_names_in_.tolist() == ["x", "town"]
