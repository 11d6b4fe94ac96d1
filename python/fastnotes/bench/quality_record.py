"""What the commands share that train on real data: figures kept, a page's table."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """One contender on one data set: figures of all fits, seconds of those timed."""

    subject: str
    metric: str
    contender: str
    figures: list[float]
    seconds: list[float]

    @property
    def mean(self) -> float:
        """Mean figure over the fits."""
        return statistics.fmean(self.figures)


def by_subject(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Outcome]]:
    """Return the outcomes of each set by contender."""
    table: dict[str, dict[str, Outcome]] = {}
    for outcome in outcomes:
        table.setdefault(outcome.subject, {})[outcome.contender] = outcome
    return table


def recorded(path: Path) -> list[Outcome]:
    """Outcomes of earlier runs."""
    if not path.exists():
        return []
    return [Outcome(**row) for row in json.loads(path.read_text())]


def record(
    path: Path,
    outcomes: Sequence[Outcome],
    order: Sequence[str],
    replaced: Callable[[Outcome], Hashable],
) -> None:
    """Keep outcomes in place of those of the same ``replaced``, by sets in order."""
    new = {replaced(outcome) for outcome in outcomes}
    kept = [outcome for outcome in recorded(path) if replaced(outcome) not in new]
    rows = sorted([*kept, *outcomes], key=lambda outcome: order.index(outcome.subject))
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def put_between(page: Path, start: str, end: str, made: str, where: str) -> None:
    """Put a text between a page's marks."""
    before, found, rest = page.read_text(encoding="utf-8").partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"[{where}] expected marks in {page}, got none")
    whole = f"{before}{start}\n\n{made}\n{end}{after}"
    page.write_text(whole, encoding="utf-8")
