"""Entropies and divergences of distributions that have a closed form, in nats.

Arrays of parameters are broadcast together, and answered element by element.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, gammaln, log_softmax, psi

from fastnotes._axes import single_axis
from fastnotes._memory import memory_of
from fastnotes._validation import (
    as_real_array,
    check_finite,
    fail,
)
from fastnotes.information._probabilities import (
    Float64Array,
    broadcast,
    check_batch,
    finish,
    first_index,
    gap,
)


def bernoulli_entropy(p: ArrayLike) -> Any:
    """- p log p - (1 - p) log (1 - p), element by element.

    Parameters
    ----------
    p
        Probabilities of 1, from 0 to 1. float32 stays float32, everything else becomes
        float64, here and below.

    Returns
    -------
    scalar or numpy.ndarray
        The shape of ``p``.

    Raises
    ------
    TypeError, ValueError
        For anything else.
    """
    where = "information.bernoulli_entropy"
    (chance,), dtype = _parameters(where, high=1.0, p=p)
    return finish(entr(chance) + entr(1 - chance), dtype)


def bernoulli_kl(p: ArrayLike, q: ArrayLike) -> Any:
    """KL between Bernoulli distributions, element by element.

    Parameters
    ----------
    p, q
        Probabilities of 1, from 0 to 1; broadcast together.

    Returns
    -------
    scalar or numpy.ndarray
        >= 0; +inf where q excludes what p allows.

    Raises
    ------
    TypeError, ValueError
        For anything else.

    Examples
    --------
    >>> from fastnotes.information import bernoulli_kl
    >>> round(float(bernoulli_kl(0.3, 0.6)), 12)
    0.183786897387
    """
    where = "information.bernoulli_kl"
    (p, q), dtype = _parameters(where, high=1.0, p=p, q=q)
    return finish(_gap_or_zero(p, q) + _gap_or_zero(1 - p, 1 - q), dtype)


def categorical_entropy(logits: ArrayLike, axis: int = -1) -> Any:
    """Entropy of softmax(logits), without passing through probabilities.

    Parameters
    ----------
    logits
        Scores along ``axis``, not all -inf; -inf is a probability of 0.
    axis
        The axis of the categories.

    Returns
    -------
    scalar or numpy.ndarray
        The shape of ``logits`` without ``axis``.

    Raises
    ------
    TypeError, ValueError
        For anything else.

    Examples
    --------
    >>> from fastnotes.information import categorical_entropy
    >>> round(float(categorical_entropy([-1000.0, -1000.0])), 12)
    0.69314718056
    """
    where = "information.categorical_entropy"
    log_p, axis, dtype = _log_probabilities(logits, axis, where, "logits")
    p = np.exp(log_p)
    with np.errstate(invalid="ignore"):
        terms = np.where(p > 0, p * log_p, 0.0)
    return finish(0.0 - terms.sum(axis=axis), dtype)


def categorical_kl(logits_p: ArrayLike, logits_q: ArrayLike, axis: int = -1) -> Any:
    """KL between softmax(logits_p) and softmax(logits_q).

    Parameters
    ----------
    logits_p, logits_q
        Scores along ``axis``, as in :func:`categorical_entropy`; broadcast together.
    axis
        The axis of the categories, in the shape of both together.

    Returns
    -------
    scalar or numpy.ndarray
        >= 0; +inf where q excludes what p allows. Finite where a probability of q is
        merely too small for a number.

    Raises
    ------
    TypeError, ValueError
        For anything else.

    Examples
    --------
    >>> from fastnotes.information import categorical_kl
    >>> round(float(categorical_kl([0.0, -1000.0], [-1000.0, 0.0])), 9)
    1000.0
    """
    where = "information.categorical_kl"
    p = as_real_array(logits_p, where, "logits_p")
    q = as_real_array(logits_q, where, "logits_q")
    with memory_of(where):
        p, q = broadcast(where, logits_p=p, logits_q=q)
        log_p, axis, dtype_p = _log_probabilities(p, axis, where, "logits_p")
        log_q, _, dtype_q = _log_probabilities(q, axis, where, "logits_q")
        p, q = np.exp(log_p), np.exp(log_q)
        with np.errstate(all="ignore"):
            t = log_p - log_q
            # p log (p / q) - p + q; q (e^t (t - 1) + 1) where both are near
            far = np.where(p > 0, p * t, 0.0) - p + q
            near = q * (t * np.expm1(t) - (np.expm1(t) - t))
            terms = np.maximum(np.where(np.abs(t) < 0.5, near, far), 0.0)
        return finish(terms.sum(axis=axis), np.result_type(dtype_p, dtype_q))


def poisson_kl(rate_p: ArrayLike, rate_q: ArrayLike) -> Any:
    """KL between Poisson distributions: p log (p / q) - p + q of their rates.

    Parameters
    ----------
    rate_p, rate_q
        Finite numbers >= 0; broadcast together.

    Returns
    -------
    scalar or numpy.ndarray
        >= 0; +inf for a rate_q of 0 and another rate_p.

    Raises
    ------
    TypeError, ValueError
        For anything else.
    """
    where = "information.poisson_kl"
    (p, q), dtype = _parameters(where, rate_p=rate_p, rate_q=rate_q)
    return finish(_gap_or_zero(p, q), dtype)


def exponential_kl(rate_p: ArrayLike, rate_q: ArrayLike) -> Any:
    """KL between exponential distributions: log (p / q) + q / p - 1 of their rates.

    Parameters
    ----------
    rate_p, rate_q
        Finite numbers > 0; broadcast together.

    Returns
    -------
    scalar or numpy.ndarray
        >= 0.

    Raises
    ------
    TypeError, ValueError
        For anything else.
    """
    where = "information.exponential_kl"
    (p, q), dtype = _parameters(where, positive=True, rate_p=rate_p, rate_q=rate_q)
    with np.errstate(over="ignore"):
        return finish(gap(np.ones_like(p), q / p), dtype)


def gamma_kl(
    shape_p: ArrayLike, rate_p: ArrayLike, shape_q: ArrayLike, rate_q: ArrayLike
) -> Any:
    """KL between gamma distributions of density x^(shape - 1) exp(- rate x).

    Parameters
    ----------
    shape_p, rate_p, shape_q, rate_q
        Finite numbers > 0; broadcast together.

    Returns
    -------
    scalar or numpy.ndarray
        >= 0.

    Raises
    ------
    TypeError, ValueError
        For anything else.
    """
    where = "information.gamma_kl"
    (a, b, c, d), dtype = _parameters(
        where,
        positive=True,
        shape_p=shape_p,
        rate_p=rate_p,
        shape_q=shape_q,
        rate_q=rate_q,
    )
    with np.errstate(all="ignore"):
        shapes = gammaln(c) - gammaln(a) - (c - a) * psi(a)
        rates = a * (d / b - 1) + c * (np.log(b) - np.log(d))
        rates = np.where(a == c, a * gap(np.ones_like(a), d / b), rates)
        return finish(np.maximum(shapes + rates, 0.0), dtype)


def exponential_family_kl(
    eta_p: ArrayLike,
    eta_q: ArrayLike,
    log_partition_p: ArrayLike,
    log_partition_q: ArrayLike,
    mean_p: ArrayLike,
) -> Any:
    """KL within any exponential family: A(q) - A(p) - (q - p) . grad A(p).

    Parameters
    ----------
    eta_p, eta_q
        (..., d), natural parameters.
    log_partition_p, log_partition_q
        (...), the log-partition function A at them.
    mean_p
        (..., d), the mean of the sufficient statistics under p: the gradient of A.

    Returns
    -------
    scalar or numpy.ndarray
        (...), the Bregman divergence of A: >= 0, but for rounding of what it subtracts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not finite and real, or the shapes do not broadcast.

    References
    ----------
    Wainwright and Jordan, "Graphical models, exponential families, and variational
    inference", 2008, equation 5.

    Examples
    --------
    Poisson distributions of rates 2 and 3: eta = log rate, A = exp eta.

    >>> import numpy as np
    >>> from fastnotes.information import exponential_family_kl, poisson_kl
    >>> eta = np.log([[2.0], [3.0]])
    >>> kl = exponential_family_kl(eta[0], eta[1], 2.0, 3.0, [2.0])
    >>> float(kl.round(12)) == float(poisson_kl(2.0, 3.0).round(12))
    True
    """
    where = "information.exponential_family_kl"
    vectors = {"eta_p": eta_p, "eta_q": eta_q, "mean_p": mean_p}
    numbers = {"log_partition_p": log_partition_p, "log_partition_q": log_partition_q}
    arrays = {
        name: as_real_array(value, where, name)
        for name, value in (vectors | numbers).items()
    }
    for name, array in arrays.items():
        check_finite(array, where, name)
        if name in vectors and array.ndim == 0:
            fail(where, f"{name} of shape (..., d)", "a number")
    dtype = np.result_type(*arrays.values())
    p, q, mean, a_p, a_q = (array.astype(np.float64) for array in arrays.values())
    if len({p.shape[-1], q.shape[-1], mean.shape[-1]}) > 1:
        shapes = f"{p.shape}, {q.shape}, {mean.shape}"
        fail(where, "eta_p, eta_q, mean_p of one last axis", shapes)
    check_batch(where, p, q, mean, a_p[..., None], a_q[..., None])
    with np.errstate(over="ignore", invalid="ignore"):
        return finish(a_q - a_p - ((q - p) * mean).sum(axis=-1), dtype)


def _parameters(
    where: str, *, high: float = np.inf, positive: bool = False, **values: ArrayLike
) -> tuple[list[Float64Array], np.dtype[Any]]:
    """Arrays within their range, in one shape, in float64; and the result's dtype."""
    arrays = {name: as_real_array(value, where, name) for name, value in values.items()}
    for name, array in arrays.items():
        enough = array > 0 if positive else array >= 0
        bad = ~(np.isfinite(array) & enough & (array <= high))
        if bad.any():
            at = first_index(bad)
            sign = ">" if positive else ">="
            limits = f"{sign} 0" if np.isinf(high) else f"from 0 to {high:g}"
            fail(where, f"{name} finite and {limits}", f"{array[at]} at index {at}")
    dtype = np.result_type(*arrays.values())
    with memory_of(where):
        together = [each.astype(np.float64) for each in broadcast(where, **arrays)]
    return together, dtype


def _gap_or_zero(p: Float64Array, q: Float64Array) -> Float64Array:
    return np.where(p == q, 0.0, gap(p, q))


def _log_probabilities(
    logits: ArrayLike, axis: int, where: str, name: str
) -> tuple[Float64Array, int, np.dtype[Any]]:
    scores = as_real_array(logits, where, name)
    axis = single_axis(scores, axis, where, name)
    bad = np.isnan(scores) | np.isposinf(scores)
    if bad.any():
        at = first_index(bad)
        fail(where, f"{name} finite or -inf", f"{scores[at]} at index {at}")
    nothing = np.isneginf(scores).all(axis=axis)
    if np.any(nothing):
        where_nothing = first_index(np.asarray(nothing))
        fail(where, f"{name} not all -inf along axis", f"that at index {where_nothing}")
    if scores.shape[axis] == 0:
        return scores.astype(np.float64), axis, scores.dtype
    with np.errstate(all="ignore"):
        return log_softmax(scores.astype(np.float64), axis=axis), axis, scores.dtype
