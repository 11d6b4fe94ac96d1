"""Jackknife estimates and their gradient."""

from __future__ import annotations

CASES = ("evidence/jackknife-*",)


def bench_jackknife(benchmark, contest):
    benchmark(contest)
