"""LSTM inference."""

from __future__ import annotations

CASES = ("recurrent/lstm-forward-*",)


def bench_lstm_forward(benchmark, contest):
    benchmark(contest)
