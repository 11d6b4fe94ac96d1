"""Device arrays: in through DLPack and the CUDA array interface, out again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes import _cuda
from support.cuda import ArrayKind

WHERE = "room.function"
VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)


def call(kind: ArrayKind, **arrays: Any) -> _cuda.Call:
    return _cuda.Call(WHERE, kind.options.get("device"), **arrays)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_arrays_come_in_as_they_are(
    kind: ArrayKind, dtype: str, shape: tuple[int, ...]
) -> None:
    values = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    view = call(kind, x=kind.put(values))["x"]
    assert (view.shape, view.dtype) == (shape, dtype)
    np.testing.assert_array_equal(view.to_numpy(), values)


def test_results_are_of_the_callers_kind(kind: ArrayKind) -> None:
    one = call(kind, x=kind.put(VALUES))
    made = one.empty((2, 5), "float64")
    result = one.give(made)
    assert isinstance(result, kind.type)
    assert kind.get(result).shape == (2, 5)
    assert kind.get(result).dtype == np.float64


def test_nothing_is_copied() -> None:
    torch = pytest.importorskip("torch")
    x = torch.zeros(3, device="cuda")
    view = _cuda.Call(WHERE, None, x=x)["x"]
    x += 1
    np.testing.assert_array_equal(view.to_numpy(), np.ones(3))


def test_our_arrays_go_out_through_both_protocols() -> None:
    native = _cuda.load(WHERE)
    ours = native.copy_to_device(VALUES, 0)
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(torch.from_dlpack(ours).cpu().numpy(), VALUES)
    np.testing.assert_array_equal(torch.as_tensor(ours, device="cuda").cpu(), VALUES)
    shared = torch.from_dlpack(ours)
    del ours
    np.testing.assert_array_equal(shared.cpu().numpy(), VALUES)


class Interface:
    """An object that speaks the CUDA array interface alone."""

    def __init__(self, array: Any, **changes: Any) -> None:
        self.array = array
        facts = dict(array.__cuda_array_interface__)
        self.__cuda_array_interface__ = {**facts, **changes}


def test_the_interface_alone_will_do() -> None:
    native = _cuda.load(WHERE)
    ours = native.copy_to_device(VALUES, 0)
    x = Interface(ours, stream=1, strides=(16, 4))
    one = _cuda.Call(WHERE, None, x=x)
    np.testing.assert_array_equal(one["x"].to_numpy(), VALUES)
    assert isinstance(one.give(one.empty((2,), "float32")), native.DeviceArray)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strides": (4, 12)}, "expected x C-contiguous, got a strided CUDA array"),
        ({"strides": (16,)}, "expected x C-contiguous, got a strided CUDA array"),
        ({"shape": (-1, 4)}, "expected x of a possible shape"),
        ({"shape": (2**40, 2**40)}, "expected x of a possible shape"),
    ],
)
def test_hostile_interfaces_are_refused(changes: dict[str, Any], message: str) -> None:
    ours = _cuda.load(WHERE).copy_to_device(VALUES, 0)
    with pytest.raises(ValueError, match=message):
        _cuda.Call(WHERE, None, x=Interface(ours, **changes))


def test_a_host_pointer_is_refused() -> None:
    ours = _cuda.load(WHERE).copy_to_device(VALUES, 0)
    x = Interface(ours, data=(VALUES.ctypes.data, False))
    with pytest.raises(TypeError, match="expected x in device memory"):
        _cuda.Call(WHERE, None, x=x)


def test_strided_arrays_are_refused() -> None:
    torch = pytest.importorskip("torch")
    x = torch.zeros(4, 6, device="cuda")
    for strided in (x.T, x[:, ::2]):
        with pytest.raises(ValueError, match="expected x C-contiguous"):
            _cuda.Call(WHERE, None, x=strided)
    assert _cuda.Call(WHERE, None, x=x[1:3])["x"].shape == (2, 6)


def test_a_tensor_under_autograd_is_refused() -> None:
    torch = pytest.importorskip("torch")
    x = torch.zeros(4, device="cuda", requires_grad=True)
    with pytest.raises(TypeError, match="expected x detached from autograd"):
        _cuda.Call(WHERE, None, x=x)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "complex64", "bool"])
def test_other_dtypes_have_a_name(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    x = torch.zeros(3, dtype=getattr(torch, dtype), device="cuda")
    one = _cuda.Call(WHERE, None, x=x)
    with pytest.raises(TypeError, match=rf"expected x of dtype .* got {dtype} of"):
        one.real("x")


def test_out_must_fit_and_lie_apart(kind: ArrayKind) -> None:
    if kind.name in ("numpy", "jax"):
        pytest.skip("these arrays cannot be written to on the device")
    x, out = kind.put_all(VALUES, VALUES)
    one = call(kind, x=x)
    assert one.give(one.out(out, (3, 4), "float32")) is out
    with pytest.raises(ValueError, match=r"expected out as float64 of shape \(3, 4\)"):
        one.out(out, (3, 4), "float64")
    with pytest.raises(ValueError, match=r"expected out as float32 of shape \(4, 3\)"):
        one.out(out, (4, 3), "float32")
    with pytest.raises(ValueError, match="expected out apart from x, got overlapping"):
        one.out(x, (3, 4), "float32")
    with pytest.raises(TypeError, match="expected out as a writable CUDA array"):
        one.out(VALUES, (3, 4), "float32")


def test_the_callers_stream_is_used() -> None:
    torch = pytest.importorskip("torch")
    x = torch.zeros(3, device="cuda")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        assert _cuda.Call(WHERE, None, x=x).stream == stream.cuda_stream
    assert _cuda.Call(WHERE, None, x=x).stream == 0


def test_running_out_of_memory_leaves_the_process_usable_memory() -> None:
    native = _cuda.load(WHERE)
    with pytest.raises(MemoryError, match="CUDA is out of memory"):
        native.allocate((1 << 50,), "uint8", 0)
    ours = native.copy_to_device(VALUES, 0)
    np.testing.assert_array_equal(ours.to_numpy(), VALUES)


def test_a_device_that_is_not_there_is_an_error() -> None:
    native = _cuda.load(WHERE)
    with pytest.raises(RuntimeError, match=r"CUDA error: invalid device ordinal"):
        native.copy_to_device(VALUES, 99)
    assert native.copy_to_device(VALUES, 0).shape == (3, 4)
