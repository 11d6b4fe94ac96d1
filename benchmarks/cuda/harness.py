"""Times CUDA calls of several libraries in turns, on torch's current stream."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

Calls = dict[str, Callable[[], Any]]


class Row(NamedTuple):
    """One contender in one case.

    ``limit`` is the share of what the device could do at most (bytes or operations
    counted by formula), ``error`` the largest difference from the float64 reference
    relative to its largest magnitude; both None where they have no meaning.
    """

    case: str
    who: str
    milliseconds: float
    limit: float | None = None
    error: float | None = None


def relative_error(result: Any, reference: np.ndarray) -> float:
    """Largest |result - reference| over the largest |reference|; NaN never passes."""
    if isinstance(result, torch.Tensor):
        result = result.detach().cpu().numpy()
    difference = np.abs(np.asarray(result, np.float64) - reference).max(initial=0.0)
    return float(difference / max(np.abs(reference).max(initial=0.0), 1e-300))


def time_all(calls: Calls, *, repeats: int = 11, at_least_ms: float = 6.0) -> dict:
    """Median milliseconds of one call of each, timed in turns by CUDA events.

    Each turn makes as many calls in a row as fill ``at_least_ms``, so that launch gaps
    count as they do in a loop, and the clock's resolution does not.
    """
    counts = {}
    for who, call in calls.items():
        for _ in range(3):
            call()
        counts[who] = max(1, int(at_least_ms / max(_time(call, 1), 1e-3)))
    times: dict[str, list[float]] = {who: [] for who in calls}
    for _ in range(repeats):
        for who, call in calls.items():
            times[who].append(_time(call, counts[who]))
    return {who: statistics.median(values) for who, values in times.items()}


def compare_and_time(
    case: str,
    calls: Calls,
    error_of: Callable[[Any], float],
    bound: float,
    least_seconds: float,
) -> Iterator[Row]:
    """Rows of a case, after every answer was found within ``bound``."""
    errors = {who: error_of(call()) for who, call in calls.items()}
    for who, error in errors.items():
        if not error < bound:
            raise AssertionError(f"{case}: {who} is off by {error}")
    for who, milliseconds in time_all(calls).items():
        share = 1000 * least_seconds / milliseconds
        yield Row(case, who, milliseconds, share, errors[who])


def _time(call: Callable[[], Any], count: int) -> float:
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    for _ in range(count):
        call()
    stop.record()
    stop.synchronize()
    return float(start.elapsed_time(stop)) / count


def copy_bandwidth() -> float:
    """Bytes per second, read and written, of a large copy inside the device."""
    source = torch.empty(1 << 28, dtype=torch.float32, device="cuda")
    target = torch.empty_like(source)
    milliseconds = time_all({"copy": lambda: target.copy_(source)})["copy"]
    return 2 * source.nbytes / (milliseconds / 1000)


def table(rows: list[Row]) -> Iterator[str]:
    """Lines of a Markdown table; ratio is their time over that of fastnotes."""
    yield "| case | who | ms | ratio | limit | error |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    ours = {row.case: row.milliseconds for row in rows if row.who == "fastnotes"}
    for row in rows:
        own = row.who == "fastnotes" or row.case not in ours
        ratio = "" if own else f"{row.milliseconds / ours[row.case]:.2f}x"
        limit = "" if row.limit is None else f"{100 * row.limit:.0f} %"
        error = "" if row.error is None else f"{row.error:.1e}"
        yield (
            f"| `{row.case}` | {row.who} | {row.milliseconds:.4g} | {ratio} | {limit} "
            f"| {error} |"
        )
