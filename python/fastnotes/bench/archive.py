"""Recorded runs together: the newest result of each case on each machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastnotes.bench.registry import find_cases
from fastnotes.bench.results import CaseResult, Report


@dataclass(frozen=True)
class Setting:
    """What two results must share to stand in one table."""

    processor: str
    cpus: int | None
    cache: str | None  # of one core, L2: tells generations of one name apart
    threads: int
    level: str

    @classmethod
    def of(cls, report: Report) -> Setting:
        """Return the setting of a run."""
        machine = report.machine
        cache = machine.get("caches", {}).get("L2")
        return cls(
            machine["processor"],
            machine.get("cpus"),
            cache,
            report.threads,
            report.level,
        )

    def __str__(self) -> str:
        cpus = f" ({self.cpus} CPUs)" if self.cpus else ""
        cache = f", L2 {self.cache}" if self.cache else ""
        return (
            f"{self.processor}{cpus}{cache}, {self.threads} threads, level {self.level}"
        )


@dataclass
class Shelf:
    """The results of one setting that count, in the order of the registered cases."""

    setting: Setting
    found: dict[str, tuple[Report, CaseResult]] = field(default_factory=dict)

    @property
    def cases(self) -> list[CaseResult]:
        """The results alone."""
        return [case for _, case in self.found.values()]

    @property
    def reports(self) -> list[Report]:
        """Runs that a result is shown of, newest first."""
        used = {id(report): report for report, _ in self.found.values()}
        return _newest_first(used.values())


def shelves(reports: Iterable[Report]) -> list[Shelf]:
    """Sort results by setting, the one measured last first.

    Of a case's results the newest counts. Where it was ever run at its full size, the
    ones of its smaller, quick inputs do not.
    """
    by_setting: dict[Setting, list[Report]] = {}
    for report in _newest_first(reports):
        by_setting.setdefault(Setting.of(report), []).append(report)
    return [_shelve(setting, runs) for setting, runs in by_setting.items()]


def _shelve(setting: Setting, newest_first: Sequence[Report]) -> Shelf:
    full_size = {
        case.id: case.parameters
        for report in reversed(newest_first)
        if not report.quick
        for case in report.cases
    }
    shelf = Shelf(setting)
    for report in newest_first:
        for case in report.cases:
            at_size = case.parameters == full_size.get(case.id, case.parameters)
            if at_size and not case.skipped:
                shelf.found.setdefault(case.id, (report, case))
    house_order = {case.id: place for place, case in enumerate(find_cases())}
    last = len(house_order)
    places = sorted(shelf.found, key=lambda name: house_order.get(name, last))
    shelf.found = {name: shelf.found[name] for name in places}
    return shelf


def superseded(folder: Path) -> list[Path]:
    """Return the files of which no result counts any more."""
    runs = {path: Report.read(path) for path in sorted(folder.glob("*.json"))}
    used = {id(run) for shelf in shelves(runs.values()) for run in shelf.reports}
    return [path for path, run in runs.items() if id(run) not in used]


def _newest_first(reports: Iterable[Report]) -> list[Report]:
    return sorted(reports, key=lambda report: report.date, reverse=True)
