"""Matrix products of recurrent layers, and weight gradients."""

from __future__ import annotations

CASES = ("nn/matmul-*", "nn/weight-gradient-*")


def bench_gemm(benchmark, contest):
    benchmark(contest)
