"""Distributions and units: what every exact function checks, in one place."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._axes import Axes, reduced_axes
from fastnotes._validation import RealArray, as_real, as_real_array, check_fits, fail

Float64Array = NDArray[np.float64]


class Distributions(NamedTuple):
    """Checked probabilities in float64, each distribution's sum made 1.

    ``axes`` are those of one distribution, counted from the front; ``dtype`` is that of
    the result.
    """

    p: Float64Array
    axes: tuple[int, ...]
    dtype: np.dtype[Any]


class Pair(NamedTuple):
    """Two distributions in one shape."""

    p: Float64Array
    q: Float64Array
    axes: tuple[int, ...]
    dtype: np.dtype[Any]


def as_distributions(
    p: ArrayLike, axis: Axes, where: str, name: str = "p", *, normalize: bool
) -> Distributions:
    """Probabilities along ``axis``; with ``normalize`` any weights."""
    array = as_real_array(p, where, name)
    axes = reduced_axes(array, axis, where, name)
    return Distributions(
        _checked(array, axes, where, name, normalize), axes, array.dtype
    )


def as_pair(
    p: ArrayLike, q: ArrayLike, axis: Axes, where: str, *, normalize: bool
) -> Pair:
    """Two arrays of probabilities, broadcast together."""
    first, second = as_real_array(p, where, "p"), as_real_array(q, where, "q")
    dtype = np.result_type(first, second)
    together = broadcast(where, p=first, q=second)
    axes = reduced_axes(together[0], axis, where, "p")
    first, second = (
        _checked(array, axes, where, name, normalize)
        for name, array in zip("pq", together, strict=True)
    )
    return Pair(first, second, axes, dtype)


def broadcast(where: str, **arrays: RealArray) -> list[RealArray]:
    """Read-only views in one shape."""
    names = " and ".join(arrays)
    try:
        shape = np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = " and ".join(str(array.shape) for array in arrays.values())
        fail(where, f"{names} to broadcast together", f"shapes {shapes}")
    check_fits(where, f"{names} together", shape, np.float64)
    return [np.broadcast_to(array, shape) for array in arrays.values()]


def check_batch(where: str, *arrays: RealArray) -> None:
    """Check that all but the last axes broadcast."""
    shapes = [array.shape[:-1] for array in arrays]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        text = ", ".join(map(str, shapes))
        fail(where, "leading axes that broadcast together", text)


def _checked(
    array: RealArray, axes: tuple[int, ...], where: str, name: str, normalize: bool
) -> Float64Array:
    p = array.astype(np.float64)
    bad = ~(np.isfinite(p) & (p >= 0))
    if bad.any():
        at = first_index(bad)
        fail(where, f"{name} of finite numbers >= 0", f"{p[at]} at index {at}")
    with np.errstate(over="ignore"):
        total = p.sum(axis=axes, keepdims=True)
    if normalize:
        wanted, wrong = "a positive, finite sum", ~(np.isfinite(total) & (total > 0))
    else:
        tolerance = math.sqrt(np.finfo(array.dtype).eps)
        wanted = f"a sum of 1 within {tolerance:.1e} (or normalize=True)"
        wrong = np.abs(total - 1) > tolerance
    if wrong.any():
        at = first_index(wrong)
        fail(where, f"{name} with {wanted}", f"{total[at]} at index {at}")
    p /= total
    return p


def first_index(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """Where the mask is first true."""
    return tuple(int(i) for i in np.argwhere(mask)[0])


def unit_of(base: float | None, where: str) -> float:
    """Nats in one unit of information: 1, or the logarithm of ``base``."""
    if base is None:
        return 1.0
    number = as_real(base, where, "base")
    if number <= 1:
        fail(where, "base > 1, or None for nats", str(number))
    return math.log(number)


def finish(total: Any, dtype: np.dtype[Any], unit: float = 1.0) -> Any:
    """In its unit and dtype, a scalar where no axis is left."""
    with np.errstate(over="ignore"):
        return np.asarray(total / unit).astype(dtype)[()]


def log_ratio(p: Any, q: Any, log_q: Any = None) -> Any:
    """Log (p / q), by way of p - q where they are near; ``log_q`` if q underflows."""
    with np.errstate(all="ignore"):
        t = (p - q) / q
        far = np.log(p) - (np.log(q) if log_q is None else log_q)
        return np.where(np.abs(t) < 0.5, np.log1p(t), far)


def gap(p: Any, q: Any, log_q: Any = None) -> Any:
    """P log (p / q) - p + q, which is never negative: 0 log 0 = 0, +inf for q = 0 < p.

    Summed over two distributions this is the divergence, without the first-order terms
    that would cancel.
    """
    with np.errstate(all="ignore"):
        t = (p - q) / q
        near = q * ((1 + t) * np.log1p(t) - t)
        far = np.where(p > 0, p * log_ratio(p, q, log_q), 0.0) - p + q
        return np.maximum(np.where(np.abs(t) < 0.5, near, far), 0.0)
