"""The best split of a histogram."""

from __future__ import annotations

CASES = ("boosting/split-*",)


def bench_split(benchmark, contest):
    benchmark(contest)
