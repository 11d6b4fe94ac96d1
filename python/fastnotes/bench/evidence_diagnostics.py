"""Cases of the evidence room: the jackknife, Pareto smoothed importance sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.bench import peers
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run, Work

SUBTRACTED_BOUND = 1e-9
"""For NumPy's sums less the weights left out, which cancel where one dominates."""
FIT_BOUND = 1e-10
"""For two fits of the same tail."""


def normal_log_weights(
    n_samples: int, n_columns: int, order: int = 0, spread: float = 1.0
) -> Inputs:
    """Normal log-weights around -100, float64, as (samples, columns)."""
    rng = np.random.default_rng(0)
    log_w = spread * rng.standard_normal((n_samples, n_columns)) - 100
    return {"log_w": log_w, "order": order}


def _our_jackknife(gradient: bool) -> Any:
    def prepare(inputs: Inputs, n_threads: int) -> Run:
        from fastnotes import evidence

        log_w, order = inputs["log_w"], inputs["order"]
        return lambda: evidence.jackknife_bound(
            log_w, order, return_gradient=gradient, n_threads=n_threads
        )

    return prepare


class _Subtracting:
    """The jackknife as one writes it in NumPy: exp once, sums less what is left out.

    Subsets are visited a row of pairs at a time, which stays in the cache.
    """

    def __init__(self, log_w: NDArray[np.float64]) -> None:
        self.count = len(log_w)
        self.largest = log_w.max(axis=0)
        self.w = np.exp(log_w - self.largest)
        self.sum = self.w.sum(axis=0)

    def value(self, order: int) -> Any:
        n, c = self.count, _coefficients(self.count, order)
        total = c[0] * np.log(self.sum / n)
        total += c[1] * np.log((self.sum - self.w) / (n - 1)).mean(axis=0)
        if order > 1:
            pairs = sum(np.log(left).sum(axis=0) for left in self._pairs())
            total += c[2] * (pairs / (n * (n - 1) / 2) - np.log(n - 2))
        if order > 2:
            triples = sum(np.log(left).sum(axis=0) for left in self._triples())
            total += c[3] * (triples / (n * (n - 1) * (n - 2) / 6) - np.log(n - 3))
        return self.largest + total

    def gradient(self) -> Any:
        """Of order 2."""
        n, c = self.count, _coefficients(self.count, 2)
        single = 1 / (self.sum - self.w)
        factor = c[0] / self.sum + c[1] / n * (single.sum(axis=0) - single)
        with_each = np.empty_like(self.w)
        for i in range(n):
            left = 1 / (self.sum - self.w[i] - self.w)
            with_each[i] = left.sum(axis=0) - left[i]
        pairs = with_each.sum(axis=0) / 2 - with_each
        return self.w * (factor + c[2] / (n * (n - 1) / 2) * pairs)

    def _pairs(self) -> Any:
        for i in range(self.count - 1):
            yield self.sum - self.w[i] - self.w[i + 1 :]

    def _triples(self) -> Any:
        for i in range(self.count - 2):
            left = self.sum - self.w[i]
            for j in range(i + 1, self.count - 1):
                yield left - self.w[j] - self.w[j + 1 :]


def _coefficients(n: int, order: int) -> Any:
    from fastnotes.evidence import jackknife_coefficients

    return jackknife_coefficients(n, order)


def _numpy_jackknife(inputs: Inputs, n_threads: int) -> Run:
    log_w, order = inputs["log_w"], inputs["order"]
    return lambda: _Subtracting(log_w).value(order)


def _numpy_gradient(inputs: Inputs, n_threads: int) -> Run:
    log_w = inputs["log_w"]

    def run() -> Any:
        jackknife = _Subtracting(log_w)
        return jackknife.value(2), jackknife.gradient()

    return run


def _our_psis(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes import evidence

    log_w = inputs["log_w"]
    return lambda: evidence.psis(log_w, n_threads=n_threads)


def _arviz_psis(inputs: Inputs, n_threads: int) -> Run:
    arviz = peers.load("arviz_stats.base").array_stats
    log_lik = -inputs["log_w"]
    return lambda: arviz.psislw(log_lik, axis=0)


_VALUE = (
    Contender(OURS, "evidence.jackknife_bound", _our_jackknife(False)),
    Contender("numpy", "exp once, sums less subsets", _numpy_jackknife, "numpy"),
)
_GRADIENT = (
    Contender(OURS, "evidence.jackknife_bound, with gradient", _our_jackknife(True)),
    Contender("numpy", "exp once, sums less subsets", _numpy_gradient, "numpy"),
)
_PSIS = (
    Contender(OURS, "evidence.psis", _our_psis, answer=lambda raw: raw[:2]),
    Contender(
        "arviz",
        "arviz_stats psislw",
        _arviz_psis,
        "arviz_stats",
        answer=lambda raw: (raw[0].T, raw[1]),
    ),
)


def _jackknife_case(order: int, *, gradient: bool = False) -> Case:
    size = {"n_samples": 64, "n_columns": 1000, "order": order}
    what = "estimate and gradient" if gradient else "estimate"
    return Case(
        room="evidence",
        name=f"jackknife-{'gradient-' if gradient else ''}{order}",
        title=f"jackknife {what} of order {order}, 64 x 1000 float64",
        build=normal_log_weights,
        contenders=_GRADIENT if gradient else _VALUE,
        bound=SUBTRACTED_BOUND,
        full=size,
        quick={**size, "n_columns": 100} if order < 3 else None,
    )


def _psis_case(n_samples: int, n_columns: int) -> Case:
    return Case(
        room="evidence",
        name=f"psis-{n_samples}x{n_columns}",
        title=f"Pareto smoothing, {n_samples:,} x {n_columns:,} float64",
        build=normal_log_weights,
        contenders=_PSIS,
        bound=FIT_BOUND,
        full={"n_samples": n_samples, "n_columns": n_columns},
        quick={"n_samples": n_samples, "n_columns": 50},
        work=lambda inputs: Work(n_bytes=2 * inputs["log_w"].nbytes),
    )


CASES = (
    _jackknife_case(1),
    _jackknife_case(2),
    _jackknife_case(3),
    _jackknife_case(2, gradient=True),
    _psis_case(1000, 10_000),
    _psis_case(4000, 1000),
)
