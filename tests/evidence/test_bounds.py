"""elbo and iwae_bias_variance: reference, exact values, edges."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from fastnotes._reference import evidence_jackknife as reference
from fastnotes.evidence import elbo, iwae_bias_variance, iwae_bound
from support.log_weights import SHAPES, random_log_weights
from support.sweeps import DTYPES
from support.tolerances import COMPOSITE, PUBLISHED, REDUCTION


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_against_reference(shape, axis, dtype):
    log_w = random_log_weights(shape, dtype, spread=1.0, offset=-30)
    REDUCTION.assert_close(elbo(log_w, axis), reference.elbo(log_w, axis))
    got = iwae_bias_variance(log_w, axis)
    for one, expected in zip(got, reference.bias_variance(log_w, axis), strict=True):
        assert one.dtype == dtype
        COMPOSITE.assert_close(one, expected)


def test_elbo_is_the_bound_of_one_sample_and_below_that_of_many():
    log_w = random_log_weights((50, 20))
    REDUCTION.assert_close(elbo(log_w), iwae_bound(log_w[None], 0).mean(axis=0))
    assert (elbo(log_w) <= iwae_bound(log_w)).all()


@pytest.mark.parametrize(
    ("log_w", "expected"),
    [
        ([-np.inf, 0], -np.inf),
        ([np.inf, 0], np.inf),
        ([np.inf, -np.inf], np.nan),
        ([np.nan, 0], np.nan),
    ],
)
def test_elbo_edges(log_w, expected):
    np.testing.assert_array_equal(elbo(log_w), expected)


@pytest.mark.parametrize(
    ("log_w", "bias"),
    [([-np.inf, -np.inf], np.nan), ([np.nan, 0], np.nan), ([np.inf, np.inf], 0.0)],
)
def test_bias_edges(log_w, bias):
    np.testing.assert_array_equal(iwae_bias_variance(log_w).bias, bias)


#: High, low and probability of the high weight; the limit of K^3 times what two terms
#: of the bias leave. Without the sixth moment it would be 0.0648 and 2.048.
TWO_POINT = [(2.0, 0.5, 0.5, -0.05184), (3.0, 0.5, 0.25, 0.06351)]


@pytest.mark.parametrize(("high", "low", "p", "third"), TWO_POINT)
def test_bias_of_two_point_weights_to_third_order(high, low, p, third):
    population = np.log([high] * round(4 * p) + [low] * round(4 - 4 * p))
    truth = np.log(p * high + (1 - p) * low)
    left = []
    for n in (256, 1024):
        k = np.arange(n + 1)
        log_mean = np.log((k * high + (n - k) * low) / n)
        probability = [comb(n, int(i)) * p**i * (1 - p) ** (n - i) for i in k]
        bias = float(np.dot(probability, log_mean)) - truth
        two = iwae_bias_variance(population, n_samples=n, n_terms=2).bias
        three = iwae_bias_variance(population, n_samples=n).bias
        assert abs(bias - three) < abs(bias - two) / 3
        left.append((three - two) * n**3)
    PUBLISHED.assert_close(np.round(left, 5), third)


def test_variance_of_two_point_weights():
    high, low, n = 2.0, 0.5, 400
    k = np.arange(n + 1)
    log_mean = np.log((k * high + (n - k) * low) / n)
    probability = np.array([comb(n, int(i)) / 2**n for i in k])
    mean = probability @ log_mean
    variance = probability @ (log_mean - mean) ** 2
    got = iwae_bias_variance(np.log([high, low]), n_samples=n)
    assert abs(got.variance - variance) < 5 * variance / n**2
