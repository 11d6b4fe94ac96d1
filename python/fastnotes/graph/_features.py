"""What enters a layer: dense features, or sparse ones that stay sparse."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes._validation import (
    RealArray,
    as_real_array,
    describe,
    fail,
    fail_type,
    refuse_mask,
)
from fastnotes.graph._adjacency import index_arrays
from fastnotes.nn.gemm import matmul


class _Structure(NamedTuple):
    """Checked rows and columns of sparse features, and of their transpose."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    indptr_t: NDArray[np.int64]
    indices_t: NDArray[np.int32]
    #: entry e of the transpose is entry order[e]
    order: NDArray[np.int64]


class SparseFeatures:
    """(n, C) in compressed sparse rows, checked and copied once."""

    def __init__(
        self, structure: _Structure, values: RealArray, shape: tuple[int, int]
    ) -> None:
        self._structure, self.values, self.shape = structure, values, shape

    def with_values(self, values: RealArray) -> SparseFeatures:
        """Return features of the same structure."""
        return SparseFeatures(self._structure, values, self.shape)

    def times(self, W: RealArray, out: RealArray, n_threads: int) -> RealArray:
        """Write X W to ``out``."""
        s = self._structure
        native.graph.laplacian_matmul(
            s.indptr, s.indices, self.values, None, None, None, W, out, None, n_threads
        )
        return out

    def transposed_times(
        self, S: RealArray, out: RealArray, n_threads: int
    ) -> RealArray:
        """Write X^T S to ``out``."""
        s = self._structure
        values = self.values[s.order]
        native.graph.laplacian_matmul(
            s.indptr_t, s.indices_t, values, None, None, None, S, out, None, n_threads
        )
        return out


class DenseFeatures:
    """(n, C), with the same products."""

    def __init__(self, values: RealArray) -> None:
        self.values, self.shape = values, values.shape

    def with_values(self, values: RealArray) -> DenseFeatures:
        """Return other features."""
        return DenseFeatures(values)

    def times(self, W: RealArray, out: RealArray, n_threads: int) -> RealArray:
        """Write X W to ``out``."""
        return matmul(self.values, W, out=out, n_threads=n_threads)

    def transposed_times(
        self, S: RealArray, out: RealArray, n_threads: int
    ) -> RealArray:
        """Write X^T S to ``out``."""
        return matmul(self.values, S, transpose_a=True, out=out, n_threads=n_threads)


Features = SparseFeatures | DenseFeatures


def as_features(X: Any, dtype: np.dtype[Any], where: str, n_threads: int) -> Features:
    """Return (n, C) features in a dtype, SciPy's sparse ones as they are.

    Raises
    ------
    TypeError, ValueError
        For what is neither, or index arrays that contradict each other.
    """
    if isinstance(X, SparseFeatures | DenseFeatures):
        return X
    with np.errstate(over="ignore"):  # inf, as in any other float32 arithmetic
        if scipy.sparse.issparse(X):
            return _read_sparse(X, dtype, where, n_threads)
        array = as_real_array(X, where, "X", ndim=2)
        return DenseFeatures(array.astype(dtype, copy=False))


def _read_sparse(
    X: Any, dtype: np.dtype[Any], where: str, n_threads: int
) -> SparseFeatures:
    if X.ndim != 2:
        fail(where, "X of shape (n, C)", str(X.shape))
    if X.dtype.kind not in "fiub" or X.dtype.itemsize > 8:
        fail_type(where, "X of real numbers", str(X.dtype))
    X = X.tocsr()
    n, C = X.shape
    indptr, indices = index_arrays(X.indptr, X.indices, where, "indptr", "indices")
    if len(indptr) != n + 1:
        fail(where, f"indptr of length n + 1 = {n + 1}", str(len(indptr)))
    entries = max(int(indptr[-1]), 0)
    refuse_mask(X.data, where, "X")
    data = np.asarray(X.data)
    if min(len(indices), len(data)) < entries:  # more is SciPy's spare room
        wanted = f"indices and data of at least indptr[-1] = {entries} elements"
        fail(where, wanted, f"{len(indices)} and {len(data)}")
    starts, columns = native.graph.check_csr(
        indptr, indices[:entries], C, where, n_threads
    )
    transposed = native.graph.transpose_csr(starts, columns, C, True, True, n_threads)
    values = np.array(data[:entries], dtype=dtype)
    return SparseFeatures(_Structure(starts, columns, *transposed), values, (n, C))


def row_normalized(features: Features) -> Features:
    """Rows over their sums; rows of sum 0 stay as they are."""
    values = features.values.astype(np.float64)
    if isinstance(features, DenseFeatures):
        sums = values.sum(axis=1, keepdims=True)
    else:
        indptr = features._structure.indptr
        rows = np.repeat(np.arange(features.shape[0]), np.diff(indptr))
        totals = np.bincount(rows, values, minlength=features.shape[0])
        sums = totals[rows]
    scaled = values / np.where(sums == 0, 1.0, sums)
    return features.with_values(scaled.astype(features.values.dtype))


def describe_features(features: Features) -> str:
    """Dtype and shape, as messages give them."""
    return describe(np.broadcast_to(features.values.dtype.type(0), features.shape))
