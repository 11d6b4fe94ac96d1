"""The vanilla recurrent network, forward and all gradients."""

from __future__ import annotations

CASES = ("recurrent/rnn-train-*",)


def bench_rnn_backward(benchmark, contest):
    benchmark(contest)
