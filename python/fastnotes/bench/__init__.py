"""Benchmark cases and the harness behind ``fastnotes bench``.

A case names a task, its inputs, and who does it; the harness compares the answers, then
times them in turns. See docs/benchmarks.md for results and how to read them.
"""

from __future__ import annotations

from fastnotes.bench.case import (
    Case,
    Contender,
    NotComparableError,
    Score,
    Work,
    max_error,
)
from fastnotes.bench.harness import Settings, run_case, run_cases
from fastnotes.bench.registry import UnknownCaseError, find_cases, rooms
from fastnotes.bench.results import CaseResult, Report, Row

__all__ = [
    "Case",
    "CaseResult",
    "Contender",
    "NotComparableError",
    "Report",
    "Row",
    "Score",
    "Settings",
    "UnknownCaseError",
    "Work",
    "find_cases",
    "max_error",
    "rooms",
    "run_case",
    "run_cases",
]
