from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.metrics import log_loss, mean_squared_error, roc_auc_score

from fastnotes.boosting import (
    BoostedTreesClassifier,
    BoostedTreesRegressor,
    TrainingCallback,
    make_metric,
)
from fastnotes.boosting.callbacks import EarlyStopping
from support.tolerances import REDUCTION


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return X[:300], y[:300], X[300:], y[300:]


def test_the_best_round_is_used(diabetes):
    X, y, X_test, y_test = diabetes
    model = BoostedTreesRegressor(n_estimators=60, early_stopping_rounds=5)
    model.fit(X, y, eval_set=[(X_test, y_test)])
    scores = model.evals_result_["validation_0"]["rmse"]
    assert model.best_iteration_ == int(np.argmin(scores))
    assert model.best_score_ == min(scores)
    assert model.n_rounds_ == len(scores) == model.best_iteration_ + 6
    assert model.trees_.n_trees == model.n_rounds_
    used = (0, model.best_iteration_ + 1)
    best = model.predict(X_test)
    np.testing.assert_array_equal(best, model.predict(X_test, iteration_range=used))
    everything = model.predict(X_test, iteration_range=(0, model.n_rounds_))
    assert (best != everything).any()
    rmse = np.sqrt(mean_squared_error(y_test, best))
    REDUCTION.assert_close(np.asarray(rmse), model.best_score_)
    assert len(list(model.staged_predict(X_test))) == model.best_iteration_ + 1


def test_it_stops_by_the_last_metric_of_the_last_set(diabetes):
    X, y, X_test, y_test = diabetes
    model = BoostedTreesRegressor(
        n_estimators=40, early_stopping_rounds=3, eval_metric=["rmse", "mae"]
    )
    model.fit(X, y, eval_set=[(X, y), (X_test, y_test)])
    history = model.evals_result_
    assert list(history) == ["validation_0", "validation_1"]
    assert list(history["validation_1"]) == ["rmse", "mae"]
    assert model.best_score_ == min(history["validation_1"]["mae"])


def test_larger_may_be_better():
    X, y = load_breast_cancer(return_X_y=True)
    model = BoostedTreesClassifier(
        n_estimators=30, early_stopping_rounds=4, eval_metric="auc"
    )
    model.fit(X[::2], y[::2], eval_set=[(X[1::2], y[1::2])])
    scores = model.evals_result_["validation_0"]["auc"]
    assert model.best_iteration_ == int(np.argmax(scores))
    chances = model.predict_proba(X[1::2])[:, 1]
    REDUCTION.assert_close(
        np.asarray(roc_auc_score(y[1::2], chances)), model.best_score_
    )


def test_scores_are_those_of_the_predictions():
    X, y = load_breast_cancer(return_X_y=True)
    weight = np.arange(len(y)) % 3 + 0.5
    model = BoostedTreesClassifier(n_estimators=5)
    model.fit(
        X,
        y,
        eval_set=[(X, y), (X[:100], y[:100])],
        sample_weight_eval_set=[weight, None],
    )
    for r, chances in enumerate(model.staged_predict_proba(X)):
        scores = [
            log_loss(y, chances, sample_weight=weight),
            log_loss(y[:100], chances[:100]),
        ]
        for name, score in zip(model.evals_result_, scores, strict=True):
            got = np.asarray(model.evals_result_[name]["logloss"][r])
            REDUCTION.assert_close(got, score)


def test_scored_rows_leave_the_model_alone(diabetes):
    X, y, X_test, y_test = diabetes
    plain = BoostedTreesRegressor(n_estimators=10).fit(X, y)
    scored = BoostedTreesRegressor(n_estimators=10)
    scored.fit(X, y, eval_set=[(X_test, y_test)])
    np.testing.assert_array_equal(plain.trees_.value, scored.trees_.value)
    assert plain.evals_result_ == {}
    assert not hasattr(plain, "best_iteration_")


def test_a_callable_is_minimised_and_may_have_a_direction(diabetes):
    X, y, X_test, y_test = diabetes

    def worst(y_true, y_pred):
        return np.abs(y_true - y_pred).max()

    model = BoostedTreesRegressor(n_estimators=3, eval_metric=worst)
    model.fit(X, y, eval_set=[(X_test, y_test)])
    got = model.evals_result_["validation_0"]["worst"][-1]
    assert got == worst(y_test, model.predict(X_test))

    rising = make_metric(lambda y_true, y_pred: 0.0, name="flat", maximize=True)
    model.set_params(eval_metric=rising, early_stopping_rounds=1, n_estimators=9)
    model.fit(X, y, eval_set=[(X_test, y_test)])
    assert (model.best_iteration_, model.n_rounds_) == (0, 2)


def test_patience():
    stopping = EarlyStopping(2, maximize=False)
    scores = [3.0, 2.0, 2.0, 1.0, np.nan, 1.0]
    assert [stopping.update(i, s) for i, s in enumerate(scores)] == [
        False,
        False,
        False,
        False,
        False,
        True,
    ]
    assert (stopping.best_round, stopping.best_score) == (3, 1.0)
    stopping = EarlyStopping(2, maximize=False)
    assert [stopping.update(i, np.nan) for i in range(3)] == [False, False, True]
    assert not stopping.update(3, 7.0)
    assert (stopping.best_round, stopping.best_score) == (3, 7.0)


class Recorder(TrainingCallback):
    def __init__(self, stop_at=None):
        self.calls, self.stop_at = [], stop_at

    def before_training(self, model):
        self.calls.append("before")
        return model

    def after_iteration(self, model, epoch, evals_log):
        scores = evals_log["validation_0"]["rmse"]
        predicted = model.predict(model.probe)
        self.calls.append((epoch, len(scores), model.trees_.n_trees, predicted))
        return epoch == self.stop_at

    def after_training(self, model):
        self.calls.append("after")
        return model


def test_callbacks_see_the_finished_rounds(diabetes):
    X, y, X_test, y_test = diabetes
    recorder = Recorder(stop_at=2)
    model = BoostedTreesRegressor(n_estimators=10, callbacks=[recorder])
    model.probe = X_test
    model.fit(X, y, eval_set=[(X_test, y_test)])
    assert model.n_rounds_ == 3
    first, *rounds, last = recorder.calls
    assert (first, last) == ("before", "after")
    stages = list(model.staged_predict(X_test))
    for r, (epoch, n_scores, n_trees, predicted) in enumerate(rounds):
        assert (epoch, n_scores, n_trees) == (r, r + 1, r + 1)
        np.testing.assert_array_equal(predicted, stages[r])


def test_a_callback_needs_no_base_class(diabetes):
    X, y, *_ = diabetes

    class Stop:
        def after_iteration(self, model, epoch, evals_log):
            return True

    model = BoostedTreesRegressor(n_estimators=10, callbacks=[Stop()]).fit(X, y)
    assert model.n_rounds_ == 1
