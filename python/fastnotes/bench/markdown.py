"""Makes docs/benchmarks.md from recorded results.

``python -m fastnotes.bench.markdown benchmarks/results docs/benchmarks.md``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fastnotes.bench import format as fmt
from fastnotes.bench.report import conditions
from fastnotes.bench.results import CaseResult, Report, Row

_HEAD = """\
# Benchmarks

<!-- Made by `python -m fastnotes.bench.markdown benchmarks/results docs/benchmarks.md`.
-->

Each task is done by fastnotes and by the libraries one would pick instead, in one
process, with the same number of threads. Every answer is compared before a clock
starts; then all are timed in turns and medians are taken. **Ratio** is their time over
ours: above 1, fastnotes is faster; `~` marks what noise could have decided (within 10
%). **Limit** is the share of what the machine could do at most, from bytes and
operations counted by formula. **Error** is the difference from the reference; where a
score stands beside it, the table's head says which. Outputs are freshly allocated by
all, or by none, as each table row says.

Repeat it: `fastnotes bench`, or a room or a case by name; see
[benchmarks/README.md](../benchmarks/README.md).
"""

_COLUMNS = ("case", "who", "median", "ratio", "limit", "error", "outputs")
_RULE = "| --- | --- | ---: | ---: | ---: | ---: | --- |"


def document(reports: Sequence[Report]) -> str:
    """The page for these runs, newest first within each room."""
    newest_first = sorted(reports, key=lambda report: report.date, reverse=True)
    rooms = list(dict.fromkeys(case.room for r in newest_first for case in r.cases))
    parts = [_HEAD]
    for room in rooms:
        parts.append(f"## {room}\n")
        for report in newest_first:
            cases = [c for c in report.cases if c.room == room and not c.skipped]
            if cases:
                parts.append(_section(report, cases))
    return "\n".join(parts)


def _section(report: Report, cases: Sequence[CaseResult]) -> str:
    lines = [f"{conditions(report)}.", ""]
    lines += ["| " + " | ".join(_COLUMNS) + " |", _RULE]
    for case in cases:
        lines += [_table_row(case, row) for row in case.rows]
    lines += [
        "",
        *(f"* `{case.name}`: {_about(case)}" for case in cases),
        "",
    ]
    versions = ", ".join(f"{k} {v}" for k, v in sorted(report.versions.items()))
    return "\n".join([*lines, f"Versions: {versions}.", ""])


def _table_row(case: CaseResult, row: Row) -> str:
    first = row is case.ours
    error = fmt.error(row)
    if row.score is not None:
        error += f" ({case.score_name}: {fmt.score(row)})"
    time = fmt.seconds(row.median_s) if row.timed else fmt.state(row)
    limit = "" if row.share_of_limit is None else fmt.share(row.share_of_limit)
    cells = (
        f"`{case.name}`" if first else "",
        f"**{row.contender}**" if first else row.contender,
        time,
        fmt.ratio(case, row),
        limit,
        error,
        case.allocation if first else "",
    )
    return "| " + " | ".join(cells) + " |"


def _about(case: CaseResult) -> str:
    calls = "; ".join(f"{row.contender}: {row.call}" for row in case.rows)
    text = f"{case.title}. {calls}."
    if case.disturbed and case.foreign_load is not None:
        text += f" Others took {fmt.share(case.foreign_load)} of the CPU meanwhile."
    return text


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
