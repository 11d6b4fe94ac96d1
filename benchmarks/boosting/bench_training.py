"""Whole models of boosted trees."""

from __future__ import annotations

CASES = ("boosting/train-*",)


def bench_training(benchmark, contest):
    benchmark(contest)
