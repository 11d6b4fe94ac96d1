"""Chebyshev filters and their gradients."""

from __future__ import annotations

CASES = ("graph/chebyshev-*",)


def bench_chebyshev(benchmark, contest):
    benchmark(contest)
