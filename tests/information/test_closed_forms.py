"""Closed forms against integrals, sums and the exact functions."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from fastnotes import information as info
from support.distributions import random_distributions
from support.sweeps import DTYPES
from support.tolerances import COMPOSITE, PUBLISHED, REDUCTION


def covariances(shape, d, seed=0):
    a = np.random.default_rng(seed).standard_normal((*shape, d, 2 * d))
    return a @ np.swapaxes(a, -1, -2) / d


# ------------------------------------------------------------------- Gaussians


def test_published_mutual_information():
    for rho, value in ((0.9, 0.830365603410825), (0.5, 0.143841036225890)):
        got = info.gaussian_mutual_information([[1, rho], [rho, 1]])
        PUBLISHED.assert_close(got, value)
    weak = info.gaussian_mutual_information([[1, 1e-9], [1e-9, 1]])
    REDUCTION.assert_close(weak * 1e18, 0.5)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_gaussian_entropy(d):
    covariance = covariances((3,), d)
    got = info.gaussian_entropy(covariance)
    for one, each in zip(got, covariance, strict=True):
        REDUCTION.assert_close(one, scipy.stats.multivariate_normal(cov=each).entropy())


@pytest.mark.parametrize("d", [1, 2, 5])
def test_gaussian_kl(d):
    p, q = covariances((4,), d), covariances((1,), d, seed=1)
    a, b = np.random.default_rng(2).standard_normal((2, d))
    got = info.gaussian_kl(a, p, b, q)
    for one, each in zip(got, p, strict=True):
        solved = np.linalg.solve(q[0], each)
        shift = a - b
        expected = np.trace(solved) - d + shift @ np.linalg.solve(q[0], shift)
        expected -= np.linalg.slogdet(solved)[1]
        COMPOSITE.assert_close(one, expected / 2)
    assert info.gaussian_kl(a, p, a, p).max() <= 1e-28 * d


def test_gaussian_information_is_a_divergence():
    covariance = covariances((), 5)
    apart = covariance.copy()
    apart[:2, 2:] = apart[2:, :2] = 0
    zeros = np.zeros(5)
    COMPOSITE.assert_close(
        info.gaussian_mutual_information(covariance, 2),
        info.gaussian_kl(zeros, covariance, zeros, apart),
    )
    entropies = [info.gaussian_entropy(m) for m in (apart, covariance)]
    COMPOSITE.assert_close(
        info.gaussian_mutual_information(covariance, 2), entropies[0] - entropies[1]
    )


def test_numbers_stand_for_one_dimension():
    assert info.gaussian_kl(1, 1, 0, 1) == 0.5
    PUBLISHED.assert_close(info.gaussian_kl(0.5, 0.64, 0.75, 0.5), 0.0790699610342371)
    assert info.gaussian_entropy(np.float32(2)).dtype == np.float32
    with pytest.raises(ValueError, match="positive definite, got a matrix that is not"):
        info.gaussian_entropy(0.0)


# ------------------------------------------------------------------- families


@given(st.floats(0, 1), st.floats(0, 1))
def test_bernoulli(p, q):
    REDUCTION.assert_close(info.bernoulli_entropy(p), info.entropy([p, 1 - p]))
    REDUCTION.assert_close(
        info.bernoulli_kl(p, q), info.kl_divergence([p, 1 - p], [q, 1 - q])
    )


def test_bernoulli_edges():
    assert info.bernoulli_entropy([0, 1]).tolist() == [0, 0]
    assert info.bernoulli_kl([0, 1, 0, 0.5], [0, 1, 1, 0]).tolist() == [
        0,
        0,
        np.inf,
        np.inf,
    ]
    assert info.bernoulli_kl(np.float32([0.5, 1]), np.float32(0.5)).dtype == np.float32


@pytest.mark.parametrize("dtype", DTYPES)
def test_categorical(dtype):
    p, q = random_distributions((2, 7, 5), dtype)
    logits = (np.log(each) + dtype(3) for each in (p, q))
    a, b = (each.astype(dtype) for each in logits)
    got = info.categorical_kl(a, b)
    assert got.dtype == dtype
    COMPOSITE.assert_close(got, info.kl_divergence(p, q))
    COMPOSITE.assert_close(info.categorical_kl(a.T, b.T, 0), got)
    COMPOSITE.assert_close(info.categorical_entropy(a), info.entropy(p))


def test_categorical_edges():
    nothing = -np.inf
    assert info.categorical_entropy([0, nothing]) == 0
    assert info.categorical_kl([0, 0], [0, nothing]) == np.inf
    assert info.categorical_kl([0, nothing], [0, nothing]) == 0
    assert info.categorical_kl([0, nothing], [0, 0]) == pytest.approx(np.log(2))
    assert info.categorical_kl([-5000, 0], [0, -5000]) == pytest.approx(5000)
    assert info.categorical_kl([1, 2, 3], [1, 2, 3]) == 0
    small = info.categorical_kl([0.0, 1e-9], [0.0, 0.0])
    assert small == pytest.approx(1e-18 / 8, rel=1e-6)


def test_rates():
    rates = np.array([0.5, 2.0, 7.0])
    n = np.arange(200)
    for a in rates:
        for b in rates:
            log_p, log_q = (scipy.stats.poisson.logpmf(n, rate) for rate in (a, b))
            expected = np.sum(np.exp(log_p) * (log_p - log_q))
            COMPOSITE.assert_close(info.poisson_kl(a, b), expected)
            COMPOSITE.assert_close(info.exponential_kl(a, b), np.log(a / b) + b / a - 1)
            COMPOSITE.assert_close(info.gamma_kl(1, a, 1, b), info.exponential_kl(a, b))
    assert info.poisson_kl([0, 0, 2], [0, 3, 0]).tolist() == [0, 3, np.inf]
    assert info.gamma_kl(2.5, 0.3, 2.5, 0.3) == 0


def test_gamma_by_quadrature():
    p, q = scipy.stats.gamma(2.5, scale=1 / 0.7), scipy.stats.gamma(4, scale=1 / 1.3)
    x = np.linspace(1e-9, 80, 400_001)
    integrand = p.pdf(x) * (p.logpdf(x) - q.logpdf(x))
    expected = scipy.integrate.simpson(integrand, x=x)
    assert info.gamma_kl(2.5, 0.7, 4, 1.3) == pytest.approx(expected, rel=1e-7)


def test_any_exponential_family():
    # Bernoulli: eta = logit, A = log (1 + e^eta), mean = sigmoid.
    p, q = np.array([0.1, 0.5, 0.9]), 0.4
    eta_p, eta_q = np.log(p / (1 - p))[:, None], np.log(q / (1 - q))
    got = info.exponential_family_kl(
        eta_p, [eta_q], -np.log1p(-p), -np.log1p(-q), p[:, None]
    )
    REDUCTION.assert_close(got, info.bernoulli_kl(p, q))

    # A Gaussian: eta = (mean / v, -1 / 2v), A = mean^2 / 2v + log v / 2.
    def natural(mean, v):
        return [mean / v, -0.5 / v], mean**2 / (2 * v) + np.log(v) / 2

    (one, a_one), (two, a_two) = natural(0.5, 0.64), natural(0.75, 0.5)
    got = info.exponential_family_kl(one, two, a_one, a_two, [0.5, 0.64 + 0.25])
    REDUCTION.assert_close(got, info.gaussian_kl(0.5, 0.64, 0.75, 0.5))
