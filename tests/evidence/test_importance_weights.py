"""importance_weights and iwae_bound: reference, exact cases, edges, invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnotes._reference import evidence as reference
from fastnotes.evidence import importance_weights, iwae_bound
from support.log_weights import (
    SHAPES,
    SPREADS,
    assert_weights_close,
    random_log_weights,
    with_edge_values,
)
from support.sweeps import (
    AWKWARD_SIZES,
    DTYPES,
    assert_same_bytes,
    same_bytes_for_threads,
)
from support.tolerances import LOG_OF_SUM, NORMALISED, PUBLISHED

SIZES = AWKWARD_SIZES[1:]


def assert_matches_reference(log_w, axis):
    got = same_bytes_for_threads(
        lambda n_threads: importance_weights(log_w, axis, n_threads=n_threads)
    )
    bound, weights, ess = reference.importance_weights(log_w, axis)
    for result in got:
        assert result.dtype == log_w.dtype
    LOG_OF_SUM.assert_close(got.bound, bound)
    assert_weights_close(got.weights, weights)
    NORMALISED.assert_close(got.ess, ess)
    assert_same_bytes(iwae_bound(log_w, axis), got.bound)


# ------------------------------------------------------------------- against reference


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_shapes(shape, axis, spread, dtype):
    assert_matches_reference(random_log_weights(shape, dtype, spread=spread), axis)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_samples", SIZES)
def test_awkward_sizes(n_samples, dtype):
    for n_columns in SIZES:
        log_w = random_log_weights((n_samples, n_columns), dtype, seed=n_columns)
        assert_matches_reference(log_w, 0)
        assert_matches_reference(log_w, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1])
def test_edge_values_anywhere(axis, dtype):
    for n in SIZES:
        log_w = with_edge_values(random_log_weights((n, 40), dtype), seed=n)
        assert_matches_reference(log_w, axis)
        assert_matches_reference(log_w.T.copy(), axis)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("n_samples", [5000, 65536])
def test_float32_keeps_its_precision_at_any_length(n_samples, axis):
    log_w = random_log_weights((n_samples, 5), np.float32, spread=1.0, seed=axis)
    assert_matches_reference(np.ascontiguousarray(log_w.T) if axis else log_w, axis)


@pytest.mark.parametrize("offset", [-100.0, -1000.0, -10000.0, 80.0, 1e6])
def test_offset_costs_nothing_in_float32(offset):
    log_w = random_log_weights((400, 33), np.float32, offset=offset)
    assert_matches_reference(log_w, 0)
    total = importance_weights(log_w).weights.sum(axis=0, dtype=np.float64)
    NORMALISED.assert_close(total.astype(np.float32), 1.0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rising_log_weights_move_the_anchor_at_every_step(dtype):
    ramp = np.linspace(-900, 900, 1200, dtype=dtype)[:, None] * np.ones(9, dtype)
    assert_matches_reference(ramp, 0)
    assert_matches_reference(np.ascontiguousarray(ramp.T), 1)


@pytest.mark.parametrize("axis", [0, 1])
def test_large_weights_written_past_the_cache(axis):
    log_w = random_log_weights((2101, 2111), np.float32, seed=axis)
    got = importance_weights(log_w, axis, n_threads=2)
    assert_weights_close(got.weights, reference.softmax(log_w, axis))


# ------------------------------------------------------------------- exact answers


@pytest.mark.parametrize("dtype", DTYPES)
def test_counts_by_hand(dtype):
    got = importance_weights(np.log(np.array([1, 2, 3, 4], dtype)))
    PUBLISHED.assert_close(got.bound, 0.916290731874155065183527211768)
    PUBLISHED.assert_close(got.weights, [0.1, 0.2, 0.3, 0.4])
    PUBLISHED.assert_close(got.ess, 10 / 3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_samples", [1, 2, 8, 50, 4097])
def test_equal_log_weights_are_exact(n_samples, dtype):
    value = dtype(-1.8280121)
    for axis, shape in ((0, (n_samples, 3)), (1, (3, n_samples))):
        got = importance_weights(np.full(shape, value), axis)
        assert (got.bound == value).all()
        assert (got.ess == n_samples).all()
        assert (got.weights == dtype(1 / n_samples)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_dominating_sample(dtype):
    log_w = np.zeros((9, 4), dtype)
    log_w[5] = 200
    got = importance_weights(log_w)
    assert (got.weights[5] == 1).all()
    assert (got.ess == 1).all()


class LinearGaussian:
    """z ~ N(0, 1), x | z ~ N(z, 1), x = 1.5; the posterior is N(0.75, 1/2)."""

    x = 1.5
    log_evidence = -1.82801212348464540
    # Expected K-sample bounds under q = N(0.5, 0.8^2), K = 1, 2, 3.
    bounds = (-1.90708208451888, -1.86065812765398, -1.84849658064455)

    @classmethod
    def log_weights(cls, noise, mean, deviation):
        z = mean + deviation * noise
        log_joint = -0.5 * (z**2 + (cls.x - z) ** 2) - np.log(2 * np.pi)
        log_q = -0.5 * (noise**2 + np.log(2 * np.pi)) - np.log(deviation)
        return log_joint - log_q


def test_the_posterior_as_proposal_is_exact():
    noise = np.random.default_rng(0).standard_normal((50, 20))
    got = importance_weights(LinearGaussian.log_weights(noise, 0.75, np.sqrt(0.5)))
    PUBLISHED.assert_close(got.bound, LinearGaussian.log_evidence)
    PUBLISHED.assert_close(got.ess, 50.0)


@pytest.mark.parametrize("n_samples", [1, 2])
def test_expected_bound_by_quadrature(n_samples):
    nodes, quadrature = np.polynomial.hermite_e.hermegauss(120)
    quadrature = quadrature / np.sqrt(2 * np.pi)
    log_w = LinearGaussian.log_weights(nodes, 0.5, 0.8)
    expected = iwae_bound(np.stack(np.meshgrid(*[log_w] * n_samples)))
    for _ in range(n_samples):
        expected = expected @ quadrature
    PUBLISHED.assert_close(expected, LinearGaussian.bounds[n_samples - 1])


@pytest.mark.parametrize("n_samples", [1, 2, 3])
def test_expected_bound_by_sampling(n_samples):
    noise = np.random.default_rng(7).standard_normal((n_samples, 200_000))
    bounds = iwae_bound(LinearGaussian.log_weights(noise, 0.5, 0.8))
    sigma = bounds.std() / np.sqrt(bounds.size)
    assert abs(bounds.mean() - LinearGaussian.bounds[n_samples - 1]) < 4 * sigma


# ------------------------------------------------------------------- edge values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("padding", [0, 17])  # one step, and several
@pytest.mark.parametrize(
    ("log_w", "bound", "weights", "ess"),
    [
        ([-np.inf, -np.inf], -np.inf, [0, 0], 0),
        ([-np.inf, 0], -np.log(2), [0, 1], 1),
        ([np.nan, 0], np.nan, [np.nan, np.nan], np.nan),
        ([np.nan, np.inf], np.nan, [np.nan, np.nan], np.nan),
        ([np.nan, -np.inf], np.nan, [np.nan, np.nan], np.nan),
        ([np.inf, 0], np.inf, [1, 0], 1),
        ([np.inf, np.inf, -np.inf], np.inf, [0.5, 0.5, 0], 2),
    ],
)
def test_edge_table(log_w, bound, weights, ess, padding, axis, dtype):
    padded = np.array([-np.inf] * padding + log_w, dtype)
    expected = np.array([0 * weights[0]] * padding + weights, dtype)
    got = importance_weights(np.stack([padded] * 3, axis=1 - axis), axis)
    more = np.log(len(padded)) - np.log(len(log_w))
    LOG_OF_SUM.assert_close(got.bound, np.full(3, bound - more))
    np.testing.assert_array_equal(got.ess, np.full(3, ess, dtype))
    np.testing.assert_array_equal(got.weights, np.stack([expected] * 3, axis=1 - axis))


def test_no_columns_is_an_empty_result():
    got = importance_weights(np.zeros((4, 0)))
    assert got.bound.shape == got.ess.shape == (0,)
    assert got.weights.shape == (4, 0)


def test_one_dimension_gives_scalars():
    got = importance_weights(np.zeros(3, np.float32))
    assert isinstance(got.bound, np.float32)
    assert isinstance(got.ess, np.float32)
    assert isinstance(iwae_bound([0, 1]), np.float64)


# ------------------------------------------------------------------- determinism


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_column_does_not_depend_on_its_neighbours(dtype):
    log_w = random_log_weights((700, 1111), dtype)
    whole = importance_weights(log_w)
    for first, last in ((0, 1), (5, 22), (17, 1111), (600, 1100)):
        part = importance_weights(log_w[:, first:last])
        assert_same_bytes(part.bound, whole.bound[first:last])
        assert_same_bytes(part.ess, whole.ess[first:last])
        assert_same_bytes(part.weights, whole.weights[:, first:last])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_does_not_depend_on_its_neighbours(dtype):
    log_w = random_log_weights((70, 1111), dtype)
    whole = importance_weights(log_w, 1)
    for first, last in ((0, 2), (5, 22), (17, 70)):
        part = importance_weights(log_w[first:last], 1)
        assert_same_bytes(part.bound, whole.bound[first:last])
        assert_same_bytes(part.weights, whole.weights[first:last])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "axis"), [((60_000, 2), 0), ((2, 60_000), 1), ((20_000, 70), 0)]
)
def test_threads_that_share_a_tall_column_agree(shape, axis, dtype):
    log_w = random_log_weights(shape, dtype)
    same_bytes_for_threads(
        lambda n_threads: importance_weights(log_w, axis, n_threads=n_threads)
    )


def test_input_is_left_alone_and_of_any_layout():
    log_w = random_log_weights((31, 18))
    expected = importance_weights(log_w)
    before = log_w.copy()
    read_only = log_w.copy()
    read_only.flags.writeable = False
    wide = np.zeros((62, 36))
    wide[::2, ::2] = log_w
    layouts = (
        read_only,
        np.asfortranarray(log_w),
        wide[::2, ::2],
        log_w.astype(">f8"),
        log_w.tolist(),
    )
    for same in layouts:
        assert_same_bytes(importance_weights(same), expected)
    assert_same_bytes(log_w, before)


# ------------------------------------------------------------------- invariants

log_weight_tables = hnp.arrays(
    st.sampled_from(DTYPES),
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
    elements=st.floats(-60, 60, width=16),
)


@given(log_weight_tables)
def test_weights_are_a_distribution(log_w):
    got = importance_weights(log_w)
    total = got.weights.sum(axis=0, dtype=np.float64)  # the test's sum must not round
    NORMALISED.assert_close(total.astype(log_w.dtype), 1.0)
    assert (got.weights >= 0).all()
    assert (got.weights <= 1).all()
    assert (got.ess >= 1).all()
    assert (got.ess <= len(log_w)).all()
    assert (got.bound <= log_w.max(axis=0)).all()


@given(log_weight_tables, st.integers(-4000, 4000))
def test_shift_moves_the_bound_alone(log_w, shift):
    log_w = np.round(log_w)  # so that the shift is exact in float32 too
    got, moved = importance_weights(log_w), importance_weights(log_w + shift)
    LOG_OF_SUM.assert_close(moved.bound, got.bound.astype(np.float64) + shift)
    assert_same_bytes((moved.weights, moved.ess), (got.weights, got.ess))


@given(log_weight_tables, st.randoms(use_true_random=False))
def test_order_of_samples_is_rounding_alone(log_w, random):
    order = list(range(len(log_w)))
    random.shuffle(order)
    got, shuffled = importance_weights(log_w), importance_weights(log_w[order])
    LOG_OF_SUM.assert_close(shuffled.bound, got.bound)
    NORMALISED.assert_close(shuffled.weights, got.weights[order])
    NORMALISED.assert_close(shuffled.ess, got.ess)


@given(log_weight_tables)
def test_a_larger_sample_raises_the_bound(log_w):
    larger = np.concatenate([log_w, log_w.max(axis=0, keepdims=True) + 1])
    assert (iwae_bound(larger) > iwae_bound(log_w)).all()
