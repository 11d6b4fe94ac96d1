"""A training step of a character model."""

from __future__ import annotations

CASES = ("recurrent/language-model-*",)


def bench_language_model(benchmark, contest):
    benchmark(contest)
