"""Progress of a benchmark run on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnotes.bench import Case, CaseResult


class LineProgress:
    """One line per finished case, for pipes and logs."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._total = len(cases)
        self._done = 0

    def __enter__(self) -> LineProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def phase(self, case: Case, phase: str, fraction: float) -> None:
        """Say nothing: phases are for terminals."""

    def finished(self, result: CaseResult) -> None:
        """Write the case's line."""
        self._done += 1
        sys.stderr.write(f"[{self._done}/{self._total}] {result.id}\n")
        sys.stderr.flush()


class RichProgress:
    """A bar with the case, its phase, and the time left."""

    def __init__(self, cases: Sequence[Case]) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        # Redrawing costs CPU on the machine being measured: four times a second is
        # enough.
        self._progress: Any = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[case]}", style="bold"),
            TextColumn("{task.fields[phase]:<8}", style="cyan"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            refresh_per_second=4,
            transient=True,
        )
        self._total = len(cases)
        self._done = 0
        self._task: Any = None

    def __enter__(self) -> RichProgress:
        self._progress.start()
        self._task = self._progress.add_task(
            "bench",
            total=self._total,
            case="machine limits",
            phase="measure",
            count=f"0/{self._total}",
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def phase(self, case: Case, phase: str, fraction: float) -> None:
        """Show where the run stands."""
        self._progress.update(
            self._task, completed=self._done + fraction, case=case.id, phase=phase
        )

    def finished(self, result: CaseResult) -> None:
        """Count the case."""
        self._done += 1
        self._progress.update(
            self._task,
            completed=self._done,
            case=result.id,
            count=f"{self._done}/{self._total}",
        )
