from __future__ import annotations

import numpy as np
import pytest

from fastnotes._reference import boosting as reference
from fastnotes.boosting import leaf_weight, split_gain, structure_score
from support.sweeps import DTYPES
from support.tolerances import ELEMENTWISE, PUBLISHED

# Six points, targets (1, 1, 2, 5, 6, 5), prediction 0, lambda 1, cut after three.
Y_LEFT, Y_RIGHT = np.array([1.0, 1, 2]), np.array([5.0, 6, 5])


def derivatives(convention):
    if convention == "notes":  # (y - yhat)^2: g = 2 (yhat - y), h = 2
        return -2 * Y_LEFT.sum(), 6.0, -2 * Y_RIGHT.sum(), 6.0
    return -Y_LEFT.sum(), 3.0, -Y_RIGHT.sum(), 3.0  # 1/2 (y - yhat)^2


@pytest.mark.parametrize(
    ("convention", "gain", "weights"),
    [
        ("notes", 16.1758241758242, (1.14285714285714, 4.57142857142857)),
        ("xgboost", 5.42857142857143, (1.0, 4.0)),
    ],
)
def test_published_vectors(convention, gain, weights):
    sums = derivatives(convention)
    PUBLISHED.assert_close(np.asarray(split_gain(*sums)), gain)
    for leaf, expected in zip((sums[:2], sums[2:]), weights, strict=True):
        PUBLISHED.assert_close(np.asarray(leaf_weight(*leaf)), expected)


def test_xgboost_reports_twice_the_gain():
    twice = np.asarray(2 * split_gain(*derivatives("xgboost")))
    PUBLISHED.assert_close(twice, 10.8571428571429)


def test_gain_is_the_drop_of_the_structure_score():
    G, H = np.array([-8.0, -32.0]), np.array([6.0, 6.0])
    for gamma in (0.0, 0.25):
        before = structure_score(G.sum(), H.sum(), gamma=gamma)
        after = structure_score(G, H, gamma=gamma)
        gain = split_gain(G[0], H[0], G[1], H[1], gamma=gamma)
        ELEMENTWISE.assert_close(np.asarray(gain), before - after)


@pytest.mark.parametrize("reg_alpha", [0.0, 0.5, 100.0])
def test_leaf_weight_minimises_the_objective(reg_alpha):
    G, H, reg_lambda = -3.0, 2.0, 0.7

    def objective(w):
        return G * w + 0.5 * (H + reg_lambda) * w**2 + reg_alpha * np.abs(w)

    best = leaf_weight(G, H, reg_lambda=reg_lambda, reg_alpha=reg_alpha)
    around = best + np.array([-1e-3, 1e-3])
    assert (objective(around) > objective(best)).all()
    score = structure_score(G, H, reg_lambda=reg_lambda, reg_alpha=reg_alpha)
    ELEMENTWISE.assert_close(np.asarray(score), objective(best))


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_broadcast_and_keep_their_dtype(dtype):
    rng = np.random.default_rng(0)
    G = rng.standard_normal((4, 1)).astype(dtype)
    H = rng.random(3).astype(dtype)
    weights = leaf_weight(G, H, reg_alpha=0.1)
    assert weights.dtype == dtype
    np.testing.assert_array_equal(weights, reference.leaf_weight(G, H, reg_alpha=0.1))
    rules = {"gamma": 0.1, "reg_alpha": 0.2}
    gains = split_gain(G, H, -G, 2 * H, **rules)
    assert gains.dtype == dtype
    assert gains.shape == (4, 3)
    np.testing.assert_array_equal(gains, reference.split_gain(G, H, -G, 2 * H, **rules))


def test_integers_become_float64_and_scalars_floats():
    assert isinstance(leaf_weight(1, 2), float)
    assert leaf_weight([1, 2], [1, 3]).dtype == np.float64
    assert leaf_weight(-3, 2) == 1.0
    assert structure_score([2, 4], [1, 3], gamma=0.5) == -0.5 * (2.0 + 4.0) + 1.0


def test_structure_score_equals_reference():
    rng = np.random.default_rng(0)
    G, H = rng.standard_normal(17), rng.random(17)
    got = structure_score(G, H, reg_lambda=0.3, gamma=0.2)
    ELEMENTWISE.assert_close(np.asarray(got), reference.structure_score(G, H, 0.3, 0.2))
    assert structure_score([], []) == 0.0


def test_nan_passes_through():
    assert np.isnan(leaf_weight(np.nan, 1.0))
    assert np.isnan(split_gain(1.0, np.nan, 1.0, 1.0))


def test_infinities_give_what_the_formula_gives_without_a_warning():
    assert np.isnan(leaf_weight(np.inf, np.inf))
    assert np.isnan(split_gain(np.inf, np.inf, 1.0, 1.0))
    assert leaf_weight(1.0, np.inf) == 0.0
    assert structure_score(1e300, 1e-300, reg_lambda=0.0) == -np.inf
