"""From any SciPy sparse matrix to the checked CSR form that the kernels trust."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes._validation import fail, fail_type

Float64Array = NDArray[np.float64]


class Adjacency(NamedTuple):
    """A checked square matrix in compressed sparse rows; a copy, never the caller's.

    Columns may be unsorted and repeated: entries of one position add up.
    """

    n_nodes: int
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    #: (entries,), or None where every stored value is 1
    weights: Float64Array | None
    #: entry e is stored entry order[e] of the caller's matrix; None: the same order
    order: NDArray[np.int64] | None

    def transposed(self, n_threads: int) -> Adjacency:
        """The transpose; its order counts in entries of this adjacency."""
        indptr, indices, order = native.graph.transpose_csr(
            self.indptr, self.indices, self.n_nodes, True, True, n_threads
        )
        weights = None if self.weights is None else self.weights[order]
        return Adjacency(self.n_nodes, indptr, indices, weights, order)

    def has_same_entries(self, other: Adjacency) -> bool:
        """True if both store the same positions and weights in the same order."""
        if not np.array_equal(self.indptr, other.indptr):
            return False
        if not np.array_equal(self.indices, other.indices):
            return False
        if self.weights is None or other.weights is None:
            return self.weights is other.weights
        return np.array_equal(self.weights, other.weights)


class StoredRows(NamedTuple):
    """Arrays of another library's CSR matrix, brought to the host, unchecked."""

    shape: tuple[int, ...]
    indptr: NDArray[Any]
    indices: NDArray[Any]
    data: NDArray[Any]

    @property
    def format(self) -> str:
        """SciPy's name of the format."""
        return "csr"

    @property
    def ndim(self) -> int:
        """Dimensions of the matrix."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the stored values."""
        return self.data.dtype


def sparse_device(A: Any) -> int | None:
    """Index of the CUDA device that a sparse matrix of torch or CuPy is on."""
    library = type(A).__module__.partition(".")[0]
    if library == "torch" and getattr(A, "is_cuda", False):
        return int(A.device.index) if "sparse" in str(A.layout) else None
    if library == "cupyx" and hasattr(A, "data"):
        return int(A.data.device.id)
    return None


def read_adjacency(A: Any, where: str, n_threads: int) -> Adjacency:
    """Check and copy a SciPy sparse matrix or array of any format, or StoredRows.

    Raises
    ------
    TypeError
        If A is not a SciPy sparse matrix or array, or its values are not real numbers.
    ValueError
        If A is not square or its index arrays contradict each other.
    """
    if not scipy.sparse.issparse(A) and not isinstance(A, StoredRows):
        fail_type(where, "A as a SciPy sparse matrix or array", type(A).__name__)
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        fail(where, "A of shape (n, n)", str(A.shape))
    if A.format not in ("csr", "csc", "coo"):
        A = A.tocoo()
    if A.dtype.kind not in "fiub" or A.dtype.itemsize > 8:
        fail_type(where, "A of real numbers", str(A.dtype))
    if A.format == "coo":
        return _from_triplets(A, where, n_threads)
    return _from_compressed(A, where, n_threads)


def canonical_csr(A: Any, where: str, n_threads: int) -> Adjacency:
    """As read_adjacency, with sorted columns and repeated entries summed."""
    adjacency = read_adjacency(A, where, n_threads)
    n, indptr, indices, weights, _ = adjacency
    if native.graph.is_canonical(indptr, indices, n):
        return adjacency
    data = np.ones(len(indices)) if weights is None else weights
    summed = scipy.sparse.csr_array((data, indices, indptr), shape=(n, n), copy=True)
    summed.sum_duplicates()
    return read_adjacency(summed, where, n_threads)


def _from_compressed(A: Any, where: str, n_threads: int) -> Adjacency:
    n = A.shape[0]
    indptr, indices = index_arrays(A.indptr, A.indices, where, "indptr", "indices")
    if len(indptr) != n + 1:
        fail(where, f"indptr of length n + 1 = {n + 1}", str(len(indptr)))
    entries = max(int(indptr[-1]), 0)
    data = _values(A.data, where)
    if min(len(indices), len(data)) < entries:  # more is SciPy's spare room
        fail(
            where,
            f"indices and data of at least indptr[-1] = {entries} elements",
            f"{len(indices)} and {len(data)}",
        )
    checked = native.graph.check_csr(indptr, indices[:entries], n, where, n_threads)
    stored = Adjacency(n, *checked, _weights(data[:entries]), None)
    # The arrays of a CSC matrix are those of its transpose in CSR.
    return stored if A.format == "csr" else stored.transposed(n_threads)


def _from_triplets(A: Any, where: str, n_threads: int) -> Adjacency:
    n = A.shape[0]
    rows, columns = index_arrays(A.row, A.col, where, "row", "col")
    data = _values(A.data, where)
    entries = len(rows)
    if not entries == len(columns) == len(data):
        fail(
            where,
            "row, col and data of one length",
            f"{entries}, {len(columns)} and {len(data)}",
        )
    one_row = np.array([0, entries], dtype=rows.dtype)
    start, keys = native.graph.check_csr(one_row, rows, n, where, n_threads)
    _, targets = native.graph.check_csr(one_row, columns, n, where, n_threads)
    indptr, _, order = native.graph.transpose_csr(
        start, keys, n, False, True, n_threads
    )
    weights = _weights(data)
    if weights is not None:
        weights = weights[order]
    return Adjacency(n, indptr, targets[order], weights, order)


def index_arrays(
    one: Any, other: Any, where: str, *names: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both as C-contiguous int32, or both as int64."""
    arrays = [np.asarray(one), np.asarray(other)]
    for array, name in zip(arrays, names, strict=True):
        if array.dtype.kind not in "iu" or array.ndim != 1:
            fail_type(
                where,
                f"{name} of integers in one dimension",
                f"{array.dtype} of shape {array.shape}",
            )
    narrow = all(array.dtype == np.int32 for array in arrays)
    dtype = np.int32 if narrow else np.int64
    first, second = (
        np.require(a, dtype=dtype, requirements=("C", "A")) for a in arrays
    )
    return first, second


def _values(data: Any, where: str) -> NDArray[Any]:
    values: NDArray[Any] = np.asarray(data)
    if values.ndim != 1:
        fail(where, "data in one dimension", f"shape {values.shape}")
    return values


def _weights(data: NDArray[Any]) -> Float64Array | None:
    """A float64 copy, or None where all are 1."""
    if (data == 1).all():
        return None
    return np.array(data, dtype=np.float64)
