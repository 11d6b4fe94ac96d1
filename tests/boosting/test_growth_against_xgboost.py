from __future__ import annotations

import json

import numpy as np
import pytest

from fastnotes.boosting import BinMapper
from fastnotes.boosting.growth import GrowthParameters, TreeGrower
from support.tolerances import COMPOSITE

xgboost = pytest.importorskip("xgboost")

RULES = [
    {"max_depth": 4},
    {"max_depth": 6, "reg_lambda": 0.1, "min_child_weight": 8.0},
    {"max_depth": 5, "gamma": 3.0},
    {"max_depth": 0, "max_leaves": 14, "grow_policy": "lossguide"},
    {"max_depth": 4, "monotone": (1, 0, -1, 0)},
]


def integer_table(seed, n_rows=2000):
    """Few distinct values, so that both see the same cuts; targets on the grid."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 20, (n_rows, 4)).astype(np.float32)
    y = np.round(
        np.sin(X[:, 1] / 4) * 8 + X[:, 2] * X[:, 0] / 8 + rng.normal(size=n_rows)
    )
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, y.astype(np.float32)


def xgboost_tree(X, y, rules):
    """Paths of XGBoost's leaves as sets of rows, with their values."""
    rules = dict(rules)
    if "gamma" in rules:
        rules["gamma"] *= 2  # its gain is without the 1/2 of the notes
    if "monotone" in rules:
        rules["monotone_constraints"] = str(rules.pop("monotone"))
    parameters = {
        "objective": "reg:squarederror",
        "base_score": 0.0,
        "eta": 1.0,
        "tree_method": "hist",
        "nthread": 1,
        "verbosity": 0,
        **rules,
    }
    data = xgboost.DMatrix(X, y, nthread=1)
    booster = xgboost.train(parameters, data, 1)
    dump = booster.get_dump(dump_format="json", with_stats=True)[0]
    leaves = booster.predict(data, pred_leaf=True)
    return leaves.astype(int), booster.predict(data), json.loads(dump)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rules", RULES)
def test_same_leaves_and_values(seed, rules):
    X, y = integer_table(seed)
    leaves, values, root = xgboost_tree(X, y, rules)
    binned = BinMapper().fit_transform(X)
    column_bins = [len(cuts) + 1 for cuts in binned.thresholds]
    parameters = GrowthParameters(learning_rate=1.0, **rules)
    tree = TreeGrower(binned.bins, column_bins, parameters=parameters).grow(
        -y, np.ones_like(y)
    )
    pairs = np.unique(np.stack([leaves, tree.leaf_of_row]), axis=1)
    assert pairs.shape[1] == len(np.unique(leaves)) == len(np.unique(tree.leaf_of_row))
    COMPOSITE.assert_close(tree.value[tree.leaf_of_row], values)
    COMPOSITE.assert_close(
        np.float32(2 * (tree.gain[0] + parameters.gamma)), root["gain"]
    )
