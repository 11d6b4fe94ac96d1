"""LSTM forward and all gradients."""

from __future__ import annotations

CASES = ("recurrent/lstm-train-*",)


def bench_lstm_backward(benchmark, contest):
    benchmark(contest)
