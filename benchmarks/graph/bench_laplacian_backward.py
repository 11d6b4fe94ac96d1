"""Gradients through a normalised graph operator."""

from __future__ import annotations

CASES = ("graph/backward-*",)


def bench_laplacian_backward(benchmark, contest):
    benchmark(contest)
