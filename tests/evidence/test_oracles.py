"""The oracles themselves, against published values and one another."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from fastnotes.evidence import importance_weights, iwae_bound, jackknife_bound
from fastnotes.evidence.oracles import (
    GammaWeights,
    LinearGaussian,
    ProbabilisticPCA,
    TwoPointWeights,
)
from support.tolerances import COMPOSITE, PUBLISHED


def test_linear_gaussian_bounds():
    model = LinearGaussian()
    bounds = (-1.90708208451888, -1.86065812765398, -1.84849658064455)
    for n, expected in enumerate(bounds, start=1):
        PUBLISHED.assert_close(np.float64(model.expected_bound(n)), expected)
    PUBLISHED.assert_close(np.float64(model.log_evidence), -1.82801212348464540)


def test_linear_gaussian_at_the_posterior():
    exact = LinearGaussian(1.5, mean=0.75, deviation=np.sqrt(0.5))
    assert exact.posterior_mean == 0.75
    COMPOSITE.assert_close(exact.log_weights(np.arange(5.0)), exact.log_evidence)


def test_jackknife_of_linear_gaussian_expectations():
    model = LinearGaussian()
    l1, l2, l3 = (model.expected_bound(n) for n in (1, 2, 3))
    PUBLISHED.assert_close(np.float64(2 * l2 - l1), -1.8142341707890741)
    PUBLISHED.assert_close(np.float64(4.5 * l3 - 4 * l2 + 0.5 * l1), -1.829143144544)


def test_two_point_weights():
    weights = TwoPointWeights(3.0, 0.5, 0.25)
    PUBLISHED.assert_close(np.float64(weights.log_evidence), 0.11778303565638345454)
    expected = (
        0.087729552742400363781,
        0.11885703169194004177,
        0.11798379133808919185,
        0.11770756230658911228,
    )
    for order, value in enumerate(expected):
        got = np.float64(weights.expected_jackknife(16, order))
        PUBLISHED.assert_close(got, value)
    log_w = weights.sample((16, 20_000), 0)
    bound = iwae_bound(log_w)
    error = abs(bound.mean() - weights.expected_bound(16))
    assert error < 4 * bound.std() / np.sqrt(bound.size)


def test_scaled_bias_of_two_point_weights():
    weights = TwoPointWeights()
    scaled = [
        (weights.expected_jackknife(256, m) - weights.log_evidence) * 256 ** (m + 1)
        for m in range(3)
    ]
    np.testing.assert_allclose(scaled, [-0.180380, 0.097988, -0.052283], rtol=2e-5)


@pytest.mark.filterwarnings("ignore::fastnotes.evidence.JackknifeWarning")
@pytest.mark.parametrize("shape", [0.5, 1.0, 4.0])
def test_gamma_weights(shape):
    weights = GammaWeights(shape)
    log_w = weights.sample((20, 40_000), 0)
    for order in range(4):
        estimate = jackknife_bound(log_w, order) if order else iwae_bound(log_w)
        error = abs(estimate.mean() - weights.expected_jackknife(20, order))
        assert error < 4 * estimate.std() / np.sqrt(estimate.size)


@pytest.mark.parametrize(
    ("order", "power"),
    [(0, 1), (1, 2), (2, 4), (3, 4)],  # digamma has no term of 1/K^3
)
def test_slope_of_the_gamma_bias(order, power):
    biases = [GammaWeights().bias(n, order) for n in (64, 128)]
    assert abs(np.log2(biases[0] / biases[1]) - power) < 0.2


def model_and_rows(n_latent=3):
    rng = np.random.default_rng(0)
    decoder = rng.standard_normal((6, n_latent))
    model = ProbabilisticPCA(decoder, 0.3, rng.standard_normal(6))
    return model, rng.standard_normal((5, 6)) + model.mean


def test_evidence_of_probabilistic_pca():
    model, x = model_and_rows()
    covariance = model.decoder @ model.decoder.T + 0.3 * np.eye(6)
    expected = scipy.stats.multivariate_normal(model.mean, covariance).logpdf(x)
    COMPOSITE.assert_close(model.log_evidence(x), expected)


def test_posterior_of_probabilistic_pca():
    model, x = model_and_rows()
    mean, covariance = model.posterior(x)
    joint = covariance @ model.decoder.T / 0.3
    COMPOSITE.assert_close(mean, (x - model.mean) @ joint.T)
    weights = model.log_weights(x, 4, proposal="posterior", random_state=0)
    COMPOSITE.assert_close(weights, np.tile(model.log_evidence(x), (4, 1)))


@pytest.mark.parametrize("widen", [1.0, 1.3])
def test_weights_of_probabilistic_pca_by_their_definition(widen):
    model, x = model_and_rows()
    got = model.log_weights(x, 3, widen=widen, random_state=7)
    mean, _ = model.posterior(x)
    deviation = widen / np.sqrt(np.diag(model.precision))
    rng = np.random.default_rng(7)
    for k in range(3):
        e = rng.standard_normal(mean.shape)
        z = mean + deviation * e
        log_joint = scipy.stats.norm.logpdf(z).sum(axis=1)
        centre = model.mean + z @ model.decoder.T
        log_joint += scipy.stats.norm.logpdf(x, centre, np.sqrt(0.3)).sum(axis=1)
        log_q = scipy.stats.norm.logpdf(z, mean, deviation).sum(axis=1)
        COMPOSITE.assert_close(got[k], log_joint - log_q)


def test_fit_is_the_maximum_of_the_likelihood():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 2)) @ rng.standard_normal((2, 5))
    x += 0.3 * rng.standard_normal((300, 5))
    model = ProbabilisticPCA.fit(x, 2)
    best = model.log_evidence(x).mean()
    for scale, variance in ((1.05, 1), (0.95, 1), (1, 1.05), (1, 0.95)):
        other = ProbabilisticPCA(
            model.decoder * scale, model.noise_variance * variance, model.mean
        )
        assert other.log_evidence(x).mean() < best
    bound, _, ess = importance_weights(
        model.log_weights(x, 2000, widen=1.2, random_state=0)
    )
    assert abs((bound - model.log_evidence(x)).mean()) < 0.01
    assert (ess > 100).all()


BAD = [
    (lambda: LinearGaussian("1"), TypeError),
    (lambda: LinearGaussian(deviation=0), ValueError),
    (lambda: LinearGaussian().expected_bound(4), ValueError),
    (lambda: LinearGaussian().log_weights("a"), TypeError),
    (lambda: TwoPointWeights(0), ValueError),
    (lambda: TwoPointWeights(p=2), ValueError),
    (lambda: TwoPointWeights().expected_jackknife(3, 3), ValueError),
    (lambda: GammaWeights(0), ValueError),
    (lambda: GammaWeights().bias(2, 2), ValueError),
    (lambda: ProbabilisticPCA(np.ones(3), 1), ValueError),
    (lambda: ProbabilisticPCA(np.ones((3, 2)), 0), ValueError),
    (lambda: ProbabilisticPCA(np.ones((3, 2)), 1, np.ones(2)), ValueError),
    (lambda: ProbabilisticPCA(np.full((3, 2), np.nan), 1), ValueError),
    (lambda: ProbabilisticPCA.fit(np.ones((3, 2)), 2), ValueError),
    (lambda: ProbabilisticPCA.fit(np.ones((1, 2)), 1), ValueError),
    (lambda: model_and_rows()[0].log_evidence(np.ones((2, 5))), ValueError),
    (lambda: model_and_rows()[0].log_weights(np.ones((2, 6)), -1), ValueError),
    (
        lambda: model_and_rows()[0].log_weights(np.ones((2, 6)), 1, proposal="best"),
        ValueError,
    ),
]


@pytest.mark.parametrize(("call", "error"), BAD)
def test_bad_input(call, error):
    with pytest.raises(error, match=r"^\[evidence\.oracles\.\w+.*\] expected .*, got "):
        call()
