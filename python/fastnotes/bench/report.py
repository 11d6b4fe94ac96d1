"""The table at the end of a run: rich on a terminal, plain text anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TextIO

from fastnotes.bench import format as fmt
from fastnotes.bench.results import CaseResult, Report, Row

COLUMNS = ("case", "who", "median", "spread", "ratio", "limit", "memory", "error")
_RIGHT = {"median", "spread", "ratio", "limit", "memory", "error"}

LEGEND = (
    "ratio: their median over ours, ~ too close to call; limit: share of what the\n"
    "machine can do at most; spread: quartile distance over median; memory: growth at\n"
    "its highest; error: against the reference, checked before timing"
)


def write(report: Report, stream: TextIO) -> None:
    """Write the table, its notes and its legend to `stream`."""
    if stream.isatty() and _has_rich():
        _write_rich(report, stream)
    else:
        stream.write(plain(report))


def plain(report: Report) -> str:
    """The same as text without colour, for files and pipes."""
    rows = [COLUMNS, *(_cells(case, row) for case, row in _walk(report))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = [_line(COLUMNS, widths), "  ".join("-" * width for width in widths)]
    previous = None
    for case, row in _walk(report):
        if previous is not None and case is not previous:
            lines.append("")
        previous = case
        lines.append(_line(_cells(case, row), widths))
    return "\n".join([*lines, "", *notes(report), LEGEND, conditions(report), ""])


def conditions(report: Report) -> str:
    """One line: machine, threads, level, version, date."""
    commit = f" ({report.commit[:12]})" if report.commit else ""
    return (
        f"{report.machine['processor']}, {report.threads} threads, "
        f"level {report.level}, fastnotes {report.version}{commit}, {report.date[:10]}"
    )


def notes(report: Report) -> list[str]:
    """Everything a reader must know beside the figures."""
    found = []
    for case in report.cases:
        scores = [row for row in case.rows if row.score is not None]
        if scores:
            values = ", ".join(f"{row.contender} {fmt.score(row)}" for row in scores)
            found.append(f"{case.id}: {case.score_name}: {values}")
        if case.skipped:
            found.append(f"{case.id}: not run, {case.skipped}")
        if case.disturbed and case.foreign_load is not None:
            load = fmt.share(case.foreign_load)
            found.append(f"{case.id}: others took {load} of the CPU while it was timed")
        found.extend(
            f"{case.id}: {row.contender} {fmt.state(row)}: {row.reason}"
            for row in case.rows
            if row.reason
        )
    if report.interrupted:
        found.append("interrupted: only the finished cases are shown")
    return found


def _walk(report: Report) -> Iterator[tuple[CaseResult, Row]]:
    for case in report.cases:
        for row in case.rows:
            yield case, row


def _cells(case: CaseResult, row: Row) -> tuple[str, ...]:
    name = case.id if row is case.ours else ""
    error = fmt.error(row)
    if not row.timed:
        return (name, row.contender, fmt.state(row), "", "", "", "", error)
    return (
        name,
        row.contender,
        fmt.seconds(row.median_s),
        fmt.share(row.spread),
        fmt.ratio(case, row),
        "" if row.share_of_limit is None else fmt.share(row.share_of_limit),
        "" if row.peak_bytes is None else fmt.size(row.peak_bytes),
        error,
    )


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = [
        cell.rjust(width) if name in _RIGHT else cell.ljust(width)
        for name, cell, width in zip(COLUMNS, cells, widths, strict=True)
    ]
    return "  ".join(padded).rstrip()


def _has_rich() -> bool:
    try:
        import rich  # noqa: F401
    except ImportError:
        return False
    return True


_STYLES = {"faster": "green", "slower": "red", "undecided": "dim"}


def _write_rich(report: Report, stream: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table: Any = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in COLUMNS:
        table.add_column(
            name, justify="right" if name in _RIGHT else "left", no_wrap=name == "case"
        )
    for case in report.cases:
        for row in case.rows:
            cells = [escape(cell) for cell in _cells(case, row)]
            if row is case.ours:
                cells[0] = f"[bold]{cells[0]}[/]"
            if style := _STYLES.get(case.verdict(row) or ""):
                cells[4] = f"[{style}]{cells[4]}[/]"
            if row.status in ("wrong", "failed"):
                cells[2] = f"[bold red]{cells[2]}[/]"
            elif not row.timed:
                cells[2] = f"[dim]{cells[2]}[/]"
            table.add_row(*cells, end_section=row is case.rows[-1])
    console: Any = Console(file=stream)
    console.print(table)
    for note in notes(report):
        console.print(escape(note), style="yellow")
    console.print(LEGEND, style="dim")
    console.print(escape(conditions(report)), style="dim")
