"""Losses of boosted trees in NumPy: short, slow, and right by inspection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: Hessians are at least this before they are weighted.
SMALLEST_HESSIAN = 1e-16


class Derivatives(NamedTuple):
    """First and second derivative of a loss."""

    grad: Array
    hess: Array


def expit(m: Any) -> Any:
    """1 / (1 + exp(-m)), to full accuracy where it is small."""
    return np.exp(-np.logaddexp(0.0, -m))


def logsumexp(margins: Array) -> Array:
    """Over the first axis."""
    largest = margins.max(axis=0)
    return np.asarray(largest + np.log(np.exp(margins - largest).sum(axis=0)))


def value(loss: str, y: Array, m: Array, a: float = 0.0) -> Array:
    """The losses of cpp/boosting/objectives.hpp, by their formulas."""
    z = m - y
    values: dict[str, Callable[[], Any]] = {
        "squared": lambda: 0.5 * z**2,
        "absolute": lambda: np.abs(z),
        "pseudo_huber": lambda: a**2 * (np.sqrt(1.0 + (z / a) ** 2) - 1.0),
        "quantile": lambda: np.where(z < 0.0, -a * z, (1.0 - a) * z),
        "poisson": lambda: np.exp(m) - y * m,
        "gamma": lambda: y * np.exp(-m) + m,
        "tweedie": lambda: (
            np.exp((2.0 - a) * m) / (2.0 - a) - y * np.exp((1.0 - a) * m) / (1.0 - a)
        ),
        "logistic": lambda: np.logaddexp(0.0, m) - y * m,
    }
    return np.asarray(values[loss]())


def derivatives(loss: str, y: Array, m: Array, a: float = 0.0) -> Derivatives:
    """Their derivatives; Poisson's h is raised by exp(a), and 0 by the floor."""
    z = m - y
    u = 1.0 + (z / a) ** 2 if loss == "pseudo_huber" else np.ones_like(z)
    pairs: dict[str, Callable[[], tuple[Any, Any]]] = {
        "squared": lambda: (z, 1.0),
        "absolute": lambda: (np.sign(z), 1.0),
        "pseudo_huber": lambda: (z / np.sqrt(u), u**-1.5),
        "quantile": lambda: (np.where(z < 0.0, -a, 1.0 - a), 1.0),
        "poisson": lambda: (np.exp(m) - y, np.exp(m + a)),
        "gamma": lambda: (1.0 - y * np.exp(-m), y * np.exp(-m)),
        "tweedie": lambda: (
            np.exp((2.0 - a) * m) - y * np.exp((1.0 - a) * m),
            (2.0 - a) * np.exp((2.0 - a) * m) - (1.0 - a) * y * np.exp((1.0 - a) * m),
        ),
        # 1 - p as the p of -m, which does not cancel
        "logistic": lambda: (
            np.where(m < 0.0, expit(m) - y, (1.0 - y) - expit(-m)),
            expit(m) * expit(-m),
        ),
    }
    grad, hess = pairs[loss]()
    return Derivatives(grad, np.maximum(hess + 0.0 * z, SMALLEST_HESSIAN))


def softmax_derivatives(y: Array, margins: Array) -> Derivatives:
    """Softmax p of K margins (K, n_rows): p - [y = k] and K / (K - 1) p (1 - p)."""
    n_classes = len(margins)
    p = np.exp(margins - logsumexp(margins))
    grad = p - (np.arange(n_classes)[:, None] == y)
    hess = n_classes / (n_classes - 1) * p * (1.0 - p)
    return Derivatives(grad, np.maximum(hess, SMALLEST_HESSIAN))


def softmax_value(y: Array, margins: Array) -> Array:
    """-log p of the class of each row."""
    return np.asarray(logsumexp(margins) - margins[y, np.arange(len(y))])


def quantile(values: Array, weights: Array, alpha: float) -> float:
    """Least value up to which the weights reach alpha of all; their mean at a tie."""
    kept = weights > 0.0
    order = np.argsort(values[kept], kind="stable")
    values, weights = values[kept][order], weights[kept][order]
    reached = np.cumsum(weights)
    target = alpha * reached[-1]
    low = min(int(np.searchsorted(reached, target, "left")), len(values) - 1)
    high = min(int(np.searchsorted(reached, target, "right")), len(values) - 1)
    return float(0.5 * values[low] + 0.5 * values[high])


def ranks(scores: Array) -> Array:
    """Rows of a list from the largest score down, equal ones in their order."""
    return np.argsort(-scores, kind="stable")


def discounted_gain(gains: Array, scores: Array, truncation: int) -> float:
    """Sum of gain / log2(rank + 2) over the first ranks."""
    first = gains[ranks(scores)][:truncation]
    return float(np.sum(first / np.log2(np.arange(len(first)) + 2.0)))


def lambdarank(
    gains: Array,
    margins: Array,
    truncation: int,
    *,
    ndcg: bool = True,
    normalize_scores: bool = True,
    normalize_lists: bool = True,
) -> Derivatives:
    """Pairs of one list, one by one: Burges (2010), section 4."""
    n = len(gains)
    grad, hess, total = np.zeros(n), np.zeros(n), 0.0
    order = ranks(margins)
    ideal = discounted_gain(gains, gains, truncation)
    if ideal == 0.0:
        return Derivatives(grad, hess)
    spread = margins[order[0]] != margins[order[-1]]
    for i in range(min(truncation, n)):
        for j in range(i + 1, n):
            high, low = order[i], order[j]
            if gains[high] == gains[low]:
                continue
            if gains[high] < gains[low]:
                high, low = low, high
            d = margins[high] - margins[low]
            q = expit(-d)
            delta = 1.0
            if ndcg:
                exchanged = 1.0 / np.log2(i + 2.0) - 1.0 / np.log2(j + 2.0)
                delta = abs((gains[high] - gains[low]) * exchanged) / ideal
            if normalize_scores and spread:
                delta /= 0.01 + abs(d)
            h = 2.0 * delta * max(q * (1.0 - q), SMALLEST_HESSIAN)
            grad[high] -= q * delta
            grad[low] += q * delta
            hess[[high, low]] += h
            total += 2.0 * q * delta
    scale = np.log2(1.0 + total) / total if normalize_lists and total > 0.0 else 1.0
    return Derivatives(scale * grad, scale * hess)
