"""Laplacians scaled to [-1, 1] as arguments of the product kernel: L~ = 2 L / lmax - I.

L~ is never formed: the scale goes into the factors of the product, the identity into
its diagonal.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fastnotes._core import native
from fastnotes._memory import empty
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import RealArray, as_real, fail, fail_type
from fastnotes.graph._adjacency import Adjacency, canonical_csr
from fastnotes.graph._lanczos import largest_eigenvalue
from fastnotes.graph.laplacian import GraphOperator, ProductFactors, cast

Float64Array = NDArray[np.float64]

#: Of a matrix that counts as symmetric: differences over the largest entry.
SYMMETRY = 1e-8


class _Parts(NamedTuple):
    """c (values or row * A * column) + diagonal, in float64."""

    graph: Adjacency
    values: Float64Array | None
    row: Float64Array | None
    column: Float64Array | None
    diagonal: Float64Array | None


class ScaledLaplacian:
    """L~ of a graph or of a symmetric matrix, for products with an epilogue."""

    def __init__(
        self,
        n: int,
        lmax: float,
        parts: Callable[[bool], _Parts],
        n_threads: int,
    ) -> None:
        self.n, self.lmax = n, lmax
        self._parts, self._n_threads = parts, n_threads
        self._factors: dict[tuple[np.dtype[Any], bool], ProductFactors] = {}

    def product(
        self,
        X: RealArray,
        out: RealArray,
        where: str,
        n_threads: int,
        *,
        transpose: bool = False,
        factor: float = 1.0,
        added: RealArray | None = None,
        added_factor: float = 0.0,
        subtracted: RealArray | None = None,
    ) -> RealArray:
        """Write factor L~ X + added_factor added - subtracted to ``out``."""
        factors = self._prepared(X.dtype, transpose)
        size = native.graph.laplacian_matmul_scratch(factors[0], factors[1], X)
        scratch = empty((size,), X.dtype, where) if size else None
        native.graph.laplacian_matmul(
            *factors,
            X,
            out,
            scratch,
            n_threads,
            factor,
            added_factor,
            added,
            subtracted,
        )
        return out

    def _prepared(self, dtype: np.dtype[Any], transpose: bool) -> ProductFactors:
        key = (dtype, transpose)
        if key not in self._factors:
            self._factors[key] = self._make_factors(dtype, transpose)
        return self._factors[key]

    def _make_factors(self, dtype: np.dtype[Any], transpose: bool) -> ProductFactors:
        graph, values, row, column, diagonal = self._parts(transpose)
        scale = 2 / self.lmax
        own = np.zeros(self.n) if diagonal is None else scale * diagonal
        own -= 1
        if values is None:
            # The scale goes to the side that has factors anyway.
            row = np.full(self.n, scale) if row is None else scale * row
        else:
            values = scale * values
        return ProductFactors(
            graph.indptr,
            graph.indices,
            cast(values, dtype),
            cast(row, dtype),
            cast(column, dtype),
            cast(own, dtype) if own.any() else None,
        )


#: Of every operator by lmax: training makes many calls with one graph.
_KNOWN: weakref.WeakKeyDictionary[GraphOperator, dict[float, ScaledLaplacian]] = (
    weakref.WeakKeyDictionary()
)


def scaled_laplacian(
    A: Any,
    laplacian: Any,
    lmax: Any,
    isolated: str,
    n_threads: int | None,
    where: str,
) -> tuple[ScaledLaplacian, int]:
    """Return L~ of an adjacency, of an operator or of a matrix, and the threads."""
    if (A is None) == (laplacian is None):
        got = "both" if A is not None else "neither"
        fail(where, "A or laplacian", got)
    if laplacian is not None:
        threads = resolve_n_threads(n_threads, where)
        return _of_matrix(laplacian, lmax, threads, where), threads
    if isinstance(A, GraphOperator):
        if A.kind != "laplacian" or A.device != "cpu":
            wanted = "a GraphOperator of kind 'laplacian' on the CPU"
            fail(where, wanted, f"{A.kind!r} on {A.device}")
        threads = A._n_threads
        if n_threads is not None:
            threads = resolve_n_threads(n_threads, where)
        return _of_operator(A, lmax, threads, where), threads
    threads = resolve_n_threads(n_threads, where)
    operator = GraphOperator.__new__(GraphOperator)
    operator._prepare(A, "laplacian", isolated, threads, where, "cpu")
    return _of_operator(operator, lmax, threads, where), threads


def _of_operator(
    operator: GraphOperator, lmax: Any, n_threads: int, where: str
) -> ScaledLaplacian:
    known = _KNOWN.setdefault(operator, {})
    if isinstance(lmax, str) and lmax == "lanczos" and math.inf in known:
        return known[math.inf]
    found = _as_lmax(lmax, where)
    if found is None:
        other = operator._transposed()
        # Transposed twice, columns are sorted; those of A need not be.
        if other is not operator._graph and not other.has_same_entries(
            other.transposed(n_threads)
        ):
            fail(where, 'an undirected graph for lmax="lanczos"', "a directed one")
        n = operator.shape[0]
        found = largest_eigenvalue(operator.matmul, n, 2.0, n_threads)
    if found not in known:
        # Not the operator itself: it would keep its own key alive.
        graph, scale, diagonal = operator._graph, operator._scale, operator._diagonal()
        transposed: list[Adjacency] = []

        def parts(transpose: bool) -> _Parts:
            if transpose and not transposed:
                other = graph.transposed(n_threads)
                same = other.has_same_entries(graph)
                transposed.append(graph if same else other)
            side = transposed[0] if transpose else graph
            if side.weights is None:
                return _Parts(side, None, -scale, scale, diagonal)
            values = np.empty(len(side.indices))
            native.graph.normalized_values(
                side.indptr,
                side.indices,
                side.weights,
                -scale,
                scale,
                values,
                n_threads,
            )
            return _Parts(side, values, None, None, diagonal)

        known[found] = ScaledLaplacian(operator.shape[0], found, parts, n_threads)
    if isinstance(lmax, str):
        known[math.inf] = known[found]
    return known[found]


def as_symmetric(L: Any, where: str, n_threads: int) -> Any:
    """Return a symmetric matrix as a sorted float64 csr_array without duplicates."""
    graph, _, values = _read_symmetric(L, where, n_threads)
    shape = (graph.n_nodes, graph.n_nodes)
    return csr_array((values, graph.indices, graph.indptr), shape=shape)


def _read_symmetric(
    L: Any, where: str, n_threads: int
) -> tuple[Adjacency, Adjacency, Float64Array]:
    """The matrix, its transpose, and its values."""
    graph = canonical_csr(L, where, n_threads)
    values = np.ones(len(graph.indices)) if graph.weights is None else graph.weights
    if not np.isfinite(values).all():
        fail(where, "a finite laplacian", "a NaN or infinity")
    other = graph.transposed(n_threads)
    _check_symmetric(graph, other, where)
    return graph, other, values


def _of_matrix(L: Any, lmax: Any, n_threads: int, where: str) -> ScaledLaplacian:
    graph, other, values = _read_symmetric(L, where, n_threads)
    n = graph.n_nodes
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    found = _as_lmax(lmax, where)
    if found is None:
        gershgorin = np.bincount(rows, np.abs(values), minlength=n)
        bound = float(gershgorin.max(initial=0.0))
        plain = (graph.indptr, graph.indices, values, None, None, None)

        def multiply(x: Float64Array) -> Float64Array:
            y = np.empty((n, 1))
            native.graph.laplacian_matmul(*plain, x.reshape(n, 1), y, None, n_threads)
            return y[:, 0]

        found = largest_eigenvalue(multiply, n, bound, n_threads)
        found = found if found > 0 else 1.0
    # e_i^T L e_i <= lmax: a smaller one is a mistake, such as the default of graphs.
    diagonal = values[graph.indices == rows]
    if diagonal.size and diagonal.max() > found:
        fail(
            where,
            f"lmax of at least the largest diagonal entry {diagonal.max():g} "
            '(or "lanczos")',
            f"{found:g}",
        )

    def parts(transpose: bool) -> _Parts:
        side = other if transpose else graph
        kept = values[other.order] if transpose else values
        return _Parts(side, kept, None, None, None)

    return ScaledLaplacian(n, found, parts, n_threads)


def _check_symmetric(graph: Adjacency, other: Adjacency, where: str) -> None:
    same = np.array_equal(graph.indptr, other.indptr) and np.array_equal(
        graph.indices, other.indices
    )
    if same and graph.weights is not None and other.weights is not None:
        largest = np.abs(graph.weights).max(initial=0.0)
        apart = np.abs(graph.weights - other.weights).max(initial=0.0)
        same = bool(apart <= SYMMETRY * largest)
    if not same:
        fail(where, "a symmetric laplacian", "another matrix")


def _as_lmax(lmax: Any, where: str) -> float | None:
    """A number above 0, or None for "lanczos"."""
    if isinstance(lmax, str):
        if lmax != "lanczos":
            fail(where, "lmax as a number or 'lanczos'", repr(lmax))
        return None
    if lmax is None:
        fail_type(where, "lmax as a number or 'lanczos'", "None")
    number = as_real(lmax, where, "lmax")
    if number <= 0:
        fail(where, "lmax > 0", str(number))
    return number
