"""The jackknife, subset by subset, in float64.

With c_j = (-1)^j (K - j)^m / (j! (m - j)!)::

    JVI_m = sum_j c_j A_j,  A_j = mean over j-subsets J of log mean_{i not in J} w_i
    d JVI_m / d log w_k = sum_j c_j mean_J [k not in J] w_k / sum_{i not in J} w_i

and, coefficients summing to 1, A_j - A_0 stands for A_j. -inf is a weight of 0; nan
where a subset takes all the weight. +inf is a weight of 1 beside weights of 0.

Source: Nowozin, ICLR 2018, equations 18 to 21.
"""

from __future__ import annotations

from itertools import combinations
from math import comb, factorial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._reference.evidence import logmeanexp, softmax

Array = NDArray[np.float64]


def jackknife(log_w: ArrayLike, order: int, axis: int = 0) -> tuple[Any, Array]:
    """The estimate and its gradient with respect to log_w."""
    a = np.moveaxis(np.asarray(log_w, np.float64), axis, 0)
    count = len(a)
    infinite = (a == np.inf).any(axis=0)
    w = np.where(infinite, np.where(a == np.inf, 0.0, np.where(a == a, -np.inf, a)), a)
    first = logmeanexp(w, 0)
    bound, gradient = np.array(first), np.array(softmax(w, 0))
    for j in range(1, order + 1):
        c = (-1) ** j * (count - j) ** order / (factorial(j) * factorial(order - j))
        for left_out in combinations(range(count), j):
            kept = np.delete(np.arange(count), left_out)
            share = c / comb(count, j)
            with np.errstate(invalid="ignore"):
                bound = bound + share * (logmeanexp(w[kept], 0) - first)
            gradient[kept] += share * softmax(w[kept], 0)
            gradient -= share * softmax(w, 0)
    few = (w > -np.inf).sum(axis=0) <= order
    bound = np.where(few, np.nan, np.where(infinite & ~np.isnan(bound), np.inf, bound))
    gradient = np.where(few | np.isnan(bound), np.nan, gradient)
    return bound[()], np.moveaxis(gradient, 0, axis)


def elbo(log_w: ArrayLike, axis: int = 0) -> Any:
    """Mean of the log-weights."""
    return np.mean(np.asarray(log_w, np.float64), axis=axis)


def bias_variance(log_w: ArrayLike, axis: int = 0) -> tuple[Any, Any]:
    """Delta-method bias, to 1/K^3, and variance, to 1/K^2, of the K-sample bound."""
    a = np.asarray(log_w, np.float64)
    count = a.shape[axis]
    w = np.exp(a - a.max(axis=axis, keepdims=True))
    mean = w.mean(axis=axis, keepdims=True)
    m2, m3, m4 = (((w - mean) ** r).mean(axis=axis) for r in (2, 3, 4))
    mu = mean.squeeze(axis)
    first = -m2 / (2 * mu**2)
    second = m3 / (3 * mu**3) - 3 * m2**2 / (4 * mu**4)
    third = -(m4 - 3 * m2**2) / (4 * mu**4)
    third += 2 * m3 * m2 / mu**5 - 5 * m2**3 / (2 * mu**6)
    variance = m2 / mu**2 / count - (m3 / mu**3 - 5 * m2**2 / (2 * mu**4)) / count**2
    return first / count + second / count**2 + third / count**3, variance


def gradient_weights(log_w: ArrayLike, estimator: str, order: int = 1) -> Array:
    """Factors of the samples' gradients, samples along the first axis."""
    a = np.asarray(log_w, np.float64)
    v: Array = softmax(a, 0)
    if estimator == "jackknife":
        return jackknife(a, order)[1]
    if estimator == "dreg":
        return v**2
    if estimator == "vimco":
        without = np.empty_like(a)
        for k in range(len(a)):
            replaced = a.copy()
            replaced[k] = np.delete(a, k, axis=0).mean(axis=0)
            without[k] = logmeanexp(replaced, 0)
        signal: Array = logmeanexp(a, 0) - without - v
        return signal
    return v
