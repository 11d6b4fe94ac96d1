"""What can be said of devices without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes import _cuda
from fastnotes.boosting import BinMapper, build_histogram, find_best_split

BINS = np.zeros((3, 2), np.uint8)
ONES = np.ones(3)
SUMS = np.ones((2, 4, 2))


class FakeCudaArray:
    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0


def test_arrays_on_both_sides_are_named() -> None:
    fake: Any = FakeCudaArray()
    with pytest.raises(TypeError, match="got grad on a CUDA device and bins on the"):
        build_histogram(BINS, fake, fake)
    with pytest.raises(TypeError, match="got bins on a CUDA device and rows on the"):
        build_histogram(fake, fake, fake, [0, 1])
    binned = BinMapper().fit_transform(np.arange(3.0)[:, None])
    with pytest.raises(TypeError, match="got grad on a CUDA device and bins on the"):
        build_histogram(binned, fake, fake)
    with pytest.raises(TypeError, match="device='cpu'"):
        find_best_split(fake, device="cpu")


def test_the_cpu_by_name() -> None:
    by_name = build_histogram(BINS, ONES, ONES, device="cpu")
    np.testing.assert_array_equal(by_name, build_histogram(BINS, ONES, ONES))
    assert find_best_split(SUMS, device="cpu") == find_best_split(SUMS)


def test_unknown_devices_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[boosting\.build_histogram\] .*device"):
        build_histogram(BINS, ONES, ONES, device="gpu")
    with pytest.raises(ValueError, match=r"\[boosting\.find_best_split\] .*device"):
        find_best_split(SUMS, device="gpu")


def test_absent_cuda_is_an_error_that_says_why() -> None:
    if _cuda.state()["available"]:
        pytest.skip("CUDA is available here")
    fake: Any = FakeCudaArray()
    for call in (
        lambda: build_histogram(BINS, ONES, ONES, device="cuda"),
        lambda: build_histogram(fake, fake, fake),
        lambda: find_best_split(SUMS, device="cuda"),
        lambda: find_best_split(fake),
    ):
        with pytest.raises(RuntimeError, match="CUDA is not available: ."):
            call()
