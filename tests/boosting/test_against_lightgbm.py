from __future__ import annotations

import numpy as np
import pytest

from fastnotes.boosting import BinMapper, build_histogram, find_best_split
from support.tolerances import COMPOSITE

lightgbm = pytest.importorskip("lightgbm")

PARAMETERS = {
    "objective": "regression",
    "boost_from_average": False,
    "learning_rate": 1.0,
    "num_leaves": 2,
    "min_data_in_leaf": 1,
    "min_data_in_bin": 1,
    "max_bin": 255,
    "feature_pre_filter": False,
    "num_threads": 1,
    "deterministic": True,
    "verbose": -1,
}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_same_root_split(seed, missing):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 40, (150, 4)).astype(np.float64)
    y = np.round(np.sin(X[:, 1] / 4) * 8 + X[:, 2] / 8 + rng.normal(size=150))
    X[rng.random(X.shape) < missing] = np.nan
    rules = {"lambda_l2": 1.0, "min_sum_hessian_in_leaf": 1.0}
    dataset = lightgbm.Dataset(X, y)
    booster = lightgbm.train({**PARAMETERS, **rules}, dataset, 1)
    theirs = booster.dump_model()["tree_info"][0]["tree_structure"]

    binned = BinMapper().fit_transform(X)
    ours = find_best_split(build_histogram(binned, -y, np.ones(150)))
    assert theirs["split_feature"] == ours.feature
    x = X[:, ours.feature]
    left = x <= binned.thresholds[ours.feature][ours.bin]
    np.testing.assert_array_equal(left, x <= theirs["threshold"])
    # LightGBM, as XGBoost, leaves out the 1/2.
    COMPOSITE.assert_close(np.float32(theirs["split_gain"]), 2 * ours.gain)
    if missing:
        assert theirs["default_left"] == ours.default_left
