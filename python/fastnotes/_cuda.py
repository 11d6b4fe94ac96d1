"""CUDA calls: arrays of any library in, arrays of the same library out.

Loaded when the first CUDA array or ``device="cuda"`` arrives; a CPU install never
imports it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fastnotes._device import device_index, is_cuda_array
from fastnotes._validation import fail, fail_type

if TYPE_CHECKING:
    from fastnotes._core_cuda import DeviceArray

_NOT_BUILT = (
    "this build has no CUDA kernels: install from source with "
    "`pip install . -C cmake.define.FASTNOTES_CUDA=ON`"
)


def state() -> dict[str, Any]:
    """Whether CUDA kernels can run here, the reason, and the devices."""
    spec = importlib.util.find_spec("fastnotes._core_cuda")
    if spec is None or spec.origin is None:  # only the stubs are there
        return _absent(_NOT_BUILT)
    try:
        module = importlib.import_module("fastnotes._core_cuda")
    except ImportError as error:
        return _absent(f"the CUDA module does not load: {error}")
    found = module.runtime.state()
    devices = found["devices"]
    if found["error"] is not None:
        return _absent(found["error"])
    if not devices:
        return _absent("no CUDA device")
    if not any(device["supported"] for device in devices):
        return _absent(
            f"{devices[0]['name']} has compute capability "
            f"{devices[0]['capability'] / 10}, this build needs "
            f"{module.runtime.oldest_capability / 10}"
        )
    return {"available": True, "reason": devices[0]["name"], "devices": devices}


def _absent(reason: str) -> dict[str, Any]:
    return {"available": False, "reason": reason, "devices": []}


def load(where: str) -> Any:
    """Return the native module; RuntimeError with the reason where there is none."""
    global _native
    if _native is None:
        facts = state()
        if not facts["available"]:
            raise RuntimeError(f"[{where}] CUDA is not available: {facts['reason']}")
        _native = importlib.import_module("fastnotes._core_cuda")
    return _native


_native: Any = None


class Kind(Protocol):
    """How a library's arrays are made, and on which stream its work runs."""

    #: True if the library's own memory is ordered with its stream, so that a call may
    #: return before its work is done.
    asynchronous: bool

    def stream(self, device: int) -> int:
        """Return the current stream, as a number."""

    def empty(self, shape: tuple[int, ...], dtype: str, device: int) -> Any:
        """Return a new array of the library."""

    def result(self, array: Any) -> Any:
        """Return what the caller gets for an array of `empty`."""


class _Torch:
    asynchronous = True

    def __init__(self) -> None:
        self._torch = importlib.import_module("torch")

    def stream(self, device: int) -> int:
        return int(self._torch.cuda.current_stream(device).cuda_stream)

    def empty(self, shape: tuple[int, ...], dtype: str, device: int) -> Any:
        torch = self._torch
        try:
            return torch.empty(
                shape, dtype=getattr(torch, dtype), device=f"cuda:{device}"
            )
        except torch.cuda.OutOfMemoryError as error:  # a RuntimeError
            raise MemoryError("CUDA is out of memory") from error

    def result(self, array: Any) -> Any:
        return array


class _CuPy:
    asynchronous = True

    def __init__(self) -> None:
        self._cupy = importlib.import_module("cupy")

    def stream(self, device: int) -> int:
        with self._cupy.cuda.Device(device):
            return int(self._cupy.cuda.get_current_stream().ptr)

    def empty(self, shape: tuple[int, ...], dtype: str, device: int) -> Any:
        with self._cupy.cuda.Device(device):
            return self._cupy.empty(shape, dtype)

    def result(self, array: Any) -> Any:
        return array


class _Exchanged:
    """Memory of ours, on the default stream, handed over when the work is done."""

    asynchronous = False

    def stream(self, device: int) -> int:
        return 0

    def empty(self, shape: tuple[int, ...], dtype: str, device: int) -> Any:
        return _native.allocate(shape, dtype, device)

    def result(self, array: Any) -> Any:
        return array


class _JAX(_Exchanged):
    def result(self, array: Any) -> Any:
        return importlib.import_module("jax.dlpack").from_dlpack(array)


class _Numba(_Exchanged):
    def result(self, array: Any) -> Any:
        return importlib.import_module("numba.cuda").as_cuda_array(array)


class _Host(_Exchanged):
    def result(self, array: Any) -> Any:
        return array.to_numpy()


_KINDS: dict[str, type[Kind]] = {
    "torch": _Torch,
    "cupy": _CuPy,
    "jax": _JAX,
    "jaxlib": _JAX,
    "numba": _Numba,
}


def _kind_of(value: Any) -> Kind:
    if not is_cuda_array(value):
        return _Host()
    return _kind_named(type(value).__module__.partition(".")[0])


@functools.cache
def _kind_named(library: str) -> Kind:
    return _KINDS.get(library, _Exchanged)()


class Call:
    """One call on a CUDA device.

    ``Call(where, device, x=x, w=w)`` takes the arrays in (None stays None; with
    ``device=`` host arrays are copied), on the current stream of the library of the
    first. ``call["x"]`` is then a device array for the native module, ``call.empty``
    makes results, ``call.give`` hands them back in the caller's kind.

    Raises
    ------
    RuntimeError
        If CUDA is not available, saying why.
    TypeError
        If an array's dtype is none of its kernel's.
    ValueError
        If an array is not C-contiguous (nothing is copied behind the caller's back), or
        the arrays are on several devices.
    """

    def __init__(self, where: str, device: str | None, **arrays: Any) -> None:
        self.where = where
        self.native = load(where)
        first = next(value for value in arrays.values() if value is not None)
        self.kind = _kind_of(first)
        self.device = self._find_device(first, device)
        self.stream = self.kind.stream(self.device)
        self._arrays = {name: self._take(v, name) for name, v in arrays.items()}
        self._made: list[tuple[DeviceArray, Any]] = []

    def __getitem__(self, name: str) -> Any:
        return self._arrays[name]

    def real(self, name: str, ndim: int | tuple[int, ...] | None = None) -> DeviceArray:
        """Return a float32 or float64 array with one of these numbers of dimensions."""
        array = self.checked(name, ("float32", "float64"))
        allowed = (ndim,) if isinstance(ndim, int) else ndim
        if allowed is not None and array.ndim not in allowed:
            text = " or ".join(map(str, allowed))
            fail(self.where, f"{name} with {text} dimension(s)", describe(array))
        return array

    def checked(self, name: str, dtypes: tuple[str, ...]) -> DeviceArray:
        """Return an array of one of the dtypes."""
        array: DeviceArray | None = self._arrays[name]
        if array is None or array.dtype not in dtypes:
            wanted = f"{name} of dtype {' or '.join(dtypes)}"
            fail_type(self.where, wanted, "None" if array is None else describe(array))
        return array

    def empty(self, shape: tuple[int, ...], dtype: str) -> DeviceArray:
        """Return a new uninitialised array for a result."""
        made = self.kind.empty(shape, dtype, self.device)
        view: DeviceArray = self._take(made, "result")
        self._made.append((view, made))
        return view

    def out(self, value: Any, shape: tuple[int, ...], dtype: str) -> DeviceArray:
        """Take in a caller's output of exactly this shape and dtype."""
        if not is_cuda_array(value) or isinstance(self.kind, _JAX):
            fail_type(self.where, "out as a writable CUDA array", type(value).__name__)
        view: DeviceArray = self._take(value, "out")
        if view.shape != shape or view.dtype != dtype:
            fail(self.where, f"out as {dtype} of shape {shape}", describe(view))
        for name, array in self._arrays.items():
            if array is not None and overlap(view, array):
                fail(self.where, f"out apart from {name}", "overlapping memory")
        self._made.append((view, value))
        return view

    def give(self, view: DeviceArray) -> Any:
        """Hand a result back in the caller's kind.

        Waits, unless the caller's library orders its own memory with the stream.
        """
        made = next(made for known, made in self._made if known is view)
        if not self.kind.asynchronous:
            self.synchronize()
        if is_cuda_array(made) and not isinstance(made, self.native.DeviceArray):
            return made
        return self.kind.result(made)

    def synchronize(self) -> None:
        """Wait for everything queued on the stream."""
        self.native.runtime.synchronize(self.stream, self.device)

    def _take(self, value: Any, name: str) -> Any:
        if value is None:
            return None
        if not is_cuda_array(value):
            host = np.asarray(value, order="C")  # keeps 0 dimensions
            return self.native.copy_to_device(host, self.device)
        if getattr(value, "requires_grad", False):
            wanted = f"{name} detached from autograd"
            fail_type(self.where, wanted, "a tensor that requires grad")
        array = self.native.import_array(value, self.stream, self.where, name)
        if array.device != self.device:
            on = f"cuda:{self.device}"
            fail(self.where, f"all arrays on {on}", f"{name} on cuda:{array.device}")
        return array

    def _find_device(self, first: Any, device: str | None) -> int:
        if device is not None and ":" in device:
            return device_index(self.where, device)
        if isinstance(self.kind, _Torch):  # quicker than its protocol
            return int(first.get_device())
        probe = getattr(first, "__dlpack_device__", None)
        if probe is None or not is_cuda_array(first):
            return 0
        return int(probe()[1])


def describe(array: DeviceArray) -> str:
    """Dtype, shape and device, as messages give them."""
    return f"{array.dtype} of shape {array.shape} on cuda:{array.device}"


def overlap(one: DeviceArray, other: DeviceArray) -> bool:
    """Whether two arrays share memory."""
    (a, a_end), (b, b_end) = _span(one), _span(other)
    return a < b_end and b < a_end


def _span(array: DeviceArray) -> tuple[int, int]:
    facts = array.__cuda_array_interface__
    start = facts["data"][0]
    size = int(np.prod(array.shape)) * np.dtype(array.dtype).itemsize
    return start, start + size
