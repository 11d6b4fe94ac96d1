"""Benchmark cases made of arithmetic, to test the harness without kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnotes.bench import Case, CaseResult, Contender, Report, Row


def contender(
    name: str,
    answer: Callable[[np.ndarray], Any] = np.sort,
    *,
    log: list[str] | None = None,
    **options: Any,
) -> Contender:
    """Answer by `answer(inputs["x"])`; write the name into `log` at each call."""

    def prepare(inputs: Any, n_threads: int) -> Callable[[], Any]:
        def run() -> Any:
            if log is not None:
                log.append(name)
            return answer(inputs["x"])

        return run

    return Contender(name, f"{name}'s sort", prepare, **options)


def case(*contenders: Contender, **options: Any) -> Case:
    """Sort some numbers."""
    options.setdefault("room", "boosting")
    options.setdefault("name", "sort")
    options.setdefault("bound", 1e-6)
    return Case(
        title="sort numbers",
        build=lambda n=100: {"x": np.random.default_rng(0).random(n)},
        contenders=contenders or (contender("fastnotes"),),
        **options,
    )


def result(name: str, ours: float, **peers: float) -> CaseResult:
    """A finished case with five equal samples for each contender."""
    rows = [
        Row(who, f"{who}'s call", version="1.0", error=1e-7, seconds=[seconds] * 5)
        for who, seconds in {"fastnotes": ours, **peers}.items()
    ]
    room, _, short = name.partition("/")
    return CaseResult(
        room, short, f"title of {short}", {}, "fresh", 1e-5, "max error", rows=rows
    )


def report(*cases: CaseResult) -> Report:
    """A run on a machine that is written out here."""
    return Report(
        date="2026-01-02T03:04:05+00:00",
        version="1.2.3",
        commit="0123456789abcdef",
        level="v3",
        threads=2,
        quick=True,
        machine={"processor": "Abacus 9000"},
        versions={"numpy": "2.0"},
        cases=list(cases),
    )
