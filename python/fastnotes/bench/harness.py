"""Runs cases: build, run each once, compare, warm up, time in turns.

No clock starts before the answers agree. Contenders are timed in turns (A B A B), so
that a change in the machine's speed meets all of them alike, and whatever other
processes took meanwhile is written beside the result.
"""

from __future__ import annotations

import functools
import gc
import importlib.metadata
import importlib.util
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fastnotes.bench.case import Case, Contender, Inputs, NotComparableError, Run
from fastnotes.bench.machine import Limits
from fastnotes.bench.results import CaseResult, Row
from fastnotes.bench.watch import ForeignLoad, PeakMemory, wait_until_idle

WARM_UP_BELOW_S = 0.2
"""Calls shorter than this are made a few times, untimed, before each sample."""

DISTURBED = 0.05
"""Share of CPU taken by others from which on a result is flagged."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Settings:
    """How long and how often to measure.

    Parameters
    ----------
    n_threads : int
        Threads for ours and for every peer.
    quick : bool
        Use the cases' quick inputs.
    repeats : int or None
        Samples of each contender. None: at least `min_repeats`, then more until
        `case_budget_s` is spent or `max_repeats` is reached.
    min_sample_s : float
        A sample repeats the call until it lasts about this long.
    """

    n_threads: int
    quick: bool = False
    repeats: int | None = None
    min_repeats: int = 5
    max_repeats: int = 31
    case_budget_s: float = 4.0
    min_sample_s: float = 2e-3

    def goes_on(self, done: int, spent_s: float) -> bool:
        """Whether another round is due after `done` rounds."""
        if self.repeats is not None:
            return done < self.repeats
        if done < self.min_repeats:
            return True
        return done < self.max_repeats and spent_s < self.case_budget_s


class Observer(Protocol):
    """Is told what the harness does; `fraction` is the finished part of a case."""

    def phase(self, case: Case, phase: str, fraction: float) -> None:
        """Report that a phase begins, or that its fraction has grown."""

    def finished(self, result: CaseResult) -> None:
        """Report that a case is done."""


class Silent:
    """The observer that says nothing."""

    def phase(self, case: Case, phase: str, fraction: float) -> None:
        """Say nothing."""

    def finished(self, result: CaseResult) -> None:
        """Say nothing."""


@dataclass
class _Entrant:
    """A contender that agreed and may be timed."""

    contender: Contender
    row: Row
    run: Run
    latest_s: float = 0.0


def run_cases(
    cases: Iterable[Case],
    settings: Settings,
    *,
    limits: Limits | None = None,
    observer: Observer | None = None,
    into: list[CaseResult],
    have_data: Callable[[Case], bool] = lambda case: True,
) -> None:
    """Run `cases` in order, appending each result to `into` as soon as it is complete.

    An interrupt leaves in `into` whatever was finished before it.
    """
    watcher = observer or Silent()
    for case in cases:
        if have_data(case):
            result = run_case(case, settings, limits=limits, observer=watcher)
        else:
            result = _empty_result(case, settings)
            result.skipped = "needs --data"
        into.append(result)
        watcher.finished(result)


def run_case(
    case: Case,
    settings: Settings,
    *,
    limits: Limits | None = None,
    observer: Observer | None = None,
) -> CaseResult:
    """Run one case through all its phases."""
    watcher = observer or Silent()
    result = _empty_result(case, settings)
    result.rows = [_row(contender) for contender in case.contenders]

    watcher.phase(case, "build", 0.0)
    try:
        inputs = case.build(**result.parameters)
        reference = case.reference(inputs) if case.reference is not None else None
    except Exception as failure:
        result.rows[0].status = "failed"
        result.rows[0].reason = f"inputs: {_describe(failure)}"
        return result

    watcher.phase(case, "compare", 0.1)
    entrants = _compare(case, inputs, reference, result.rows, settings.n_threads)
    if entrants and entrants[0].row is result.rows[0]:
        watcher.phase(case, "warm up", 0.3)
        for entrant in entrants:
            _attempt(entrant, lambda each: _calls_per_sample(each, settings))
        _time_in_turns(case, entrants, settings, result, watcher)
        if case.work is not None and limits is not None:
            floor = limits.seconds(case.work(inputs))
            for entrant in filter(_still_in, entrants):
                entrant.row.share_of_limit = floor / entrant.row.median_s
    return result


def agree(
    case: Case, inputs: Inputs, answer: Any, reference: Any
) -> tuple[float | None, str]:
    """Hold an answer against the reference: the error if finite, and what is wrong."""
    try:
        error = float(case.error(inputs, answer, reference))
    except Exception as failure:
        return None, f"answers cannot be compared: {_describe(failure)}"
    if not math.isfinite(error):
        return None, f"{case.error_name} is {error}, the bound is {case.bound:g}"
    if error > case.bound:
        return error, f"{case.error_name} {error:.3g} exceeds {case.bound:g}"
    return error, ""


def _empty_result(case: Case, settings: Settings) -> CaseResult:
    return CaseResult(
        room=case.room,
        name=case.name,
        title=case.title,
        parameters=dict(case.parameters(settings.quick)),
        allocation=case.allocation,
        bound=case.bound,
        error_name=case.error_name,
        score_name=case.score.name if case.score else None,
    )


def _row(contender: Contender) -> Row:
    row = Row(contender.name, contender.call, contender.package)
    if contender.package is not None:
        if importlib.util.find_spec(contender.package) is None:
            row.status = "not installed"
        else:
            row.version = package_version(contender.package)
    return row


def package_version(package: str) -> str | None:
    """Version of the distribution that provides an import name; None if unknown."""
    try:
        return importlib.metadata.version(_owners().get(package, [package])[0])
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def _owners() -> Mapping[str, list[str]]:
    """Distributions by import name; the files of all of them are read for that."""
    return importlib.metadata.packages_distributions()


def _compare(
    case: Case, inputs: Inputs, reference: Any, rows: list[Row], n_threads: int
) -> list[_Entrant]:
    """Run each contender once and keep those that agree with the reference, or ours."""
    entrants = []
    for contender, row in zip(case.contenders, rows, strict=True):
        if row.status != "ok":
            continue
        try:
            run, answer = _first_run(contender, inputs, n_threads, row)
        except NotComparableError as why:
            row.status, row.reason = "not comparable", str(why)
            continue
        except Exception as failure:
            row.status, row.reason = "failed", _describe(failure)
            if row is rows[0]:
                return []
            continue
        if reference is None:
            reference = answer
        row.error, wrong = agree(case, inputs, answer, reference)
        if wrong:
            row.status, row.reason = "wrong", wrong
            continue
        try:
            row.score = _score(case, inputs, answer)
        except Exception as failure:
            row.status, row.reason = "failed", _describe(failure)
            continue
        entrants.append(_Entrant(contender, row, run))
    return entrants


def _score(case: Case, inputs: Inputs, answer: Any) -> float | None:
    if case.score is None:
        return None
    score = float(case.score.of(inputs, answer))
    if not math.isfinite(score):
        raise ValueError(f"{case.score.name} is {score}")
    return score


def _still_in(entrant: _Entrant) -> bool:
    return entrant.row.status == "ok"


def _attempt(entrant: _Entrant, step: Callable[[_Entrant], object]) -> None:
    """Take a step; a failure is the contender's own and stops nobody else."""
    if not _still_in(entrant):
        return
    try:
        step(entrant)
    except Exception as failure:
        row = entrant.row
        row.status, row.reason = "failed", _describe(failure)
        row.seconds.clear()


def _first_run(
    contender: Contender, inputs: Inputs, n_threads: int, row: Row
) -> tuple[Run, Any]:
    run = contender.prepare(inputs, n_threads)
    gc.collect()
    memory = PeakMemory()
    memory.start()
    raw = run()
    row.peak_bytes = memory.stop()
    return run, contender.answer(raw)


def _calls_per_sample(entrant: _Entrant, settings: Settings) -> None:
    """Set how many calls fill a sample, from a warm call's time."""
    _warm_up(entrant)
    calls, elapsed = 1, entrant.latest_s
    while elapsed < settings.min_sample_s / 2:
        calls *= 4
        elapsed = _sample(entrant.run, calls)
    wait_until_idle()
    wanted = math.ceil(calls * settings.min_sample_s / elapsed)
    entrant.row.calls_per_sample = max(1, wanted)


def _time_in_turns(
    case: Case,
    entrants: list[_Entrant],
    settings: Settings,
    result: CaseResult,
    watcher: Observer,
) -> None:
    load = ForeignLoad()
    gc.collect()
    gc.disable()
    try:
        load.start()
        start = time.perf_counter()
        done = 0
        while settings.goes_on(done, time.perf_counter() - start):
            for entrant in entrants:
                _attempt(entrant, _take_turn)
            done += 1
            watcher.phase(case, "time", _fraction(done, start, settings))
        result.foreign_load = load.stop()
    finally:
        gc.enable()
    foreign = result.foreign_load
    result.disturbed = foreign is not None and foreign > DISTURBED


def _take_turn(entrant: _Entrant) -> None:
    """One sample, after untimed calls that wake threads and fill caches again."""
    row = entrant.row
    if entrant.latest_s < WARM_UP_BELOW_S:
        _warm_up(entrant)
    elapsed = _sample(entrant.run, row.calls_per_sample)
    row.seconds.append(elapsed / row.calls_per_sample)
    wait_until_idle()


def _warm_up(entrant: _Entrant) -> None:
    """Call until threads run side by side again; the last call's time is kept.

    After a pause the first two calls may wait milliseconds for a core that a virtual
    machine had given away.
    """
    for _ in range(WARM_UP_CALLS):
        entrant.latest_s = _sample(entrant.run, 1)
        if entrant.latest_s >= WARM_UP_BELOW_S:
            return


def _sample(run: Run, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return time.perf_counter() - start


def _fraction(done: int, start: float, settings: Settings) -> float:
    if settings.repeats is not None:
        part = done / settings.repeats
    else:
        spent = time.perf_counter() - start
        part = max(done / settings.max_repeats, spent / settings.case_budget_s)
        part = min(part, done / settings.min_repeats)
    return 0.4 + 0.6 * min(1.0, part)


def _describe(failure: BaseException) -> str:
    text = " ".join(str(failure).split())
    kind = type(failure).__name__
    return f"{kind}: {text[:200]}" if text else kind


WARM_UP_CALLS = 3
"""Untimed calls before a sample of a short call."""
