"""n_threads is resolved in one place, from written sources."""

from __future__ import annotations

import os

import numpy as np
import pytest

from fastnotes import _threads
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
