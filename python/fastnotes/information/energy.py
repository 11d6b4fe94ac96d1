"""Free energy: F = U - T S, its equilibrium, its variational form, and an Ising ring.

Boltzmann's constant is 1: temperatures are energies, entropies are in nats.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._axes import Axes, reduced_axes
from fastnotes._memory import memory_of
from fastnotes._validation import RealArray, as_integer, as_real, as_real_array, fail
from fastnotes.information._probabilities import (
    Float64Array,
    as_distributions,
    broadcast,
    finish,
    first_index,
)


class FreeEnergy(NamedTuple):
    """Free energy ``F`` = U - T S, mean energy ``U`` and entropy ``S`` in nats."""

    F: Any
    U: Any
    S: Any


def gibbs(
    energies: ArrayLike,
    temperature: float = 1.0,
    axis: Axes = -1,
    *,
    degeneracy: ArrayLike | None = None,
) -> Any:
    """exp(-E / T) / Z: the distribution of least free energy.

    Parameters
    ----------
    energies
        Energies of the states along ``axis``; +inf is a state that never occurs.
        float32 stays float32, everything else becomes float64; sums are in float64.
    temperature
        T >= 0; at 0 the states of least energy share alike.
    axis
        Axis or axes of the states; None means all.
    degeneracy
        How many states each energy has: numbers >= 0, broadcast to ``energies``; None
        means one.

    Returns
    -------
    numpy.ndarray
        The shape of ``energies``; an energy's probability is that of all its states.

    Raises
    ------
    TypeError
        If an argument is not real.
    ValueError
        If an energy is nan or -inf, all are +inf or without states, there is none, the
        temperature is negative, or ``axis`` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.information import gibbs
    >>> gibbs([0.0, np.log(3.0)]).round(12)
    array([0.75, 0.25])
    """
    where = "information.gibbs"
    levels = _levels(energies, temperature, axis, degeneracy, where)
    return finish(levels.p, levels.dtype)


def free_energy(
    energies: ArrayLike,
    temperature: float = 1.0,
    axis: Axes = -1,
    *,
    degeneracy: ArrayLike | None = None,
) -> FreeEnergy:
    """F = - T log Z at equilibrium, and the U and S of F = U - T S.

    Parameters
    ----------
    energies, temperature, axis, degeneracy
        As in :func:`gibbs`. At T = 0: F = U, the least energy, and S the logarithm of
        how many states have it.

    Returns
    -------
    FreeEnergy
        ``(F, U, S)``, each of the shape of ``energies`` without ``axis``. An offset of
        all energies costs no precision.

    Raises
    ------
    TypeError, ValueError
        As :func:`gibbs`.

    Examples
    --------
    >>> from fastnotes.information import free_energy
    >>> F, U, S = free_energy([0.0, 1.0], temperature=2.0)
    >>> abs(F - (U - 2.0 * S)) < 1e-15
    np.True_
    """
    where = "information.free_energy"
    levels = _levels(energies, temperature, axis, degeneracy, where)
    axes, temperature = levels.axes, levels.temperature
    with np.errstate(invalid="ignore"):
        terms = np.where(levels.p > 0, levels.p * levels.above, 0.0)
    excess = terms.sum(axis=axes)
    entropy = levels.log_z + (excess / temperature if temperature > 0 else 0.0)
    F = levels.least - temperature * levels.log_z
    parts = (F, levels.least + excess, entropy)
    return FreeEnergy(*(finish(part, levels.dtype) for part in parts))


def variational_free_energy(
    q: ArrayLike,
    energies: ArrayLike,
    temperature: float = 1.0,
    axis: Axes = -1,
    *,
    degeneracy: ArrayLike | None = None,
    normalize: bool = False,
) -> Any:
    """F[q] = E_q[E] - T H(q) = F + T KL(q, gibbs) >= F.

    With energies - log p(w, D) and T = 1 this is the negative evidence lower bound that
    variational inference minimises, and F is - log p(D).

    Parameters
    ----------
    q
        Probabilities along ``axis``, as ``p`` in :func:`entropy`; broadcast with
        ``energies``.
    energies, temperature, axis, degeneracy
        As in :func:`gibbs`; here energies may be +inf in every state. The states of one
        energy share its q alike.
    normalize
        As in :func:`entropy`.

    Returns
    -------
    scalar or numpy.ndarray
        +inf where q allows a state that never occurs.

    Raises
    ------
    TypeError, ValueError
        As :func:`gibbs` and :func:`entropy`.

    Examples
    --------
    >>> from fastnotes.information import free_energy, gibbs, variational_free_energy
    >>> energies = [0.0, 0.5, 2.0]
    >>> least = free_energy(energies).F
    >>> bool(variational_free_energy([0.5, 0.3, 0.2], energies) > least)
    True
    >>> bool(abs(variational_free_energy(gibbs(energies), energies) - least) < 1e-15)
    True
    """
    where = "information.variational_free_energy"
    temperature = as_real(temperature, where, "temperature", low=0.0)
    weights, levels = as_real_array(q, where, "q"), _energies(energies, where)
    dtype = np.result_type(weights, levels)
    with memory_of(where):
        weights, levels = broadcast(where, q=weights, energies=levels)
        shares, axes, _ = as_distributions(
            weights, axis, where, "q", normalize=normalize
        )
        states = _degeneracy(degeneracy, levels.shape, where)
        with np.errstate(all="ignore"):
            uncertain = np.log(shares) - np.log(states)
            terms = levels + temperature * uncertain if temperature > 0 else levels
            terms = np.where(states > 0, terms, np.inf)
            terms = np.where(shares > 0, shares * terms, 0.0)
        return finish(terms.sum(axis=axes), dtype)


def ising_ring(
    n_spins: int,
    coupling: float = 1.0,
    field: float = 0.0,
    temperature: float = 1.0,
) -> FreeEnergy:
    """A ring of spins s = +-1 of energy - J sum s_i s_(i+1) - h sum s_i, exactly.

    By the two eigenvalues of the transfer matrix, where summing over states would take
    2^n of them.

    Parameters
    ----------
    n_spins
        n >= 1. Two spins share two bonds; one spin has a bond with itself.
    coupling, field
        J and h, finite.
    temperature
        T > 0.

    Returns
    -------
    FreeEnergy
        ``(F, U, S)`` of the whole ring, as numbers.

    Raises
    ------
    TypeError, ValueError
        If an argument is not that, or coupling or field over temperature is not finite.

    References
    ----------
    Kramers and Wannier, "Statistics of the two-dimensional ferromagnet", 1941.

    Examples
    --------
    >>> from fastnotes.information import ising_ring
    >>> F, U, S = ising_ring(4, temperature=2.0)
    >>> round(float(F), 12)
    -6.59528400962
    """
    where = "information.ising_ring"
    n = as_integer(n_spins, where, "n_spins", low=1, high=2**53)
    temperature = as_real(temperature, where, "temperature")
    if temperature <= 0:
        fail(where, "temperature > 0", str(temperature))
    k = as_real(coupling, where, "coupling") / temperature
    b = abs(as_real(field, where, "field")) / temperature
    if not (math.isfinite(k) and math.isfinite(b)):
        fail(where, "coupling and field over temperature finite", f"{k} and {b}")
    log_z, bonds, spins = _ring(n, k, b)
    u = -n * (k * bonds + b * spins)  # of U over T
    F, U, S = -temperature * log_z, temperature * u, log_z + u
    return FreeEnergy(*map(np.float64, (F, U, max(S, 0.0))))


def _ring(n: int, k: float, b: float) -> tuple[float, float, float]:
    """Log Z, and the means of s_i s_(i+1) and of s_i, for b >= 0.

    By the eigenvalues first > abs(second) of the transfer matrix over exp(top), top the
    largest exponent in it: ``[[up, across], [across, down]]``. Means are derivatives of
    log Z; (cosine, sine) are those of twice the angle of the first eigenvector.
    """
    top = max(k + b, -k)
    up, down, across = math.exp(k + b - top), math.exp(k - b - top), math.exp(-k - top)
    half, spread = (up + down) / 2, math.hypot((up - down) / 2, across)
    first, second = half + spread, (up * down - across * across) / (half + spread)
    cosine, sine = ((up - down) / 2 / spread, across / spread) if spread else (0.0, 0.0)
    ratio, slope = second / first, 1 - 2 * across * sine / first
    log_first = top + math.log(first)
    others, power = ratio ** (n - 1), ratio**n
    if k >= 0 or n % 2 == 0:
        bonds = (slope + others * (1 + ratio - slope)) / (1 + power)
        spins = cosine * (1 - power) / (1 + power)
        return n * log_first + math.log1p(power), bonds, spins
    # No state of an odd ring has all bonds at ease: 1 + power nears 0, as a multiple of
    # gap = 1 + ratio, which is divided out as it may underflow.
    gap = 2 * half / first
    multiple, before = (
        -math.expm1(m * math.log1p(-gap)) / gap if gap else float(m) for m in (n, n - 1)
    )
    log_gap = k - top + b + math.log1p(math.exp(-2 * b)) - math.log(first)
    bonds = (slope * before + others) / multiple
    spins = math.tanh(b) * first / (2 * spread) * (1 - power) / multiple
    return n * log_first + log_gap + math.log(multiple), bonds, spins


class _Levels(NamedTuple):
    """Energies above their least, and their equilibrium."""

    least: Float64Array
    above: Float64Array
    p: Float64Array
    log_z: Float64Array  # of exp(-above / T)
    axes: tuple[int, ...]
    temperature: float
    dtype: np.dtype[Any]


def _levels(
    energies: ArrayLike,
    temperature: float,
    axis: Axes,
    degeneracy: ArrayLike | None,
    where: str,
) -> _Levels:
    array = _energies(energies, where)
    axes = reduced_axes(array, axis, where, "energies")
    temperature = as_real(temperature, where, "temperature", low=0.0)
    with memory_of(where), np.errstate(over="ignore"):
        states = _degeneracy(degeneracy, array.shape, where)
        levels = np.where(states > 0, array.astype(np.float64), np.inf)
        least = levels.min(axis=axes, keepdims=True, initial=np.inf)
        if np.isposinf(least).any():
            at = first_index(np.isposinf(least))
            fail(where, "a state of finite energy", f"none at index {at}")
        above = levels - least
        factors = np.exp(-above / temperature) if temperature > 0 else above == 0
        weights = states * factors
        z = weights.sum(axis=axes, keepdims=True)
        log_z = np.log(z.sum(axis=axes))
        least = least.sum(axis=axes)
        return _Levels(least, above, weights / z, log_z, axes, temperature, array.dtype)


def _energies(energies: ArrayLike, where: str) -> RealArray:
    array = as_real_array(energies, where, "energies")
    bad = np.isnan(array) | np.isneginf(array)
    if bad.any():
        at = first_index(bad)
        fail(where, "energies finite or +inf", f"{array[at]} at index {at}")
    return array


def _degeneracy(
    value: ArrayLike | None, shape: tuple[int, ...], where: str
) -> Float64Array:
    if value is None:
        return np.ones(shape)
    array = as_real_array(value, where, "degeneracy")
    bad = ~(np.isfinite(array) & (array >= 0))
    if bad.any():
        at = first_index(bad)
        fail(where, "degeneracy of numbers >= 0", f"{array[at]} at index {at}")
    try:
        states: Float64Array = np.broadcast_to(array.astype(np.float64), shape)
    except ValueError:
        wanted = f"degeneracy to broadcast to energies of shape {shape}"
        fail(where, wanted, f"shape {array.shape}")
    return states
