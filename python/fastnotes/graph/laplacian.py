"""Normalised adjacency and Laplacian operators of a graph, and their products.

``D`` is the diagonal of the row sums of ``A``; it stands on both sides, for directed
graphs too. Self-loops that ``A`` stores are kept and count in the degree. ``D^-1/2``
and ``D^-1`` count as 0 at a node of degree 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes._device import is_cuda_array
from fastnotes._memory import empty
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_real_array,
    check_choice,
    check_out,
    describe,
    fail,
)
from fastnotes.graph._adjacency import Adjacency, read_adjacency, sparse_device

KINDS = ("renormalized", "adjacency", "laplacian", "random_walk")
ISOLATED = ("one", "zero")


class ProductFactors(NamedTuple):
    """Arguments of the product kernel that don't depend on X, in one dtype."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: RealArray | None
    row_scale: RealArray | None
    column_scale: RealArray | None
    diagonal: RealArray | None


class GraphOperator:
    """A normalised graph operator, prepared once for many products.

    Parameters
    ----------
    A
        Adjacency, a SciPy sparse matrix or array (n, n) of any format, directed or
        not. Weights must be finite and not negative. Stored duplicates add up and
        columns need not be sorted. ``A`` is copied: later changes to it do not reach
        the operator. Weights that are all 1 are not stored.
    kind
        | ``"renormalized"``: D~^-1/2 A~ D~^-1/2, where A~ is A with its diagonal
          raised to at least 1 and D~ its row sums
        | ``"adjacency"``: D^-1/2 A D^-1/2
        | ``"laplacian"``: I - D^-1/2 A D^-1/2
        | ``"random_walk"``: D^-1 A
    isolated
        The Laplacian's diagonal at a node of degree 0: ``"one"`` (as Kipf's GCN and
        PyG) or ``"zero"`` (as ``scipy.sparse.csgraph``). Other kinds ignore it.
    reorder
        None; reserved for an ordering of the nodes.
    n_threads
        None means ``FASTNOTES_NUM_THREADS``, else ``OMP_NUM_THREADS``, else the CPUs
        this process may use. No result depends on it.
    device
        None: products run on the CPU, or, if ``A`` is a CUDA matrix (``sparse_csr``
        of torch, or of ``cupyx.scipy.sparse``), on its device. ``"cuda"`` or
        ``"cuda:<index>"``: on a CUDA device, for NumPy arrays too, which are copied
        there and back. ``A`` is checked and prepared on the host either way, and its
        prepared form copied to the device when the first product needs it.

    Attributes
    ----------
    shape : tuple of int
        (n, n).
    device : str
        Where products run: ``"cpu"``, ``"cuda"`` (where X is) or ``"cuda:<index>"``.
    kind, isolated : str
    n_entries : int
        Entries that A stores.
    T : transposed operator
        With the same ``matmul``, ``rmatmul`` and ``@``.

    Raises
    ------
    TypeError
        If A is not sparse or not of real numbers.
    RuntimeError
        If CUDA is asked for where it is not available.
    ValueError
        If A is not square, its indices contradict each other or leave the matrix, a
        weight is negative, NaN or infinite, or a row sum leaves the range of float64.

    Notes
    -----
    The transposed graph that ``rmatmul`` needs is built at its first use and kept
    (nothing is kept twice where A is symmetric). Products write each element of the
    result as one chain of sums in stored order, so a column of the result depends
    neither on the other columns nor on the number of threads, bit for bit.

    Source: Kipf and Welling, "Semi-supervised classification with graph convolutional
    networks", ICLR 2017, equations 2 and 9.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from fastnotes.graph import GraphOperator
    >>> path = scipy.sparse.csr_array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> op = GraphOperator(path, "laplacian")
    >>> op @ np.array([1.0, 0.0, 1.0])
    array([ 1.        , -1.41421356,  1.        ])
    """

    #: `array @ op` is not an array product.
    __array_ufunc__ = None

    def __init__(
        self,
        A: Any,
        kind: str = "renormalized",
        *,
        isolated: str = "one",
        reorder: None = None,
        n_threads: int | None = None,
        device: str | None = None,
    ) -> None:
        where = "graph.GraphOperator"
        if reorder is not None:
            fail(where, "reorder=None", repr(reorder))
        self._prepare(A, kind, isolated, n_threads, where, device)

    def _prepare(
        self,
        A: Any,
        kind: str,
        isolated: str,
        n_threads: int | None,
        where: str,
        device: str | None = None,
    ) -> None:
        self.kind = check_choice(kind, where, "kind", KINDS)
        self.isolated = check_choice(isolated, where, "isolated", ISOLATED)
        self._n_threads = resolve_n_threads(n_threads, where)
        self.device, self._takes_host_arrays = "cpu", True
        if (device is not None and device != "cpu") or sparse_device(A) is not None:
            self.device, self._takes_host_arrays, A = _cuda().place(A, device, where)
        graph = read_adjacency(A, where, self._n_threads)
        self.shape = (graph.n_nodes, graph.n_nodes)
        self._graph = graph
        self._degree, self._scale, raised = native.graph.node_degrees(
            graph.indptr,
            graph.indices,
            graph.weights,
            kind == "random_walk",
            kind == "renormalized",
            where,
            self._n_threads,
        )
        self._raised = raised if kind == "renormalized" else None
        self._transposed_graph: Adjacency | None = None
        self._factors: dict[tuple[np.dtype[Any], bool], ProductFactors] = {}
        self._spare_scratch: list[RealArray] = []
        self._on_devices: dict[int, Any] = {}

    @property
    def n_entries(self) -> int:
        """Entries that A stores, duplicates and explicit zeros included."""
        return len(self._graph.indices)

    @property
    def T(self) -> TransposedGraphOperator:  # noqa: N802
        """The transposed operator."""
        return TransposedGraphOperator(self)

    def __repr__(self) -> str:
        return (
            f"GraphOperator(<{self.shape[0]} nodes, {self.n_entries} entries>, "
            f"kind={self.kind!r}, isolated={self.isolated!r})"
        )

    def matmul(self, X: Any, out: Any = None) -> Any:
        """Operator times X.

        Parameters
        ----------
        X
            (n, C) or (n,). float32 stays float32, everything else becomes float64.
            On CUDA a C-contiguous float32 or float64 array of torch, CuPy, JAX, ...
        out
            Result array of the dtype and shape of X, C-contiguous, apart from X.

        Returns
        -------
        numpy.ndarray or the CUDA array type of X
            Like X; ``out`` if it was given. A node without neighbours gets its
            diagonal times its row of X, or 0.

        Raises
        ------
        TypeError
            If X is not of real numbers, or not where the operator is.
        ValueError
            If X does not have n rows, or ``out`` does not fit.
        """
        return self._multiply(X, out, False, "graph.GraphOperator.matmul", "X")

    def rmatmul(self, Y: Any, out: Any = None) -> Any:
        """Transposed operator times Y; parameters as in :meth:`matmul`."""
        return self._multiply(Y, out, True, "graph.GraphOperator.rmatmul", "Y")

    def __matmul__(self, X: Any) -> Any:
        return self._multiply(X, None, False, "graph.GraphOperator.matmul", "X")

    def backward(self, dY: Any, X: Any = None, edge_weights: bool = False) -> Any:
        """Gradients of ``sum(dY * (op @ X))``.

        Parameters
        ----------
        dY
            (n, C) or (n,), gradient of the loss by ``op @ X``.
        X
            The matrix that was multiplied, of the shape of dY; needed for
            ``edge_weights`` only.
        edge_weights
            Also return the gradient by the weights of A.

        Returns
        -------
        dX : numpy.ndarray or the CUDA array type of dY
            Gradient by X, like dY.
        dweights : likewise
            Only with ``edge_weights``. Gradient by each entry that A stores, its
            effect on the degrees included: (n_entries,), aligned with ``A.data`` for
            CSR, CSC and COO, with ``A.tocoo().data`` for other formats. Entries are
            independent variables: for an undirected edge add the gradients of its two
            directions. The gradient is 0 for a diagonal entry that renormalisation
            has raised, and in rows of degree 0.

        Raises
        ------
        TypeError
            If dY or X is not of real numbers.
        ValueError
            If shapes or dtypes disagree, or X is missing.
        """
        where = "graph.GraphOperator.backward"
        if self.device != "cpu" or is_cuda_array(dY) or is_cuda_array(X):
            return _cuda().backward(self, dY, X, edge_weights, where)
        dY = as_real_array(dY, where, "dY", ndim=(1, 2))
        dX = self._multiply(dY, None, True, where, "dY")
        if not edge_weights:
            return dX
        if X is None:
            fail(where, "X together with edge_weights=True", "None")
        X = as_real_array(X, where, "X", ndim=(1, 2))
        if X.dtype != dY.dtype or X.shape != dY.shape:
            fail(where, f"X like dY, {describe(dY)}", describe(X))
        return dX, self._weight_gradients(X, dY, dX)

    def _weight_gradients(
        self, X: RealArray, dY: RealArray, dX: RealArray
    ) -> RealArray:
        graph = self._graph
        gradients = np.empty(self.n_entries, dtype=X.dtype)
        matrix = (self.shape[0], X.size // max(self.shape[0], 1))
        native.graph.edge_weight_gradients(
            graph.indptr,
            graph.indices,
            graph.weights,
            self._degree,
            self._scale,
            self._raised,
            self._diagonal() if self.kind == "laplacian" else None,
            -1.0 if self.kind == "laplacian" else 1.0,
            self.kind != "random_walk",
            X.reshape(matrix),
            dY.reshape(matrix),
            dX.reshape(matrix),
            gradients,
            self._n_threads,
        )
        if graph.order is None:
            return gradients
        stored = np.empty_like(gradients)
        stored[graph.order] = gradients
        return stored

    def _multiply(
        self, X: Any, out: Any, transpose: bool, where: str, name: str
    ) -> Any:
        if self.device != "cpu" or is_cuda_array(X) or is_cuda_array(out):
            return _cuda().multiply(self, X, out, transpose, where, name)
        n = self.shape[0]
        X = as_real_array(X, where, name, ndim=(1, 2))
        if X.shape[0] != n:
            fail(where, f"{name} of {n} rows", describe(X))
        if out is None:
            out = empty(X.shape, X.dtype, where)
        else:
            check_out(out, where, X.shape, X.dtype, X)
        factors = self._prepared(X.dtype, transpose)
        matrix = (n, 1 if X.ndim == 1 else X.shape[1])
        columns = X.reshape(matrix)
        scratch = self._scratch(factors, columns, where)
        native.graph.laplacian_matmul(
            *factors, columns, out.reshape(matrix), scratch, self._n_threads
        )
        if scratch is not None:
            self._spare_scratch[:] = [scratch]
        return out

    def _scratch(
        self, factors: ProductFactors, X: RealArray, where: str
    ) -> RealArray | None:
        """The kept scratch if it fits and no other thread holds it, else a new one."""
        size = native.graph.laplacian_matmul_scratch(factors.indptr, factors.indices, X)
        if size == 0:
            return None
        try:
            spare = self._spare_scratch.pop()
        except IndexError:
            return empty((size,), X.dtype, where)
        fits = spare.dtype == X.dtype and spare.size >= size
        return spare if fits else empty((size,), X.dtype, where)

    def _prepared(self, dtype: np.dtype[Any], transpose: bool) -> ProductFactors:
        """Kernel arguments in one dtype, made at their first use and kept."""
        key = (dtype, transpose)
        if key not in self._factors:
            self._factors[key] = self._make_factors(dtype, transpose)
        return self._factors[key]

    def _make_factors(self, dtype: np.dtype[Any], transpose: bool) -> ProductFactors:
        graph = self._transposed() if transpose else self._graph
        row: NDArray[np.float64] | None = self._scale
        column = None if self.kind == "random_walk" else self._scale
        if self.kind == "laplacian":
            row = -self._scale
        if transpose:
            row, column = column, row
        diagonal = cast(self._diagonal(), dtype)
        if graph.weights is None:
            scales = (cast(row, dtype), cast(column, dtype))
            return ProductFactors(graph.indptr, graph.indices, None, *scales, diagonal)
        values = np.empty(len(graph.indices), dtype=dtype)
        ones = np.ones(self.shape[0]) if row is None else row
        native.graph.normalized_values(
            graph.indptr,
            graph.indices,
            graph.weights,
            ones,
            column,
            values,
            self._n_threads,
        )
        return ProductFactors(graph.indptr, graph.indices, values, None, None, diagonal)

    def _diagonal(self) -> NDArray[np.float64] | None:
        """What the operator has on its diagonal beside the entries of A."""
        if self._raised is not None:
            return self._raised * self._scale**2
        if self.kind != "laplacian":
            return None
        if self.isolated == "one":
            return np.ones(self.shape[0])
        return (self._degree > 0).astype(np.float64)

    def _transposed(self) -> Adjacency:
        if self._transposed_graph is None:
            graph = self._graph
            transposed = graph.transposed(self._n_threads)
            same = transposed.has_same_entries(graph)
            self._transposed_graph = graph if same else transposed
        return self._transposed_graph

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state.update(_transposed_graph=None, _factors={}, _spare_scratch=[])
        state.update(_on_devices={})
        return state


class TransposedGraphOperator:
    """``op.T``: a view that multiplies by the transposed operator."""

    __array_ufunc__ = None

    def __init__(self, operator: GraphOperator) -> None:
        self.T = operator
        self.shape = operator.shape

    def __repr__(self) -> str:
        return f"{self.T!r}.T"

    def matmul(self, X: Any, out: Any = None) -> Any:
        """As ``op.rmatmul``."""
        return self.T.rmatmul(X, out)

    def rmatmul(self, Y: Any, out: Any = None) -> Any:
        """As ``op.matmul``."""
        return self.T.matmul(Y, out)

    def __matmul__(self, X: Any) -> Any:
        return self.T.rmatmul(X)


def laplacian_matmul(
    A: Any,
    X: Any,
    *,
    kind: str = "renormalized",
    isolated: str = "one",
    out: Any = None,
    n_threads: int | None = None,
    device: str | None = None,
) -> Any:
    """Normalised adjacency or Laplacian of A, times X.

    One product; for several with one graph prepare a :class:`GraphOperator`, whose
    parameters, result and errors these are.

    Parameters
    ----------
    A
        Adjacency, SciPy sparse (n, n), weights finite and not negative.
    X
        (n, C) or (n,). float32 stays float32, everything else becomes float64.
    kind
        ``"renormalized"`` D~^-1/2 A~ D~^-1/2 | ``"adjacency"`` D^-1/2 A D^-1/2 |
        ``"laplacian"`` I - D^-1/2 A D^-1/2 | ``"random_walk"`` D^-1 A.
    isolated
        The Laplacian's diagonal at a node of degree 0, ``"one"`` or ``"zero"``.
    out
        Result array of the dtype and shape of X, C-contiguous, apart from X.
    n_threads
        None means the default of the package; the result does not depend on it.
    device
        As for :class:`GraphOperator`. CUDA X with SciPy A needs it, or a
        GraphOperator: preparing A is work for the host.

    Returns
    -------
    numpy.ndarray or the CUDA array type of X
        Like X; ``out`` if it was given.
    """
    where = "graph.laplacian_matmul"
    if device is None and is_cuda_array(X) and sparse_device(A) is None:
        _cuda().refuse_mixture(where, A="CPU", X="CUDA")
    operator = GraphOperator.__new__(GraphOperator)
    operator._prepare(A, kind, isolated, n_threads, where, device)
    return operator._multiply(X, out, False, where, "X")


def _cuda() -> Any:
    from fastnotes.graph import _cuda as cuda_side

    return cuda_side


def cast(array: NDArray[np.float64] | None, dtype: np.dtype[Any]) -> RealArray | None:
    """Return float64 numbers in the dtype of a product."""
    return None if array is None else array.astype(dtype, copy=False)
