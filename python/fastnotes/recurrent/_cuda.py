"""The LSTM on CUDA devices. Loaded when the first call goes there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastnotes._cuda import Call, describe, overlap
from fastnotes._device import is_cuda_array, wants_cuda
from fastnotes._validation import as_real_array, check_choice, fail, fail_type
from fastnotes.recurrent._arguments import CANDIDATES, as_lengths
from fastnotes.recurrent.results import LSTMGradients, LSTMOutput

if TYPE_CHECKING:
    from fastnotes._core_cuda import DeviceArray

_REQUIRED = ("x", "weight_ih", "weight_hh", "dh", "h", "c")
_INTEGERS = tuple(f"{sign}int{8 << k}" for sign in ("", "u") for k in range(4))


class CudaLSTMCache:
    """What :func:`lstm_backward` needs, in device memory. Made by a forward pass.

    Attributes
    ----------
    sizes
        (B, T, D, H).
    dtype
        ``"float32"`` or ``"float64"``.
    device
        Index of the CUDA device.
    """

    sizes: tuple[int, int, int, int]
    dtype: str
    device: int
    _candidate: str
    _lengths: NDArray[np.int64] | None
    _weights: tuple[DeviceArray, DeviceArray]
    _arrays: tuple[DeviceArray, ...]  # x, gates, c, h, schedule

    def __init__(self, *_: Any) -> None:
        raise TypeError("CudaLSTMCache: No constructor defined")

    def __dlpack_device__(self) -> tuple[int, int]:
        """Where it lies, so that it is told apart from host arrays as arrays are."""
        return 2, self.device


class _Weights(NamedTuple):
    weight_ih: DeviceArray
    weight_hh: DeviceArray
    bias: DeviceArray | None


def lstm_forward(
    arrays: dict[str, Any],
    lengths: Any,
    candidate: str,
    keep_cache: bool,
    device: str | None,
) -> LSTMOutput:
    """Run :func:`fastnotes.recurrent.lstm_forward` on a CUDA device."""
    where = "recurrent.lstm_forward"
    call = Call(where, device, **_converted(where, arrays))
    weights = _checked_weights(call, "x")
    check_choice(candidate, where, "candidate", CANDIDATES)
    _check_inputs(call, weights)
    return _run(call, weights, lengths, candidate, keep_cache, copy_weights=True)


def lstm_backward(
    arrays: dict[str, Any], cache: Any, device: str | None
) -> LSTMGradients:
    """Run :func:`fastnotes.recurrent.lstm_backward` on a CUDA device."""
    where = "recurrent.lstm_backward"
    if not isinstance(cache, CudaLSTMCache):
        wanted = "cache from lstm_forward on the same CUDA device"
        fail_type(where, wanted, type(cache).__name__)
    call = Call(where, device, **_converted(where, arrays, cache.dtype))
    if call.device != cache.device:
        fail(where, f"dh on cuda:{cache.device}, as cache", f"cuda:{call.device}")
    batch, time, input_size, hidden = cache.sizes
    _check(call, "dh", (batch, time, hidden), "(B, T, H)", cache.dtype)
    _check(call, "dh_last", (batch, hidden), "(B, H)", cache.dtype)
    _check(call, "dc_last", (batch, hidden), "(B, H)", cache.dtype)
    shapes = (
        (batch, time, input_size),
        (4 * hidden, input_size),
        (4 * hidden, hidden),
        (4 * hidden,),
        (batch, hidden),
        (batch, hidden),
    )
    gradients = tuple(call.empty(shape, cache.dtype) for shape in shapes)
    call.native.recurrent.lstm_backward(
        cache._weights,
        cache._arrays,
        time,
        cache._lengths,
        cache._candidate == "tanh",
        call["dh"],
        call["dh_last"],
        call["dc_last"],
        gradients,
        call.stream,
    )
    return LSTMGradients(*(call.give(g) for g in gradients))


class DeviceWeights:
    """The part of :class:`fastnotes.recurrent.LSTMWeights` that lies on a device."""

    def __init__(
        self, where: str, device: str | None, candidate: str, arrays: dict[str, Any]
    ) -> None:
        call = Call(where, device, **_converted(where, arrays))
        given = _checked_weights(call, "weight_ih")
        self.candidate = candidate
        bias = None if given.bias is None else _copy(call, given.bias)
        self.arrays = _Weights(
            _copy(call, given.weight_ih), _copy(call, given.weight_hh), bias
        )
        call.synchronize()  # whatever stream a call comes on, they are ready
        self.device = call.device
        #: Where host arrays go; None if they are not expected.
        self.takes_host = None if device is None else f"cuda:{call.device}"

    @property
    def dtype(self) -> str:
        """Of all weights."""
        return self.arrays.weight_ih.dtype

    def to_numpy(self) -> tuple[NDArray[Any] | None, ...]:
        """Return weight_ih, weight_hh and bias on the host."""
        return tuple(None if a is None else a.to_numpy() for a in self.arrays)

    def forward(
        self, arrays: dict[str, Any], lengths: Any, keep_cache: bool
    ) -> LSTMOutput:
        """Run a batch of sequences."""
        call = self._call("recurrent.LSTMWeights.forward", arrays)
        _check_inputs(call, self.arrays)
        return _run(
            call, self.arrays, lengths, self.candidate, keep_cache, copy_weights=False
        )

    def step(self, arrays: dict[str, Any], out: Any) -> tuple[Any, Any]:
        """Advance B streams by one step."""
        where = "recurrent.LSTMWeights.step"
        call = self._call(where, arrays)
        hidden = self.arrays.weight_hh.shape[1]
        batch = call.real("x", 2).shape[0]
        columns = self.arrays.weight_ih.shape[1]
        _check(call, "x", (batch, columns), "(B, D)", self.dtype)
        _check(call, "h", (batch, hidden), "(B, H)", self.dtype)
        _check(call, "c", (batch, hidden), "(B, H)", self.dtype)
        after = _step_results(call, out, (batch, hidden), self.dtype)
        call.native.recurrent.lstm_step(
            *self.arrays,
            call["x"],
            call["h"],
            call["c"],
            self.candidate == "tanh",
            *after,
            call.stream,
        )
        return call.give(after[0]), call.give(after[1])

    def _call(self, where: str, arrays: dict[str, Any]) -> Call:
        if any(is_cuda_array(value) for value in arrays.values()):
            wants_cuda(where, None, **arrays)  # refuses host arrays beside them
            call = Call(where, None, **_converted(where, arrays))
        elif self.takes_host is None:
            _refuse_host(where, next(iter(arrays)))
        else:
            call = Call(where, self.takes_host, **_converted(where, arrays, self.dtype))
        if call.device != self.device:
            got = f"{next(iter(arrays))} on cuda:{call.device}"
            fail(where, f"all arrays on cuda:{self.device}, as the weights", got)
        return call


def _refuse_host(where: str, name: str) -> NoReturn:
    fail_type(
        where,
        "all arrays on the CPU or all on one CUDA device",
        f"weights on a CUDA device and {name} on the CPU",
    )


def _converted(
    where: str, arrays: dict[str, Any], dtype: str | None = None
) -> dict[str, Any]:
    """Host arrays in one real dtype; CUDA arrays as they are."""
    for name in _REQUIRED:
        if name in arrays and arrays[name] is None:
            fail_type(where, f"{name} of real numbers", "None")
    if any(is_cuda_array(value) for value in arrays.values()):
        return arrays
    real = {
        name: None if value is None else as_real_array(value, where, name)
        for name, value in arrays.items()
    }
    given = [array for array in real.values() if array is not None]
    common = np.dtype(dtype) if dtype else np.result_type(*given)
    return {
        name: None if array is None else array.astype(common, copy=False)
        for name, array in real.items()
    }


def _check(
    call: Call, name: str, shape: tuple[int, ...], meaning: str, dtype: str
) -> None:
    """Check the whole shape and the dtype; None passes."""
    if call[name] is None:
        return
    array = call.real(name, len(shape))
    if array.dtype != dtype:
        fail_type(call.where, f"{name} of dtype {dtype}", describe(array))
    if array.shape != shape:
        fail(call.where, f"{name} of shape {meaning} = {shape}", str(array.shape))


def _checked_weights(call: Call, first: str) -> _Weights:
    """Check the weights among themselves; dtypes follow the argument ``first``."""
    dtype = call.real(first, 3 if first == "x" else 2).dtype
    rows, hidden = call.real("weight_hh", 2).shape
    if rows != 4 * hidden:
        fail(call.where, "weight_hh of shape (4H, H)", str((rows, hidden)))
    columns = call.real("weight_ih", 2).shape[1]
    _check(call, "weight_hh", (4 * hidden, hidden), "(4H, H)", dtype)
    _check(call, "weight_ih", (4 * hidden, columns), "(4H, D)", dtype)
    _check(call, "bias", (4 * hidden,), "(4H,)", dtype)
    return _Weights(call["weight_ih"], call["weight_hh"], call["bias"])


def _check_inputs(call: Call, weights: _Weights) -> None:
    batch, time, _ = call.real("x", 3).shape
    hidden, dtype = weights.weight_hh.shape[1], weights.weight_hh.dtype
    columns = weights.weight_ih.shape[1]
    _check(call, "x", (batch, time, columns), "(B, T, D)", dtype)
    _check(call, "h0", (batch, hidden), "(B, H)", dtype)
    _check(call, "c0", (batch, hidden), "(B, H)", dtype)


def _read_lengths(
    call: Call, lengths: Any, batch: int, time: int
) -> NDArray[np.int64] | None:
    """Lengths on the host; from a device they are waited for."""
    if is_cuda_array(lengths):
        array = call.native.import_array(lengths, call.stream, call.where, "lengths")
        if array.dtype not in _INTEGERS:
            fail_type(call.where, "lengths of integers", describe(array))
        call.synchronize()
        lengths = array.to_numpy()
    checked = as_lengths(lengths, call.where, batch, time)
    return None if checked is None else checked.copy()  # the cache keeps them


def _run(
    call: Call,
    weights: _Weights,
    lengths: Any,
    candidate: str,
    keep_cache: bool,
    *,
    copy_weights: bool,
) -> LSTMOutput:
    batch, time, _ = call["x"].shape
    hidden, dtype = weights.weight_hh.shape[1], weights.weight_hh.dtype
    on_host = _read_lengths(call, lengths, batch, time)
    h = call.empty((batch, time, hidden), dtype)
    h_last = call.empty((batch, hidden), dtype)
    c_last = call.empty((batch, hidden), dtype)
    cache = None
    if keep_cache:
        cache = _new_cache(call, weights, on_host, candidate, copy_weights)
    call.native.recurrent.lstm_forward(
        *weights,
        call["x"],
        call["h0"],
        call["c0"],
        on_host,
        candidate == "tanh",
        h,
        h_last,
        c_last,
        None if cache is None else cache._arrays,
        call.stream,
    )
    results = (call.give(h), call.give(h_last), call.give(c_last))
    return LSTMOutput(*results, cache)


def _new_cache(
    call: Call,
    weights: _Weights,
    lengths: NDArray[np.int64] | None,
    candidate: str,
    copy_weights: bool,
) -> CudaLSTMCache:
    """A cache whose arrays the forward pass will fill; shapes as in lstm.hpp."""
    batch, time, columns = call["x"].shape
    hidden, dtype = weights.weight_hh.shape[1], weights.weight_hh.dtype
    rows = batch * time if lengths is None else int(lengths.sum())
    cache = CudaLSTMCache.__new__(CudaLSTMCache)
    cache.sizes = (batch, time, columns, hidden)
    cache.dtype, cache.device = dtype, call.device
    cache._candidate, cache._lengths = candidate, lengths
    ih, hh = weights.weight_ih, weights.weight_hh
    cache._weights = (_copy(call, ih), _copy(call, hh)) if copy_weights else (ih, hh)
    cache._arrays = (
        call.empty((rows, columns), dtype),
        call.empty((rows, hidden, 4), dtype),
        call.empty((batch + rows, hidden), dtype),
        call.empty((batch + rows, -(-hidden // 4) * 4), dtype),
        call.empty((2 * batch + time + 1 + 2 * rows,), "int64"),
    )
    return cache


def _copy(call: Call, array: DeviceArray) -> DeviceArray:
    copy = call.empty(array.shape, array.dtype)
    call.native.recurrent.copy(array, copy, call.stream)
    return copy


def _step_results(
    call: Call, out: Any, shape: tuple[int, int], dtype: str
) -> tuple[DeviceArray, DeviceArray]:
    if out is None:
        return call.empty(shape, dtype), call.empty(shape, dtype)
    if not isinstance(out, tuple) or len(out) != 2:
        wanted = "out as a tuple of two arrays"
        fail_type(call.where, wanted, type(out).__name__)
    h, c = (call.out(value, shape, dtype) for value in out)
    if overlap(h, c):
        fail(call.where, "the two arrays of out apart", "overlapping memory")
    return h, c
