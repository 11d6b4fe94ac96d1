from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import sparse

from fastnotes.boosting import (
    BoostedTreesClassifier,
    BoostedTreesRegressor,
    TrainingCallback,
    explanation,
)
from support.sweeps import assert_same_bytes
from support.tolerances import COMPOSITE


def fitted(n_classes=2):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 4))
    y = np.digitize(X[:, 0] + X[:, 1], np.linspace(-1, 1, n_classes + 1)[1:-1])
    return BoostedTreesClassifier(n_estimators=10, max_depth=3).fit(X, y), X


@pytest.mark.parametrize("n_classes", [2, 3])
def test_values_sum_to_margins(n_classes):
    model, X = fitted(n_classes)
    outputs = () if n_classes == 2 else (3,)
    values = model.shap_values(X)
    assert values.shape == (200, *outputs, 5)
    margins = model.predict(X, output_margin=True)
    COMPOSITE.assert_close(values.sum(axis=-1), margins)
    pairs = model.shap_interaction_values(X)
    assert pairs.shape == (200, *outputs, 5, 5)
    COMPOSITE.assert_close(pairs.sum(axis=-1), values)
    against = model.shap_values(X, method="interventional", background=X[:9])
    COMPOSITE.assert_close(against.sum(axis=-1), margins)


@pytest.fixture
def made(monkeypatch):
    """Explainers that estimators have made."""
    found = []

    class Counted(explanation.Explainer):
        def __init__(self, *args, **kwargs):
            found.append(self)
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(explanation, "Explainer", Counted)
    return found


def test_trees_are_laid_out_once(made):
    model, X = fitted()
    values = model.shap_values(X)
    model.predict(X)
    model.predict(X[:1])
    assert_same_bytes(model.shap_values(X), values)
    model.shap_interaction_values(X[:5])
    assert len(made) == 1
    model.shap_values(X, method="interventional", background=X[:9])
    assert_same_bytes(model.shap_values(X), values)
    assert len(made) == 2
    again = pickle.loads(pickle.dumps(model))
    assert vars(again)["_cache"] == {}
    assert_same_bytes(again.shap_values(X), values)
    assert len(made) == 3


def test_values_are_of_the_trees_in_use(made):
    model, X = fitted()
    y = X[:, 0] > 0
    model.shap_values(X)
    model.fit(X, y)
    first = model.shap_values(X)
    COMPOSITE.assert_close(first.sum(axis=1), model.predict(X, output_margin=True))
    model.set_params(warm_start=True, n_estimators=15).fit(X, y)
    second = model.shap_values(X)
    COMPOSITE.assert_close(second.sum(axis=1), model.predict(X, output_margin=True))
    assert (first != second).any()
    model.best_iteration_ = 4
    third = model.shap_values(X)
    COMPOSITE.assert_close(third.sum(axis=1), model.predict(X, output_margin=True))
    assert len(made) == 4


def test_values_while_training(made):
    sums = []

    class Watch(TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            margins = model.predict(X, output_margin=True)
            sums.append((model.shap_values(X).sum(axis=1), margins))
            return False

    model, X = fitted()
    model.set_params(callbacks=[Watch()], n_estimators=3).fit(X, X[:, 0] > 0)
    for values, margins in sums:
        COMPOSITE.assert_close(values, margins)
    assert len(made) == 3


def test_sparse_rows_are_the_dense_ones():
    rng = np.random.default_rng(0)
    X = rng.random((100, 5)) * (rng.random((100, 5)) < 0.4)
    model = BoostedTreesRegressor(n_estimators=5).fit(
        sparse.csr_array(X), X.sum(axis=1)
    )
    assert_same_bytes(model.shap_values(sparse.csr_array(X)), model.shap_values(X))


def test_bad_input():
    model, X = fitted()
    with pytest.raises(ValueError, match="method"):
        model.shap_values(X, method="fast")
    with pytest.raises(ValueError, match="background"):
        model.shap_values(X, method="interventional")
    with pytest.raises(ValueError, match="background"):
        model.shap_values(X, background=X)
    with pytest.raises(ValueError, match="at least one row|minimum"):
        model.shap_values(X, method="interventional", background=X[:0])
