"""Log-sum-exp and importance weights, in float64.

With m = max_k x_k and e_k = exp(x_k - m)::

    logsumexp x = m + log sum_k e_k          softmax x = e_k / sum_k e_k
    logmeanexp x = logsumexp x - log K       ess       = (sum_k e_k)^2 / sum_k e_k^2

Edge values: see :func:`_shifted_exp`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Axes = int | tuple[int, ...] | None


def logsumexp(
    a: ArrayLike, axis: Axes = None, b: ArrayLike | None = None, keepdims: bool = False
) -> Any:
    """Log sum_k b_k exp(a_k); nan where the sum is negative, -inf where it is empty."""
    a = np.asarray(a, np.float64)
    weights = np.ones_like(a) if b is None else np.asarray(b, np.float64)
    a, weights = np.broadcast_arrays(np.where(weights == 0, -np.inf, a), weights)
    largest, e = _shifted_exp(a, axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = largest + np.log(np.sum(weights * e, axis=axis, keepdims=True))
    return result if keepdims else _drop(result, axis)


def logmeanexp(a: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Any:
    """Log (1/K) sum_k exp(a_k): the K-sample bound, if a are log-weights."""
    a = np.asarray(a, np.float64)
    largest, e = _shifted_exp(a, axis)
    with np.errstate(divide="ignore"):
        result = largest + np.log(np.mean(e, axis=axis, keepdims=True))
    return result if keepdims else _drop(result, axis)


def softmax(a: ArrayLike, axis: Axes = -1) -> Array:
    """exp(a_k) / sum_j exp(a_j); 0 where every a is -inf."""
    _, e = _shifted_exp(np.asarray(a, np.float64), axis)
    total = np.sum(e, axis=axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


def log_softmax(a: ArrayLike, axis: Axes = -1) -> Array:
    """a_k - logsumexp(a) by way of a_k - m; the logarithm of :func:`softmax`."""
    a = np.asarray(a, np.float64)
    largest, e = _shifted_exp(a, axis)
    total = np.sum(e, axis=axis, keepdims=True)
    with np.errstate(invalid="ignore"):
        shifted = np.where(a == largest, 0.0, a - largest)
    return np.where(total == 0, -np.inf, shifted - np.log(np.where(total, total, 1)))


def importance_weights(log_w: ArrayLike, axis: int = 0) -> tuple[Any, Array, Any]:
    """The bound logmeanexp, the weights softmax, and ess = 1 / sum of their squares."""
    _, e = _shifted_exp(np.asarray(log_w, np.float64), axis)
    total, squares = np.sum(e, axis=axis), np.sum(e**2, axis=axis)
    ess = total**2 / np.where(squares == 0, 1, squares)
    return logmeanexp(log_w, axis), softmax(log_w, axis), ess


def _shifted_exp(a: Array, axis: Axes) -> tuple[Array, Array]:
    """The maximum m and exp(a - m), with the reduced axes kept.

    Entries equal to an infinite maximum count as exp(0) = 1 if m is +inf, and as 0 if
    it is -inf. NaN makes the whole group NaN. An empty group has m = -inf.
    """
    largest = np.max(a, axis=axis, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        e = np.exp(a - largest)
    e = np.where((a == largest) & np.isinf(a), np.where(a > 0, 1.0, 0.0), e)
    return largest, np.where(np.isnan(largest), np.nan, e)


def _drop(result: Array, axis: Axes) -> Any:
    return np.squeeze(result, axis=axis)[()]
