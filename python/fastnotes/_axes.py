"""The reduced axes, brought together: the kernels see (outer, K, inner)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from fastnotes._validation import RealArray, as_integer, fail

Axes = int | tuple[int, ...] | None


class Shaped(Protocol):
    """An array, wherever it lies."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...


class Reduction(NamedTuple):
    """An array whose axes ``first`` to ``last - 1`` are reduced as one."""

    array: RealArray
    first: int
    last: int
    shape: tuple[int, ...]
    kept_shape: tuple[int, ...]


def single_axis(array: Shaped, axis: int, where: str, name: str) -> int:
    """Return ``axis`` counted from the front."""
    ndim = array.ndim
    if ndim == 0:
        fail(where, f"{name} with at least one dimension", "a scalar")
    return as_integer(axis, where, "axis", low=-ndim, high=ndim - 1) % ndim


def reduced_axes(array: Shaped, axis: Axes, where: str, name: str) -> tuple[int, ...]:
    """Return the axes that ``axis`` means, in order, counted from the front."""
    if axis is None:
        return tuple(range(array.ndim))
    if not isinstance(axis, tuple):
        return (single_axis(array, axis, where, name),)
    axes = tuple(sorted(single_axis(array, one, where, name) for one in axis))
    if len(set(axes)) != len(axes):
        fail(where, "axis without repeats", str(axis))
    return axes


def reduction(array: RealArray, axis: Axes, where: str, name: str) -> Reduction:
    """Bring the reduced axes together; copies only if others stand between them.

    ``shape`` of the result is that without the reduced axes, ``kept_shape`` that with
    them kept at length 1.
    """
    axes = reduced_axes(array, axis, where, name)
    shape = array.shape
    first, last = (axes[0], axes[-1] + 1) if axes else (0, 0)
    kept = shape[:first] + (1,) * (last - first) + shape[last:]
    if last - first == len(axes):
        return Reduction(array, first, last, shape[:first] + shape[last:], kept)
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    rest = tuple(n for i, n in enumerate(shape) if i not in axes)
    together = np.moveaxis(array, axes, range(len(axes)))
    return Reduction(np.ascontiguousarray(together), 0, len(axes), rest, kept)
