"""Where the functions of this room run, and what is said where there is no CUDA."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes import _cuda, evidence
from support.sweeps import assert_same_bytes

FUNCTIONS = (
    "importance_weights",
    "iwae_bound",
    "log_softmax",
    "logmeanexp",
    "logsumexp",
    "softmax",
)
WITH_OUT = ("log_softmax", "logmeanexp", "logsumexp", "softmax")
HOST = np.zeros((2, 3))


class FakeCudaArray:
    """What an array on a CUDA device shows of itself, without one."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0


@pytest.fixture
def _without_cuda() -> None:
    if _cuda.state()["available"]:
        pytest.skip("CUDA is available here")


def message(name: str) -> str:
    return rf"^\[evidence\.{name}\] expected .*, got "


@pytest.mark.usefixtures("_without_cuda")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_absent_cuda_is_an_error_that_says_why(name: str) -> None:
    function: Any = getattr(evidence, name)
    for call in (
        lambda: function(HOST, device="cuda"),
        lambda: function(FakeCudaArray()),
    ):
        with pytest.raises(
            RuntimeError, match=rf"^\[evidence\.{name}\] CUDA is not available: "
        ):
            call()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_cpu_by_name(name: str) -> None:
    function: Any = getattr(evidence, name)
    assert_same_bytes(function(HOST, device="cpu"), function(HOST))
    with pytest.raises(ValueError, match=message(name)):
        function(HOST, device="gpu")
    with pytest.raises(TypeError, match=message(name)):
        function(FakeCudaArray(), device="cpu")


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    "value", [["1.0"], np.array([1, None]), np.ones(3, complex), None]
)
def test_host_arrays_are_checked_as_on_the_cpu(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=message(name)):
        getattr(evidence, name)(value, device="cuda")


@pytest.mark.parametrize("name", WITH_OUT)
def test_an_output_elsewhere_is_refused(name: str) -> None:
    function: Any = getattr(evidence, name)
    with pytest.raises(TypeError, match="out on a CUDA device and a on the CPU"):
        function(HOST, out=FakeCudaArray())
    with pytest.raises(TypeError, match="a on a CUDA device and out on the CPU"):
        function(FakeCudaArray(), out=HOST)


def test_factors_elsewhere_are_refused() -> None:
    with pytest.raises(TypeError, match="b on a CUDA device and a on the CPU"):
        evidence.logsumexp(HOST, b=FakeCudaArray())
    with pytest.raises(TypeError, match="a on a CUDA device and b on the CPU"):
        evidence.logsumexp(FakeCudaArray(), b=HOST)
    with pytest.raises(TypeError, match="b as a CUDA array of the shape of a, got a n"):
        evidence.logsumexp(FakeCudaArray(), b=2.0)
