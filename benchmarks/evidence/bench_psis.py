"""Pareto smoothed importance sampling."""

from __future__ import annotations

CASES = ("evidence/psis-*",)


def bench_psis(benchmark, contest):
    benchmark(contest)
