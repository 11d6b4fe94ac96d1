from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from fastnotes.boosting import BoostedTreesClassifier, BoostedTreesRegressor
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
