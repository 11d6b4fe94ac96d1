"""Lists of edges to compressed sparse rows."""

from __future__ import annotations

CASES = ("graph/edges-*",)


def bench_from_edges(benchmark, contest):
    benchmark(contest)
