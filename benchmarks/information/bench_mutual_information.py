"""Mutual information from samples."""

from __future__ import annotations

CASES = ("information/*",)


def bench_mutual_information(benchmark, contest):
    benchmark(contest)
