"""Log-sum-exp and softmax along any axis, without overflow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._axes import Axes, reduction, single_axis
from fastnotes._core import native
from fastnotes._device import wants_cuda
from fastnotes._memory import empty
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import RealArray, as_real_array, check_fits, check_out, fail


def logsumexp(
    a: ArrayLike,
    axis: Axes = None,
    *,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    out: NDArray[Any] | None = None,
    n_threads: int | None = None,
    device: str | None = None,
) -> Any:
    """Log sum_k b_k exp(a_k), in the shifted form m + log sum_k b_k exp(a_k - m).

    Parameters
    ----------
    a
        Exponents. float32 stays float32, everything else becomes float64.
    axis
        Axis or axes to sum over; None means all.
    b
        Factors of the exponentials, broadcast with ``a``; any sign. A Python number
        takes the dtype of ``a``; otherwise the result is float32 only if both are. A
        term with b = 0 counts as absent, whatever its exponent. A CUDA array must have
        the shape and dtype of ``a``.
    keepdims
        Keep the reduced axes with length 1.
    out
        Array of exactly the result's shape and dtype, C-contiguous, writable, apart
        from the inputs.
    n_threads
        See :doc:`threads`; the result does not depend on it. No meaning on CUDA.
    device
        None: where the arrays are. ``"cuda"``: copy host arrays there, the result back.

    Returns
    -------
    numpy.ndarray or scalar
        ``out`` if given, else a new array; a scalar if no axis is left. For CUDA arrays
        an array of the same library, also where no axis is left.

    Raises
    ------
    TypeError
        If an array is not real, or ``axis`` not made of integers.
    ValueError
        If ``axis`` is out of range or repeated, the shapes do not broadcast, a number
        ``b`` is beyond the dtype, or ``out`` does not fit. For CUDA arrays, which are
        not copied, also if other axes lie between the reduced ones.

    Notes
    -----
    Empty sum or all -inf: -inf. Any NaN: nan. Any +inf: +inf. With ``b``, as SciPy: nan
    where the sum is negative (the sign is not returned), -inf where it is zero.

    References
    ----------
    Blanchard, Higham, Higham, "Accurately computing the log-sum-exp and softmax
    functions", IMA J. Numer. Anal. 41 (2021), algorithm 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.evidence import logsumexp
    >>> round(float(logsumexp(np.array([-10000.0, -10000.0])) + 10000.0), 9)
    0.693147181
    """
    where = "evidence.logsumexp"
    if wants_cuda(where, device, a=a, b=b, out=out):
        return _reduce_on_cuda(a, b, axis, keepdims, out, device, False, where)
    a = as_real_array(a, where, "a")
    factors = None
    if b is not None:
        a, factors = broadcast(a, b, where)
    return reduce_exponentials(
        a, factors, axis, keepdims, out, n_threads, mean=False, where=where
    )


def logmeanexp(
    a: ArrayLike,
    axis: Axes = None,
    *,
    keepdims: bool = False,
    out: NDArray[Any] | None = None,
    n_threads: int | None = None,
    device: str | None = None,
) -> Any:
    """Log (1/K) sum_k exp(a_k), with K the number of entries summed.

    Parameters and returned value are those of :func:`logsumexp`. Equal entries come
    back exactly.

    Raises
    ------
    TypeError
        As :func:`logsumexp`.
    ValueError
        As :func:`logsumexp`, and if K = 0: there is no mean of nothing.
    """
    where = "evidence.logmeanexp"
    if wants_cuda(where, device, a=a, out=out):
        return _reduce_on_cuda(a, None, axis, keepdims, out, device, True, where)
    a = as_real_array(a, where, "a")
    return reduce_exponentials(
        a, None, axis, keepdims, out, n_threads, mean=True, where=where
    )


def softmax(
    a: ArrayLike,
    axis: int = -1,
    *,
    out: NDArray[Any] | None = None,
    n_threads: int | None = None,
    device: str | None = None,
) -> RealArray:
    """exp(a_k) / sum_j exp(a_j) along one axis.

    Parameters
    ----------
    a
        Scores. float32 stays float32, everything else becomes float64.
    axis
        The axis whose entries sum to one.
    out
        Array of exactly the shape and dtype of the result, C-contiguous, writable,
        apart from ``a``.
    n_threads
        See :doc:`threads`; the result does not depend on it. No meaning on CUDA.
    device
        None: where the arrays are. ``"cuda"``: copy host arrays there, the result back.

    Returns
    -------
    numpy.ndarray
        ``out`` if given, else a new array of the shape of ``a``; of the library of
        ``a`` if that is a CUDA array.

    Raises
    ------
    TypeError
        If ``a`` is not real, or ``axis`` not an integer.
    ValueError
        If ``axis`` is out of range, or ``out`` does not fit.

    Notes
    -----
    All -inf: 0 everywhere, so that a masked group has no weight and no gradient. Any
    NaN: nan. n entries +inf and no NaN: 1/n there and 0 elsewhere. A finite shift of
    all entries changes nothing beyond the rounding of ``a`` itself.

    Examples
    --------
    >>> from fastnotes.evidence import softmax
    >>> softmax([123.0, 456.0, 789.0]).round(6)
    array([0., 0., 1.])
    """
    return _normalise(a, axis, out, n_threads, device, False, "evidence.softmax")


def log_softmax(
    a: ArrayLike,
    axis: int = -1,
    *,
    out: NDArray[Any] | None = None,
    n_threads: int | None = None,
    device: str | None = None,
) -> RealArray:
    """a_k - log sum_j exp(a_j) along one axis, as (a_k - m) - log sum_j exp(a_j - m).

    Parameters, returned value and errors are those of :func:`softmax`, and the value is
    its logarithm at the edges too: all -inf gives -inf; n entries +inf give -log n
    there and -inf elsewhere; NaN gives nan.
    """
    return _normalise(a, axis, out, n_threads, device, True, "evidence.log_softmax")


def reduce_exponentials(
    a: RealArray,
    factors: RealArray | None,
    axis: Axes,
    keepdims: bool,
    out: NDArray[Any] | None,
    n_threads: int | None,
    *,
    mean: bool,
    where: str,
) -> Any:
    """Log of the sum, or mean, of factors * exp(a), for a and factors of one shape."""
    array, first, last, shape, kept_shape = reduction(a, axis, where, "a")
    if factors is not None:
        factors = reduction(factors, axis, where, "b").array
    if mean and 0 in array.shape[first:last]:
        fail(where, "at least one entry to average", f"shape {a.shape}")
    threads = resolve_n_threads(n_threads, where)
    if keepdims:
        shape = kept_shape
    if out is None:
        result = empty(shape, array.dtype, where)
    else:
        inputs = (a,) if factors is None else (a, factors)
        check_out(out, where, shape, a.dtype, *inputs)
        result = out
    native.evidence.logsumexp(array, factors, first, last, result, mean, threads)
    return result[()] if out is None and not shape else result


def _reduce_on_cuda(
    a: Any,
    b: Any,
    axis: Axes,
    keepdims: bool,
    out: Any,
    device: str | None,
    mean: bool,
    where: str,
) -> Any:
    from fastnotes.evidence import _cuda

    return _cuda.reduce_exponentials(
        a, b, axis, keepdims, out, device, mean=mean, where=where
    )


def _normalise(
    a: ArrayLike,
    axis: int,
    out: NDArray[Any] | None,
    n_threads: int | None,
    device: str | None,
    log: bool,
    where: str,
) -> RealArray:
    if wants_cuda(where, device, a=a, out=out):
        from fastnotes.evidence import _cuda

        return _cuda.softmax(a, axis, out, device, log, where)  # type: ignore[no-any-return]
    a = as_real_array(a, where, "a")
    axis = single_axis(a, axis, where, "a")
    threads = resolve_n_threads(n_threads, where)
    if out is None:
        out = empty(a.shape, a.dtype, where)
    else:
        check_out(out, where, a.shape, a.dtype, a)
    native.evidence.softmax(a, axis, out, log, threads)
    return out


def _factor(b: float, dtype: np.dtype[Any], where: str) -> NDArray[Any]:
    """One number in the dtype of the exponents."""
    wanted = f"b within the range of {dtype}"
    try:
        number = float(b)
    except OverflowError:  # a long int
        fail(where, wanted, "a number beyond float64")
    with np.errstate(over="ignore"):
        factor = np.asarray(number, dtype)
    if np.isinf(factor) and not math.isinf(number):
        fail(where, wanted, str(number))
    return factor


def broadcast(a: RealArray, b: Any, where: str) -> tuple[RealArray, RealArray]:
    """``a`` and its factors in one shape and dtype, copied where they are not so."""
    if isinstance(b, (int, float)):
        b = _factor(b, a.dtype, where)
    b = as_real_array(b, where, "b")
    dtype = np.result_type(a.dtype, b.dtype)
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        fail(where, f"b to broadcast with a of shape {a.shape}", f"shape {b.shape}")

    check_fits(where, "a and b together", shape, dtype)

    def full(array: RealArray) -> RealArray:
        return np.asarray(np.broadcast_to(array, shape), dtype, order="C")

    return full(a), full(b)
