"""The vanilla recurrent network, inference."""

from __future__ import annotations

CASES = ("recurrent/rnn-forward-*",)


def bench_rnn_forward(benchmark, contest):
    benchmark(contest)
