"""Bound, weights and effective sample size."""

from __future__ import annotations

CASES = ("evidence/weights-*",)


def bench_importance_weights(benchmark, contest):
    benchmark(contest)
