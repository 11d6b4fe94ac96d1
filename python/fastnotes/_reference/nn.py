"""NumPy twins of the room ``nn``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def matmul(
    a: Array, b: Array, *, transpose_a: bool = False, transpose_b: bool = False
) -> Array:
    """op(a) op(b), accumulated in float64 and rounded once to the dtype of ``a``."""
    left = (a.T if transpose_a else a).astype(np.float64)
    right = (b.T if transpose_b else b).astype(np.float64)
    return (left @ right).astype(a.dtype)


def matmul_magnitude(
    a: Array, b: Array, *, transpose_a: bool = False, transpose_b: bool = False
) -> Array:
    """Depth * |op(a)| |op(b)|: eps times this bounds the rounding of a product."""
    left = np.abs(a.T if transpose_a else a).astype(np.float64)
    right = np.abs(b.T if transpose_b else b).astype(np.float64)
    magnitude: Array = left.shape[1] * (left @ right)
    return magnitude


# Elementary functions: exp, log, log1p, expm1 and tanh are NumPy's own.


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), with exp only of what is not positive."""
    small: Array = np.exp(-np.abs(x))
    top: Array = np.where(x < 0, small, x.dtype.type(1))
    return top / (1 + small)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))."""
    rest: Array = np.log1p(np.exp(-np.abs(x)))
    return np.maximum(x, 0) + rest
