"""f-divergences, the functions behind them, and their variational lower bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._axes import Axes, reduced_axes
from fastnotes._memory import memory_of
from fastnotes._validation import (
    as_real,
    as_real_array,
    check_choice,
    fail,
    fail_type,
)
from fastnotes.information._generators import (
    GENERATORS,
    NAMES,
    Generator,
    alpha_generator,
)
from fastnotes.information._probabilities import (
    Float64Array,
    as_distributions,
    as_pair,
    finish,
    first_index,
    unit_of,
)

Convex = Callable[[Float64Array], ArrayLike]

#: Where a caller's function is tried, beside the ratios that the data have.
_GRID = np.geomspace(1e-6, 1e6, 241)
#: Roundings of a caller's function and of the slopes made of it.
_SLACK = 1e-9


def f_divergence(
    p: ArrayLike,
    q: ArrayLike,
    f: str | Convex = "kl",
    axis: Axes = -1,
    *,
    alpha: float | None = None,
    slope_at_infinity: float | None = None,
    base: float | None = None,
    normalize: bool = False,
) -> Any:
    """D_f(p, q) = sum q f(p / q), for a convex f with f(1) = 0.

    Parameters
    ----------
    p, q
        Probabilities, as in :func:`entropy`; broadcast together.
    f
        A name, or a function of an array of ratios u >= 0:

        ================ ===========================================================
        ``"kl"``         sum p log (p / q)
        ``"reverse_kl"`` sum q log (q / p)
        ``"js"``         half of KL(p, m) + KL(q, m), m = (p + q) / 2; at most log 2
        ``"tv"``         half of sum abs(p - q); at most 1
        ``"chi2"``       sum (p - q)^2 / q
        ``"hellinger"``  half of sum (sqrt p - sqrt q)^2, squared and with its half: 1
                         less the sum of sqrt(p q); at most 1
        ``"jeffreys"``   KL(p, q) + KL(q, p)
        ``"alpha"``      (sum p^a q^(1 - a) - 1) / (a (a - 1)), a = ``alpha``; KL at 1,
                         reverse KL at 0, half of chi2 at 2, 4 times hellinger at 1/2
        ``"le_cam"``     half of sum (p - q)^2 / (p + q); at most 1
        ================ ===========================================================
    axis, normalize
        As in :func:`entropy`; ``axis`` counts in the shape of both together.
    alpha
        The order of ``"alpha"``, of nothing else.
    slope_at_infinity
        lim f(u) / u of a function, may be +inf: needed where q = 0 < p, as no number of
        values tells it.
    base
        As in :func:`entropy`: the result is divided by its logarithm. For divergences
        made of logarithms.

    Returns
    -------
    scalar or numpy.ndarray
        >= 0, 0 for equal arrays; +inf where the terms at p = 0 or q = 0 are: q f(0) and
        p lim f(u) / u.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or f returns no real numbers.
    ValueError
        As :func:`entropy`; if f is not 0 at 1, nan somewhere, or not convex (on 241
        points from 1e-6 to 1e6 and on the ratios of p and q); if
        ``alpha`` or ``slope_at_infinity`` is missing.

    References
    ----------
    Csiszar, "Information-type measures of difference of probability distributions",
    1967. Liese and Vajda, "On divergences and informations", IEEE Transactions on
    Information Theory 52 (2006).

    Examples
    --------
    >>> from fastnotes.information import f_divergence
    >>> p, q = [0.3, 0.7], [0.6, 0.4]
    >>> round(float(f_divergence(p, q, "chi2")), 12)
    0.375
    >>> round(float(f_divergence(p, q, lambda u: abs(u - 1) / 2)), 12)
    0.3
    """
    where = "information.f_divergence"
    unit = unit_of(base, where)
    generator = None if callable(f) else _named(f, alpha, where)
    slope = _slope(slope_at_infinity, where)
    if callable(f) and alpha is not None:
        fail(where, "alpha with f='alpha' alone", f"f={_name_of(f)}")
    with memory_of(where):
        p, q, axes, dtype = as_pair(p, q, axis, where, normalize=normalize)
        with np.errstate(all="ignore"):
            if generator is None:
                terms = _callers_terms(f, p, q, slope, where)  # type: ignore[arg-type]
            else:
                terms = np.where(p == q, 0.0, generator.terms(p, q))
            return finish(terms.sum(axis=axes), dtype, unit)


def f_generator(u: ArrayLike, f: str = "kl", *, alpha: float | None = None) -> Any:
    """f(u) of a divergence's name, the one of f(1) = f'(1) = 0 and f >= 0.

    Adding c (u - 1) to f changes no divergence; this choice has no negative terms.

    Parameters
    ----------
    u
        Ratios p / q >= 0, +inf included. float32 stays float32, everything else becomes
        float64.
    f, alpha
        As in :func:`f_divergence`.

    Returns
    -------
    scalar or numpy.ndarray
        The shape of ``u``.

    Raises
    ------
    TypeError, ValueError
        For bad arguments, and a ratio that is negative or nan.
    """
    where = "information.f_generator"
    generator, ratios, dtype = _ratios(u, f, alpha, where)
    with np.errstate(all="ignore"):
        values = generator.terms(ratios, 1.0)
        values = np.where(np.isposinf(ratios), np.inf, values)
    return finish(values, dtype)


def f_derivative(u: ArrayLike, f: str = "kl", *, alpha: float | None = None) -> Any:
    """f'(u) of :func:`f_generator`: at u = p / q the critic of the tight bound.

    Parameters, returned value and errors are those of :func:`f_generator`. Total
    variation has the derivative 0 at its kink.
    """
    where = "information.f_derivative"
    generator, ratios, dtype = _ratios(u, f, alpha, where)
    with np.errstate(all="ignore"):
        return finish(generator.derivative(ratios), dtype)


def f_conjugate(t: ArrayLike, f: str = "kl", *, alpha: float | None = None) -> Any:
    """f*(t) = sup over u >= 0 of u t - f(u), of :func:`f_generator`.

    Parameters
    ----------
    t
        Slopes: real numbers. float32 stays float32, everything else becomes float64.
    f, alpha
        As in :func:`f_divergence`.

    Returns
    -------
    scalar or numpy.ndarray
        The shape of ``t``; +inf beyond the slope of f at infinity, nan for nan.

    Raises
    ------
    TypeError, ValueError
        For bad arguments.

    References
    ----------
    Nowozin, Cseke, Tomioka, "f-GAN", NeurIPS 2016, table 2, up to the choice of f.

    Examples
    --------
    >>> from fastnotes.information import f_conjugate
    >>> f_conjugate([0.0, 0.25, 0.75], "tv")
    array([0.  , 0.25,  inf])
    """
    where = "information.f_conjugate"
    generator = _named(f, alpha, where)
    slopes = as_real_array(t, where, "t")
    with np.errstate(all="ignore"):
        return finish(generator.conjugate(slopes.astype(np.float64)), slopes.dtype)


def variational_lower_bound(
    critic_p: ArrayLike,
    critic_q: ArrayLike,
    f: str = "kl",
    axis: Axes = -1,
    *,
    alpha: float | None = None,
    p: ArrayLike | None = None,
    q: ArrayLike | None = None,
) -> Any:
    """E_p[T] - E_q[f*(T)] <= D_f(p, q), for any critic T; equal for T = f'(p / q).

    Parameters
    ----------
    critic_p, critic_q
        Values of T at samples (or outcomes) of p and of q, along ``axis``. The two may
        have different numbers of them.
    f, alpha
        As in :func:`f_divergence`.
    axis
        Axis or axes to average over; None means all.
    p, q
        Probabilities of the values, in place of equal shares; their shapes broadcast to
        those of the critics. With them the expectations, and the bound, are exact.

    Returns
    -------
    scalar or numpy.ndarray
        In nats. -inf where T leaves the domain of f* on q. float32 if both critics are.

    Raises
    ------
    TypeError, ValueError
        For bad arguments, and for an average of nothing.

    References
    ----------
    Nguyen, Wainwright, Jordan, "Estimating divergence functionals and the likelihood
    ratio by convex risk minimization", 2010, lemma 1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.information import f_derivative, variational_lower_bound
    >>> p, q = np.array([0.3, 0.7]), np.array([0.6, 0.4])
    >>> critic = f_derivative(p / q, "kl")
    >>> round(float(variational_lower_bound(critic, critic, "kl", p=p, q=q)), 12)
    0.183786897387
    """
    where = "information.variational_lower_bound"
    generator = _named(f, alpha, where)
    on_p = as_real_array(critic_p, where, "critic_p")
    on_q = as_real_array(critic_q, where, "critic_q")
    with memory_of(where), np.errstate(all="ignore"):
        first = _mean(on_p.astype(np.float64), p, axis, where, "p")
        conjugate = generator.conjugate(on_q.astype(np.float64))
        second = _mean(conjugate, q, axis, where, "q")
        if np.broadcast(first, second).shape != first.shape:
            shapes = f"{np.shape(first)} and {np.shape(second)} without axis"
            fail(where, "critics of one shape without axis", shapes)
        return finish(first - second, np.result_type(on_p, on_q))


def _named(f: Any, alpha: float | None, where: str) -> Generator:
    name = check_choice(f, where, "f", NAMES)
    if name != "alpha":
        if alpha is not None:
            fail(where, "alpha with f='alpha' alone", f"f={name!r}")
        return GENERATORS[name]
    if alpha is None:
        fail(where, "alpha, the order of f='alpha'", "none")
    return alpha_generator(as_real(alpha, where, "alpha"))


def _name_of(f: Any) -> str:
    return str(getattr(f, "__name__", type(f).__name__))


def _slope(value: float | None, where: str) -> float | None:
    if value is None or (type(value) in (float, np.float64) and value == np.inf):
        return value
    return as_real(value, where, "slope_at_infinity")


def _ratios(
    u: ArrayLike, f: str, alpha: float | None, where: str
) -> tuple[Generator, Float64Array, np.dtype[Any]]:
    generator = _named(f, alpha, where)
    ratios = as_real_array(u, where, "u")
    bad = ~(ratios >= 0)
    if bad.any():
        at = first_index(bad)
        fail(where, "u of ratios >= 0", f"{ratios[at]} at index {at}")
    return generator, ratios.astype(np.float64), ratios.dtype


def _mean(
    values: Float64Array, weights: ArrayLike | None, axis: Axes, where: str, name: str
) -> Any:
    axes = reduced_axes(values, axis, where, f"critic_{name}")
    if weights is None:
        if 0 in (values.shape[i] for i in axes):
            fail(where, f"at least one value of critic_{name}", f"shape {values.shape}")
        return values.mean(axis=axes)
    given = as_real_array(weights, where, name)
    try:
        full = np.broadcast_to(given, values.shape)
    except ValueError:
        wanted = f"{name} to broadcast to critic_{name} of shape {values.shape}"
        fail(where, wanted, f"shape {given.shape}")
    shares = as_distributions(full, axes, where, name, normalize=False).p
    return np.where(shares > 0, shares * values, 0.0).sum(axis=axes)


def _callers_terms(
    f: Convex, p: Float64Array, q: Float64Array, slope: float | None, where: str
) -> Float64Array:
    """Q f(p / q) of a function, once it is found to be convex and 0 at 1."""
    ratios = np.divide(p, q, out=np.ones_like(p), where=q > 0)
    _check_convex(f, ratios, where)
    terms = np.where(q > 0, q * _values(f, ratios, where), 0.0)
    alone = (q == 0) & (p > 0)
    if not alone.any():
        return terms
    if slope is None:
        at = first_index(alone)
        fail(where, "slope_at_infinity, where q = 0 < p", f"none at index {at}")
    return np.where(alone, p * slope, terms)


def _check_convex(f: Convex, ratios: Float64Array, where: str) -> None:
    at_one = _values(f, np.ones(1), where)[0]
    if not abs(at_one) <= _SLACK:
        fail(where, "f(1) = 0", f"{at_one}")
    points = np.union1d(_GRID, ratios[ratios > 0])
    values = _values(f, points, where)
    slopes = np.diff(values) / np.diff(points)
    scale = np.abs(values[1:]) + np.abs(values[:-1]) + 1
    noise = _SLACK * scale / np.diff(points)
    falls = slopes[1:] - slopes[:-1] < -(noise[1:] + noise[:-1])
    if falls.any():
        u = points[1:-1][falls][0]
        fail(where, "a convex f", f"slopes that fall at u = {u:.6g}")


def _values(f: Convex, u: Float64Array, where: str) -> Float64Array:
    values = as_real_array(f(u.copy()), where, "f(u)").astype(np.float64)
    if values.shape != u.shape:
        fail_type(where, f"f(u) of the shape of u, {u.shape}", str(values.shape))
    bad = np.isnan(values)
    if bad.any():
        fail(where, "f(u) without nan (f(0) is its limit)", f"nan at u = {u[bad][0]}")
    return values
