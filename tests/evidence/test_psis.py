"""psis and psis_loo: reference, exact tails, edges, invariants."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnotes._reference import evidence_psis as reference
from fastnotes.evidence import PSISLOO, psis, psis_loo
from support.log_weights import SPREADS, random_log_weights, with_edge_values
from support.sweeps import (
    AWKWARD_SIZES,
    DTYPES,
    assert_same_bytes,
    same_bytes_for_threads,
)
from support.tolerances import COMPOSITE

SIZES = (*AWKWARD_SIZES[1:], 24, 25, 26, 226, 1000)


def tail_of(count):
    return math.floor(3 * math.sqrt(count)) if count > 225 else count // 5


def smoothed(log_w, axis=0):
    return same_bytes_for_threads(lambda n: psis(log_w, axis, n_threads=n))


def assert_matches_reference(log_w, axis=0):
    got = smoothed(log_w, axis)
    columns = np.moveaxis(log_w, axis, 0).reshape(log_w.shape[axis], -1)
    weights = np.moveaxis(got.log_weights, axis, 0).reshape(columns.shape)
    k, ess = np.ravel(got.pareto_k), np.ravel(got.ess)
    for c in range(columns.shape[1]):
        expected = reference.psis(columns[:, c], tail_of(len(columns)))
        COMPOSITE.assert_close(weights[:, c], expected[0])
        COMPOSITE.assert_close(k[c], expected[1])
        COMPOSITE.assert_close(ess[c], expected[2])
    for each in got:
        assert each.dtype == log_w.dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", SIZES)
def test_awkward_sizes(count, dtype):
    log_w = random_log_weights((count, 9), dtype, spread=1.5, offset=-50, seed=count)
    assert_matches_reference(log_w)
    assert_matches_reference(np.ascontiguousarray(log_w.T), 1)


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize(
    ("shape", "axis"), [((300,), 0), ((3, 300, 5), 1), ((300, 19), 0), ((2, 3, 50), -1)]
)
def test_shapes(shape, axis, spread):
    assert_matches_reference(random_log_weights(shape, spread=spread), axis)


def test_edge_values_anywhere():
    for count in (3, 40, 300):
        log_w = with_edge_values(random_log_weights((count, 40)), seed=count)
        assert_matches_reference(log_w)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("log_w", "log_weights", "ess"),
    [
        ([-np.inf] * 30, [-np.inf] * 30, 0),
        ([np.nan] + [0] * 29, [np.nan] * 30, np.nan),
        ([np.inf] * 2 + [0] * 28, [-np.log(2)] * 2 + [-np.inf] * 28, 2),
        ([0] * 3 + [-np.inf] * 27, [-np.log(3)] * 3 + [-np.inf] * 27, 3),
        ([-2] * 30, [-np.log(30)] * 30, 30),
        ([-2] * 5, [-np.log(5)] * 5, 5),
    ],
)
def test_edge_table(log_w, log_weights, ess, dtype):
    got = psis(np.array(log_w, dtype))
    COMPOSITE.assert_close(got.log_weights, log_weights)
    COMPOSITE.assert_close(got.ess, ess)
    expected = np.nan if np.isnan(ess) else np.inf
    np.testing.assert_array_equal(got.pareto_k, dtype(expected))


def test_k_of_a_pareto_tail():
    rng = np.random.default_rng(1)
    for k in (0.2, 0.5, 0.9):
        log_w = -k * np.log(rng.random((20_000, 40)))
        found = psis(log_w).pareto_k
        assert abs(found.mean() - k) < 4 * found.std() / np.sqrt(found.size) + 0.02


def test_smoothing_tames_the_largest_weight():
    rng = np.random.default_rng(2)
    log_w = -0.6 * np.log(rng.random((1000, 200)))  # finite mean 2.5, infinite variance
    raw = np.exp(log_w - log_w.max(axis=0))
    got = psis(log_w)
    assert (got.ess > 1 / np.square(raw / raw.sum(axis=0)).sum(axis=0)).mean() > 0.5
    assert (got.log_weights.max(axis=0) <= 0).all()


def test_a_column_does_not_depend_on_its_neighbours():
    log_w = random_log_weights((260, 37))
    whole = psis(log_w)
    for first, last in ((0, 1), (3, 12), (8, 37)):
        part = psis(log_w[:, first:last])
        same = (
            whole.log_weights[:, first:last].copy(),
            whole.pareto_k[first:last],
            whole.ess[first:last],
        )
        assert_same_bytes(tuple(part), same)
    assert_same_bytes(psis(np.ascontiguousarray(log_w.T), 1).pareto_k, whole.pareto_k)


def test_efficiency_lengthens_the_tail():
    log_w = random_log_weights((1000,), spread=1.0)
    got = psis(log_w, r_eff=0.25)
    expected = reference.psis(log_w, math.floor(3 * math.sqrt(4000)))
    COMPOSITE.assert_close(got.pareto_k, expected[1])
    assert psis(log_w, r_eff=1e-6).log_weights.shape == (1000,)


log_weight_tables = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 60), st.integers(1, 4)),
    elements=st.floats(-20, 20, width=32),
)


@given(log_weight_tables)
def test_weights_are_a_distribution(log_w):
    got = psis(log_w)
    COMPOSITE.assert_close(np.exp(got.log_weights).sum(axis=0), 1.0)
    assert (got.ess <= len(log_w) * (1 + 1e-12)).all()
    shifted = log_w - log_w.max(axis=0)  # where tiny differences are ties
    order = np.argsort(shifted, axis=0, kind="stable")
    sorted_weights = np.take_along_axis(got.log_weights, order, 0)
    assert (np.diff(sorted_weights, axis=0) >= -1e-12).all()


@given(log_weight_tables, st.integers(-4000, 4000))
def test_shift_changes_nothing(log_w, shift):
    log_w = np.round(log_w * 8) / 8  # so that the shift is exact
    assert_same_bytes(tuple(psis(log_w + shift)), tuple(psis(log_w)))


# ------------------------------------------------------------------- leave one out


def regression(n_samples=2000, n_observations=40, seed=0):
    """Posterior samples of a mean of known variance, and exact predictive densities."""
    rng = np.random.default_rng(seed)
    y = rng.normal(1.0, 1.0, n_observations)
    precision = 1 + n_observations
    theta = rng.normal(y.sum() / precision, precision**-0.5, (n_samples, 1))
    log_lik = -0.5 * (y - theta) ** 2 - 0.5 * np.log(2 * np.pi)
    without = (y.sum() - y) / (precision - 1)
    variance = 1 + 1 / (precision - 1)
    exact = -0.5 * (y - without) ** 2 / variance - 0.5 * np.log(2 * np.pi * variance)
    return log_lik, exact


def test_loo_is_leaving_one_out():
    log_lik, exact = regression(20_000)
    loo = psis_loo(log_lik)
    assert np.abs(loo.elpd_i - exact).max() < 0.01
    assert abs(loo.elpd - exact.sum()) < 0.1
    assert abs(loo.p_loo - 1) < 0.5
    COMPOSITE.assert_close(np.asarray(loo.elpd), loo.elpd_i.sum())
    COMPOSITE.assert_close(np.asarray(loo.se), np.sqrt(40 * loo.elpd_i.var()))
    assert loo.k_table == {"good": 40, "bad": 0, "very bad": 0}
    assert str(loo).splitlines()[0].split()[0] == "elpd"


class Labelled:
    """As much of an xarray.DataArray as is asked for."""

    def __init__(self, values, dims):
        self.values, self.dims = values, dims

    def transpose(self, *dims):
        rest = [d for d in self.dims if d not in dims]
        order = [*dims[:2], *rest]
        places = [self.dims.index(d) for d in order]
        return Labelled(self.values.transpose(places), tuple(order))


def test_loo_of_labelled_arrays():
    log_lik, _ = regression()
    expected = psis_loo(log_lik)
    values = log_lik.reshape(4, 500, 8, 5).transpose(2, 0, 3, 1)
    labelled = Labelled(values, ("row", "chain", "column", "draw"))
    dataset = SimpleNamespace(data_vars={"y": labelled})
    for each in (labelled, dataset, SimpleNamespace(log_likelihood=dataset)):
        assert psis_loo(each).elpd_i.tolist() == expected.elpd_i.tolist()
    with pytest.raises(TypeError, match=r"one variable, got y, z"):
        psis_loo(SimpleNamespace(data_vars={"y": labelled, "z": labelled}))
    with pytest.raises(ValueError, match="dimensions chain and draw, got dimensions a"):
        psis_loo(Labelled(np.zeros((2, 2)), ("a", "b")))


def test_k_table_counts():
    k = np.array([0.1, 0.5, 0.8, 1.5, np.inf, np.nan])
    loo = PSISLOO(0.0, 0.0, 0.0, k, k, k, good_k=0.7)
    assert loo.k_table == {"good": 2, "bad": 1, "very bad": 3}


@pytest.mark.parametrize("r_eff", [0, -1, np.nan, np.inf, "1", True, 1e7])
@pytest.mark.parametrize("function", [psis, psis_loo])
def test_bad_efficiencies(function, r_eff):
    with pytest.raises((TypeError, ValueError), match=r"\] expected r_eff"):
        function(np.zeros((30, 2)), r_eff=r_eff)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 3), (3, 0), ()])
def test_bad_shapes_of_log_likelihoods(shape):
    with pytest.raises(ValueError, match=r"^\[evidence.psis_loo\] expected"):
        psis_loo(np.zeros(shape))
