"""Training of classifiers of nodes."""

from __future__ import annotations

CASES = ("graph/train-*",)


def bench_training(benchmark, contest):
    benchmark(contest)
