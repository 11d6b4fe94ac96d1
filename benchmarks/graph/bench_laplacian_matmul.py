"""Products with a normalised graph operator."""

from __future__ import annotations

CASES = ("graph/matmul-*",)


def bench_laplacian_matmul(benchmark, contest):
    benchmark(contest)
