"""Which device a call runs on, and what is said where there is no CUDA."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from fastnotes import _cuda
from fastnotes._device import is_cuda_array, wants_cuda

HOST = np.ones(3)


class FakeCudaArray:
    """What an array on a CUDA device shows of itself, without one."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0


class FakeInterfaceArray:
    __cuda_array_interface__: dict[str, Any] = {}  # noqa: RUF012


@pytest.mark.parametrize("value", [FakeCudaArray(), FakeInterfaceArray()])
def test_cuda_arrays_are_recognised(value: Any) -> None:
    assert is_cuda_array(value)
    assert wants_cuda("room.function", None, x=value, bias=None)
    assert wants_cuda("room.function", "cuda", x=value)


@pytest.mark.parametrize("value", [None, HOST, [1.0], 2.0, np.float32(1)])
def test_host_arrays_stay_on_the_cpu(value: Any) -> None:
    assert not is_cuda_array(value)
    assert not wants_cuda("room.function", None, x=value, y=HOST)
    assert not wants_cuda("room.function", "cpu", x=value)


def test_device_moves_host_arrays() -> None:
    assert wants_cuda("room.function", "cuda", x=HOST)
    assert wants_cuda("room.function", "cuda:1", x=HOST)


@pytest.mark.parametrize("host", [HOST, [1.0, 2.0]])
def test_mixed_arrays_are_named(host: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^\[room.function\] .*got w on a CUDA .* x on"
    ):
        wants_cuda("room.function", None, x=host, w=FakeCudaArray())
    with pytest.raises(TypeError, match="got x on a CUDA device and device='cpu'"):
        wants_cuda("room.function", "cpu", x=FakeCudaArray())


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", ""])
def test_unknown_devices_are_refused(device: str) -> None:
    with pytest.raises(ValueError, match="expected device as 'cpu', 'cuda' or"):
        wants_cuda("room.function", device, x=HOST)


def test_a_device_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="expected device as a string or None, got int"):
        wants_cuda("room.function", 0, x=HOST)  # type: ignore[arg-type]


def test_the_state_has_a_reason() -> None:
    facts = _cuda.state()
    assert facts["reason"]
    assert facts["available"] == bool(facts["devices"])


def test_absent_cuda_is_an_error_that_says_why() -> None:
    facts = _cuda.state()
    if facts["available"]:
        pytest.skip("CUDA is available here")
    with pytest.raises(RuntimeError, match=r"^\[room.function\] CUDA is not available"):
        _cuda.load("room.function")


def test_a_cpu_call_loads_nothing_of_cuda() -> None:
    code = (
        "import sys, numpy; from fastnotes.evidence import logsumexp;"
        "logsumexp(numpy.ones(3));"
        "assert not [m for m in sys.modules if 'cuda' in m and 'fastnotes' in m]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
