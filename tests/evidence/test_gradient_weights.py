"""gradient_weights: reference, edges, and the true gradients that they estimate."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from fastnotes._reference import evidence_jackknife as reference
from fastnotes.evidence import gradient_weights, iwae_bound, jackknife_bound
from support.gradcheck import assert_gradients
from support.log_weights import random_log_weights
from support.sweeps import DTYPES, assert_same_bytes, same_bytes_for_threads
from support.tolerances import COMPOSITE, GRADIENT

pytestmark = pytest.mark.filterwarnings("ignore::fastnotes.evidence.JackknifeWarning")
ESTIMATORS = ("iwae", "dreg", "stl", "rws", "vimco", "jackknife")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("count", [2, 3, 9])
def test_against_reference(count, estimator, dtype):
    log_w = random_log_weights((count, 17), dtype, spread=1.0, offset=-50)
    got = same_bytes_for_threads(
        lambda n_threads: gradient_weights(log_w, estimator, n_threads=n_threads)
    )
    assert got.dtype == dtype
    COMPOSITE.assert_close(got, reference.gradient_weights(log_w, estimator))
    by_rows = gradient_weights(log_w.T, estimator, 1).T
    COMPOSITE.assert_close(by_rows, got)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    ("log_w", "expected"),
    [
        ([-np.inf] * 3, [0] * 3),
        ([np.nan, 0, 0], [np.nan] * 3),
        ([np.nan, np.inf, 0], [np.nan] * 3),
    ],
)
def test_edges(log_w, expected, estimator):
    if estimator == "jackknife" and not np.isnan(expected[0]):
        expected = [np.nan] * 3
    np.testing.assert_array_equal(gradient_weights(log_w, estimator), expected)


@pytest.mark.parametrize(
    ("log_w", "expected"),
    [
        ([0, 0, 0], [-1 / 3] * 3),
        ([0, -np.inf, 0], [np.log(2) - 0.5, 0 - np.log(3 / 2), np.log(2) - 0.5]),
        ([0, -np.inf, -np.inf], [np.inf, 0, 0]),
        ([np.inf, 5, np.inf], [np.log(2) - 0.5, 0 - np.log(3 / 2), np.log(2) - 0.5]),
        ([60, 0, 0], [60 - np.log(3) - 1, -np.exp(-40) * 0, -np.exp(-40) * 0]),
    ],
)
def test_vimco_by_hand(log_w, expected):
    got = gradient_weights(log_w, "vimco")
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=3e-9)


# ------------------------------------------------------------------- true gradients


def log_weights(noise, theta, phi):
    """z ~ N(theta, 1), x | z ~ N(z, 1), x = 1.5; q = N(mean, deviation^2)."""
    mean, deviation = phi
    z = mean + deviation * noise
    log_p = -0.5 * ((z - theta) ** 2 + (1.5 - z) ** 2) - np.log(2 * np.pi)
    return log_p + 0.5 * (noise**2 + np.log(2 * np.pi)) + np.log(deviation)


def path_derivatives(noise, theta, phi):
    """d log w / d z times d z / d (mean, deviation), q's parameters held fixed."""
    mean, deviation = phi
    z = mean + deviation * noise
    slope = -(z - theta) + (1.5 - z) + (z - mean) / deviation**2
    return np.stack([slope, slope * noise])


@pytest.mark.parametrize("estimator", ["iwae", "jackknife"])
def test_gradient_of_the_estimate_itself(estimator):
    noise = np.random.default_rng(0).standard_normal((6, 4))
    bound = iwae_bound if estimator == "iwae" else jackknife_bound

    def loss(theta, phi):
        return float(bound(log_weights(noise, theta[0], phi)).sum())

    theta, phi = np.array([0.3]), np.array([0.5, 0.8])
    g = gradient_weights(log_weights(noise, 0.3, phi), estimator)
    z = phi[0] + phi[1] * noise
    slope = -(z - 0.3) + (1.5 - z)
    total = [slope, slope * noise + 1 / phi[1]]
    assert_gradients(
        loss,
        [theta, phi],
        [np.array([(g * (z - 0.3)).sum()]), np.array([(g * d).sum() for d in total])],
    )


@pytest.mark.parametrize(("estimator", "count"), [("dreg", 1), ("dreg", 2), ("stl", 1)])
def test_path_estimators_have_the_bound_s_gradient_as_mean(estimator, count):
    nodes, quadrature = np.polynomial.hermite_e.hermegauss(60)
    quadrature = quadrature / np.sqrt(2 * np.pi)
    noise = np.stack(np.meshgrid(*[nodes] * count, indexing="ij"))

    def expectation(values):
        for _ in range(count):
            values = values @ quadrature
        return values

    def loss(phi):
        return float(expectation(iwae_bound(log_weights(noise, 0.3, phi))))

    phi = np.array([0.7, 0.8])
    g = gradient_weights(log_weights(noise, 0.3, phi), estimator)
    estimate = (g * path_derivatives(noise, 0.3, phi)).sum(axis=1)
    assert_gradients(loss, [phi], [expectation(estimate)])


@pytest.mark.parametrize("estimator", ["dreg", "stl"])
def test_no_noise_at_the_posterior(estimator):
    noise = np.random.default_rng(0).standard_normal((5, 7))
    phi = np.array([0.9, np.sqrt(0.5)])  # posterior for theta = 0.3
    g = gradient_weights(log_weights(noise, 0.3, phi), estimator)
    GRADIENT.assert_close(g * path_derivatives(noise, 0.3, phi), np.zeros((2, 5, 7)))


def test_rws_is_the_bound_s_gradient_in_theta():
    noise = np.random.default_rng(0).standard_normal((6, 4))
    phi = np.array([0.5, 0.8])

    def loss(theta):
        return float(iwae_bound(log_weights(noise, theta[0], phi)).sum())

    z = phi[0] + phi[1] * noise
    g = gradient_weights(log_weights(noise, 0.3, phi), "rws")
    assert_gradients(loss, [np.array([0.3])], [np.array([(g * (z - 0.3)).sum()])])


def test_rws_leads_q_to_the_posterior():
    noise = np.random.default_rng(0).standard_normal((200_000, 1))
    phi = np.array([0.5, 0.8])
    g = gradient_weights(log_weights(noise, 0.3, phi), "rws")
    score = np.stack([noise / phi[1], (noise**2 - 1) / phi[1]])
    # -d KL(N(m, v) || N(mean, deviation^2)) with m = 0.9, v = 1/2
    gap = 0.9 - phi[0]
    expected = [gap / phi[1] ** 2, (0.5 + gap**2) / phi[1] ** 3 - 1 / phi[1]]
    estimate = (g * score).sum(axis=(1, 2))
    assert np.abs(estimate - expected).max() < 0.02


@pytest.mark.parametrize("count", [2, 3, 4])
def test_vimco_has_the_bound_s_gradient_as_mean(count):
    log_joint = np.log([0.2, 0.05, 0.4])  # p(x, z) of a latent variable of 3 values
    draws = np.array(list(product(range(3), repeat=count))).T

    def log_q(logits):
        return logits - np.log(np.exp(logits).sum())

    def loss(logits):
        each = log_q(logits)[draws]
        return float(np.exp(each.sum(axis=0)) @ iwae_bound(log_joint[draws] - each))

    logits = np.array([0.3, -0.2, 0.5])
    each = log_q(logits)[draws]
    g = gradient_weights(log_joint[draws] - each, "vimco")
    score = np.eye(3)[draws] - np.exp(log_q(logits))
    gradient = np.einsum("n,kn,knc->c", np.exp(each.sum(axis=0)), g, score)
    assert_gradients(loss, [logits], [gradient])


def test_input_is_left_alone():
    log_w = random_log_weights((5, 4))
    before = log_w.copy()
    for estimator in ESTIMATORS:
        gradient_weights(log_w, estimator)
    assert_same_bytes(log_w, before)
