"""Elementary functions."""

from __future__ import annotations

CASES = ("nn/exp", "nn/tanh")


def bench_elementwise(benchmark, contest):
    benchmark(contest)
