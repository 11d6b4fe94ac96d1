"""The LSTM with layer normalisation, inference and training."""

from __future__ import annotations

CASES = ("recurrent/normed-*",)


def bench_lstm_normed(benchmark, contest):
    benchmark(contest)
