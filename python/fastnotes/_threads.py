"""The one place that turns ``n_threads=None`` into a number."""

from __future__ import annotations

import functools
import math
import operator
import os
from pathlib import Path
from typing import Any, NamedTuple

from fastnotes._core import native
from fastnotes._validation import as_integer, fail

#: More threads than this is a mistake, not a machine.
MAX_THREADS = 1024


class _Default(NamedTuple):
    n_threads: int
    reason: str


def resolve_n_threads(n_threads: int | None, where: str) -> int:
    """Return the number of threads to use.

    Parameters
    ----------
    n_threads
        A count from 1 to 1024. None means ``FASTNOTES_NUM_THREADS``, else
        ``OMP_NUM_THREADS``, else the CPUs this process may use.
    where
        ``"room.function"``, for the message.

    Raises
    ------
    TypeError, ValueError
        If ``n_threads`` is not an integer, or out of range.
    """
    if n_threads is None:
        return default_threads().n_threads
    if isinstance(n_threads, bool):
        raise TypeError(f"[{where}] expected n_threads as an int or None, got a bool")
    try:
        count = operator.index(n_threads)
    except TypeError:
        raise TypeError(
            f"[{where}] expected n_threads as an int or None, "
            f"got {type(n_threads).__name__}"
        ) from None
    if not 1 <= count <= MAX_THREADS:
        raise ValueError(
            f"[{where}] expected n_threads from 1 to {MAX_THREADS}, got {count}"
        )
    return count


def resolve_n_jobs(n_jobs: int | None, where: str) -> int:
    """Return the threads of an estimator's ``n_jobs``, in scikit-learn's sense.

    None means the default, -1 all CPUs this process may use, -2 all but one.

    Raises
    ------
    TypeError, ValueError
        If ``n_jobs`` is not an integer, or 0, or more than 1024.
    """
    if n_jobs is None:
        return default_threads().n_threads
    count = as_integer(n_jobs, where, "n_jobs", high=MAX_THREADS)
    if count == 0:
        fail(where, "n_jobs other than 0", "0")
    return count if count > 0 else max(1, _available_cpus().n_threads + 1 + count)


def default_threads() -> _Default:
    """The count that None stands for now, and where it comes from."""
    for variable in ("FASTNOTES_NUM_THREADS", "OMP_NUM_THREADS"):
        text = native.runtime.environment(variable)
        if text is not None:
            return _Default(_parse(variable, text), variable)
    return _available_cpus()


def describe() -> dict[str, Any]:
    """Threads used by default, with the reason."""
    return default_threads()._asdict()


@functools.lru_cache(maxsize=8)
def _parse(variable: str, text: str) -> int:
    # OMP_NUM_THREADS may list one count per nesting level; the first is ours.
    first = text.split(",")[0].strip()
    if not first.isdecimal() or not 1 <= int(first) <= MAX_THREADS:
        raise ValueError(
            f"[fastnotes] expected {variable} from 1 to {MAX_THREADS}, got {text!r}"
        )
    return int(first)


@functools.lru_cache(maxsize=1)
def _available_cpus() -> _Default:
    """CPUs of the affinity mask, cut by a cgroup quota; asked for once."""
    if hasattr(os, "sched_getaffinity"):
        cpus, reason = len(os.sched_getaffinity(0)), "CPU affinity"
    else:
        cpus, reason = os.cpu_count() or 1, "CPU count"
    quota = _cgroup_quota()
    if quota is not None and quota < cpus:
        cpus, reason = quota, "cgroup quota"
    return _Default(min(cpus, MAX_THREADS), reason)


def _cgroup_quota(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Whole CPUs allowed by cgroup v2 or v1, at least one; None without a quota."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0:
        return None
    return max(1, math.ceil(int(quota) / int(period)))
