"""What a callback may do with the estimator whose training it watches."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from fastnotes.boosting import BoostedTreesRegressor, TrainingCallback
from support.sweeps import assert_same_bytes

X, Y = load_diabetes(return_X_y=True)


class Keep(TrainingCallback):
    """Keep the model after a round, in some way."""

    def __init__(self, way, after=3):
        self.way, self.after = way, after
        self.kept = None

    def before_training(self, model):
        if self.after < 0:
            self.kept = self.way(model)
        return model

    def after_iteration(self, model, epoch, evals_log):
        if epoch == self.after:
            self.kept = self.way(model)
        return False


def by_pickle(model):
    return pickle.loads(pickle.dumps(model.set_params(callbacks=None)))


def by_file(tmp_path):
    def way(model):
        model.save(tmp_path / "checkpoint.ubj")
        return BoostedTreesRegressor.load(tmp_path / "checkpoint.ubj")

    return way


@pytest.mark.parametrize("way", [by_pickle, copy.copy, copy.deepcopy, "file"])
def test_the_rounds_so_far_can_be_kept(way, tmp_path):
    keep = Keep(by_file(tmp_path) if way == "file" else way)
    model = BoostedTreesRegressor(n_estimators=8, callbacks=[keep])
    model.fit(X, Y, eval_set=[(X, Y)])
    assert keep.kept.n_rounds_ == 4
    assert_same_bytes(
        keep.kept.predict(X[:50].astype(np.float32)),
        model.predict(X[:50].astype(np.float32), iteration_range=(0, 4)),
    )
    if way != "file":
        scores = model.evals_result_["validation_0"]["rmse"]
        assert keep.kept.evals_result_["validation_0"]["rmse"] == scores[:4]
    keep.kept.set_params(callbacks=None, warm_start=True, n_estimators=8).fit(X, Y)
    assert_same_bytes(keep.kept.predict(X), model.predict(X))


def test_a_model_of_no_rounds_can_be_kept():
    keep = Keep(copy.deepcopy, after=-1)
    BoostedTreesRegressor(n_estimators=2, callbacks=[keep]).fit(X, Y)
    assert keep.kept.n_rounds_ == 0
    np.testing.assert_array_equal(keep.kept.predict(X), np.full(len(X), Y.mean()))


def test_the_best_round_so_far_is_kept_too():
    keep = Keep(copy.deepcopy)
    model = BoostedTreesRegressor(
        n_estimators=8, callbacks=[keep], early_stopping_rounds=5
    )
    model.fit(X, Y, eval_set=[(X, Y)])
    assert (keep.kept.best_iteration_, model.best_iteration_) == (3, 7)
