"""Pareto smoothed importance sampling of one column, in float64.

The M largest weights, less the next one, x_1 <= ... <= x_M, are fitted by the
generalised Pareto distribution with the profile posterior mean of b over the grid
b_j = 1 / x_M + (1 - sqrt(m / (j - 1/2))) / (3 x_{M/4}), m = 30 + sqrt(M)::

    k(b) = mean log(1 - b x_i)        l(b) = M (log(-b / k(b)) - k(b) - 1)
    k = (M k(b) + 5) / (M + 10)       sigma = -k(b) / b

and replaced by its quantiles sigma ((1 - p_i)^(-k) - 1) / k, p_i = (i - 1/2) / M.

Source: Vehtari et al., JMLR 25 (2024); Zhang, Stephens, Technometrics 51 (2009).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._reference.evidence import log_softmax

Array = NDArray[np.float64]


def psis(log_w: ArrayLike, tail: int) -> tuple[Array, float, float]:
    """Smoothed and normalised log-weights, k, and the effective sample size."""
    a = np.array(log_w, np.float64)
    k = np.inf
    if np.isnan(a).any():
        k = np.nan
    elif np.isfinite(a.max()) and tail >= 5:
        a -= a.max()
        order = np.argsort(a, kind="stable")[-tail:]
        cutoff = np.exp(a[np.argsort(a, kind="stable")[-tail - 1]])
        x = np.exp(a[order]) - cutoff
        if a[order[-1]] > a[order[0]] and x[int(tail / 4 + 0.5) - 1] > 0:
            k, sigma = fit(x)
            survival = np.log1p(-(np.arange(tail) + 0.5) / tail)
            excess = sigma * np.expm1(-k * survival) / k
            a[order] = np.minimum(np.log(cutoff + excess), 0)
    a = log_softmax(a, 0)
    total = np.exp(2 * a).sum()
    return a, k, 1 / total if total else 0.0


def fit(x: Array) -> tuple[float, float]:
    """Shape and scale of the distribution of ascending x."""
    n = len(x)
    m = 30 + int(np.sqrt(n))
    b = 1 / x[-1] + (1 - np.sqrt(m / (np.arange(m) + 0.5))) / (
        3 * x[int(n / 4 + 0.5) - 1]
    )
    k = np.log1p(-b[:, None] * x).mean(axis=1)
    likelihood = n * (np.log(-b / k) - k - 1)
    weight = np.exp(likelihood - likelihood.max())
    weight /= weight.sum()
    weight = np.where(weight < 10 * np.finfo(float).eps, 0.0, weight)
    mean = float((weight * b).sum() / weight.sum())
    shape = float(np.log1p(-mean * x).mean())
    return (n * shape + 5) / (n + 10), -shape / mean
