"""Gradient histograms of a tree node."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._device import wants_cuda
from fastnotes._memory import memory_of
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_array,
    as_index_array,
    as_integer,
    as_real_array,
    check_fits,
    check_shape,
    describe,
    fail,
    fail_type,
)
from fastnotes.boosting.binning import BinnedMatrix

_WHERE = "boosting.build_histogram"


def build_histogram(
    bins: BinnedMatrix | ArrayLike,
    grad: ArrayLike,
    hess: ArrayLike,
    rows: ArrayLike | None = None,
    *,
    n_bins: int | None = None,
    n_threads: int | None = None,
    device: str | None = None,
) -> NDArray[np.float64]:
    """Sum gradients and hessians by column and bin, over the rows of a node.

    Parameters
    ----------
    bins : BinnedMatrix, or uint8 array of shape (n_rows, n_columns)
        Bin codes, each below ``n_bins``.
    grad, hess : arrays of shape (n_rows,)
        Finite numbers of any sign; both float32, else both become float64.
    rows : array of shape (m,), optional
        Distinct integers from 0 to ``n_rows - 1``, in any order; ascending ones are
        read fastest. None means every row.
    n_bins : int, optional
        Number of codes, from 2 to 256. None means the matrix's own number for a
        BinnedMatrix, and 256 for an array.
    n_threads : int, optional
        Threads; None means the process's default. The result does not depend on it.
        CUDA ignores it.
    device : str, optional
        None: where the arrays are. ``"cuda"`` or ``"cuda:1"`` copies host arrays there
        and the result back. CUDA arrays are taken as they are: C-contiguous, bins
        uint8 (a BinnedMatrix is on the host), grad and hess of one dtype, rows int32
        or int64.

    Returns
    -------
    histogram : float64 array of shape (n_columns, n_bins, 2)
        ``histogram[c, b]`` is (sum of grad, sum of hess) over the rows whose code in
        column c is b. Without rows it is 0. Of CUDA arrays: an array of their library,
        on their device, with the same bytes.

    Raises
    ------
    TypeError
        If bins are not uint8, rows not integers, or grad or hess not real; or if some
        arrays are on the CPU and some on a CUDA device.
    ValueError
        If shapes disagree, grad or hess has NaN or infinity, a row number is out of
        range or occurs twice, or a code is not below ``n_bins``.
    RuntimeError
        If CUDA is asked for and not available, saying why.

    Notes
    -----
    Values are summed as 16-bit integers: v becomes the integer nearest to v 2^e, with
    one e for grad and one for hess, set by the largest magnitude in the *whole* array.
    A sum over ``count`` rows is within ``count * max|v| * 2**-15`` of the exact one.
    Sums carry no further rounding, hence: they do not depend on the order of rows;
    every column adds up to the same totals; and the histograms of two disjoint row
    sets add up to that of their union, exactly, as long as grad and hess are the same
    arrays.

    A call on a CUDA device waits for its work, because it may have to raise.
    """
    if wants_cuda(_WHERE, device, bins=bins, grad=grad, hess=hess, rows=rows):
        from fastnotes.boosting import _cuda

        sums: NDArray[np.float64] = _cuda.build_histogram(
            bins, grad, hess, rows, n_bins, device
        )
        return sums
    codes, own_n_bins = _codes(bins)
    if n_bins is None:
        n_bins = own_n_bins
    n_bins = as_integer(n_bins, _WHERE, "n_bins", low=2, high=256)
    g, h = _gradients(grad, hess, len(codes))
    used = None if rows is None else as_index_array(rows, _WHERE, "rows")
    threads = resolve_n_threads(n_threads, _WHERE)
    check_fits(_WHERE, "a result", (codes.shape[1], n_bins, 2), np.float64)
    with memory_of(_WHERE):
        histogram: NDArray[np.float64] = native.boosting.build_histogram(
            codes, g, h, used, n_bins, threads
        )
    return histogram


def _codes(bins: BinnedMatrix | ArrayLike) -> tuple[NDArray[np.uint8], int]:
    if isinstance(bins, BinnedMatrix):
        return np.require(bins.bins, requirements="C"), bins.n_bins
    array = as_array(bins, _WHERE, "bins")
    expected = "bins of dtype uint8 and shape (n_rows, n_columns)"
    if array.dtype != np.uint8:
        fail_type(_WHERE, expected, describe(array))
    if array.ndim != 2:
        fail(_WHERE, expected, describe(array))
    return np.require(array, requirements="C"), 256


def _gradients(grad: Any, hess: Any, n_rows: int) -> tuple[RealArray, RealArray]:
    g = as_real_array(grad, _WHERE, "grad", ndim=1)
    h = as_real_array(hess, _WHERE, "hess", ndim=1)
    check_shape(g, _WHERE, "grad", (n_rows,), "(n_rows,)")
    check_shape(h, _WHERE, "hess", (n_rows,), "(n_rows,)")
    dtype = np.result_type(g, h)
    return g.astype(dtype, copy=False), h.astype(dtype, copy=False)
