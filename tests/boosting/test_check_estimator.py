"""scikit-learn's own checks, all of them."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastnotes.boosting import (
    BoostedTreesClassifier,
    BoostedTreesRanker,
    BoostedTreesRegressor,
)

ESTIMATORS = [
    BoostedTreesClassifier(n_estimators=20),
    BoostedTreesRegressor(n_estimators=20),
    BoostedTreesRanker(n_estimators=20),
    BoostedTreesClassifier(
        n_estimators=5, grow_policy="lossguide", max_depth=0, max_leaves=15
    ),
    BoostedTreesRegressor(n_estimators=5, colsample_bytree=0.8, colsample_bynode=0.7),
    BoostedTreesRegressor(n_estimators=5, objective="absolute_error"),
]


@parametrize_with_checks(ESTIMATORS)
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS[:3])
def test_nothing_is_expected_to_fail(estimator):
    assert not estimator.__sklearn_tags__()._skip_test
