"""The graph Fourier transform: eigenvectors of the Laplacian as waves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_array,
    as_integer,
    as_real_array,
    describe,
    fail,
    fail_type,
)
from fastnotes.graph._lanczos import START_PURPOSE
from fastnotes.graph._scaled import as_symmetric
from fastnotes.graph.matrices import materialize
from fastnotes.nn.gemm import matmul

Float64Array = NDArray[np.float64]

#: Nodes up to which all eigenvectors are found where some are asked for.
_SMALL = 512


class FourierBasis(NamedTuple):
    """Eigenvalues of a Laplacian, ascending, and its eigenvectors as columns of U."""

    eigenvalues: Float64Array
    U: Float64Array


def fourier_basis(
    A: Any,
    *,
    n_components: int | None = None,
    isolated: str = "one",
    laplacian: Any = None,
) -> FourierBasis:
    """Return the eigenvalues and eigenvectors of L = I - D^-1/2 A D^-1/2.

    Parameters
    ----------
    A
        Adjacency of an undirected graph, SciPy sparse (n, n); None with ``laplacian``.
    n_components
        So many of the smallest eigenvalues; by ``scipy.sparse.linalg.eigsh`` where
        n x n numbers are too many. None: all, dense, O(n^3).
    isolated
        The Laplacian's diagonal at a node of degree 0, ``"one"`` or ``"zero"``.
    laplacian
        A symmetric SciPy matrix in place of L, of a mesh for example.

    Returns
    -------
    eigenvalues : ndarray of shape (n,) or (n_components,)
        float64, ascending.
    U : ndarray of shape (n, n) or (n, n_components)
        float64, orthonormal columns; the largest entry of each is positive.

    Raises
    ------
    TypeError, ValueError
        As :class:`GraphOperator`; for a matrix that is not symmetric, ``n_components``
        that is not from 1 to n - 1.

    Notes
    -----
    The eigenvectors of an eigenvalue that occurs more than once are any basis of their
    space. What eigsh iterates on is c I - L: products alone, no factorisation. Its
    errors (``ArpackNoConvergence``) are passed on.

    Examples
    --------
    >>> import scipy.sparse
    >>> from fastnotes.graph import fourier_basis
    >>> path = scipy.sparse.csr_array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> fourier_basis(path).eigenvalues.round(12) + 0.0
    array([0., 1., 2.])
    """
    where = "graph.fourier_basis"
    if (A is None) == (laplacian is None):
        fail(where, "A or laplacian", "both" if A is not None else "neither")
    if laplacian is None:
        # float64 whatever A is, for the eigenvectors' sake.
        L = materialize(A, "laplacian", isolated, where, np.float64)
    else:
        L = laplacian
    matrix = as_symmetric(L, where, resolve_n_threads(None, where))
    n = matrix.shape[0]
    if n_components is None:
        return _oriented(*np.linalg.eigh(matrix.toarray()))
    count = as_integer(n_components, where, "n_components", low=1, high=n - 1)
    if n <= _SMALL:
        values, vectors = np.linalg.eigh(matrix.toarray())
        return _oriented(values[:count], vectors[:, :count])
    return _oriented(*_smallest(matrix, count))


def _smallest(matrix: Any, count: int) -> tuple[Float64Array, Float64Array]:
    import scipy.sparse
    from scipy.sparse.linalg import eigsh

    n = matrix.shape[0]
    # Beyond Gershgorin's bound, so that the turned matrix is not 0.
    bound = 1.01 * (float(abs(matrix).sum(axis=1).max()) or 1.0)
    turned = bound * scipy.sparse.eye_array(n, format="csr") - matrix
    start = np.empty(n)
    native.runtime.fill_normal(0, START_PURPOSE, 0, start)
    values, vectors = eigsh(turned, count, which="LA", v0=start)
    order = np.argsort(-values, kind="stable")
    return bound - values[order], vectors[:, order]


def _oriented(values: Float64Array, vectors: Float64Array) -> FourierBasis:
    """Signs are the solver's accident: let the largest entries be positive."""
    if vectors.size:
        largest = np.abs(vectors).argmax(axis=0)
        signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
        vectors = vectors * np.where(signs == 0, 1.0, signs)
    return FourierBasis(values, np.ascontiguousarray(vectors))


def graph_fourier_transform(
    U: ArrayLike, x: ArrayLike, *, n_threads: int | None = None
) -> RealArray:
    """Return x_hat = U^T x.

    Parameters
    ----------
    U
        (n, k), from :func:`fourier_basis`.
    x
        (n,) or (n, C), signals as columns.
    n_threads
        Threads; None takes the default. The result is the same bytes for any count.

    Returns
    -------
    numpy.ndarray
        (k,) or (k, C); float32 if both are, else float64.

    Raises
    ------
    TypeError, ValueError
        For what is not real, or does not fit.
    """
    return _transform(U, x, True, n_threads, "graph.graph_fourier_transform", "x")


def inverse_graph_fourier_transform(
    U: ArrayLike, x_hat: ArrayLike, *, n_threads: int | None = None
) -> RealArray:
    """Return x = U x_hat; parameters as in :func:`graph_fourier_transform`."""
    where = "graph.inverse_graph_fourier_transform"
    return _transform(U, x_hat, False, n_threads, where, "x_hat")


def spectral_filter(
    A: Any,
    x: ArrayLike,
    g: Callable[[Float64Array], Any],
    *,
    n_components: int | None = None,
    isolated: str = "one",
    laplacian: Any = None,
    n_threads: int | None = None,
) -> RealArray:
    """Return U g(Lambda) U^T x: the filter g, exactly, on a small graph.

    Parameters
    ----------
    A, isolated, laplacian
        As in :func:`fourier_basis`.
    x
        (n,) or (n, C).
    g
        From eigenvalues (k,), ascending, to factors (k,).
    n_components
        Use so many of the smallest eigenvalues; what x has beyond them is dropped, as
        by a low-pass filter.
    n_threads
        Threads of the two products.

    Returns
    -------
    numpy.ndarray
        Like x, in float32 or float64.

    Raises
    ------
    TypeError, ValueError
        As :func:`fourier_basis`; for x that does not fit, g that is no function or
        gives something else.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from fastnotes.graph import spectral_filter
    >>> path = scipy.sparse.csr_array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> spectral_filter(path, [1.0, 0.0, 0.0], lambda w: np.exp(-w)).round(4)
    array([0.4678, 0.3057, 0.0999])
    """
    where = "graph.spectral_filter"
    signal = as_real_array(x, where, "x", ndim=(1, 2))
    if not callable(g):
        fail_type(where, "g as a function", type(g).__name__)
    values, U = fourier_basis(
        A, n_components=n_components, isolated=isolated, laplacian=laplacian
    )
    if signal.shape[0] != len(U):
        fail(where, f"x of {len(U)} rows", describe(signal))
    factors = as_real_array(as_array(g(values), where, "g"), where, "g's factors")
    if factors.shape != values.shape:
        fail(where, f"g's factors of shape {values.shape}", str(factors.shape))
    spectrum = graph_fourier_transform(
        U, signal.astype(np.float64), n_threads=n_threads
    )
    spectrum *= factors if signal.ndim == 1 else factors[:, None]
    filtered = inverse_graph_fourier_transform(U, spectrum, n_threads=n_threads)
    return filtered.astype(signal.dtype, copy=False)


def _transform(
    U: Any, x: Any, transpose: bool, n_threads: int | None, where: str, name: str
) -> RealArray:
    basis = as_real_array(U, where, "U", ndim=2)
    signal = as_real_array(x, where, name, ndim=(1, 2))
    rows = basis.shape[0 if transpose else 1]
    if signal.shape[0] != rows:
        fail(where, f"{name} of {rows} rows", describe(signal))
    threads = resolve_n_threads(n_threads, where)
    columns = signal.reshape(rows, 1) if signal.ndim == 1 else signal
    result = matmul(basis, columns, transpose_a=transpose, n_threads=threads)
    return result[:, 0].copy() if signal.ndim == 1 else result
