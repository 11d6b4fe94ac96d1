"""jackknife_bound and its coefficients: reference, exact values, edges, invariants."""

from __future__ import annotations

import warnings
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnotes._reference import evidence_jackknife as reference
from fastnotes.evidence import (
    JackknifeWarning,
    iwae_bound,
    jackknife_bound,
    jackknife_coefficients,
)
from support.jackknife import exact_jackknife, hard_log_weights
from support.log_weights import random_log_weights, with_edge_values
from support.sweeps import DTYPES, assert_same_bytes, same_bytes_for_threads
from support.tolerances import COMPOSITE, JACKKNIFE, PUBLISHED

pytestmark = pytest.mark.filterwarnings("ignore::fastnotes.evidence.JackknifeWarning")
ORDERS = (1, 2, 3, 4, 5)


def estimate(log_w, order, axis=0):
    return same_bytes_for_threads(
        lambda n_threads: jackknife_bound(
            log_w, order, axis, return_gradient=True, n_threads=n_threads
        )
    )


# ------------------------------------------------------------------- coefficients


@pytest.mark.parametrize(
    ("n", "order", "expected"),
    [
        (4, 1, (4, -3)),
        (4, 2, (8, -9, 2)),
        (4, 3, (32 / 3, -27 / 2, 4, -1 / 6)),
        (8, 2, (32, -49, 18)),
        (16, 2, (128, -225, 98)),
        (50, 1, (50, -49)),
        (50, 2, (1250, -2401, 1152)),
        (1, 0, (1,)),
    ],
)
def test_coefficients_of_the_paper(n, order, expected):
    assert jackknife_coefficients(n, order).tolist() == list(expected)


@pytest.mark.parametrize(
    ("n", "order", "total"),
    [(4, 1, 7), (4, 2, 19), (8, 2, 99), (50, 2, 4803), (64, 3, 325_708 + 1 / 3)],
)
def test_magnitude_of_coefficients(n, order, total):
    PUBLISHED.assert_close(np.abs(jackknife_coefficients(n, order)).sum(), total)


def test_coefficients_cancel_powers_of_the_sample_size():
    for n in range(2, 40):
        for order in range(min(n, 6)):
            c = [
                Fraction(x).limit_denominator(10**4)
                for x in jackknife_coefficients(n, order).tolist()
            ]
            assert sum(c) == 1
            for r in range(1, order + 1):
                assert sum(x / Fraction(n - j) ** r for j, x in enumerate(c)) == 0


# ------------------------------------------------------------------- against reference


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("shape", "axis"), [((9,), 0), ((7, 33), 0), ((33, 6), 1), ((3, 8, 5), 1)]
)
def test_shapes(shape, axis, order, dtype):
    log_w = random_log_weights(shape, dtype, spread=1.5, offset=-20)
    bound, gradient = estimate(log_w, order, axis)
    expected = reference.jackknife(log_w, order, axis)
    assert bound.dtype == gradient.dtype == dtype
    COMPOSITE.assert_close(bound, expected[0])
    COMPOSITE.assert_close(gradient, expected[1])
    assert_same_bytes(jackknife_bound(log_w, order, axis), bound)


@pytest.mark.parametrize(
    ("count", "order"),
    [(15, 1), (16, 1), (17, 1), (31, 1), (16, 2), (18, 2), (33, 2), (18, 3), (18, 4)],
)
def test_sizes_around_the_heavy_threshold(count, order):
    log_w = random_log_weights((count, 9), seed=count)
    log_w[:, :3] *= 0.03
    log_w[:, 3:6] *= 0.3
    expected = reference.jackknife(log_w, order)
    bound, gradient = estimate(log_w, order)
    COMPOSITE.assert_close(bound, expected[0])
    COMPOSITE.assert_close(gradient, expected[1])


@pytest.mark.parametrize("order", ORDERS)
def test_edge_values_anywhere(order):
    for seed in range(4):
        log_w = with_edge_values(random_log_weights((8, 37), spread=1.0), seed)
        expected = reference.jackknife(log_w, order)
        bound, gradient = estimate(log_w, order)
        COMPOSITE.assert_close(bound, expected[0])
        COMPOSITE.assert_close(gradient, expected[1])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_column_does_not_depend_on_its_neighbours(order, dtype):
    log_w = random_log_weights((40, 23), dtype)
    log_w[:, ::5] *= 10  # dominated, beside columns that are not
    whole = estimate(log_w, order)
    by_rows = estimate(np.ascontiguousarray(log_w.T), order, 1)
    assert_same_bytes((by_rows[0], by_rows[1].T.copy()), whole)
    for first, last in ((0, 1), (3, 8), (5, 23)):
        part = estimate(log_w[:, first:last], order)
        same = whole[0][first:last], whole[1][:, first:last].copy()
        assert_same_bytes(part, same)


# ------------------------------------------------------------------- exact answers


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("count", [6, 12])
def test_promised_error_at_50_digits(count, order):
    for name, log_w in hard_log_weights(count, order).items():
        if count == 12 and order > 3 and "by 60" not in name:
            continue  # thousands of subsets each
        exact, magnitude = exact_jackknife(log_w, order)
        JACKKNIFE.assert_close(jackknife_bound(log_w, order), exact, magnitude)


@pytest.mark.parametrize(("count", "order"), [(64, 1), (64, 2), (24, 3)])
def test_promised_error_with_light_samples(count, order):
    for name in ("spread 3", "spread 1", "two values", "at the threshold", "2 by 60"):
        log_w = hard_log_weights(count)[name]
        exact, magnitude = exact_jackknife(log_w, order)
        JACKKNIFE.assert_close(jackknife_bound(log_w, order), exact, magnitude)


COUNTED = {
    0: (0.916290731874155065, [0.1, 0.2, 0.3, 0.4]),
    1: (
        0.950247990526381622,
        [0.0741071428571429, 0.169047619047619, 0.29375, 0.463095238095238],
    ),
    2: (
        0.946437380609157109,
        [0.0834325396825397, 0.173809523809524, 0.274107142857143, 0.468650793650794],
    ),
    3: (
        0.945944353747014094,
        [0.0807043650793651, 0.185714285714286, 0.265922619047619, 0.46765873015873],
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", COUNTED)
def test_counts_by_hand(order, dtype):
    log_w = np.log(np.array([1, 2, 3, 4], dtype))
    bound, gradient = jackknife_bound(log_w, order, return_gradient=True)
    PUBLISHED.assert_close(bound, COUNTED[order][0])
    PUBLISHED.assert_close(gradient, COUNTED[order][1])


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (
            [0.5, 2, 0.1, 0.7, 1.3],
            [
                -0.0833816089390510584,
                -0.0121104699132990963,
                -0.0217256701873890224,
                -0.0252990242103180314,
                -0.0286861526566603481,
            ],
        ),
        (
            [1, 1e-10, 1e-12, 1e-14],
            [
                -1.38629436101888061883956575297,
                15.0125106173428831483323236609,
                24.642174161983687163337782029,
                29.2952637967648643843110219134,
            ],
        ),
    ],
)
def test_vectors(weights, expected):
    for order, value in enumerate(expected):
        PUBLISHED.assert_close(jackknife_bound(np.log(weights), order), value)


TWO_POINT = {
    (2, 0.5, 0.5, 4): [
        0.17167293753212320458,
        0.23054350350680788858,
        0.22808231170614060320,
        0.22479799317348484325,
    ],
    (2, 0.5, 0.5, 16): [
        0.21150162968838563181,
        0.22357463607399657139,
        0.22313117768319356987,
        0.22314100862584280686,
    ],
    (3, 0.5, 0.25, 8): [
        0.056036373086728770828,
        0.12015796903908145928,
        0.12079265623177047056,
        0.11822682741192753953,
    ],
    (3, 0.5, 0.25, 16): [
        0.087729552742400363781,
        0.11885703169194004177,
        0.11798379133808919185,
        0.11770756230658911228,
    ],
}


@pytest.mark.parametrize("case", TWO_POINT)
def test_expectation_over_two_point_weights(case):
    high, low, p, count = case
    n_high = np.arange(count + 1)
    draws = np.where(np.arange(count)[:, None] < n_high, np.log(high), np.log(low))
    probability = [comb(count, int(k)) * p**k * (1 - p) ** (count - k) for k in n_high]
    for order, expected in enumerate(TWO_POINT[case]):
        PUBLISHED.assert_close(probability @ jackknife_bound(draws, order), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("count", [6, 50, 4097])
def test_equal_log_weights_are_exact(count, order, dtype):
    value = dtype(-1.8280121)
    bound, gradient = estimate(np.full((count, 3), value), order)
    assert (bound == value).all()
    assert (gradient == dtype(1 / count)).all()


def test_many_samples_of_known_evidence():
    rng = np.random.default_rng(3)
    log_w = rng.standard_normal((65_536, 2)) - 0.5  # mean weight 1
    for order in (1, 2, 3):
        bound, gradient = jackknife_bound(log_w, order, return_gradient=True)
        assert (np.abs(bound) < 0.02).all()
        COMPOSITE.assert_close(gradient.sum(axis=0), 1.0)


# ------------------------------------------------------------------- edges, warnings


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("log_w", "order", "expected"),
    [
        ([-np.inf, 0, 0, 0], 2, np.log(3 / 4) + 0.1),
        ([-np.inf, -np.inf, 0, 0], 2, np.nan),
        ([-np.inf, -np.inf, -np.inf, 0], 1, np.nan),
        ([-np.inf] * 4, 1, np.nan),
        ([np.nan, 0, 0, 0], 1, np.nan),
        ([np.nan, np.inf, np.inf, 0], 1, np.nan),
        ([np.inf, 0, 0, 0], 1, np.nan),
        ([np.inf, np.inf, 0, -np.inf], 1, np.inf),
        ([np.inf] * 4, 3, np.inf),
    ],
)
def test_edge_table(log_w, order, expected, dtype):
    log_w = np.array(log_w, dtype)
    if np.isfinite(expected):
        expected = reference.jackknife(log_w, order)[0]
    for axis in (0, 1):
        columns = np.stack([log_w] * 3, axis=1 - axis)
        bound, gradient = jackknife_bound(columns, order, axis, return_gradient=True)
        COMPOSITE.assert_close(bound, np.full(3, expected))
        assert (np.isnan(gradient) == np.isnan(expected)).all()


def messages(log_w, order, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        jackknife_bound(log_w, order, **options)
    assert all(each.category is JackknifeWarning for each in caught)
    assert all(each.filename == __file__ for each in caught)
    return [str(each.message) for each in caught]


def test_warnings_say_what_is_wrong_and_how_often():
    rng = np.random.default_rng(0)
    good = rng.normal(0, 1, (40, 6))
    dominated = good.copy()
    dominated[7, :2] += 30
    empty = good.copy()
    empty[1:, 5] = -np.inf
    missing = good.copy()
    missing[0, 0] = np.nan
    assert messages(good, 3) == []
    assert messages(dominated, 0) == []
    assert messages(missing, 1) == []
    assert messages(dominated, 1) == [
        "the effective sample size is below 2 in 2 of 6 sums: few samples dominate, "
        "and the jackknife of order 1 is not to be trusted there"
    ]
    assert messages(empty, 2) == [
        "at most 2 samples have any weight in 1 of 6 sums: nan"
    ]


def test_warnings_of_tails():
    log_w = -np.log(np.random.default_rng(0).random((400, 3)))  # infinite mean
    log_w[:, 0] *= 0.1
    assert messages(log_w, 1) == []
    assert messages(log_w, 1, check_tails=True) == [
        "the weights' Pareto k exceeds 0.7 in 2 of 3 sums: heavy tails, and the "
        "jackknife is not to be trusted there"
    ]


def test_no_columns_and_scalars():
    bound, gradient = jackknife_bound(np.zeros((4, 0)), return_gradient=True)
    assert bound.shape == (0,)
    assert gradient.shape == (4, 0)
    assert isinstance(jackknife_bound(np.zeros(3, np.float32)), np.float32)
    assert isinstance(jackknife_bound([0, 1, 2]), np.float64)
    assert jackknife_bound(np.float16([0, 1, 2])) == jackknife_bound([0.0, 1.0, 2.0])


# ------------------------------------------------------------------- invariants

log_weight_tables = hnp.arrays(
    np.float64,
    st.tuples(st.integers(6, 30), st.integers(1, 6)),
    elements=st.floats(-6, 6, width=16),
)
orders = st.sampled_from(ORDERS)


@given(log_weight_tables, orders, st.integers(-4000, 4000))
def test_shift_moves_the_estimate_alone(log_w, order, shift):
    log_w = np.round(log_w)  # so that the shift is exact
    bound, gradient = jackknife_bound(log_w, order, return_gradient=True)
    moved, same = jackknife_bound(log_w + shift, order, return_gradient=True)
    COMPOSITE.assert_close(moved - shift, bound)
    assert_same_bytes(same, gradient)


@given(log_weight_tables, orders, st.randoms(use_true_random=False))
def test_order_of_samples_is_rounding_alone(log_w, order, random):
    places = list(range(len(log_w)))
    random.shuffle(places)
    bound, gradient = jackknife_bound(log_w, order, return_gradient=True)
    other, moved = jackknife_bound(log_w[places], order, return_gradient=True)
    COMPOSITE.assert_close(other, bound)
    COMPOSITE.assert_close(moved, gradient[places])


@given(log_weight_tables, orders)
def test_gradient_sums_to_one(log_w, order):
    gradient = jackknife_bound(log_w, order, return_gradient=True)[1]
    COMPOSITE.assert_close(gradient.sum(axis=0), 1.0)


@given(log_weight_tables)
def test_order_0_is_the_bound_and_1_the_textbook_jackknife(log_w):
    count = len(log_w)
    assert_same_bytes(jackknife_bound(log_w, 0), iwae_bound(log_w))
    left_out = np.mean([iwae_bound(np.delete(log_w, k, 0)) for k in range(count)], 0)
    expected = count * iwae_bound(log_w) - (count - 1) * left_out
    COMPOSITE.assert_close(jackknife_bound(log_w, 1), expected)
