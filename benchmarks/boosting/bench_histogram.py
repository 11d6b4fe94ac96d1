"""Gradient histograms, all rows and a sparse subset."""

from __future__ import annotations

CASES = ("boosting/histogram-*",)


def bench_histogram(benchmark, contest):
    benchmark(contest)
