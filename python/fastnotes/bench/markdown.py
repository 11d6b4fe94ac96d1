"""Makes docs/benchmarks.md from recorded results.

``python -m fastnotes.bench.markdown benchmarks/results docs/benchmarks.md``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from fastnotes.bench import format as fmt
from fastnotes.bench.archive import Shelf, shelves
from fastnotes.bench.bars import BARS
from fastnotes.bench.registry import ROOMS
from fastnotes.bench.results import CaseResult, Report, Row

_HEAD = """\
# Benchmarks

<!-- Made by `python -m fastnotes.bench.markdown benchmarks/results docs/benchmarks.md`.
-->

Each task is done by fastnotes and by the libraries one would pick instead, in one
process, with the same number of threads. Every answer is compared before a clock
starts; then all are timed in turns and medians are taken. A ratio is their time over
ours: above 1x, fastnotes is faster. Repeat it with `fastnotes bench`, all or a room or
a case by name; [benchmarks/README.md](../benchmarks/README.md) says how to read and how
to record.
"""

_SUMMARY = """\
## Aims and where they stand

Means are geometric. Where several peers are named, the fastest in each case counts. An
aim is incomplete where a case or its peer has no recorded result.
"""

_READING = """\
## Every case

One line per case, the newest result of its full size, peers from the fastest on. `~`
marks a ratio within 10 %, which noise could have made; **limit** is the share of what
the machine could do at most, from bytes and operations counted by formula; **error** is
ours from the reference, all others' being within the case's bound too. Outputs are
freshly allocated by all contenders, or where the case says *preallocated*, by none.
"""

_COLUMNS = ("case", "fastnotes", "limit", "error", "others: time (over ours)")
_RULE = "| --- | ---: | ---: | ---: | --- |"


def document(reports: Sequence[Report]) -> str:
    """The page: aims, then every case, each machine and setting by itself."""
    by_setting = shelves(reports)
    parts = [_HEAD, _SUMMARY]
    parts += [_aims(shelf) for shelf in by_setting]
    parts.append(_READING)
    for shelf in by_setting:
        parts.append(f"### {shelf.setting}\n")
        known = {case.room for case in shelf.cases}
        parts += [_room(room, shelf) for room in ROOMS if room in known]
        parts.append(_provenance(shelf))
    return "\n".join(parts)


def _aims(shelf: Shelf) -> str:
    findings = [bar.judge({case.id: case for case in shelf.cases}) for bar in BARS]
    lines = [
        f"**{shelf.setting}**, measured {_days(shelf)}:",
        "",
        "| room | task | against | aim | measured | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {f.room} | {f.task} | {f.against} | {f.aim} | {f.figure} | {f.outcome} |"
        for f in findings
    ]
    return "\n".join([*lines, ""])


def _room(room: str, shelf: Shelf) -> str:
    cases = [case for case in shelf.cases if case.room == room]
    lines = [f"#### {room}", ""]
    lines += ["| " + " | ".join(_COLUMNS) + " |", _RULE]
    lines += [_table_row(case) for case in cases]
    lines += ["", *_calls(cases), ""]
    return "\n".join(lines)


def _table_row(case: CaseResult) -> str:
    ours = case.rows[0]
    name = f"`{case.name}`: {case.title}"
    if case.allocation == "preallocated":
        name += ", preallocated"
    if case.disturbed and case.foreign_load is not None:
        name += f" (others took {fmt.share(case.foreign_load)} of the CPU meanwhile)"
    limit = "" if ours.share_of_limit is None else fmt.share(ours.share_of_limit)
    cells = (name, _time(case, ours), limit, fmt.error(ours), _others(case))
    return "| " + " | ".join(cells) + " |"


def _others(case: CaseResult) -> str:
    fastest_first = sorted(case.peers, key=lambda row: case.ratio(row) or float("inf"))
    return ", ".join(f"{row.contender} {_time(case, row)}" for row in fastest_first)


def _time(case: CaseResult, row: Row) -> str:
    notes = [fmt.ratio(case, row)] if case.ratio(row) is not None else []
    if row.score is not None:
        notes.append(f"{case.score_name}: {fmt.score(row)}")
    time = fmt.seconds(row.median_s) if row.timed else fmt.state(row)
    return f"{time} ({'; '.join(notes)})" if notes else time


def _calls(cases: Sequence[CaseResult]) -> Iterator[str]:
    """What each contender calls, once for all cases that share it."""
    names: dict[str, list[str]] = {}
    for case in cases:
        calls = "; ".join(f"{row.contender}: {row.call}" for row in case.rows)
        names.setdefault(calls, []).append(f"`{case.name}`")
    for calls, who in names.items():
        yield f"* {', '.join(who)}: {calls}."


def _provenance(shelf: Shelf) -> str:
    lines = []
    for report in shelf.reports:
        shown = [name for name, (run, _) in shelf.found.items() if run is report]
        versions = ", ".join(f"{k} {v}" for k, v in sorted(report.versions.items()))
        commit = f" ({report.commit[:12]})" if report.commit else ""
        lines.append(
            f"* {report.date[:10]}, fastnotes {report.version}{commit}: "
            f"{len(shown)} cases, beside {versions}."
        )
    return "\n".join(["Runs that these lines come from:", "", *lines, ""])


def _days(shelf: Shelf) -> str:
    days = sorted({report.date[:10] for report in shelf.reports})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: results folder in, page out."""
    parser = argparse.ArgumentParser(prog="python -m fastnotes.bench.markdown")
    parser.add_argument("results", type=Path, help="folder of JSON files")
    parser.add_argument("page", type=Path, help="Markdown file to write")
    options = parser.parse_args(arguments)
    files = sorted(options.results.glob("*.json"))
    if not files:
        parser.error(f"no *.json in {options.results}")
    page = document([Report.read(path) for path in files])
    options.page.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
