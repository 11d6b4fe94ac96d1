"""The best split of a gradient histogram."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._core import native
from fastnotes._device import wants_cuda
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_real,
    as_real_array,
    describe,
    fail,
)


class Split(NamedTuple):
    """A split of a node: codes ``<= bin`` of column ``feature`` go left.

    ``gain`` is the notes' Gain, with its 1/2 and its - gamma. ``default_left`` says
    where missing goes. The four sums are those of the children, missing included.
    """

    feature: int
    bin: int
    gain: float
    default_left: bool
    G_left: float
    H_left: float
    G_right: float
    H_right: float


def find_best_split(
    histogram: ArrayLike,
    *,
    reg_lambda: float = 1.0,
    gamma: float = 0.0,
    min_child_weight: float = 1.0,
    reg_alpha: float = 0.0,
    n_threads: int | None = None,
    device: str | None = None,
) -> Split | None:
    """Find the split of largest gain over all columns, bins and missing directions.

    Parameters
    ----------
    histogram : array of shape (n_columns, n_bins, 2)
        Sums of gradients and hessians as from ``build_histogram``; the last bin holds
        the rows whose value is missing.
    reg_lambda : float, default=1.0
        L2 penalty on leaf weights, >= 0.
    gamma : float, default=0.0
        Price of a leaf, >= 0, taken from the notes' Gain: 1 here is 2 in XGBoost.
    min_child_weight : float, default=1.0
        Least sum of hessians in either child, >= 0.
    reg_alpha : float, default=0.0
        L1 penalty on leaf weights, >= 0: G moves towards 0 by this much.
    n_threads : int, optional
        Threads; None means the process's default. The result does not depend on it.
        CUDA ignores it.
    device : str, optional
        None: where the histogram is. ``"cuda"`` or ``"cuda:1"`` copies a host array
        there. A CUDA array is float32 or float64 and C-contiguous; the split is the
        same, and the call waits for it.

    Returns
    -------
    Split or None
        None if no split is admissible: gain > 0, both children heavy enough, and
        H + lambda > 0 for both and for the parent. On equal gains the lower column
        wins, then the lower bin, then missing to the right; so without missing values
        ``default_left`` is False. ``bin == n_bins - 2`` separates known from missing.

    Raises
    ------
    TypeError
        If the histogram or a parameter is not real.
    ValueError
        If the histogram is of the wrong shape or not finite, or a parameter is negative
        or not finite.
    RuntimeError
        If CUDA is asked for and not available, saying why.

    Notes
    -----
    Source: Chen & Guestrin (2016), "XGBoost", equation 7 and algorithm 3.
    """
    where = "boosting.find_best_split"
    rules = (
        as_real(reg_lambda, where, "reg_lambda", low=0.0),
        as_real(gamma, where, "gamma", low=0.0),
        as_real(min_child_weight, where, "min_child_weight", low=0.0),
        as_real(reg_alpha, where, "reg_alpha", low=0.0),
    )
    if wants_cuda(where, device, histogram=histogram):
        from fastnotes.boosting import _cuda

        found = _cuda.find_best_split(histogram, rules, device)
    else:
        threads = resolve_n_threads(n_threads, where)
        sums = as_histogram(histogram, where)
        found = native.boosting.find_best_split(
            sums.astype(np.float64, copy=False), *rules, threads
        )
    return None if found is None else Split(*found)


def as_histogram(value: ArrayLike, where: str) -> RealArray:
    """Return a float32 or float64 array of the right shape."""
    sums = as_real_array(value, where, "histogram", ndim=3)
    check_histogram_shape(sums.shape, where, describe(sums))
    return sums


def check_histogram_shape(shape: tuple[int, ...], where: str, got: str) -> None:
    """Refuse what is not (n_columns, n_bins, 2)."""
    if shape[2] != 2 or not 2 <= shape[1] <= 256:
        fail(where, "histogram of shape (n_columns, 2..256 bins, 2)", got)
