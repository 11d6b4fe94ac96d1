"""Entropies, Kullback-Leibler divergence and mutual information, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._axes import Axes, reduced_axes
from fastnotes._memory import memory_of
from fastnotes._validation import (
    as_index_array,
    as_real_array,
    check_choice,
    check_shape,
    fail,
    fail_type,
)
from fastnotes.information._probabilities import (
    Float64Array,
    as_distributions,
    as_pair,
    finish,
    gap,
    log_ratio,
    unit_of,
)

REDUCTIONS = ("mean", "sum", "none")


def entropy(
    p: ArrayLike, axis: Axes = -1, *, base: float | None = None, normalize: bool = False
) -> Any:
    """H(p) = - sum p log p, with 0 log 0 = 0.

    Parameters
    ----------
    p
        Probabilities, one distribution along ``axis``: finite, >= 0, of sum 1 within
        the square root of the dtype's epsilon (1.5e-8; float32 3.5e-4). What is left of
        the difference is divided away. float32 gives float32, everything else float64;
        all sums are in float64.
    axis
        Axis or axes of one distribution; None means all. The other axes are a batch.
    base
        Base of the logarithm, > 1: 2 gives bits. None: nats.
    normalize
        Take any finite weights >= 0, such as counts, and divide them by their sum.

    Returns
    -------
    scalar or numpy.ndarray
        From 0 to log (number of outcomes); the shape of ``p`` without ``axis``.

    Raises
    ------
    TypeError
        If ``p`` is not real, ``axis`` not made of integers, ``base`` not a number.
    ValueError
        If ``p`` holds no distributions, ``axis`` is out of range or repeated, or
        ``base`` not above 1.

    References
    ----------
    Cover and Thomas, "Elements of Information Theory", 2nd edition, equation 2.1.

    Examples
    --------
    >>> from fastnotes.information import entropy
    >>> float(entropy([0.5, 0.25, 0.25], base=2))
    1.5
    >>> float(entropy([3, 3, 0], base=2, normalize=True))
    1.0
    """
    return _entropy(p, axis, base, normalize, "information.entropy", "p")


def joint_entropy(
    pxy: ArrayLike,
    axis: Axes = None,
    *,
    base: float | None = None,
    normalize: bool = False,
) -> Any:
    """H(X, Y, ...) of a joint distribution, with a variable on each axis.

    The entropy of all entries of the table; everything is as in :func:`entropy`, save
    that ``axis=None`` is the default.

    Examples
    --------
    >>> from fastnotes.information import joint_entropy
    >>> float(joint_entropy([[0.25, 0.25], [0.5, 0.0]], base=2))
    1.5
    """
    return _entropy(pxy, axis, base, normalize, "information.joint_entropy", "pxy")


def conditional_entropy(
    pxy: ArrayLike,
    axis: Axes = -1,
    *,
    given: Axes = -2,
    base: float | None = None,
    normalize: bool = False,
) -> Any:
    """H(Y | X) = - sum p(x, y) log p(y | x), the Y on ``axis`` and the X on ``given``.

    Parameters
    ----------
    pxy
        Joint probabilities, as ``p`` in :func:`entropy` over ``axis`` and ``given``.
    axis, given
        Axis or axes of what is uncertain and of what is known. ``given=None``: all the
        others. Axes in neither are a batch.
    base, normalize
        As in :func:`entropy`.

    Returns
    -------
    scalar or numpy.ndarray
        From 0 to H(Y).

    Raises
    ------
    TypeError, ValueError
        As :func:`entropy`, and if the two share an axis.

    References
    ----------
    Cover and Thomas, equation 2.10.

    Examples
    --------
    >>> from fastnotes.information import conditional_entropy
    >>> round(float(conditional_entropy([[0.1, 0.2], [0.3, 0.4]])), 12)
    0.668989923779
    """
    where = "information.conditional_entropy"
    unit = unit_of(base, where)
    array = as_real_array(pxy, where, "pxy")
    roles = _roles(array, where, axis=axis, given=given)
    with memory_of(where):
        p, axes, dtype = as_distributions(
            array, sum(roles, ()), where, "pxy", normalize=normalize
        )
        known = p.sum(axis=roles[0], keepdims=True)
        return finish(-_sum(p * _where(p, log_ratio(p, known)), axes), dtype, unit)


def mutual_information(
    pxy: ArrayLike,
    axis: Axes = -1,
    other: Axes = -2,
    *,
    given: Axes = (),
    base: float | None = None,
    normalize: bool = False,
) -> Any:
    """I(X; Y) = sum p(x, y) log (p(x, y) / p(x) p(y)), or I(X; Y | Z).

    The terms are p log (p / q) - p + q with q = p(x) p(y), none of which is negative,
    so that weak dependence is not lost to cancellation: the relative error is about eps
    over the relative distance of p from q, where a difference of entropies would have
    eps over its square.

    Parameters
    ----------
    pxy
        Joint probabilities, as ``p`` in :func:`entropy` over all the axes named.
    axis, other
        Axis or axes of the two variables, in either order. ``other=None``: all that
        neither ``axis`` nor ``given`` names.
    given
        Axis or axes of Z, if any.
    base, normalize
        As in :func:`entropy`.

    Returns
    -------
    scalar or numpy.ndarray
        From 0 to the smaller entropy; never negative.

    Raises
    ------
    TypeError, ValueError
        As :func:`entropy`, and if the roles share an axis.

    References
    ----------
    Cover and Thomas, equations 2.28 and 2.60.

    Examples
    --------
    >>> from fastnotes.information import mutual_information
    >>> round(float(mutual_information([[0.1, 0.2], [0.3, 0.4]])), 15)
    0.004021743230482
    """
    where = "information.mutual_information"
    unit = unit_of(base, where)
    array = as_real_array(pxy, where, "pxy")
    mine, theirs, _ = roles = _roles(array, where, axis=axis, other=other, given=given)
    with memory_of(where):
        p, axes, dtype = as_distributions(
            array, sum(roles, ()), where, "pxy", normalize=normalize
        )
        px, py = (p.sum(axis=each, keepdims=True) for each in (theirs, mine))
        pz = px.sum(axis=mine, keepdims=True)
        with np.errstate(all="ignore"):
            product = _where(pz, px * (py / pz))
            log_product = np.log(px) + np.log(py) - np.log(pz)
        terms = np.where(product + p > 0, gap(p, product, log_product), 0.0)
        return finish(_sum(terms, axes), dtype, unit)


def cross_entropy(
    p: ArrayLike,
    q: ArrayLike,
    axis: Axes = -1,
    *,
    base: float | None = None,
    normalize: bool = False,
) -> Any:
    """H(p, q) = - sum p log q = H(p) + KL(p, q): the cost of a code for q under p.

    Parameters
    ----------
    p, q
        Probabilities, as in :func:`entropy`; broadcast together.
    axis, base, normalize
        As in :func:`entropy`; ``axis`` counts in the shape of both together.

    Returns
    -------
    scalar or numpy.ndarray
        +inf where q = 0 < p.

    Raises
    ------
    TypeError, ValueError
        As :func:`entropy`, and if the shapes do not broadcast.

    Examples
    --------
    >>> from fastnotes.information import cross_entropy
    >>> float(cross_entropy([0.5, 0.5], [0.25, 0.75]).round(12))
    0.836988216786
    """
    where = "information.cross_entropy"
    unit = unit_of(base, where)
    with memory_of(where):
        p, q, axes, dtype = as_pair(p, q, axis, where, normalize=normalize)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = _where(p, -p * np.log(q))
        return finish(_sum(terms, axes), dtype, unit)


def kl_divergence(
    p: ArrayLike,
    q: ArrayLike,
    axis: Axes = -1,
    *,
    base: float | None = None,
    normalize: bool = False,
) -> Any:
    """KL(p, q) = sum p log (p / q), as a sum of terms of which none is negative.

    Parameters
    ----------
    p, q
        Probabilities, as in :func:`entropy`; broadcast together.
    axis, base, normalize
        As in :func:`entropy`; ``axis`` counts in the shape of both together.

    Returns
    -------
    scalar or numpy.ndarray
        >= 0, exactly 0 for equal arrays, +inf where q = 0 < p.

    Raises
    ------
    TypeError, ValueError
        As :func:`entropy`, and if the shapes do not broadcast.

    Notes
    -----
    The terms are p log (p / q) - p + q, as in :func:`mutual_information`.

    References
    ----------
    Cover and Thomas, equation 2.26.

    Examples
    --------
    >>> from fastnotes.information import kl_divergence
    >>> kl_divergence([0.3, 0.7], [0.6, 0.4]).round(12)
    np.float64(0.183786897387)
    >>> kl_divergence([0.5, 0.5], [1, 0])
    np.float64(inf)
    """
    where = "information.kl_divergence"
    unit = unit_of(base, where)
    with memory_of(where):
        p, q, axes, dtype = as_pair(p, q, axis, where, normalize=normalize)
        terms = np.where(p + q > 0, gap(p, q), 0.0)
        return finish(_sum(terms, axes), dtype, unit)


def negative_log_likelihood(
    q: ArrayLike,
    x: ArrayLike,
    *,
    reduction: str = "mean",
    base: float | None = None,
    normalize: bool = False,
) -> Any:
    """- log q(x) of observed categories.

    Its mean is the cross-entropy of the observed frequencies and q, so that the q of
    greatest likelihood is the one of least cross-entropy: the frequencies themselves.

    Parameters
    ----------
    q
        Probabilities of the categories, as ``p`` in :func:`entropy`: (C,), one model
        for all, or (N, C), one for each observation.
    x
        (N,), integers from 0 to C - 1.
    reduction
        ``"mean"`` over observations, ``"sum"``, or ``"none"``.
    base, normalize
        As in :func:`entropy`.

    Returns
    -------
    scalar or numpy.ndarray
        A scalar, or (N,) for ``"none"``. +inf where q(x) = 0.

    Raises
    ------
    TypeError, ValueError
        As :func:`entropy`; if ``x`` is not made of categories; for a mean of nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.information import cross_entropy, negative_log_likelihood
    >>> q, x = [0.5, 0.3, 0.2], [0, 0, 1, 2]
    >>> float(negative_log_likelihood(q, x).round(12))
    1.04992626947
    >>> float(cross_entropy(np.bincount(x), q, normalize=True).round(12))
    1.04992626947
    """
    where = "information.negative_log_likelihood"
    unit = unit_of(base, where)
    check_choice(reduction, where, "reduction", REDUCTIONS)
    model, _, dtype = as_distributions(q, -1, where, "q", normalize=normalize)
    codes = as_index_array(x, where, "x")
    n, n_categories = len(codes), model.shape[-1]
    if model.ndim > 2:
        fail(where, "q of shape (C,) or (N, C)", f"shape {model.shape}")
    if model.ndim == 2:
        check_shape(model, where, "q", (n, n_categories), "(N, C)")
    if n and (codes.min() < 0 or codes.max() >= n_categories):
        got = f"{codes.min()} to {codes.max()}"
        fail(where, f"x from 0 to {n_categories - 1}", got)
    if reduction == "mean" and n == 0:
        fail(where, "at least one observation to average", "none")
    observed = model[codes] if model.ndim == 1 else model[np.arange(n), codes]
    with np.errstate(divide="ignore"):
        losses = 0.0 - np.log(observed)
    if reduction == "none":
        return finish(losses, dtype, unit)
    return finish(losses.mean() if reduction == "mean" else losses.sum(), dtype, unit)


def _entropy(
    p: ArrayLike, axis: Axes, base: float | None, normalize: bool, where: str, name: str
) -> Any:
    unit = unit_of(base, where)
    with memory_of(where):
        p, axes, dtype = as_distributions(p, axis, where, name, normalize=normalize)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = _where(p, -p * np.log(p))
        return finish(_sum(terms, axes), dtype, unit)


def _sum(terms: Float64Array, axes: tuple[int, ...]) -> Any:
    """Sum that turns -0 into 0."""
    return terms.sum(axis=axes) + 0.0


def _where(p: Float64Array, terms: Float64Array) -> Float64Array:
    """Terms of outcomes that happen; the others count 0."""
    return np.where(p > 0, terms, 0.0)


def _roles(array: Any, where: str, **roles: Axes) -> list[tuple[int, ...]]:
    """Axes of each role; a None stands for all that the others leave."""
    named = {
        name: reduced_axes(array, axes, where, "pxy")
        for name, axes in roles.items()
        if axes is not None
    }
    taken = sum(named.values(), ())
    if len(set(taken)) != len(taken):
        text = ", ".join(f"{name}={axes}" for name, axes in named.items())
        fail(where, "an axis in one role alone", text)
    if len(roles) - len(named) > 1:
        fail_type(where, "at most one role as None", str(len(roles) - len(named)))
    rest = tuple(i for i in range(array.ndim) if i not in taken)
    return [named.get(name, rest) for name in roles]
