"""Elementary functions of real arrays, to within 2 ULP, at memory speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._memory import empty
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import RealArray, as_real_array, check_out

_Kernel = Callable[[RealArray, RealArray, int], None]
_Function = TypeVar("_Function", bound=Callable[..., RealArray])

_DETAILS = """

Parameters
----------
x
    Real values of any shape. float32 is computed in float32, anything else in
    float64.
out
    Array for the result: the shape and dtype of the result, C-contiguous, apart
    from ``x``.
n_threads
    Threads; None takes the default. The result is the same bytes for any count.

Returns
-------
RealArray
    The values, shaped as ``x``; ``out`` if it was given.

Raises
------
TypeError
    If ``x`` is not real, or ``out`` not an array.
ValueError
    If ``x`` is ragged, or ``out`` does not fit.

Notes
-----
{edges} NaN gives NaN. Errors in ULP are in ``docs/nn.md``.
"""


def _elementwise(edges: str) -> Callable[[_Function], _Function]:
    """Complete a docstring with what all functions share, and its edge values."""

    def complete(function: _Function) -> _Function:
        if function.__doc__ is not None:  # absent under `python -OO`
            function.__doc__ += _DETAILS.format(edges=edges)
        return function

    return complete


def _apply(
    kernel: _Kernel,
    where: str,
    x: ArrayLike,
    out: NDArray[Any] | None,
    n_threads: int | None,
) -> RealArray:
    values = as_real_array(x, where, "x")
    threads = resolve_n_threads(n_threads, where)
    if out is None:
        out = empty(values.shape, values.dtype, where)
    else:
        check_out(out, where, values.shape, values.dtype, values)
    # A np.matrix stays two-dimensional whatever it is reshaped to.
    kernel(values.reshape(-1), np.asarray(out).reshape(-1), threads)
    return out


@_elementwise("exp(-inf) = 0; overflow gives inf, underflow goes gradually to 0.")
def exp(
    x: ArrayLike, *, out: NDArray[Any] | None = None, n_threads: int | None = None
) -> RealArray:
    """Exponential, exp(x)."""
    return _apply(native.nn.exp, "nn.exp", x, out, n_threads)


@_elementwise("log(0) = -inf; NaN below 0, without a warning; log(inf) = inf.")
def log(
    x: ArrayLike, *, out: NDArray[Any] | None = None, n_threads: int | None = None
) -> RealArray:
    """Natural logarithm."""
    return _apply(native.nn.log, "nn.log", x, out, n_threads)


@_elementwise("log1p(-1) = -inf; NaN below -1, without a warning; log1p(-0.0) = -0.0.")
def log1p(
    x: ArrayLike, *, out: NDArray[Any] | None = None, n_threads: int | None = None
) -> RealArray:
    """log(1 + x), to full relative accuracy near 0."""
    return _apply(native.nn.log1p, "nn.log1p", x, out, n_threads)


@_elementwise("expm1(-inf) = -1; overflow gives inf; expm1(-0.0) = -0.0.")
def expm1(
    x: ArrayLike, *, out: NDArray[Any] | None = None, n_threads: int | None = None
) -> RealArray:
    """exp(x) - 1, to full relative accuracy near 0."""
    return _apply(native.nn.expm1, "nn.expm1", x, out, n_threads)


@_elementwise("tanh(-inf) = -1, tanh(inf) = 1; tanh(-0.0) = -0.0.")
def tanh(
    x: ArrayLike, *, out: NDArray[Any] | None = None, n_threads: int | None = None
) -> RealArray:
    """Hyperbolic tangent."""
    return _apply(native.nn.tanh, "nn.tanh", x, out, n_threads)


@_elementwise("0 at -inf, 1 at inf; full relative accuracy on the negative side.")
def sigmoid(
    x: ArrayLike, *, out: NDArray[Any] | None = None, n_threads: int | None = None
) -> RealArray:
    """Logistic function, 1 / (1 + exp(-x)), also where it is tiny."""
    return _apply(native.nn.sigmoid, "nn.sigmoid", x, out, n_threads)


@_elementwise("0 at -inf, inf at inf; softplus(-50) = 1.928749847963918e-22.")
def softplus(
    x: ArrayLike, *, out: NDArray[Any] | None = None, n_threads: int | None = None
) -> RealArray:
    """log(1 + exp(x)), also where it is tiny."""
    return _apply(native.nn.softplus, "nn.softplus", x, out, n_threads)
