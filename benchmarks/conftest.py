"""The cases of `fastnotes bench` under pytest-benchmark, one row per contender.

A bench file names its cases in ``CASES`` and takes the fixture ``contest``: a function
of no arguments whose answer has been compared before it is handed out.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable
from typing import Any

import pytest

from fastnotes._threads import resolve_n_threads
from fastnotes.bench import Case, Contender, NotComparableError, find_cases
from fastnotes.bench.harness import agree
from fastnotes.bench.watch import wait_until_idle


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fastnotes")
    group.addoption(
        "--full", action="store_true", help="full inputs, not the quick ones"
    )
    group.addoption("--n-threads", type=int, help="threads for ours and every peer")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "contest" not in metafunc.fixturenames:
        return
    full = metafunc.config.getoption("full")
    cases = find_cases(metafunc.module.CASES)
    pairs = [
        pytest.param((case, contender), id=f"{case.name}-{contender.name}")
        for case in cases
        for contender in case.contenders
        if full or case.quick is not None
    ]
    metafunc.parametrize("contest", pairs, indirect=True)


@functools.lru_cache(maxsize=1)
def _inputs_and_reference(name: str, full: bool, n_threads: int) -> tuple[Any, Any]:
    [case] = find_cases([name])
    inputs = case.build(**case.parameters(quick=not full))
    if case.reference is not None:
        return inputs, case.reference(inputs)
    ours = case.contenders[0]
    return inputs, ours.answer(ours.prepare(inputs, n_threads)())


@pytest.fixture
def contest(request: pytest.FixtureRequest, benchmark: Any) -> Callable[[], Any]:
    """Prepare a contender, check its answer, and name it in the results."""
    case: Case
    contender: Contender
    case, contender = request.param
    package = contender.package
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f"{contender.name} is not installed")
    if case.needs_data and not os.environ.get("FASTNOTES_DATA"):
        pytest.skip("needs FASTNOTES_DATA")
    n_threads = resolve_n_threads(request.config.getoption("n_threads"), "benchmarks")
    full = request.config.getoption("full")
    inputs, reference = _inputs_and_reference(case.id, full, n_threads)
    try:
        run = contender.prepare(inputs, n_threads)
        answer = contender.answer(run())
    except NotComparableError as why:
        pytest.skip(str(why))
    error, wrong = agree(case, inputs, answer, reference)
    if wrong:
        pytest.fail(wrong)
    benchmark.group = case.id
    benchmark.extra_info.update(
        case=case.id, contender=contender.name, call=contender.call, error=error
    )
    wait_until_idle()
    return run
