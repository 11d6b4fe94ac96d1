"""What is known of the bounds themselves: the ELBO, and the K-sample bound's bias."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._validation import as_integer
from fastnotes.evidence._samples import read_log_weights
from fastnotes.evidence.importance_weights import importance_weights


def elbo(log_w: ArrayLike, axis: int = 0) -> Any:
    """Mean of the log-weights: the evidence lower bound from K samples, in nats.

    The bound of K = 1, averaged over K of them. Its expectation does not depend on K.

    Parameters
    ----------
    log_w
        Log-weights with the K samples along ``axis``. float32 stays float32, everything
        else becomes float64; sums are in float64.
    axis
        The axis of the K samples.

    Returns
    -------
    numpy.ndarray or scalar
        The shape of ``log_w`` without ``axis``. -inf with any weight of 0, nan with any
        NaN or with infinities of both signs.

    Raises
    ------
    TypeError
        If ``log_w`` is not real, or ``axis`` not an integer.
    ValueError
        If ``axis`` is out of range, or K = 0.

    Examples
    --------
    >>> from fastnotes.evidence import elbo
    >>> float(elbo([-1.0, -2.0, -6.0]))
    -3.0
    """
    where = "evidence.elbo"
    array, axis = read_log_weights(log_w, axis, where)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = np.asarray(np.mean(array, axis=axis, dtype=np.float64))
        return mean.astype(array.dtype)[()]


class BiasVariance(NamedTuple):
    """How far the K-sample bound is from log p(x), by the delta method.

    Attributes
    ----------
    bias
        Estimate of E[bound] - log p(x), in nats; negative as a rule.
    variance
        Estimate of the bound's variance, in nats squared.
    """

    bias: Any
    variance: Any


def iwae_bias_variance(
    log_w: ArrayLike,
    axis: int = 0,
    *,
    n_samples: int | None = None,
    n_terms: int = 3,
) -> BiasVariance:
    """Bias and variance of the K-sample bound, from the samples' own moments.

    With mu the mean of w and mu_r its central moments::

        bias     = a_1 / K + a_2 / K^2 + a_3 / K^3
        a_1      = -mu_2 / (2 mu^2)
        a_2      = mu_3 / (3 mu^3) - 3 mu_2^2 / (4 mu^4)
        a_3      = -(mu_4 - 3 mu_2^2) / (4 mu^4) + 2 mu_3 mu_2 / mu^5
                   - 5 mu_2^3 / (2 mu^6)
        variance = mu_2 / (K mu^2) - (mu_3 / mu^3 - 5 mu_2^2 / (2 mu^4)) / K^2

    Parameters
    ----------
    log_w
        Log-weights with samples along ``axis``. float32 stays float32, everything else
        becomes float64; moments are in float64.
    axis
        The axis of the samples.
    n_samples
        K of the bound in question; None: as many as there are samples. Moments from
        thousands of samples tell the bias of the bound with 50.
    n_terms
        Terms of both series, from 1 to 3; the variance has at most 2.

    Returns
    -------
    BiasVariance
        ``(bias, variance)``, each of the shape of ``log_w`` without ``axis``.

    Raises
    ------
    TypeError
        If ``log_w`` is not real, or an integer not one.
    ValueError
        If ``axis``, ``n_samples`` or ``n_terms`` is out of range, or without samples.

    Notes
    -----
    Moments are those of the sample, divided by its size and not by one less. nan where
    no weight is positive, as for NaN; +inf counts as a weight of 1 beside weights of 0.
    Where weights have no variance, the sample's moments do not say so: see
    :func:`psis`.

    References
    ----------
    Nowozin, "Debiasing evidence approximations", ICLR 2018, proposition 1; the term
    -5 mu_2^3 / (2 mu^6), the sixth moment of the mean, is missing in its equation 8.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.evidence import iwae_bias_variance
    >>> bias, variance = iwae_bias_variance(np.log([0.5, 2.0] * 8), n_terms=1)
    >>> round(float(bias), 6), round(float(variance), 6)
    (-0.01125, 0.0225)
    """
    where = "evidence.iwae_bias_variance"
    array, axis = read_log_weights(log_w, axis, where)
    count = array.shape[axis]
    n = count
    if n_samples is not None:
        n = as_integer(n_samples, where, "n_samples", low=1, high=2**53)
    n_terms = as_integer(n_terms, where, "n_terms", low=1, high=3)
    weights = importance_weights(array, axis).weights.astype(np.float64)
    weights[np.broadcast_to(weights.sum(axis, keepdims=True) == 0, weights.shape)] = (
        np.nan
    )
    deviation = weights * count - 1  # w / mu - 1
    m2, m3, m4 = (np.mean(deviation**r, axis=axis) for r in (2, 3, 4))
    bias = [
        -m2 / 2,
        m3 / 3 - 3 / 4 * m2**2,
        -(m4 - 3 * m2**2) / 4 + 2 * m3 * m2 - 5 / 2 * m2**3,
    ]
    variance = [m2, -(m3 - 5 / 2 * m2**2)]
    return BiasVariance(
        _series(bias[:n_terms], n, array.dtype),
        _series(variance[:n_terms], n, array.dtype),
    )


def _series(terms: list[Any], n: int, dtype: np.dtype[Any]) -> Any:
    total = sum(term / float(n) ** (i + 1) for i, term in enumerate(terms))
    return np.asarray(total).astype(dtype)[()]
