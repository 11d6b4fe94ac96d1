"""Cuts and bin codes of a table."""

from __future__ import annotations

CASES = ("boosting/bin-*",)


def bench_binning(benchmark, contest):
    benchmark(contest)
