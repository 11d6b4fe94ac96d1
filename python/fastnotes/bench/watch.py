"""Watches the process and the machine while something runs: memory and foreign load."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_STAT = Path("/proc/stat")
_SLACK = 4 * 2**20


class PeakMemory:
    """Growth of this process's resident memory at its highest, in bytes.

    Linux only; `stop` returns None elsewhere, and where the kernel does not let the
    mark be reset (some sandboxes). Memory that a library keeps from an earlier
    call is not growth, so measure a contender's first call.
    """

    def __init__(self) -> None:
        self._before: int | None = None

    def start(self) -> None:
        """Give free memory back to the system, and reset the high-water mark."""
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
        try:
            _CLEAR.write_text("5", encoding="ascii")
            before, mark = _status_bytes("VmRSS"), _status_bytes("VmHWM")
        except OSError:
            before = mark = None
        is_reset = before is not None and mark is not None and mark <= before + _SLACK
        self._before = before if is_reset else None

    def stop(self) -> int | None:
        """Return the growth since `start`."""
        if self._before is None:
            return None
        peak = _status_bytes("VmHWM")
        return None if peak is None else max(0, peak - self._before)


def _status_bytes(key: str) -> int | None:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return None


def wait_until_idle(limit_s: float = 0.5) -> bool:
    """Sleep until no thread of this process runs; False if some still do at the limit.

    Thread pools spin after their last job: GNU OpenMP for 10 ms here, onnxruntime for
    50, OpenBLAS for 100. A spinning pool takes a core from whoever is timed next.
    """
    step_s, busy = 0.01, 0.3
    deadline = time.perf_counter() + limit_s
    while time.perf_counter() < deadline:
        wall, own = time.perf_counter(), time.process_time()
        time.sleep(step_s)
        if time.process_time() - own < busy * (time.perf_counter() - wall):
            return True
    return False


class ForeignLoad:
    """Share of the machine's CPU time that other processes took, between 0 and 1.

    Busy time of all CPUs, less what this process used. Linux only; `stop` returns None
    elsewhere, and where the interval is too short for the kernel's clock.
    """

    SHORTEST_S = 0.1

    def __init__(self) -> None:
        self._busy: float | None = None
        self._own = 0.0
        self._wall = 0.0

    def start(self) -> None:
        """Begin an interval."""
        self._busy = _busy_seconds()
        self._own = time.process_time()
        self._wall = time.perf_counter()

    def stop(self) -> float | None:
        """Return the share since `start`."""
        wall = time.perf_counter() - self._wall
        own = time.process_time() - self._own
        busy = _busy_seconds()
        if self._busy is None or busy is None or wall < self.SHORTEST_S:
            return None
        foreign = (busy - self._busy - own) / (wall * (os.cpu_count() or 1))
        return min(1.0, max(0.0, foreign))


def _busy_seconds() -> float | None:
    try:
        first = _STAT.read_text(encoding="ascii").split("\n", 1)[0]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, *rest = map(
        int, first.split()[1:]
    )
    steal = rest[0] if rest else 0
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")
