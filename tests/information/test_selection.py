"""Scores of features: scikit-learn's where values do not repeat; ties; refusals."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from sklearn import feature_selection as theirs
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.feature_selection import SelectKBest

from fastnotes._reference import information as reference
from fastnotes.information import mutual_info_classif, mutual_info_regression
from fastnotes.information._samples import standardised
from support.sweeps import same_bytes_for_threads
from support.tolerances import COMPOSITE, REDUCTION


def regression_problem(n=400):
    X = np.random.default_rng(0).standard_normal((n, 4))
    return X, X[:, 0] + np.sin(3 * X[:, 1])


def scores_with_labels(X, labels, k=3):
    """Ross's estimator by brute force, column by column."""
    terms = [reference.ross(x, labels, k) for x in standardised(X).T]
    return np.maximum([each.mean() for each in terms], 0)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_regression_is_scikit_learns(k):
    X, y = regression_problem()
    options = {"n_neighbors": k}
    COMPOSITE.assert_close(
        mutual_info_regression(X, y, **options),
        theirs.mutual_info_regression(X, y, random_state=0, **options),
    )


@pytest.mark.parametrize("k", [1, 3, 10])
def test_classification_is_scikit_learns(k):
    X, y = regression_problem()
    labels = np.digitize(y, [-1, 0, 1.5])
    options = {"n_neighbors": k}
    COMPOSITE.assert_close(
        mutual_info_classif(X, labels, **options),
        theirs.mutual_info_classif(X, labels, random_state=0, **options),
    )


def test_discrete_features():
    rng = np.random.default_rng(1)
    X = rng.integers(0, 5, (500, 3)).astype(float)
    X[:, 2] = rng.standard_normal(500)
    y = X[:, 0] + rng.standard_normal(500)
    for discrete in ([0, 1], np.array([True, True, False])):
        options = {"discrete_features": discrete}
        COMPOSITE.assert_close(
            mutual_info_regression(X, y, **options),
            theirs.mutual_info_regression(X, y, random_state=0, **options),
        )
        COMPOSITE.assert_close(
            mutual_info_classif(X, y > 1, **options),
            theirs.mutual_info_classif(X, y > 1, random_state=0, **options),
        )
    sparse = scipy.sparse.csr_array(X[:, :2])
    REDUCTION.assert_close(
        mutual_info_classif(sparse, y > 1),
        mutual_info_classif(X[:, :2], y > 1, discrete_features=True),
    )


def test_ties_against_brute_force():
    rng = np.random.default_rng(2)
    X = np.stack([rng.integers(0, n, 200) for n in (1, 2, 9, 60)], axis=1).astype(float)
    labels = rng.integers(0, 3, 200)
    labels[0] = 3  # alone
    X[:, 2] += labels
    REDUCTION.assert_close(
        mutual_info_classif(X, labels), scores_with_labels(X, labels)
    )


def test_a_constant_feature_scores_nothing():
    X, y = regression_problem()
    for constant in (0.0, 1.0, 1e9):
        X[:, 3] = constant
        assert mutual_info_regression(X, y)[3] == pytest.approx(0, abs=1e-13)
        assert mutual_info_classif(X, y > 0)[3] == pytest.approx(0, abs=1e-13)
    assert mutual_info_regression(X, np.ones(len(X))).max() < 1e-13


def test_labels_of_any_kind():
    X, y = regression_problem()
    names = np.where(y > 0, "above", "below")
    np.testing.assert_array_equal(
        mutual_info_classif(X, names), mutual_info_classif(X, y <= 0)
    )
    alone = np.arange(len(y))  # every label once: nothing can be told
    assert mutual_info_classif(X, alone).tolist() == [0] * 4


def test_in_pipelines():
    X, y = load_breast_cancer(return_X_y=True)
    ours = SelectKBest(mutual_info_classif, k=10).fit(X, y)
    other = SelectKBest(theirs.mutual_info_classif, k=10).fit(X, y)
    common = ours.get_support() & other.get_support()
    assert common.sum() >= 9
    X, y = load_diabetes(return_X_y=True)
    assert mutual_info_regression(X, y, random_state=3, copy=False).argmax() in (2, 8)


def test_same_bytes_for_threads_and_inputs_unwritten():
    X, y = regression_problem(3000)
    before = X.tobytes()
    same_bytes_for_threads(lambda n: mutual_info_regression(X, y, n_jobs=n))
    same_bytes_for_threads(lambda n: mutual_info_classif(X, y > 0, n_jobs=n))
    mutual_info_regression(X, y, copy=False)
    assert X.tobytes() == before


BAD = [
    ({"X": [1.0, 2.0]}, ValueError),
    ({"X": [[1.0], [np.nan], [2.0], [3.0]]}, ValueError),
    ({"X": np.zeros((3, 1))}, ValueError),
    ({"X": np.zeros((4, 1), complex)}, TypeError),
    ({"y": [[1.0]] * 4, "X": np.zeros((5, 1))}, ValueError),
    ({"n_neighbors": 0}, ValueError),
    ({"n_neighbors": 2.0}, TypeError),
    ({"n_jobs": 0}, ValueError),
    ({"discrete_features": "all"}, ValueError),
    ({"discrete_features": [1]}, ValueError),
    ({"discrete_features": [0.5]}, ValueError),
    ({"discrete_features": [True, False]}, ValueError),
    ({"X": scipy.sparse.csr_array((4, 1)), "discrete_features": False}, TypeError),
    ({"y": [1.0, np.nan, 1.0, 2.0]}, ValueError),
]


@pytest.mark.parametrize("name", ["mutual_info_regression", "mutual_info_classif"])
@pytest.mark.parametrize(("changed", "error"), BAD)
def test_refusals(name, changed, error):
    arguments = {"X": np.arange(4.0)[:, None], "y": np.array([0.0, 1, 0, 1])}
    function = {f.__name__: f for f in (mutual_info_regression, mutual_info_classif)}
    with pytest.raises(error, match=rf"^\[information\.{name}\] expected .*, got "):
        function[name](**{**arguments, **changed})
