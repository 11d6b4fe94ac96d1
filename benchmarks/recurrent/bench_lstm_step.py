"""One streaming LSTM step."""

from __future__ import annotations

CASES = ("recurrent/lstm-step-*",)


def bench_lstm_step(benchmark, contest):
    benchmark(contest)
