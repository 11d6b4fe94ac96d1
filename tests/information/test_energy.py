"""Free energies: vectors, limits, the variational principle, an Ising ring by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnotes.information import (
    entropy,
    free_energy,
    gibbs,
    ising_ring,
    kl_divergence,
    variational_free_energy,
)
from support.distributions import distributions
from support.sweeps import DTYPES
from support.tolerances import LOG_OF_SUM, PUBLISHED, REDUCTION


def energies_of_a_ring(n, coupling, field):
    spins = np.array(list(itertools.product([-1, 1], repeat=n)))
    bonds = (spins * np.roll(spins, 1, axis=1)).sum(1)
    return -coupling * bonds - field * spins.sum(1)


# ------------------------------------------------------------------- equilibrium


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [0.0, 0.1, 1.0, 1e6])
def test_the_parts_fit_together(temperature, dtype):
    energies = np.random.default_rng(0).standard_normal((5, 40)).astype(dtype)
    F, U, S = free_energy(energies, temperature)
    p = gibbs(energies, temperature)
    assert F.dtype == U.dtype == S.dtype == p.dtype == dtype
    REDUCTION.assert_close(p.sum(1), 1.0)
    REDUCTION.assert_close(F, U - dtype(temperature) * S)
    REDUCTION.assert_close(U, (p * energies).sum(1))
    REDUCTION.assert_close(S, entropy(p))
    REDUCTION.assert_close(variational_free_energy(p, energies, temperature), F)


def test_limits_of_temperature():
    energies = [3.0, 1.0, 1.0, 2.0]
    assert free_energy(energies, 0) == (1, 1, np.log(2))
    assert gibbs(energies, 0).tolist() == [0, 0.5, 0.5, 0]
    cold, hot = free_energy(energies, 1e-3), free_energy(energies, 1e9)
    REDUCTION.assert_close(cold.S, np.log(2))
    assert pytest.approx(np.log(4), rel=1e-12) == hot.S
    assert pytest.approx(1.75, rel=1e-8) == hot.U


def test_an_offset_costs_nothing():
    energies = np.array([0.0, 0.25, 3.0])
    plain, moved = free_energy(energies), free_energy(energies + 1e6)
    assert moved.S == plain.S
    assert moved.F == plain.F + 1e6


def test_states_that_never_occur():
    assert gibbs([0, np.inf]).tolist() == [1, 0]
    assert free_energy([2, np.inf]) == (2, 2, 0)
    assert variational_free_energy([0.5, 0.5], [0, np.inf]) == np.inf
    assert variational_free_energy([1, 0], [0, np.inf]) == 0
    for hopeless in ([np.inf, np.inf], [], np.zeros((3, 0))):
        with pytest.raises(ValueError, match="a state of finite energy, got none"):
            free_energy(hopeless)
    assert free_energy(np.zeros((0, 3))).F.shape == (0,)


def test_harmonic_oscillator():
    # Levels n + 1/2 at T: Z = 1 / (2 sinh 1/(2T)).
    F, U, _ = free_energy(np.arange(2000) + 0.5, 3.0)
    REDUCTION.assert_close(F, 3 * np.log(2 * np.sinh(1 / 6)))
    REDUCTION.assert_close(U, 0.5 / np.tanh(1 / 6))


def test_degeneracy_stands_for_repetition():
    energies, times = np.array([0.0, 1.0, 2.5]), np.array([1, 3, 0])
    repeated = np.repeat(energies, times)
    for temperature in (0.0, 0.7):
        got = free_energy(energies, temperature, degeneracy=times)
        for part, expected in zip(got, free_energy(repeated, temperature), strict=True):
            LOG_OF_SUM.assert_close(part, expected)
    p = gibbs(energies, 0.7, degeneracy=times)
    REDUCTION.assert_close(p[1], gibbs(repeated, 0.7)[1:].sum())
    got = variational_free_energy([0.4, 0.6, 0], energies, degeneracy=times)
    expected = variational_free_energy([0.4, 0.2, 0.2, 0.2], repeated)
    REDUCTION.assert_close(got, expected)


# ------------------------------------------------------------------- variational


@given(st.data())
def test_gap_is_a_divergence(data):
    q, _ = data.draw(distributions(2))
    energies = np.random.default_rng(len(q)).standard_normal(len(q))
    temperature = data.draw(st.floats(0.1, 5))
    bound = variational_free_energy(q, energies, temperature)
    gap = temperature * kl_divergence(q, gibbs(energies, temperature))
    F = free_energy(energies, temperature).F
    assert bound >= F - 1e-13
    assert bound == pytest.approx(F + gap, abs=1e-12)


def test_the_bound_on_evidence():
    # z in {0, 1}, fair; p(x | z) = 0.2, 0.6: energies - log p(x, z), F = - log p(x).
    joint = np.array([0.5 * 0.2, 0.5 * 0.6])
    REDUCTION.assert_close(free_energy(-np.log(joint)).F, -np.log(0.4))
    REDUCTION.assert_close(gibbs(-np.log(joint)), joint / 0.4)


def test_batches_broadcast():
    q, energies = np.full((4, 1, 2), 0.5), np.zeros((3, 2))
    got = variational_free_energy(q, energies)
    assert got.shape == (4, 3)
    REDUCTION.assert_close(got, -np.log(2))
    assert variational_free_energy(q, energies, 0).max() == 0


# ------------------------------------------------------------------- Ising ring


def test_published_ring():
    for got, value in zip(
        ising_ring(4, 1, temperature=2),
        (-6.59528400961982, -2.14537441596330, 2.22495479682826),
        strict=True,
    ):
        PUBLISHED.assert_close(got, value)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("coupling", [-1.3, 0.0, 0.4, 2.0])
@pytest.mark.parametrize("field", [-0.7, 0.0, 1.5])
def test_against_all_states(n, coupling, field):
    for temperature in (0.3, 1.0, 40.0):
        energies = energies_of_a_ring(n, coupling, field)
        expected = free_energy(energies, temperature)
        got = ising_ring(n, coupling, field, temperature)
        for one, other in zip(got, expected, strict=True):
            assert one == pytest.approx(other, rel=1e-11, abs=1e-11)


def test_rings_at_the_ends():
    F, U, S = ising_ring(10**4, 1.0, temperature=1e-3)
    assert pytest.approx(-1e4, rel=1e-12) == U
    assert pytest.approx(U - 1e-3 * S) == F
    assert pytest.approx(np.log(2)) == S
    F, U, S = ising_ring(6, -1.0, temperature=1e-3)  # two antiferromagnetic states
    assert (pytest.approx(-6 - 1e-3 * np.log(2)), pytest.approx(-6)) == (F, U)
    assert pytest.approx(np.log(2)) == S
    assert pytest.approx(5 * np.log(2)) == ising_ring(5, 0.0, 0.0).S
    assert ising_ring(5, 0.0, 300.0, 1e-3).U == -1500
    # A ring of an odd number cannot alternate: 2 n states with one bond broken.
    for temperature in (1e-1, 1e-2, 1e-4):
        F, U, S = ising_ring(7, -1.0, temperature=temperature)
        assert pytest.approx(-5) == U
        assert pytest.approx(np.log(14), abs=1e-7) == S
