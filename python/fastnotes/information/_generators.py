"""The f of each f-divergence: its perspective q f(p / q), derivative and conjugate.

Every f is >= 0 with f(1) = f'(1) = 0, so that no term of a divergence is negative. The
perspective is continued to the edges: q f(0) where p = 0, p lim f(u) / u where q = 0.
Arguments are float64 arrays in which p, q >= 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import wrightomega

from fastnotes.information._probabilities import gap, log_ratio

Function = Callable[[Any], Any]


class Generator(NamedTuple):
    """One f: ``terms(p, q)`` = q f(p / q); f(u) is ``terms(u, 1)``."""

    terms: Callable[[Any, Any], Any]
    derivative: Function
    conjugate: Function


def _js_terms(p: Any, q: Any) -> Any:
    middle = (p + q) / 2
    return (gap(p, middle) + gap(q, middle)) / 2


def _jeffreys_conjugate(t: Any) -> Any:
    v = wrightomega(1 - t)  # v + log v = 1 - t, the inverse of u
    return v + 1 / v + t - 2


def _inside(t: Any, limit: float, value: Any) -> Any:
    """+inf beyond the slope of f at infinity."""
    return np.where(t > limit, np.inf, np.where(np.isnan(t), np.nan, value))


GENERATORS: dict[str, Generator] = {
    "kl": Generator(gap, np.log, np.expm1),
    "reverse_kl": Generator(
        lambda p, q: gap(q, p),
        lambda u: 1 - 1 / u,
        lambda t: _inside(t, 1, -np.log1p(-np.minimum(t, 1))),
    ),
    "js": Generator(
        _js_terms,
        lambda u: -np.log1p((1 / u - 1) / 2) / 2,
        lambda t: _inside(
            t, np.log(2) / 2, -np.log1p(-np.minimum(np.expm1(2 * t), 1)) / 2
        ),
    ),
    "tv": Generator(
        lambda p, q: np.abs(p - q) / 2,
        lambda u: np.sign(u - 1) / 2,
        lambda t: _inside(t, 0.5, np.maximum(t, -0.5)),
    ),
    "chi2": Generator(
        lambda p, q: (p - q) * ((p - q) / q),
        lambda u: 2 * (u - 1),
        lambda t: np.where(t < -2, -1.0, t + t * t / 4),
    ),
    "hellinger": Generator(
        lambda p, q: (np.sqrt(p) - np.sqrt(q)) ** 2 / 2,
        lambda u: (1 - 1 / np.sqrt(u)) / 2,
        lambda t: _inside(
            t, 0.5, np.where(t < 0.5, t / np.maximum(1 - 2 * t, 0), np.inf)
        ),
    ),
    "jeffreys": Generator(
        lambda p, q: gap(p, q) + gap(q, p),
        lambda u: np.log(u) + 1 - 1 / u,
        _jeffreys_conjugate,
    ),
    "le_cam": Generator(
        lambda p, q: (p - q) * ((p - q) / (p + q)) / 2,
        lambda u: 0.5 - 2 / (u + 1) ** 2,
        lambda t: _inside(
            t,
            0.5,
            np.where(t < -1.5, -0.5, 2 - t - 2 * np.sqrt(np.maximum(1 - 2 * t, 0))),
        ),
    ),
}


def alpha_generator(alpha: float) -> Generator:
    """Return f(u) = (u^a - a u - (1 - a)) / (a (a - 1)); KL at 1, reverse KL at 0."""
    if alpha == 1:
        return GENERATORS["kl"]
    if alpha == 0:
        return GENERATORS["reverse_kl"]

    def terms(p: Any, q: Any) -> Any:
        # Powers less 1, of the smaller exponent: the first two orders of f cancel.
        log_u, order, whole = log_ratio(p, q), alpha, q
        if alpha > 0.5:
            order, whole = alpha - 1, p
        inner = whole * np.expm1(order * log_u) - order * (p - q)
        of_no_p = q / alpha if alpha > 0 else np.inf
        of_no_q = p / (1 - alpha) if alpha < 1 else np.inf
        edges = np.where(p == 0, of_no_p, of_no_q)
        inside = inner / (alpha * (alpha - 1))
        return np.maximum(np.where((p > 0) & (q > 0), inside, edges), 0.0)

    def derivative(u: Any) -> Any:
        return np.expm1((alpha - 1) * np.log(u)) / (alpha - 1)

    def conjugate(t: Any) -> Any:
        log_u = np.log1p(np.maximum((alpha - 1) * t, -1.0)) / (alpha - 1)
        value = np.expm1(alpha * log_u) / alpha
        return value if alpha > 1 else _inside(t, 1 / (1 - alpha), value)

    return Generator(terms, derivative, conjugate)


NAMES = (*GENERATORS, "alpha")
