"""Progress of a training: tqdm's bar where it is installed, else lines of text."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

#: Seconds between two refreshes: scores are computed for them.
_PERIOD = 0.2
#: So many rounds are shown in thousands.
_MANY = 10_000


class Progress:
    """Rounds (or epochs) done, the time they need and what they reached.

    Parameters
    ----------
    n_rounds
        Rounds that this training will take.
    shown
        False makes every call do nothing.
    unit
        What a round is called.
    done
        Rounds that are over already.
    """

    def __init__(
        self, n_rounds: int, shown: bool, unit: str = "round", done: int = 0
    ) -> None:
        self._n_rounds = n_rounds
        self._shown = shown
        self._unit = unit
        self._first = self._done = done
        self._start = self._last = time.monotonic()
        self._bar: Any = _tqdm(n_rounds, unit, done) if shown else None

    def update(self, done: int, score: Callable[[], str]) -> None:
        """Show that ``done`` rounds are over; ``score`` is asked for if it is time."""
        if not self._shown:
            return
        now = time.monotonic()
        if now - self._last < _PERIOD and done < self._n_rounds:
            return
        self._last = now
        self._show(done, score())

    def close(self, done: int, score: Callable[[], str]) -> None:
        """Show the end, early or not."""
        if not self._shown:
            return
        if done != self._done:
            self._show(done, score())
        if self._bar is not None:
            self._bar.close()

    def _show(self, done: int, text: str) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(done - self._done)
        else:
            passed = time.monotonic() - self._start
            rate = (done - self._first) / max(passed, 1e-9)
            left = (self._n_rounds - done) / rate
            count = f"{done}/{self._n_rounds} {self._unit}s"
            line = f"{count}, {passed:.1f} s, {left:.1f} s left, {rate:,.1f}/s, {text}"
            print(line, file=sys.stderr)
        self._done = done


def _tqdm(n_rounds: int, unit: str, done: int) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(
        total=n_rounds,
        initial=done,
        unit=unit,
        unit_scale=n_rounds >= _MANY,
        dynamic_ncols=True,
    )
