"""Jackknife variational inference: bounds whose leading bias terms cancel."""

from __future__ import annotations

import functools
import warnings
from fractions import Fraction
from math import comb, factorial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._memory import empty
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import RealArray, as_integer, fail
from fastnotes.evidence._samples import read_log_weights
from fastnotes.evidence.importance_weights import importance_weights

#: Of `jackknife_bound`; of `jackknife_coefficients`, and the samples beside it.
MAX_ORDER = 5
_MAX_COEFFICIENT_ORDER, _MAX_SAMPLES = 20, 2**40


class JackknifeWarning(UserWarning):
    """Few samples carry the weight: a jackknife estimate is not to be trusted."""


def jackknife_coefficients(n_samples: int, order: int) -> NDArray[np.float64]:
    """Coefficients c_j of the jackknife, each the float nearest to the exact rational.

    The estimate of order m from K samples is sum_j c_j A_j, with A_j the mean of the
    bound over all ways to leave j samples out, and
    c_j = (-1)^j (K - j)^m / (j! (m - j)!): the weights with sum_j c_j = 1 and
    sum_j c_j / (K - j)^r = 0 for r = 1..m.

    Parameters
    ----------
    n_samples
        K, from 1 to 2**40.
    order
        m, from 0 to 20 and below K.

    Returns
    -------
    numpy.ndarray
        float64 of shape ``(order + 1,)``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an integer, or out of range.

    References
    ----------
    Sharot, "The generalized jackknife", JASA 71 (1976); Nowozin, "Debiasing evidence
    approximations", ICLR 2018, equation 21.

    Examples
    --------
    >>> from fastnotes.evidence import jackknife_coefficients
    >>> jackknife_coefficients(4, 2)
    array([ 8., -9.,  2.])
    """
    where = "evidence.jackknife_coefficients"
    n = as_integer(n_samples, where, "n_samples", low=1, high=_MAX_SAMPLES)
    highest = min(n - 1, _MAX_COEFFICIENT_ORDER)
    m = as_integer(order, where, "order", low=0, high=highest)
    return np.array([float(_coefficient(n, m, j)) for j in range(m + 1)])


def jackknife_bound(
    log_w: ArrayLike,
    order: int = 1,
    axis: int = 0,
    *,
    return_gradient: bool = False,
    check_tails: bool = False,
    n_threads: int | None = None,
) -> Any:
    """Jackknife estimate (JVI) of log p(x), in nats: the K-sample bound debiased.

    Order m removes the terms 1/K .. 1/K^m of the bound's bias, in O(K) for every order.
    It is an estimate, not a bound: it may exceed log p(x), and it explodes where one
    sample has nearly all the weight.

    Parameters
    ----------
    log_w
        Log-weights with the K samples along ``axis``. float32 stays float32, everything
        else becomes float64; the arithmetic is in float64.
    order
        m, from 0 (the bound itself) to 5, below K.
    axis
        The axis of the K samples.
    return_gradient
        Return the gradient with respect to ``log_w`` too.
    check_tails
        Warn where the weights' Pareto k exceeds 0.7 too, which takes a :func:`psis` of
        them.
    n_threads
        See :doc:`threads`; the result does not depend on it.

    Returns
    -------
    numpy.ndarray or scalar, or a tuple (bound, gradient)
        ``bound`` has the shape of ``log_w`` without ``axis``, ``gradient`` that of
        ``log_w``. Gradients sum to 1 over the samples; those of order 1 and more may be
        negative.

    Raises
    ------
    TypeError
        If ``log_w`` is not real, or ``axis`` or ``order`` not an integer.
    ValueError
        If ``axis`` or ``order`` is out of range, or K = 0.

    Warns
    -----
    JackknifeWarning
        Where the effective sample size is below m + 1, the least number of samples that
        order m needs; where no more than m samples have any weight; and, if asked, for
        heavy tails.

    Notes
    -----
    An entry of -inf is a weight of 0. With at most m entries above that, some subset
    has no weight at all: nan, as for any NaN. Entries of +inf count as weights of 1
    beside weights of 0, and the bound is +inf.

    The error in float64 is below max(1e-12, 8 eps S), S the sum of the magnitudes that
    must cancel, sum_j abs(c_j) mean_J abs(log share kept by leaving out J, over its
    mean), also where several samples dominate; see :doc:`evidence`.

    References
    ----------
    Nowozin, "Debiasing evidence approximations: on importance-weighted autoencoders and
    jackknife variational inference", ICLR 2018, equations 18 to 21.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.evidence import jackknife_bound
    >>> log_w = np.log([1.0, 2.0, 3.0, 4.0])
    >>> [round(float(jackknife_bound(log_w, m)), 9) for m in range(3)]
    [0.916290732, 0.950247991, 0.946437381]
    """
    where = "evidence.jackknife_bound"
    array, axis = read_log_weights(log_w, axis, where)
    count = array.shape[axis]
    order = as_integer(order, where, "order", low=0, high=MAX_ORDER)
    if order >= count:
        fail(where, "order below the number of samples", f"{order} of {count}")
    threads = resolve_n_threads(n_threads, where)
    if order == 0:
        result = importance_weights(array, axis, n_threads=threads)
        return tuple(result[:2]) if return_gradient else result.bound
    bound, gradient, ess = estimate(array, order, axis, return_gradient, threads, where)
    warn_if_few(ess, order)
    if check_tails:
        _warn_of_tails(array, axis, threads)
    value = bound if bound.ndim else bound[()]
    return (value, gradient) if return_gradient else value


def estimate(
    log_w: RealArray,
    order: int,
    axis: int,
    with_gradient: bool,
    threads: int,
    where: str,
) -> tuple[RealArray, Any, NDArray[np.float64]]:
    """Estimate, gradient if wanted, and effective sample size, of checked input."""
    rest = log_w.shape[:axis] + log_w.shape[axis + 1 :]
    bound, ess = np.empty(rest, log_w.dtype), np.empty(rest)
    gradient = empty(log_w.shape, log_w.dtype, where) if with_gradient else None
    shares = np.array(_shares(log_w.shape[axis], order))
    native.evidence.jackknife(log_w, axis, shares, bound, gradient, ess, threads)
    return bound, gradient, ess


def warn_if_few(ess: NDArray[np.float64], order: int) -> None:
    """Say how many estimates are not to be trusted, to the caller's caller.

    NaN needs no word.
    """
    if not ess.size or np.fmin.reduce(ess, axis=None) >= order + 1:
        return
    without = int(np.count_nonzero(ess == 0))
    few = int(np.count_nonzero(ess < order + 1)) - without
    if without:
        text = (
            f"at most {order} samples have any weight in {without} of {ess.size} sums"
        )
        warnings.warn(f"{text}: nan", JackknifeWarning, stacklevel=3)
    if few:
        text = f"the effective sample size is below {order + 1} in {few} of {ess.size}"
        warnings.warn(
            f"{text} sums: few samples dominate, and the jackknife of order {order} is "
            "not to be trusted there",
            JackknifeWarning,
            stacklevel=3,
        )


def _warn_of_tails(log_w: RealArray, axis: int, threads: int) -> None:
    """Say how many columns have tails without the moments that the jackknife needs."""
    from fastnotes.evidence.psis import psis

    k = np.asarray(psis(log_w, axis, n_threads=threads).pareto_k)
    heavy = int(np.count_nonzero((k > 0.7) & np.isfinite(k)))
    if heavy:
        warnings.warn(
            f"the weights' Pareto k exceeds 0.7 in {heavy} of {k.size} sums: heavy "
            "tails, and the jackknife is not to be trusted there",
            JackknifeWarning,
            stacklevel=3,
        )


def _coefficient(n: int, m: int, j: int) -> Fraction:
    sign = -1 if j % 2 else 1
    return Fraction(sign * (n - j) ** m, factorial(j) * factorial(m - j))


@functools.lru_cache(maxsize=64)
def _shares(n: int, m: int) -> tuple[float, ...]:
    """c_j / C(n, j): what each subset of j counts."""
    return tuple(float(_coefficient(n, m, j) / comb(n, j)) for j in range(m + 1))
