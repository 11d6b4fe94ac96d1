"""Models whose evidence is known, for anyone's tests of anyone's estimators."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._validation import (
    as_integer,
    as_real,
    as_real_array,
    check_choice,
    check_finite,
    fail,
)
from fastnotes.evidence.importance_weights import iwae_bound
from fastnotes.evidence.jackknife import (
    MAX_ORDER,
    JackknifeWarning,
    jackknife_bound,
    jackknife_coefficients,
)

__all__ = ["GammaWeights", "LinearGaussian", "ProbabilisticPCA", "TwoPointWeights"]

Array = NDArray[np.float64]
_MOST_SAMPLES = 10_000


class LinearGaussian:
    """z ~ N(0, 1), x | z ~ N(z, 1), with the proposal q = N(mean, deviation^2).

    Parameters
    ----------
    x
        What is observed.
    mean, deviation
        Of the proposal. Weights have a variance only if deviation^2 > 1/4, half the
        posterior's.

    Attributes
    ----------
    log_evidence : float
        log N(x; 0, 2), in nats.
    posterior_mean, posterior_deviation : float
        x / 2 and sqrt(1 / 2).

    Raises
    ------
    TypeError, ValueError
        If an argument is not a finite number, or ``deviation`` not positive.

    Examples
    --------
    >>> from fastnotes.evidence.oracles import LinearGaussian
    >>> model = LinearGaussian(1.5, mean=0.5, deviation=0.8)
    >>> [round(model.expected_bound(k), 6) for k in (1, 2, 3)]
    [-1.907082, -1.860658, -1.848497]
    >>> round(model.log_evidence, 6)
    -1.828012
    """

    def __init__(
        self, x: float = 1.5, *, mean: float = 0.5, deviation: float = 0.8
    ) -> None:
        where = "evidence.oracles.LinearGaussian"
        self.x = as_real(x, where, "x")
        self.mean = as_real(mean, where, "mean")
        self.deviation = as_real(deviation, where, "deviation", low=1e-100)
        self.log_evidence = -0.5 * float(np.log(4 * np.pi)) - self.x**2 / 4
        self.posterior_mean = self.x / 2
        self.posterior_deviation = float(np.sqrt(0.5))

    def log_weights(self, noise: ArrayLike) -> Array:
        """Log-weights at z = mean + deviation * noise, of the shape of ``noise``."""
        where = "evidence.oracles.LinearGaussian.log_weights"
        e = as_real_array(noise, where, "noise").astype(np.float64)
        z = self.mean + self.deviation * e
        squares = e**2 - z**2 - (self.x - z) ** 2
        constant = np.log(self.deviation) - 0.5 * np.log(2 * np.pi)
        result: Array = 0.5 * squares + constant
        return result

    def expected_bound(self, n_samples: int) -> float:
        """E[L_K] by Gauss-Hermite quadrature, K from 1 to 3; to about 12 digits."""
        where = "evidence.oracles.LinearGaussian.expected_bound"
        n = as_integer(n_samples, where, "n_samples", low=1, high=3)
        nodes, weights = np.polynomial.hermite_e.hermegauss(120)
        weights = weights / np.sqrt(2 * np.pi)
        grid = np.stack(np.meshgrid(*[self.log_weights(nodes)] * n, indexing="ij"))
        value = iwae_bound(grid)
        for _ in range(n):
            value = value @ weights
        return float(value)


class TwoPointWeights:
    """Weights that are ``high`` with probability ``p`` and else ``low``.

    All expectations are finite sums over the number of high ones.

    Parameters
    ----------
    high, low
        Positive values.
    p
        From 0 to 1.

    Attributes
    ----------
    log_evidence : float
        Log of the mean weight.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number in its range.

    Examples
    --------
    >>> from fastnotes.evidence.oracles import TwoPointWeights
    >>> weights = TwoPointWeights(2.0, 0.5, 0.5)
    >>> [round(weights.expected_jackknife(16, m), 6) for m in range(4)]
    [0.211502, 0.223575, 0.223131, 0.223141]
    >>> round(weights.log_evidence, 6)
    0.223144
    """

    def __init__(self, high: float = 2.0, low: float = 0.5, p: float = 0.5) -> None:
        where = "evidence.oracles.TwoPointWeights"
        self.high = as_real(high, where, "high", low=1e-100, high=1e100)
        self.low = as_real(low, where, "low", low=1e-100, high=1e100)
        self.p = as_real(p, where, "p", low=0, high=1)
        self.log_evidence = float(np.log(self.p * self.high + (1 - self.p) * self.low))

    def sample(self, shape: tuple[int, ...], random_state: Any = None) -> Array:
        """Log-weights of that shape."""
        high = np.random.default_rng(random_state).random(shape) < self.p
        log_w: Array = np.asarray(np.where(high, np.log(self.high), np.log(self.low)))
        return log_w

    def expected_bound(self, n_samples: int) -> float:
        """E[L_K]."""
        return self.expected_jackknife(n_samples, 0)

    def expected_jackknife(self, n_samples: int, order: int) -> float:
        """Expectation of the jackknife estimate of that order."""
        where = "evidence.oracles.TwoPointWeights.expected_jackknife"
        n = as_integer(n_samples, where, "n_samples", low=1, high=_MOST_SAMPLES)
        m = as_integer(order, where, "order", low=0, high=min(n - 1, MAX_ORDER))
        from scipy.stats import binom

        n_high = np.arange(n + 1)
        is_high = np.arange(n)[:, None] < n_high
        draws = np.where(is_high, np.log(self.high), np.log(self.low))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", JackknifeWarning)
            values = jackknife_bound(draws, m)
        return float(binom.pmf(n_high, n, self.p) @ values)


class GammaWeights:
    """Weights from the Gamma distribution of that shape and scale 1.

    Sums of them are Gamma too, so that E[L_K] = digamma(K shape) - log K.

    Parameters
    ----------
    shape
        Positive; 1 is the exponential distribution.

    Attributes
    ----------
    log_evidence : float
        log(shape).

    Raises
    ------
    TypeError, ValueError
        If ``shape`` is not a positive number.
    """

    def __init__(self, shape: float = 1.0) -> None:
        where = "evidence.oracles.GammaWeights"
        self.shape = as_real(shape, where, "shape", low=1e-100, high=1e100)
        self.log_evidence = float(np.log(self.shape))

    def sample(self, shape: tuple[int, ...], random_state: Any = None) -> Array:
        """Log-weights of that shape."""
        rng = np.random.default_rng(random_state)
        with np.errstate(divide="ignore"):
            return np.log(rng.standard_gamma(self.shape, shape))

    def expected_bound(self, n_samples: int) -> float:
        """E[L_K]."""
        return self.log_evidence + self.bias(n_samples, 0)

    def expected_jackknife(self, n_samples: int, order: int) -> float:
        """Expectation of the jackknife estimate of that order."""
        return self.log_evidence + self.bias(n_samples, order)

    def bias(self, n_samples: int, order: int) -> float:
        """Expectation of the estimate less ``log_evidence``, to many digits."""
        where = "evidence.oracles.GammaWeights.bias"
        n = as_integer(n_samples, where, "n_samples", low=1, high=2**40)
        m = as_integer(order, where, "order", low=0, high=min(n - 1, MAX_ORDER))
        left = (n - np.arange(m + 1.0)) * self.shape
        return float(jackknife_coefficients(n, m) @ _digamma_less_log(left))


def _digamma_less_log(x: Array) -> Array:
    """digamma(x) - log(x) without cancellation where both are large."""
    from scipy.special import digamma

    y = 1 / np.square(np.maximum(x, 16.0))
    series = 1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y / 132)))
    large = -0.5 / np.maximum(x, 16.0) - y * series
    return np.where(x < 16, digamma(x) - np.log(x), large)


class ProbabilisticPCA:
    """z ~ N(0, I), x | z ~ N(mean + W z, noise_variance I).

    Parameters
    ----------
    decoder
        W, of shape (n_features, n_latent).
    noise_variance
        Positive.
    mean
        Of the features; None for 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not real and finite, or of another shape.

    References
    ----------
    Tipping, Bishop, "Probabilistic principal component analysis", JRSS B 61 (1999).
    """

    def __init__(
        self, decoder: ArrayLike, noise_variance: float, mean: ArrayLike | None = None
    ) -> None:
        where = "evidence.oracles.ProbabilisticPCA"
        w = as_real_array(decoder, where, "decoder", ndim=2).astype(np.float64)
        check_finite(w, where, "decoder")
        self.decoder = w
        self.noise_variance = as_real(
            noise_variance, where, "noise_variance", low=1e-100
        )
        centre = np.zeros(len(w)) if mean is None else mean
        self.mean = as_real_array(centre, where, "mean", ndim=1).astype(np.float64)
        check_finite(self.mean, where, "mean")
        if len(self.mean) != len(w):
            fail(where, f"mean of {len(w)} features", str(len(self.mean)))
        #: Precision of the posterior of z, the same for every x.
        self.precision: Array = np.eye(w.shape[1]) + w.T @ w / self.noise_variance

    @classmethod
    def fit(
        cls, x: ArrayLike, n_latent: int, *, random_state: Any = 0
    ) -> ProbabilisticPCA:
        """Maximum likelihood in closed form, with the latent space turned at random.

        Any rotation is as likely; one that is not that of the principal axes makes the
        posterior's precision dense, as a learned decoder's is.
        """
        where = "evidence.oracles.ProbabilisticPCA.fit"
        data = as_real_array(x, where, "x", ndim=2).astype(np.float64)
        check_finite(data, where, "x")
        n, d = data.shape
        q = as_integer(n_latent, where, "n_latent", low=1, high=d - 1)
        if n < 2:
            fail(where, "at least two rows", str(n))
        mean = data.mean(axis=0)
        covariance = (data - mean).T @ (data - mean) / n
        values, vectors = np.linalg.eigh(covariance)
        values, vectors = values[::-1], vectors[:, ::-1]
        variance = float(values[q:].mean())
        scale = np.sqrt(np.maximum(values[:q] - variance, 0.0))
        rng = np.random.default_rng(random_state)
        rotation, _ = np.linalg.qr(rng.standard_normal((q, q)))
        return cls(vectors[:, :q] * scale @ rotation, variance, mean)

    def log_evidence(self, x: ArrayLike) -> Array:
        """Return log p(x) of every row, in nats."""
        centred = self._centred(x, "log_evidence")
        d = centred.shape[1]
        projected = centred @ self.decoder / self.noise_variance
        _, log_determinant = np.linalg.slogdet(self.precision)
        squared = np.square(centred).sum(axis=1) / self.noise_variance
        squared -= (projected * np.linalg.solve(self.precision, projected.T).T).sum(1)
        constant = d * np.log(2 * np.pi * self.noise_variance) + log_determinant
        result: Array = -0.5 * (squared + constant)
        return result

    def posterior(self, x: ArrayLike) -> tuple[Array, Array]:
        """Mean of z for every row, and the covariance that all share."""
        projected = self._centred(x, "posterior") @ self.decoder / self.noise_variance
        covariance = np.asarray(np.linalg.inv(self.precision), np.float64)
        return np.asarray(projected @ covariance, np.float64), covariance

    def log_weights(
        self,
        x: ArrayLike,
        n_samples: int,
        *,
        proposal: str = "mean_field",
        widen: float = 1.0,
        random_state: Any = None,
    ) -> Array:
        """Log-weights of samples from a proposal, of shape (n_samples, rows).

        Parameters
        ----------
        x
            Rows to explain.
        n_samples
            K.
        proposal
            ``"mean_field"``: the best factorised Gaussian, the posterior's mean and the
            inverse of its precision's diagonal; weights may lack a variance.
            ``"posterior"``: every log-weight is log p(x), for ``widen=1``.
        widen
            Factor of the proposal's standard deviations.
        random_state
            Seed or ``numpy.random.Generator``.
        """
        where = "evidence.oracles.ProbabilisticPCA.log_weights"
        count = as_integer(n_samples, where, "n_samples", low=0)
        check_choice(proposal, where, "proposal", ("mean_field", "posterior"))
        factor = as_real(widen, where, "widen", low=1e-100)
        log_evidence = self.log_evidence(x)
        q = len(self.precision)
        root: Any = np.linalg.inv(np.linalg.cholesky(self.precision)).T
        if proposal == "mean_field":
            root = np.diag(1 / np.sqrt(np.diag(self.precision)))
        root = root * factor  # of the proposal's covariance
        between = root.T @ self.precision @ root
        # log p(x, z) - log q(z) = log p(x) + log p(z | x) - log q(z), z - mean = root e
        constant = log_evidence + 0.5 * np.linalg.slogdet(between)[1]
        rng = np.random.default_rng(random_state)
        log_w = np.empty((count, len(log_evidence)))
        for k in range(count):
            e = rng.standard_normal((len(log_evidence), q))
            log_w[k] = constant + 0.5 * (e**2 - (e @ between) * e).sum(axis=1)
        return log_w

    def _centred(self, x: ArrayLike, name: str) -> Array:
        where = f"evidence.oracles.ProbabilisticPCA.{name}"
        data = as_real_array(x, where, "x", ndim=2)
        check_finite(data, where, "x")
        if data.shape[1] != len(self.mean):
            fail(where, f"x with {len(self.mean)} columns", str(data.shape))
        return np.asarray(data - self.mean, np.float64)
