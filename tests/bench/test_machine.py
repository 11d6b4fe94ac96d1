"""What the machine is and can do, as the share of the limit needs it."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes._core import native
from fastnotes.bench import machine
from support.sweeps import THREADS


def test_description():
    facts = machine.describe()
    assert facts["processor"]
    assert facts["cpus"] >= 1
    assert facts["python"]


def test_limits_are_plausible():
    limits = machine.measure_limits(n_threads=1)
    sizes = [size for size, _ in limits.read_bytes_per_s]
    assert sizes == sorted(sizes)
    assert all(1e8 < rate < 1e13 for _, rate in limits.read_bytes_per_s)
    assert 1e8 < limits.float64_flops < limits.float32_flops * 1.5 < 1e14


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1000])
def test_memory_is_all_read(size, n_threads):
    data = np.random.default_rng(size).integers(-(10**9), 10**9, size)
    assert native.machine.read_memory(data, 3, n_threads) == 3 * data.sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_threads", THREADS)
def test_multiply_adds_are_all_done(n_threads, dtype):
    out = np.zeros(n_threads, dtype=dtype)
    few, many = (native.machine.multiply_add(out, steps) for steps in (1, 1000))
    assert many == 1000 * few
    assert few % (2 * n_threads) == 0
    # Every chain tends to x = x / 2 + 1, so the sum is twice the number of values.
    np.testing.assert_array_equal(out, few / n_threads)


def test_bad_input():
    with pytest.raises(ValueError, match=r"\[machine.read_memory\] expected data"):
        native.machine.read_memory(np.zeros(3), 1, 1)
    with pytest.raises(ValueError, match=r"\[machine.read_memory\] expected n_threads"):
        native.machine.read_memory(np.zeros(3, dtype=np.int64), 1, 0)
