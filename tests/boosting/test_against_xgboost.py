from __future__ import annotations

import json

import numpy as np
import pytest

from fastnotes.boosting import (
    BinMapper,
    build_histogram,
    find_best_split,
    leaf_weight,
)
from support.tolerances import COMPOSITE

xgboost = pytest.importorskip("xgboost")


def xgboost_stump(X, y, **parameters):
    """Root split and leaf weights of one tree of depth 1, from a score of 0."""
    booster = xgboost.train(
        {
            "objective": "reg:squarederror",
            "base_score": 0.0,
            "max_depth": 1,
            "eta": 1.0,
            "tree_method": "exact",
            "nthread": 1,
            "verbosity": 0,
            **parameters,
        },
        xgboost.DMatrix(X, y, nthread=1),
        1,
    )
    return json.loads(booster.get_dump(dump_format="json", with_stats=True)[0])


def our_stump(X, y, **rules):
    binned = BinMapper().fit_transform(X)
    histogram = build_histogram(binned, -y, np.ones(len(y)))
    return binned, find_best_split(histogram, **rules)


def integer_table(seed, n_rows=150):
    """Few distinct values, so that both see the same cuts; targets on the grid."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 40, (n_rows, 4)).astype(np.float32)
    y = np.round(np.sin(X[:, 1] / 4) * 8 + X[:, 2] / 8 + rng.normal(size=n_rows))
    return X, y


def test_the_notes_example():
    x = np.arange(6.0, dtype=np.float32)[:, None]
    y = np.array([1.0, 1, 2, 5, 6, 5])
    theirs = xgboost_stump(x, y)
    _, ours = our_stump(x, y)
    # XGBoost reports the gain without the 1/2 of the notes.
    COMPOSITE.assert_close(np.float32(theirs["gain"]), 2 * ours.gain)
    weights = [child["leaf"] for child in theirs["children"]]
    assert weights == [
        leaf_weight(ours.G_left, ours.H_left),
        leaf_weight(ours.G_right, ours.H_right),
    ]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"reg_lambda": 0.1, "reg_alpha": 3.0},
        {"min_child_weight": 30.0},
    ],
)
@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_same_root_split(seed, rules, missing):
    X, y = integer_table(seed)
    X[np.random.default_rng(seed).random(X.shape) < missing] = np.nan
    theirs = xgboost_stump(X, y, **rules)
    binned, ours = our_stump(X, y, **rules)
    COMPOSITE.assert_close(np.float32(theirs["gain"]), 2 * ours.gain)
    assert theirs["split"] == f"f{ours.feature}"
    # Their rule is value < condition, ours value <= threshold: the same rows.
    x = X[:, ours.feature]
    left = x <= binned.thresholds[ours.feature][ours.bin]
    np.testing.assert_array_equal(left, x < theirs["split_condition"])
    if missing:
        assert (theirs["missing"] == theirs["yes"]) == ours.default_left
    weights = [child["leaf"] for child in theirs["children"]]
    alpha = rules.get("reg_alpha", 0.0)
    expected = leaf_weight(
        [ours.G_left, ours.G_right],
        [ours.H_left, ours.H_right],
        reg_lambda=rules.get("reg_lambda", 1.0),
        reg_alpha=alpha,
    )
    COMPOSITE.assert_close(np.array(weights, np.float32), expected)


@pytest.mark.parametrize("seed", range(3))
def test_our_gamma_is_half_of_theirs(seed):
    X, y = integer_table(seed)
    gain = our_stump(X, y)[1].gain
    for share, splits in ((0.99, True), (1.01, False)):
        gamma = gain * share
        assert (our_stump(X, y, gamma=gamma)[1] is not None) == splits
        assert ("split" in xgboost_stump(X, y, gamma=2 * gamma)) == splits
