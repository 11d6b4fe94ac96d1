"""Checks of meaning, shared by all rooms, in one voice.

Functions take what ``np.asarray`` takes and convert once. A message reads
``[room.function] expected <what>, got <what came>``; the wrong kind of thing is a
TypeError, the wrong value a ValueError, both raised before anything is written.
"""

from __future__ import annotations

import math
import operator
import sys
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

RealArray = NDArray[np.floating[Any]]

_REAL_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
_INT64_MAX = 2**63 - 1
#: What a process can address.
_MOST_BYTES = 2**47


def fail(where: str, expected: str, got: str) -> NoReturn:
    """Raise the ValueError of the one error voice."""
    raise ValueError(f"[{where}] expected {expected}, got {got}")


def fail_type(where: str, expected: str, got: str) -> NoReturn:
    """Raise the TypeError of the one error voice."""
    raise TypeError(f"[{where}] expected {expected}, got {got}")


def describe(array: NDArray[Any]) -> str:
    """Dtype and shape, as messages give them."""
    return f"{array.dtype} of shape {array.shape}"


def integer_text(number: int) -> str:
    """Its digits; of a long one, which Python may refuse to write, the length."""
    bits = number.bit_length()
    return str(number) if bits <= 64 else f"an integer of {bits} bits"


def as_array(value: Any, where: str, name: str) -> NDArray[Any]:
    """Return ``value`` as a dense array of any dtype; a mask is refused."""
    refuse_mask(value, where, name)
    if hasattr(value, "tocsr"):
        fail_type(where, f"{name} as a dense array", type(value).__name__)
    try:
        return np.asarray(value)
    except ValueError:
        fail(where, f"{name} as a rectangular array", "a ragged sequence")


def as_real_array(
    value: Any, where: str, name: str, *, ndim: int | tuple[int, ...] | None = None
) -> RealArray:
    """Return ``value`` as a C-contiguous float32 or float64 array, converted once.

    float32 stays float32; float64, float16, integers and bool become float64. An array
    that is already right is returned as it is.

    Raises
    ------
    TypeError
        For complex, object, string and other non-real dtypes, and masked or sparse
        input.
    ValueError
        For ragged input or a wrong number of dimensions.
    """
    if type(value) is np.ndarray and value.dtype in _REAL_DTYPES:
        flags = value.flags
        if (
            flags.c_contiguous
            and flags.aligned
            and (
                ndim is None
                or value.ndim == ndim
                or (type(ndim) is tuple and value.ndim in ndim)
            )
        ):
            return value
    array = as_array(value, where, name)
    if array.dtype.kind not in "fiub":
        fail_type(where, f"{name} of real numbers", describe(array))
    dtype = np.float32 if array.dtype.newbyteorder("=") == np.float32 else np.float64
    _check_ndim(array, where, name, ndim)
    if array.dtype.itemsize > 8:
        fail_type(where, f"{name} of at most 64-bit floats", describe(array))
    check_fits(where, name, array.shape, dtype)
    return np.require(array, dtype=dtype, requirements=("C", "A"))


def as_index_array(
    value: Any, where: str, name: str, *, ndim: int = 1
) -> NDArray[np.int64]:
    """Return ``value`` as a C-contiguous int64 array; floats and bool are refused."""
    array = as_array(value, where, name)
    if array.size == 0 and array.dtype == np.float64 and not hasattr(value, "dtype"):
        array = array.astype(np.int64)  # np.asarray([]) is float64
    if array.dtype.kind not in "iu":
        fail_type(where, f"{name} of integers", describe(array))
    _check_ndim(array, where, name, ndim)
    if array.dtype == np.uint64 and array.size and array.max() > _INT64_MAX:
        fail(where, f"{name} below 2**63", str(array.max()))
    check_fits(where, name, array.shape, np.int64)
    return np.require(array, dtype=np.int64, requirements=("C", "A"))


def as_integer(
    value: Any,
    where: str,
    name: str,
    *,
    low: int | None = None,
    high: int | None = None,
) -> int:
    """Return ``value`` as an int within [low, high]; bool and floats are refused."""
    wanted = f"{name} as an integer"
    if isinstance(value, (bool, np.bool_)):
        fail_type(where, wanted, "a bool")
    try:
        number = operator.index(value)
    except TypeError:
        fail_type(where, wanted, type(value).__name__)
    if (low is not None and number < low) or (high is not None and number > high):
        fail(where, _range_text(name, low, high), integer_text(number))
    return number


def as_real(
    value: Any,
    where: str,
    name: str,
    *,
    low: float | None = None,
    high: float | None = None,
) -> float:
    """Return ``value`` as a finite float within [low, high]; bool is refused."""
    wanted = f"{name} as a real number"
    if (
        isinstance(value, (bool, np.bool_, str, bytes))
        or getattr(value, "ndim", 0) != 0
        or np.iscomplexobj(value)
    ):
        fail_type(where, wanted, type(value).__name__)
    try:
        number = float(value)
    except (TypeError, ValueError):
        fail_type(where, wanted, type(value).__name__)
    except OverflowError:
        got = integer_text(value) if isinstance(value, int) else type(value).__name__
        fail(where, f"{name} within float64", got)
    if not np.isfinite(number):
        fail(where, f"{name} finite", str(number))
    if (low is not None and number < low) or (high is not None and number > high):
        fail(where, _range_text(name, low, high), str(number))
    return number


def as_seed(value: Any, where: str) -> int:
    """Return ``random_state`` as the key of a Philox stream: from 0 to 2**63 - 1."""
    return as_integer(value, where, "random_state", low=0, high=_INT64_MAX)


def as_dropout(value: Any, where: str) -> float:
    """Return ``dropout`` as a float from 0 to below 1."""
    dropout = as_real(value, where, "dropout", low=0.0, high=1.0)
    if dropout == 1:
        fail(where, "dropout below 1", "1.0")
    return dropout


def as_float_dtype(dtype: DTypeLike, where: str) -> np.dtype[Any]:
    """Return ``dtype`` as float32 or float64."""
    kind = np.dtype(dtype)
    if kind not in _REAL_DTYPES:
        fail(where, "dtype float32 or float64", str(kind))
    return kind


def check_choice(value: Any, where: str, name: str, choices: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of ``choices``."""
    if not isinstance(value, str):
        fail_type(where, f"{name} as a string", type(value).__name__)
    if value not in choices:
        fail(where, f"{name} as one of {', '.join(map(repr, choices))}", repr(value))
    return value


def check_shape(
    array: NDArray[Any], where: str, name: str, shape: tuple[int, ...], meaning: str
) -> None:
    """Check the whole shape; ``meaning`` spells it, as in ``"(4H, D)"``."""
    if array.shape != shape:
        fail(where, f"{name} of shape {meaning} = {shape}", str(array.shape))


def check_fits(
    where: str,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any] | type[np.generic],
) -> None:
    """Refuse what no memory holds, and extents around a 0 that NumPy cannot count."""
    itemsize = np.dtype(dtype).itemsize
    counted = math.prod(n or 1 for n in shape) * itemsize
    if counted <= _MOST_BYTES:
        return
    if 0 not in shape or counted > sys.maxsize:
        got = f"{np.dtype(dtype)} of shape {shape}"
        fail(where, f"{name} that fits in memory", got)


def check_finite(array: NDArray[Any], where: str, name: str) -> None:
    """Refuse NaN and infinity."""
    if not np.isfinite(array).all():
        bad = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        fail(where, f"{name} finite", f"{array[bad]} at index {bad}")


def check_out(
    out: Any,
    where: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any] | type[np.generic],
    *inputs: NDArray[Any],
) -> None:
    """Check a caller's output: exact dtype and shape, writable, apart from inputs."""
    if not isinstance(out, np.ndarray):
        fail_type(where, "out as a NumPy array", type(out).__name__)
    refuse_mask(out, where, "out")
    if out.dtype != dtype or out.shape != shape:
        fail(where, f"out as {np.dtype(dtype)} of shape {shape}", describe(out))
    flags = out.flags
    if not (flags.c_contiguous and flags.aligned):
        fail(where, "out C-contiguous and aligned", "a strided or unaligned array")
    if not flags.writeable:
        fail(where, "out writable", "a read-only array")
    for array in inputs:
        if np.may_share_memory(out, array):
            fail(where, "out apart from the inputs", "overlapping memory")


def refuse_mask(value: Any, where: str, name: str) -> None:
    """Refuse a masked array: its mask would be ignored."""
    if isinstance(value, np.ma.MaskedArray):
        fail_type(where, f"{name} without a mask", "a masked array")


def _check_ndim(
    array: NDArray[Any], where: str, name: str, ndim: int | tuple[int, ...] | None
) -> None:
    if ndim is None:
        return
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if array.ndim not in allowed:
        text = " or ".join(str(n) for n in allowed)
        fail(where, f"{name} with {text} dimension(s)", describe(array))


def _range_text(name: str, low: float | None, high: float | None) -> str:
    if high is None:
        return f"{name} >= {low}"
    if low is None:
        return f"{name} <= {high}"
    return f"{name} from {low} to {high}"
