"""Normalised operators as SciPy matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import DTypeLike

from fastnotes._core import native
from fastnotes._threads import resolve_n_threads
from fastnotes.graph._adjacency import canonical_csr
from fastnotes.graph.laplacian import GraphOperator, cast


def normalized_laplacian(A: Any, *, isolated: str = "one") -> Any:
    """I - D^-1/2 A D^-1/2 as a SciPy CSR matrix.

    Parameters
    ----------
    A
        Adjacency, SciPy sparse (n, n), weights finite and not negative.
    isolated
        The diagonal at a node of degree 0, ``"one"`` or ``"zero"``.

    Returns
    -------
    scipy.sparse.csr_array or scipy.sparse.csr_matrix
        Array or matrix as A is, sorted and without duplicates; every row stores its
        diagonal. float32 for float32 A, else float64.

    Raises
    ------
    TypeError, ValueError
        As :class:`GraphOperator`.
    """
    return materialize(A, "laplacian", isolated, "graph.normalized_laplacian")


def renormalized_adjacency(A: Any) -> Any:
    """D~^-1/2 A~ D~^-1/2 as a SciPy CSR matrix; A~ has a diagonal of at least 1.

    Parameters
    ----------
    A
        Adjacency, SciPy sparse (n, n), weights finite and not negative.

    Returns
    -------
    scipy.sparse.csr_array or scipy.sparse.csr_matrix
        Array or matrix as A is, sorted and without duplicates. float32 for float32 A,
        else float64.

    Raises
    ------
    TypeError, ValueError
        As :class:`GraphOperator`.
    """
    return materialize(A, "renormalized", "one", "graph.renormalized_adjacency")


def materialize(
    A: Any, kind: str, isolated: str, where: str, dtype: DTypeLike | None = None
) -> Any:
    """Return an operator as a matrix; dtype None: as :func:`normalized_laplacian`."""
    n_threads = resolve_n_threads(None, where)
    n, indptr, indices, weights, _ = canonical_csr(A, where, n_threads)
    ones = np.ones(len(indices)) if weights is None else weights
    operator = GraphOperator.__new__(GraphOperator)
    matrix = scipy.sparse.csr_array((ones, indices, indptr), shape=(n, n))
    operator._prepare(matrix, kind, isolated, n_threads, where)
    if dtype is None:
        dtype = np.float32 if A.dtype == np.float32 else np.float64
    dtype = np.dtype(dtype)
    row = -operator._scale if kind == "laplacian" else operator._scale
    values = np.empty(len(indices), dtype=dtype)
    native.graph.normalized_values(
        indptr, indices, weights, row, operator._scale, values, n_threads
    )
    indptr, indices, values = native.graph.add_diagonal(
        indptr, indices, values, cast(operator._diagonal(), dtype), n_threads
    )
    is_array = isinstance(A, scipy.sparse.sparray)
    container = scipy.sparse.csr_array if is_array else scipy.sparse.csr_matrix
    return container((values, indices, indptr), shape=(n, n))
