"""The jackknife at 50 digits, and log-weights that are hard for it."""

from __future__ import annotations

from itertools import combinations
from math import comb, factorial
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

mpf = mpmath.mpf


def exact_jackknife(log_w: NDArray[Any], order: int) -> tuple[Any, Any]:
    """The estimate, and the sum of the magnitudes that cancel in its centred form."""
    with mpmath.workdps(50):
        count, largest = len(log_w), mpf(float(log_w.max()))
        w = [mpmath.exp(mpf(float(x)) - largest) for x in log_w]
        whole = mpmath.fsum(w)
        bound, magnitude = mpmath.log(whole / count) + largest, mpf(0)
        for j in range(1, order + 1):
            c = mpf((-1) ** j * (count - j) ** order)
            c /= factorial(j) * factorial(order - j) * comb(count, j)
            for kept in combinations(w, count - j):
                share = mpmath.log(mpmath.fsum(kept) / whole * count / (count - j))
                bound += c * share
                magnitude += abs(c * share)
        return bound, magnitude


def hard_log_weights(count: int, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Dominated by one to four samples, equal, nearly so, or as in practice."""
    rng = np.random.default_rng(seed)
    cases = {
        "spread 3": rng.normal(-1000, 3, count),
        "spread 1": rng.normal(0, 1, count),
        "spread 0.01": rng.normal(0, 0.01, count),
        "equal": np.full(count, -3.3),
        "two values": np.log(np.where(np.arange(count) % 3, 2.0, 0.5)),
        "geometric": -23.0 * np.arange(count),
        "at the threshold": np.log(np.where(np.arange(count) < 16, 1.0, 1e-9)),
    }
    for n in (1, 2, 3, 4):
        for lead in (20, 60, 800):
            x = rng.normal(0, 1, count)
            x[rng.permutation(count)[:n]] += lead
            cases[f"{n} by {lead}"] = x
    return cases
