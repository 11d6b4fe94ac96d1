"""The functions of this room on CUDA arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastnotes._axes import Axes, reduced_axes, single_axis
from fastnotes._cuda import Call, describe
from fastnotes._device import is_cuda_array
from fastnotes._validation import as_real_array, fail, fail_type
from fastnotes.evidence.importance_weights import ImportanceWeights
from fastnotes.evidence.logsumexp import broadcast

if TYPE_CHECKING:
    from fastnotes._core_cuda import DeviceArray


def importance_weights(log_w: Any, axis: int, device: str | None) -> ImportanceWeights:
    """Bound, weights and ess, as arrays of the caller's kind."""
    where = "evidence.importance_weights"
    call = Call(where, device, log_w=_real(log_w, where, "log_w"))
    array = call.real("log_w")
    axis = single_axis(array, axis, where, "log_w")
    shape, dtype = array.shape, array.dtype
    if shape[axis] == 0:
        fail(where, "at least one sample along axis", f"shape {shape}")
    rest = shape[:axis] + shape[axis + 1 :]
    bound, ess = call.empty(rest, dtype), call.empty(rest, dtype)
    weights = call.empty(shape, dtype)
    call.native.evidence.importance_weights(
        array, axis, bound, weights, ess, call.stream
    )
    return ImportanceWeights(call.give(bound), call.give(weights), call.give(ess))


def reduce_exponentials(
    a: Any,
    factors: Any,
    axis: Axes,
    keepdims: bool,
    out: Any,
    device: str | None,
    *,
    mean: bool,
    where: str,
    name: str = "a",
    one_axis: bool = False,
) -> Any:
    """Log of the sum, or mean, of factors * exp(a); a is called ``name``."""
    if not is_cuda_array(a):
        a = as_real_array(a, where, name)
        if factors is not None:
            a, factors = broadcast(a, factors, where)
    elif isinstance(factors, (int, float)):
        fail_type(where, f"b as a CUDA array of the shape of {name}", "a number")
    call = Call(where, device, **{name: a, "b": factors})
    array = call.real(name)
    if one_axis:
        axis = single_axis(array, axis, where, name)  # type: ignore[arg-type]
    first, last, shape = _reduction(array, axis, keepdims, where, name)
    if mean and 0 in array.shape[first:last]:
        fail(where, "at least one entry to average", f"shape {array.shape}")
    if factors is not None:
        _check_factors(call.real("b"), array, where)
    result = _result(call, out, shape, array.dtype)
    call.native.evidence.logsumexp(
        array, call["b"], first, last, result, mean, call.stream
    )
    return call.give(result)


def softmax(
    a: Any, axis: int, out: Any, device: str | None, log: bool, where: str
) -> Any:
    """Softmax, or its logarithm, as an array of the caller's kind."""
    call = Call(where, device, a=_real(a, where, "a"))
    array = call.real("a")
    axis = single_axis(array, axis, where, "a")
    result = _result(call, out, array.shape, array.dtype)
    call.native.evidence.softmax(array, axis, result, log, call.stream)
    return call.give(result)


def _real(value: Any, where: str, name: str) -> Any:
    """Convert what is to be copied to the device as on the CPU; leave the rest."""
    return value if is_cuda_array(value) else as_real_array(value, where, name)


def _reduction(
    array: DeviceArray, axis: Axes, keepdims: bool, where: str, name: str
) -> tuple[int, int, tuple[int, ...]]:
    """First and last axis to reduce, and the shape of the result; copies nothing."""
    axes = reduced_axes(array, axis, where, name)
    first, last = (axes[0], axes[-1] + 1) if axes else (0, 0)
    if any(array.shape[i] != 1 for i in range(first, last) if i not in axes):
        fail(
            where,
            f"neighbouring axes to reduce (no CUDA array is copied to bring {name}'s "
            "together)",
            f"axis {axis} of shape {array.shape}",
        )
    if keepdims:
        shape = tuple(1 if i in axes else n for i, n in enumerate(array.shape))
    else:
        shape = tuple(n for i, n in enumerate(array.shape) if i not in axes)
    return first, last, shape


def _check_factors(factors: DeviceArray, array: DeviceArray, where: str) -> None:
    if factors.shape != array.shape or factors.dtype != array.dtype:
        wanted = f"b as {array.dtype} of shape {array.shape} (no CUDA array is copied)"
        fail(where, wanted, describe(factors))


def _result(call: Call, out: Any, shape: tuple[int, ...], dtype: str) -> DeviceArray:
    return call.empty(shape, dtype) if out is None else call.out(out, shape, dtype)
