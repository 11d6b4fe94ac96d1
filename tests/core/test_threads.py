"""n_threads is resolved in one place, from written sources."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import scipy.sparse

from fastnotes import _threads
from fastnotes._core import native
from fastnotes._threads import MAX_THREADS, _cgroup_quota, resolve_n_threads


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    monkeypatch.delenv("FASTNOTES_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_order_of_sources(monkeypatch):
    assert 1 <= resolve_n_threads(None, "t") <= (os.cpu_count() or 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert resolve_n_threads(None, "t") == 3
    monkeypatch.setenv("FASTNOTES_NUM_THREADS", "5")
    assert resolve_n_threads(None, "t") == 5
    assert resolve_n_threads(2, "t") == 2
    assert _threads.describe() == {"n_threads": 5, "reason": "FASTNOTES_NUM_THREADS"}


def test_the_environment_is_read_at_every_call(monkeypatch):
    for count in ("3", "4"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        assert resolve_n_threads(None, "t") == int(count)
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert _threads.describe()["reason"] != "OMP_NUM_THREADS"
    monkeypatch.setenv("OMP_NUM_THREADS", "\udcff")  # a byte that is not UTF-8
    with pytest.raises(ValueError, match="expected OMP_NUM_THREADS"):
        resolve_n_threads(None, "t")


@pytest.mark.parametrize("count", [1, 7, np.int32(2), MAX_THREADS])
def test_counts_are_taken(count):
    assert resolve_n_threads(count, "t") == count


@pytest.mark.parametrize(
    ("count", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (MAX_THREADS + 1, ValueError),
        (2**70, ValueError),
        pytest.param(-(10**5000), ValueError, id="more digits than Python writes"),
        (1.0, TypeError),
        ("2", TypeError),
        (True, TypeError),
        (np.array([1, 2]), TypeError),
    ],
)
def test_bad_counts(count, error):
    with pytest.raises(error, match=r"^\[room\.f\] expected n_threads .*, got "):
        resolve_n_threads(count, "room.f")


@pytest.mark.parametrize("text", ["", "0", "-2", "two", "1e3", "99999", "9" * 5000])
def test_bad_environment(monkeypatch, text):
    monkeypatch.setenv("FASTNOTES_NUM_THREADS", text)
    with pytest.raises(ValueError, match="expected FASTNOTES_NUM_THREADS"):
        resolve_n_threads(None, "t")


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("max 100000", None), ("150000 100000", 2), ("1000 100000", 1), ("junk", None)],
)
def test_cgroup_v2_quota(tmp_path, text, cpus):
    (tmp_path / "cpu.max").write_text(text)
    assert _cgroup_quota(tmp_path) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("-1", None), ("300000", 3)])
def test_cgroup_v1_quota(tmp_path, quota, cpus):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")
    assert _cgroup_quota(tmp_path) == cpus


@pytest.fixture
def teams_may_part():
    native.runtime.keep_teams(False)
    yield
    native.runtime.keep_teams(True)


@pytest.mark.usefixtures("teams_may_part")
def test_the_caller_goes_on_alone_where_the_others_do_not_run():
    """A thread that sleeps looks like one that has lost its core to a neighbour."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs the CPU clocks of other threads")
    sizes = native.runtime.team_sizes
    time.sleep(1.1)  # past any earlier loss
    within = sizes(2, 4, 10)
    assert (within[0], within[-1]) == (2, 1)
    assert sizes(2, 4, 0) == [1, 1, 1, 1]  # for a while
    time.sleep(1.1)
    assert sizes(2, 1, 0) == [2]  # then threads are tried again


@pytest.mark.slow
@pytest.mark.usefixtures("teams_may_part")
def test_two_threads_beside_busy_neighbours():
    """A barrier or a join used to cost a time slice: 90 times the time here."""
    from fastnotes.graph import GraphOperator

    graph = scipy.sparse.random_array((3000, 3000), density=1e-3, random_state=0)
    X = np.ones((3000, 16), np.float32)
    operators = {n: GraphOperator(graph, n_threads=n) for n in (1, 2)}
    spin = [sys.executable, "-c", "while True: pass"]
    seconds = {1: 0.0, 2: 0.0}
    neighbours = [subprocess.Popen(spin) for _ in range(os.cpu_count() or 1)]
    try:
        for _ in range(40):
            for n, operator in operators.items():
                start = time.perf_counter()
                for _ in range(50):
                    operator.matmul(X)
                seconds[n] += time.perf_counter() - start
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()
    assert seconds[2] < 3 * seconds[1]
