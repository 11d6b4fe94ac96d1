"""The LSTM both ways over sequences of unequal length."""

from __future__ import annotations

CASES = ("recurrent/ragged-train-*",)


def bench_lstm_ragged(benchmark, contest):
    benchmark(contest)
