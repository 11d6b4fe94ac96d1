"""Softmax cross-entropy with its gradient."""

from __future__ import annotations

CASES = ("nn/cross-entropy-*",)


def bench_cross_entropy(benchmark, contest):
    benchmark(contest)
