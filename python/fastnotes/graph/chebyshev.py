"""Polynomials of a Laplacian, applied by products alone, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._core import native
from fastnotes._memory import empty
from fastnotes._validation import RealArray, as_real_array, describe, fail
from fastnotes.graph._scaled import scaled_laplacian
from fastnotes.nn.gemm import matmul

Multiply = Callable[..., RealArray]


def chebyshev_filter(
    A: Any,
    X: ArrayLike,
    theta: ArrayLike,
    *,
    lmax: float | str = 2.0,
    isolated: str = "one",
    laplacian: Any = None,
    n_threads: int | None = None,
) -> RealArray:
    """Return sum_{k=0..degree} theta_k T_k(L~) X, with L~ = 2 L / lmax - I.

    Parameters
    ----------
    A
        Adjacency, SciPy sparse (n, n), whose L = I - D^-1/2 A D^-1/2 is meant; or a
        :class:`GraphOperator` of kind ``"laplacian"``, prepared once for many calls;
        or None, with ``laplacian``.
    X
        (n, C) or (n,). float32 stays float32, everything else becomes float64.
    theta
        (degree + 1,): one filter for all columns of X. Or (degree + 1, C, F): each of F
        outputs is the sum over the C columns, filtered on their own.
    lmax
        At least the largest eigenvalue of L: 2 holds for every graph. ``"lanczos"``
        finds a bound that is closer (undirected graphs).
    isolated
        The Laplacian's diagonal at a node of degree 0, ``"one"`` or ``"zero"``; a
        GraphOperator has its own.
    laplacian
        A symmetric SciPy matrix in place of the Laplacian of A, of a mesh for example;
        its weights may be negative. ``lmax`` must then be given.
    n_threads
        Threads; None takes the default. The result is the same bytes for any count.

    Returns
    -------
    numpy.ndarray
        Like X, or (n, F).

    Raises
    ------
    TypeError, ValueError
        As :class:`GraphOperator`; for theta that does not fit X; for a matrix that is
        not symmetric where it must be; for lmax below the largest diagonal entry of
        ``laplacian``, which no eigenvalue bound is.

    Notes
    -----
    ``degree`` products. A node that is more than ``degree`` hops away from all nodes
    where X is not 0 gets an exact 0. L~ is never formed, and a step of the recurrence
    is one pass: Clenshaw's b_k = theta_k X + 2 L~ b_{k+1} - b_{k+2}, written over
    b_{k+2}. With F > C the T_k X are made instead, so that products have the smaller
    of C and F columns.

    References
    ----------
    Defferrard, Bresson and Vandergheynst, "Convolutional neural networks on graphs
    with fast localized spectral filtering", NIPS 2016, section 2.1; Hammond,
    Vandergheynst and Gribonval, "Wavelets on graphs via spectral graph theory", 2011.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from fastnotes.graph import chebyshev_filter
    >>> path = scipy.sparse.csr_array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> chebyshev_filter(path, [1.0, 2.0, -1.0], [0.5, -1.0, 0.25, 2.0]).round(8)
    array([-1.16421356,  1.5       , -1.66421356])
    """
    where = "graph.chebyshev_filter"
    x, coefficients = _as_arguments(X, theta, where)
    scaled, threads = scaled_laplacian(A, laplacian, lmax, isolated, n_threads, where)
    _check_rows(x, "X", scaled.n, where)
    columns = x.reshape(scaled.n, 1) if x.ndim == 1 else x
    multiply = partial(scaled.product, where=where, n_threads=threads)
    if coefficients.ndim == 1:
        return _filtered(multiply, columns, coefficients, where).reshape(x.shape)
    _, C, F = coefficients.shape
    if C >= F:
        return clenshaw(
            multiply,
            lambda k, out: matmul(columns, coefficients[k], out=out, n_threads=threads),
            len(coefficients),
            (scaled.n, F),
            x.dtype,
            where,
        )
    y = matmul(columns, coefficients[0], n_threads=threads)
    for k, term in terms(multiply, columns, len(coefficients), where):
        if k > 0:
            matmul(term, coefficients[k], out=y, accumulate=True, n_threads=threads)
    return y


def chebyshev_filter_backward(
    dY: ArrayLike,
    A: Any,
    X: ArrayLike,
    theta: ArrayLike,
    *,
    lmax: float | str = 2.0,
    isolated: str = "one",
    laplacian: Any = None,
    n_threads: int | None = None,
) -> tuple[RealArray, RealArray]:
    """Return the gradients of ``sum(dY * chebyshev_filter(A, X, theta))``.

    Parameters
    ----------
    dY
        Like the filter's result; converted to the dtype of X.
    A, X, theta, lmax, isolated, laplacian, n_threads
        As in :func:`chebyshev_filter`.

    Returns
    -------
    dX, dtheta : numpy.ndarray
        Shaped as X and theta, in the dtype of X. lmax counts as a constant.

    Raises
    ------
    TypeError, ValueError
        As :func:`chebyshev_filter`.

    Notes
    -----
    ``degree`` products with the transposed operator, of as many columns as dY: all
    comes from the terms T_k(L~^T) dY. Nothing of the forward pass is kept.
    """
    where = "graph.chebyshev_filter_backward"
    x, coefficients = _as_arguments(X, theta, where)
    dy = as_real_array(dY, where, "dY", ndim=(1, 2)).astype(x.dtype, copy=False)
    scaled, threads = scaled_laplacian(A, laplacian, lmax, isolated, n_threads, where)
    _check_rows(x, "X", scaled.n, where)
    one = coefficients.ndim == 1
    shape = x.shape if one else (scaled.n, coefficients.shape[2])
    if dy.shape != shape:
        fail(where, f"dY of shape {shape}", str(dy.shape))
    multiply = partial(scaled.product, where=where, n_threads=threads, transpose=True)
    columns = dy.reshape(scaled.n, 1) if dy.ndim == 1 else dy
    dtheta = np.empty(coefficients.shape, x.dtype)
    dx = np.zeros(x.shape, x.dtype)
    for k, term in terms(multiply, columns, len(coefficients), where):
        if one:
            dtheta[k] = native.graph.filter_term(
                term.reshape(x.shape), x, coefficients[k], dx, threads
            )
        else:
            weight = coefficients[k]
            matmul(x, term, transpose_a=True, out=dtheta[k], n_threads=threads)
            matmul(
                term,
                weight,
                transpose_b=True,
                out=dx,
                accumulate=True,
                n_threads=threads,
            )
    return dx, dtheta


def _filtered(
    multiply: Multiply, x: RealArray, theta: RealArray, where: str
) -> RealArray:
    """Clenshaw's recurrence of one filter, from b_degree = theta_degree x, unformed."""
    degree = len(theta) - 1
    if degree == 0:
        scaled: RealArray = x * theta[0]
        return scaled
    last = float(theta[degree])
    factor = 1.0 if degree == 1 else 2.0
    b = multiply(
        x,
        empty(x.shape, x.dtype, where),
        factor=factor * last,
        added=x,
        added_factor=float(theta[degree - 1]),
    )
    before: RealArray | None = None
    for k in range(degree - 2, -1, -1):
        added = float(theta[k]) - (last if k == degree - 2 else 0.0)
        out = empty(x.shape, x.dtype, where) if before is None else before
        factor = 1.0 if k == 0 else 2.0
        following = multiply(
            b, out, factor=factor, added=x, added_factor=added, subtracted=before
        )
        before, b = b, following
    return b


def clenshaw(
    multiply: Multiply,
    addend: Callable[[int, RealArray], Any],
    n_terms: int,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    where: str,
) -> RealArray:
    """Return sum_k T_k(L~) G_k, where ``addend(k, out)`` writes G_k to ``out``."""
    b = empty(shape, dtype, where)
    addend(n_terms - 1, b)
    if n_terms == 1:
        return b
    added = empty(shape, dtype, where)
    before: RealArray | None = None
    for k in range(n_terms - 2, -1, -1):
        addend(k, added)
        out = empty(shape, dtype, where) if before is None else before
        factor = 1.0 if k == 0 else 2.0
        following = multiply(
            b, out, factor=factor, added=added, added_factor=1.0, subtracted=before
        )
        before, b = b, following
    return b


def terms(multiply: Multiply, x: RealArray, n_terms: int, where: str) -> Any:
    """Yield k and T_k(L~) x, k = 0, 1, ...; a term is overwritten by the next but one.

    Term 0 is x itself.
    """
    yield 0, x
    before, term = x, x
    for k in range(1, n_terms):
        if k == 1:
            following = multiply(x, empty(x.shape, x.dtype, where))
        else:
            out = before if k > 2 else empty(x.shape, x.dtype, where)
            following = multiply(term, out, factor=2.0, subtracted=before)
        before, term = term, following
        yield k, term


def _as_arguments(X: Any, theta: Any, where: str) -> tuple[RealArray, RealArray]:
    """X, and theta in its dtype."""
    x = as_real_array(X, where, "X", ndim=(1, 2))
    given = as_real_array(theta, where, "theta", ndim=(1, 3))
    with np.errstate(over="ignore"):  # inf, as in any other float32 arithmetic
        coefficients = given.astype(x.dtype, copy=False)
    if len(coefficients) == 0:
        fail(where, "theta of at least one coefficient", describe(coefficients))
    if coefficients.ndim == 3 and (x.ndim != 2 or x.shape[1] != coefficients.shape[1]):
        wanted = "theta (degree + 1, C, F) for X of C columns"
        fail(where, wanted, f"{coefficients.shape} for {x.shape}")
    return x, coefficients


def _check_rows(x: RealArray, name: str, n: int, where: str) -> None:
    if x.shape[0] != n:
        fail(where, f"{name} of {n} rows", describe(x))
