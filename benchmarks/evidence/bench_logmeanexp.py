"""The K-sample bound from log-weights."""

from __future__ import annotations

CASES = ("evidence/bound-*",)


def bench_logmeanexp(benchmark, contest):
    benchmark(contest)
