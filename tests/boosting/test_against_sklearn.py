from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.tree import DecisionTreeRegressor

from fastnotes.boosting import BinMapper, build_histogram, find_best_split


@pytest.mark.parametrize("load", [load_diabetes, load_breast_cancer])
def test_variance_reduction_finds_the_stump_of_a_regression_tree(load):
    # Squared error, lambda 0: the gain is half the drop of the sum of squares.
    X, y = load(return_X_y=True)
    X = np.round(X, 2)  # at most 255 distinct values in the columns that matter
    y = np.round(y - y.mean())
    keep = [c for c in range(X.shape[1]) if np.unique(X[:, c]).size <= 255]
    X = X[:, keep]
    tree = DecisionTreeRegressor(max_depth=1).fit(X, y).tree_
    binned = BinMapper().fit_transform(X)
    split = find_best_split(
        build_histogram(binned, -y, np.ones(len(y))), reg_lambda=0.0
    )
    left = X[:, split.feature] <= binned.thresholds[split.feature][split.bin]
    expected = X[:, tree.feature[0]] <= tree.threshold[0]
    np.testing.assert_array_equal(left, expected)


@pytest.mark.parametrize("n_distinct", [2, 17, 255])
def test_midpoints_of_few_distinct_values(n_distinct):
    binning = pytest.importorskip("sklearn.ensemble._hist_gradient_boosting.binning")
    rng = np.random.default_rng(0)
    X = rng.choice(rng.standard_normal(n_distinct), (3000, 3))
    theirs = binning._BinMapper(n_bins=256, random_state=0).fit(X)
    ours = BinMapper().fit(X)
    for got, expected in zip(ours.thresholds_, theirs.bin_thresholds_, strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(ours.transform(X).bins, theirs.transform(X))
