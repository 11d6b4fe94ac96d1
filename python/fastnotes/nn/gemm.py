"""Matrix products whose bytes depend on neither batch nor threads."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._core import native
from fastnotes._memory import empty
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_real_array,
    check_fits,
    fail,
    refuse_mask,
)


class PackedMatrix:
    """A right-hand side, rearranged once for many products.

    Parameters
    ----------
    b : array_like of shape (depth, columns)
        float32 stays float32, everything else becomes float64. The values are copied:
        later changes to ``b`` do not show.
    transpose : bool, default False
        ``b`` is (columns, depth) and its transpose is meant, as for the weights of a
        dense layer kept in PyTorch's layout.
    n_threads : int or None
        Threads for the packing.

    Attributes
    ----------
    shape : tuple of int
        (depth, columns) of the matrix that is multiplied by.
    dtype : numpy.dtype
        float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.nn import PackedMatrix
    >>> weights = PackedMatrix(np.eye(3, dtype=np.float32))
    >>> weights.matmul(np.float32([[1, 2, 3]]))
    array([[1., 2., 3.]], dtype=float32)
    """

    def __init__(
        self, b: ArrayLike, *, transpose: bool = False, n_threads: int | None = None
    ) -> None:
        where = "nn.PackedMatrix"
        values = as_real_array(b, where, "b", ndim=2)
        threads = resolve_n_threads(n_threads, where)
        rows, columns = values.shape
        self.shape: tuple[int, int] = (columns, rows) if transpose else (rows, columns)
        self.dtype = values.dtype
        single = values.dtype == np.float32
        kind = native.nn.PackedMatrix32 if single else native.nn.PackedMatrix64
        self._panels = kind(values, bool(transpose), threads)

    def matmul(
        self,
        a: ArrayLike,
        *,
        out: RealArray | None = None,
        accumulate: bool = False,
        n_threads: int | None = None,
    ) -> RealArray:
        """Return ``a @ b``, or add it to ``out``.

        Parameters
        ----------
        a : array_like of shape (rows, depth)
            Of the packed matrix's dtype.
        out : ndarray of shape (rows, columns), optional
            C-contiguous, of the same dtype, apart from ``a``.
        accumulate : bool, default False
            Add to ``out`` instead of overwriting it.
        n_threads : int or None

        Returns
        -------
        ndarray of shape (rows, columns)
            ``out`` if it was given. A row's bytes depend on that row of ``a`` alone.

        Raises
        ------
        TypeError, ValueError
            For an ``a`` or ``out`` of another dtype or shape.
        """
        where = "nn.PackedMatrix.matmul"
        left = as_real_array(a, where, "a", ndim=2)
        if out is None:
            out = _new_output(accumulate, where, left, left.shape[0], self.shape[1])
        refuse_mask(out, where, "out")
        threads = resolve_n_threads(n_threads, where)
        self._panels.matmul(left, out, bool(accumulate), threads)
        return out

    def __reduce__(self) -> NoReturn:
        """Refuse: the layout belongs to this CPU; keep the matrix and pack it again."""
        raise TypeError("a PackedMatrix cannot be pickled: pack the matrix again")

    def __repr__(self) -> str:
        return f"PackedMatrix(shape={self.shape}, dtype={self.dtype})"


def matmul(
    a: ArrayLike,
    b: ArrayLike,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    out: RealArray | None = None,
    accumulate: bool = False,
    n_threads: int | None = None,
) -> RealArray:
    """Return ``op(a) @ op(b)``, each operand as it is or transposed.

    ``matmul(x, dy, transpose_a=True)`` is the weight gradient of a dense layer,
    ``matmul(dy, w, transpose_b=True)`` its input gradient. No transpose is copied.

    Parameters
    ----------
    a : array_like of shape (rows, depth), or (depth, rows) with ``transpose_a``
    b : array_like of shape (depth, columns), or (columns, depth) with ``transpose_b``
        Both float32, or both become float64.
    transpose_a, transpose_b : bool, default False
    out : ndarray of shape (rows, columns), optional
        C-contiguous, of the result's dtype, apart from ``a`` and ``b``.
    accumulate : bool, default False
        Add to ``out`` instead of overwriting it.
    n_threads : int or None
        None means all CPUs this process may use.

    Returns
    -------
    ndarray of shape (rows, columns)
        ``out`` if it was given. Depth 0 gives zeros. NaN and infinities follow IEEE
        arithmetic. Each element's sum runs in one fixed order, whatever the other rows,
        the thread count and the form (packed, transposed) of the operands.

    Raises
    ------
    TypeError, ValueError
        For operands that are not real matrices, do not fit, or an unfit ``out``.

    Notes
    -----
    Blocks of 256 values are summed by fma in ascending order, and block sums added in
    ascending order: the error is at most ``(256 + ceil(depth / 256)) * eps`` times
    ``abs(op(a)) @ abs(op(b))``, eps being half a unit in the last place of 1.

    References
    ----------
    Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS
    34(3), 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.nn import matmul
    >>> x, dy = np.ones((5, 2)), np.ones((5, 3))
    >>> matmul(x, dy, transpose_a=True)
    array([[5., 5., 5.],
           [5., 5., 5.]])
    """
    where = "nn.matmul"
    left = as_real_array(a, where, "a", ndim=2)
    right = as_real_array(b, where, "b", ndim=2)
    if left.dtype != right.dtype:
        left, right = _as_double(left, where), _as_double(right, where)
    if out is None:
        rows = left.shape[1 if transpose_a else 0]
        columns = right.shape[0 if transpose_b else 1]
        out = _new_output(accumulate, where, left, rows, columns)
    refuse_mask(out, where, "out")
    native.nn.matmul(
        left,
        right,
        bool(transpose_a),
        bool(transpose_b),
        out,
        bool(accumulate),
        resolve_n_threads(n_threads, where),
    )
    return out


def _as_double(array: RealArray, where: str) -> RealArray:
    check_fits(where, "float64 operands", array.shape, np.float64)
    return array.astype(np.float64, copy=False)


def _new_output(
    accumulate: bool, where: str, like: RealArray, rows: int, columns: int
) -> RealArray:
    if accumulate:
        fail(where, "out to accumulate into", "None")
    return empty((rows, columns), like.dtype, where)
