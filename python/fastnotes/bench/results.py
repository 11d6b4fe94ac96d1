"""Results of a run, and their JSON form."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

SCHEMA_VERSION = 1

UNDECIDED = 1.1
"""Ratios between 1 / UNDECIDED and UNDECIDED are noise on a shared machine."""

Status = Literal["ok", "wrong", "not installed", "not comparable", "failed"]
Verdict = Literal["faster", "slower", "undecided"]


@dataclass
class Row:
    """One contender's part in a case.

    `seconds` holds every timed sample, in the order taken, each per call.
    """

    contender: str
    call: str
    package: str | None = None
    version: str | None = None
    status: Status = "ok"
    reason: str = ""
    error: float | None = None
    score: float | None = None
    calls_per_sample: int = 1
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int | None = None
    share_of_limit: float | None = None

    @property
    def timed(self) -> bool:
        """Whether this row has times that count."""
        return self.status == "ok" and bool(self.seconds)

    @property
    def median_s(self) -> float:
        """Median of the samples, seconds per call."""
        return statistics.median(self.seconds)

    @property
    def min_s(self) -> float:
        """Fastest sample, seconds per call."""
        return min(self.seconds)

    @property
    def spread(self) -> float:
        """Distance between the quartiles over the median; 0 for a single sample."""
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / self.median_s


@dataclass
class CaseResult:
    """All rows of a case, ours first, and the conditions they were taken under."""

    room: str
    name: str
    title: str
    parameters: dict[str, Any]
    allocation: str
    bound: float
    error_name: str
    score_name: str | None = None
    rows: list[Row] = field(default_factory=list)
    foreign_load: float | None = None
    disturbed: bool = False
    skipped: str = ""

    @property
    def id(self) -> str:
        """``room/name``."""
        return f"{self.room}/{self.name}"

    @property
    def ours(self) -> Row | None:
        """Our row; None for a skipped case."""
        return self.rows[0] if self.rows else None

    @property
    def peers(self) -> list[Row]:
        """Every other row."""
        return self.rows[1:]

    @property
    def sound(self) -> bool:
        """Whether ours ran, and every answer agreed."""
        if self.skipped:
            return True
        ours = self.ours
        return (
            ours is not None
            and ours.status == "ok"
            and all(row.status != "wrong" for row in self.peers)
        )

    def ratio(self, row: Row) -> float | None:
        """Their median over ours, above 1 where ours is faster; None without times."""
        ours = self.ours
        if ours is None or row is ours or not ours.timed or not row.timed:
            return None
        return row.median_s / ours.median_s

    def verdict(self, row: Row) -> Verdict | None:
        """What the ratio says, and "undecided" where it says nothing."""
        ratio = self.ratio(row)
        if ratio is None:
            return None
        if 1 / UNDECIDED < ratio < UNDECIDED:
            return "undecided"
        return "faster" if ratio > 1 else "slower"


@dataclass
class Report:
    """A whole run: who measured what, where, when, and the results so far."""

    date: str
    version: str
    commit: str
    level: str
    threads: int
    quick: bool
    machine: dict[str, Any]
    versions: dict[str, str]
    cases: list[CaseResult] = field(default_factory=list)
    interrupted: bool = False

    @property
    def sound(self) -> bool:
        """Whether every case is."""
        return all(case.sound for case in self.cases)

    def to_json(self) -> str:
        """Everything, every raw timing included, as one JSON document."""
        document: dict[str, Any] = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        for case, entry in zip(self.cases, document["cases"], strict=True):
            for row, out in zip(case.rows, entry["rows"], strict=True):
                if row.timed:
                    out["median_s"] = row.median_s
                    out["min_s"] = row.min_s
                    out["spread"] = row.spread
                    out["ratio"] = case.ratio(row)
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read what `to_json` wrote; derived figures are computed again."""
        document = json.loads(text)
        found = document.pop("schema_version", None)
        if found != SCHEMA_VERSION:
            raise ValueError(
                f"[bench.Report] expected schema_version {SCHEMA_VERSION}, got {found}"
            )
        cases = [_case_from(entry) for entry in document.pop("cases")]
        return cls(cases=cases, **document)

    @classmethod
    def read(cls, path: Path) -> Report:
        """Read a file that `to_json` filled."""
        return cls.from_json(path.read_text(encoding="utf-8"))


_DERIVED = ("median_s", "min_s", "spread", "ratio")


def _case_from(entry: Mapping[str, Any]) -> CaseResult:
    rows = [
        Row(**{key: value for key, value in row.items() if key not in _DERIVED})
        for row in entry["rows"]
    ]
    return CaseResult(**{**entry, "rows": rows})
