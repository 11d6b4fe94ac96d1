"""What the machine is, and what it can do at most."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastnotes.bench.case import Work

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Measured rates with the run's thread count.

    Parameters
    ----------
    read_bytes_per_s : sequence of (bytes, rate)
        Read rate of a working set of that many bytes, smallest first.
    float32_flops, float64_flops : float
        Fused multiply-add peak of all threads, two operations each.
    """

    read_bytes_per_s: Sequence[tuple[int, float]]
    float32_flops: float
    float64_flops: float

    def bandwidth(self, n_bytes: float) -> float:
        """Rate of the smallest measured working set that holds `n_bytes`."""
        for size, rate in self.read_bytes_per_s:
            if n_bytes <= size:
                return rate
        return self.read_bytes_per_s[-1][1]

    def seconds(self, work: Work) -> float:
        """Shortest time in which this machine could do `work`."""
        moving = work.n_bytes / self.bandwidth(work.n_bytes)
        peak = self.float32_flops if work.dtype == "float32" else self.float64_flops
        return max(moving, work.flops / peak)

    def as_dict(self) -> dict[str, Any]:
        """Return the rates as JSON holds them."""
        return asdict(self)


def describe() -> dict[str, Any]:
    """Processor, cores, caches, memory, system and Python."""
    return {
        "processor": _processor(),
        "cpus": _usable_cpus(),
        "caches": _caches(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def measure_limits(n_threads: int) -> Limits:
    """Measure read rates by working set, and multiply-add peaks; about a second."""
    from fastnotes._core import native

    rates = []
    for size in (n_threads * MIB // 2, 8 * MIB, 256 * MIB):
        data = np.ones(size // 8, dtype=np.int64)
        passes = max(1, 64 * MIB // size)

        def read(data: Any = data, passes: int = passes) -> None:
            native.machine.read_memory(data, passes, n_threads)

        rates.append((size, passes * data.nbytes / _best(read)))
    return Limits(
        rates, *(_peak(dtype, n_threads) for dtype in (np.float32, np.float64))
    )


def _peak(dtype: type[np.floating[Any]], n_threads: int) -> float:
    from fastnotes._core import native

    out = np.empty(n_threads, dtype=dtype)
    n_steps = 1_000_000
    flops = native.machine.multiply_add(out, n_steps)

    def compute() -> None:
        native.machine.multiply_add(out, n_steps)

    return flops / _best(compute)


def _best(run: Callable[[], None], repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def _processor() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _caches() -> dict[str, str]:
    caches = {}
    root = Path("/sys/devices/system/cpu/cpu0/cache")
    for index in sorted(root.glob("index*")):
        kind = _read(index / "type").strip()
        level = _read(index / "level").strip()
        if kind in ("Data", "Unified"):
            name = f"L{level}d" if kind == "Data" else f"L{level}"
            caches[name] = _read(index / "size").strip()
    return caches


def _memory_gib() -> float | None:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal"):
            return round(int(line.split()[1]) / MIB, 1)
    return None


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
