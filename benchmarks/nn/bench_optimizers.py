"""Steps of gradient descent."""

from __future__ import annotations

CASES = ("nn/adam-*",)


def bench_optimizers(benchmark, contest):
    benchmark(contest)
