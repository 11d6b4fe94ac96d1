"""What multiplies each sample's gradient, by estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._axes import single_axis
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_integer,
    as_real_array,
    check_choice,
    fail,
)
from fastnotes.evidence.importance_weights import importance_weights
from fastnotes.evidence.jackknife import MAX_ORDER, estimate, warn_if_few

_ESTIMATORS = ("iwae", "dreg", "stl", "rws", "vimco", "jackknife")


def gradient_weights(
    log_w: ArrayLike,
    estimator: str = "iwae",
    axis: int = 0,
    *,
    order: int = 1,
    n_threads: int | None = None,
) -> RealArray:
    """Factors g_k such that sum_k g_k times a derivative estimates a gradient.

    With v_k the normalised weights, w_k = p(x, z_k) / q(z_k | x), theta the parameters
    of p, phi those of q, and z_k = z(phi, noise_k) where samples are reparametrised:

    ============= ======================== ============================================
    estimator     g_k                      multiplies, and what the sum estimates
    ============= ======================== ============================================
    "iwae"        v_k                      d log w_k, of any parameter, through z_k too:
                                           the gradient of the K-sample bound L_K
    "dreg"        v_k^2                    d log w_k / d z_k  d z_k / d phi, phi itself
                                           held fixed in log w: that of L_K in phi,
                                           without the score's noise
    "stl"         v_k                      the same path derivative: that of L_K in phi
                                           for K = 1, biased beyond; no noise at the
                                           posterior
    "rws"         v_k                      d log p(x, z_k) / d theta: that of L_K in
                                           theta (wake). d log q(z_k | x) / d phi: less
                                           that of KL(p(z | x) || q), with bias O(1/K)
                                           (wake, z_k held fixed)
    "vimco"       L_K - L_K^(-k) - v_k     d log q(z_k | x) / d phi, z_k held fixed,
                                           discrete or not: that of L_K in phi. For
                                           theta use "iwae"
    "jackknife"   d JVI_m / d log w_k      d log w_k, of any parameter, through z_k too:
                                           the gradient of the jackknife estimate
    ============= ======================== ============================================

    All are for ascent. Sleep updates take samples from the model, not from q: each
    counts 1/K of d log q(z_k | x_k) / d phi, with no weights.

    Parameters
    ----------
    log_w
        Log-weights with the K samples along ``axis``. float32 stays float32, everything
        else becomes float64.
    estimator
        One of the above.
    axis
        The axis of the K samples.
    order
        Of the jackknife, from 0 to 5.
    n_threads
        See :doc:`threads`; the result does not depend on it.

    Returns
    -------
    numpy.ndarray
        The shape of ``log_w``.

    Raises
    ------
    TypeError
        If ``log_w`` is not real, or another argument of the wrong kind.
    ValueError
        If ``axis``, ``order`` or ``estimator`` is none of those allowed, or K is 0, or
        K is 1 for "vimco".

    Notes
    -----
    In L_K^(-k), which does not depend on z_k, the geometric mean of the other weights
    stands for w_k; its log 1 - v_k is summed from the others where v_k is large.

    All log-weights -inf: 0; any NaN: nan; +inf counts as a weight of 1 beside weights
    of 0. "vimco" is +inf at the only sample with any weight. "jackknife" has the edges
    and warnings of :func:`jackknife_bound`.

    References
    ----------
    Burda, Grosse, Salakhutdinov, ICLR 2016 ("iwae"). Tucker, Lawson, Gu, Maddison,
    ICLR 2019 ("dreg"). Roeder, Wu, Duvenaud, NeurIPS 2017 ("stl"). Bornschein, Bengio,
    ICLR 2015 ("rws"). Mnih, Rezende, ICML 2016 ("vimco"). Nowozin, ICLR 2018
    ("jackknife").

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.evidence import gradient_weights
    >>> gradient_weights(np.log([1.0, 1.0, 2.0]), "dreg")
    array([0.0625, 0.0625, 0.25  ])
    """
    where = "evidence.gradient_weights"
    array = as_real_array(log_w, where, "log_w")
    check_choice(estimator, where, "estimator", _ESTIMATORS)
    axis = single_axis(array, axis, where, "log_w")
    count = array.shape[axis]
    if count < (2 if estimator == "vimco" else 1):
        least = "two samples" if estimator == "vimco" else "one sample"
        fail(where, f"at least {least} along axis", f"shape {array.shape}")
    threads = resolve_n_threads(n_threads, where)
    order = as_integer(order, where, "order", low=0, high=MAX_ORDER)
    if estimator == "jackknife":
        if order >= count:
            fail(where, "order below the number of samples", f"{order} of {count}")
        if order > 0:
            gradient: RealArray
            _, gradient, ess = estimate(array, order, axis, True, threads, where)
            warn_if_few(ess, order)
            return gradient
    if estimator == "vimco":
        return _vimco(array, axis, threads)
    weights = importance_weights(array, axis, n_threads=threads).weights
    if estimator == "dreg":
        np.multiply(weights, weights, out=weights)
    return weights


def _vimco(log_w: RealArray, axis: int, n_threads: int) -> RealArray:
    """L_K - L_K^(-k) - v_k, with exp(L_K^(-k) - L_K) = 1 - v_k + others' mean."""
    a = log_w.astype(np.float64)
    largest = a.max(axis, keepdims=True)
    infinite = largest == np.inf
    if infinite.any():
        a = np.where(infinite & (a < np.inf), -np.inf, a)
    empty = largest == -np.inf
    with np.errstate(invalid="ignore"):
        a = np.where(a == largest, 0.0, a - largest)
    a = np.where(empty, 0.0, a)
    weights = importance_weights(a, axis, n_threads=n_threads).weights
    stand_in = _mean_of_others(a, axis) / np.exp(a).sum(axis, keepdims=True)
    change = stand_in - weights
    with np.errstate(divide="ignore", invalid="ignore"):
        near = -np.log1p(np.where(np.abs(change) < 0.5, change, 0.0))
        top = weights > 0.5  # at most one
        rest = np.where(top, 0.0, weights).sum(axis, keepdims=True)
        kept = np.where(top, rest + stand_in, 1 + change)
        signal = np.where(np.abs(change) < 0.5, near, -np.log(kept)) - weights
    signal = np.where(empty, 0.0, np.where(np.isnan(weights), np.nan, signal))
    return signal.astype(log_w.dtype)


def _mean_of_others(a: NDArray[np.float64], axis: int) -> Any:
    """Geometric mean of exp(a) over all but each sample."""
    without = a == -np.inf
    logs = np.where(without, 0.0, a)
    others = logs.sum(axis, keepdims=True) - logs
    missing = without.sum(axis, keepdims=True) - without
    return np.where(missing > 0, 0.0, np.exp(others / (a.shape[axis] - 1)))
