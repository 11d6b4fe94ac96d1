from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnotes._reference import boosting as reference
from fastnotes.boosting import (
    BinMapper,
    Split,
    build_histogram,
    find_best_split,
    split_gain,
)
from support.sweeps import AWKWARD_SIZES, same_bytes_for_threads
from support.tolerances import PUBLISHED

RULES = [
    {},
    {"reg_lambda": 0.0, "min_child_weight": 0.0},
    {"gamma": 0.3},
    {"reg_alpha": 0.7, "reg_lambda": 0.1},
    {"min_child_weight": 20.0},
]


def random_histogram(n_columns, n_bins, seed=0, missing=True):
    rng = np.random.default_rng(seed)
    histogram = rng.standard_normal((n_columns, n_bins, 2))
    histogram[..., 1] = np.abs(histogram[..., 1])
    histogram[rng.random((n_columns, n_bins)) < 0.2] = 0.0
    if not missing:
        histogram[:, -1] = 0.0
    return histogram


@pytest.mark.parametrize("missing", [True, False])
@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("n_bins", [n for n in AWKWARD_SIZES if 2 <= n <= 256])
def test_equals_brute_force(n_bins, rules, missing):
    for seed in range(4):
        histogram = random_histogram(6, n_bins, seed, missing)
        got = find_best_split(histogram, **rules)
        assert got == reference.find_best_split(histogram, **rules)


@pytest.mark.parametrize("n_columns", [1, 2, 31, 257])
def test_columns_and_threads(n_columns):
    histogram = random_histogram(n_columns, 256)
    got = same_bytes_for_threads(lambda n: find_best_split(histogram, n_threads=n))
    assert got == reference.find_best_split(histogram)


def test_the_notes_example():
    # Six points, targets (1, 1, 2, 5, 6, 5), prediction 0, squared error of the notes.
    y = np.array([1.0, 1, 2, 5, 6, 5])
    binned = BinMapper().fit_transform(np.arange(6.0)[:, None])
    split = find_best_split(build_histogram(binned, -2 * y, np.full(6, 2.0)))
    assert split[:2] == (0, 2)
    assert binned.thresholds[0][2] == 2.5
    assert split[4:] == (-8.0, 6.0, -32.0, 6.0)
    PUBLISHED.assert_close(np.asarray(split.gain), 16.1758241758242)


def histogram_of(*columns):
    return np.array(columns, dtype=np.float64)


def test_missing_goes_where_the_gain_is():
    known = [[-5.0, 5.0], [5.0, 5.0]]
    assert find_best_split(histogram_of([*known, [-4.0, 2.0]])).default_left
    assert not find_best_split(histogram_of([*known, [4.0, 2.0]])).default_left


def test_known_against_missing():
    split = find_best_split(histogram_of([[3.0, 4.0], [3.0, 4.0], [-6.0, 5.0]]))
    gain = split_gain(6.0, 8.0, -6.0, 5.0)
    assert split == Split(0, 1, gain, False, 6.0, 8.0, -6.0, 5.0)


def test_ties_go_to_the_lower_column_then_bin_then_missing_right():
    best = [[-5.0, 5.0], [0.0, 0.0], [5.0, 5.0], [0.0, 0.0]]
    worse = [[-4.0, 5.0], [0.0, 0.0], [4.0, 5.0], [0.0, 0.0]]
    split = find_best_split(histogram_of(worse, best, best))
    assert split[:2] == (1, 0)
    assert not split.default_left
    # Missing weighs the same on either side, and moves no gradient.
    split = find_best_split(histogram_of([[-5.0, 5.0], [5.0, 5.0], [0.0, 2.0]]))
    assert split[:2] == (0, 0)
    assert not split.default_left


@pytest.mark.parametrize("first", [0, 13, 63, 64, 200])
def test_a_tie_between_lanes_goes_to_the_lower_bin(first):
    column = np.zeros((256, 2))
    column[first], column[240] = [-5.0, 5.0], [5.0, 5.0]
    assert find_best_split(column[None]).bin == first


def test_no_admissible_split():
    pure = histogram_of([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    assert find_best_split(pure, reg_lambda=0.0) is None
    good = histogram_of([[-5.0, 5.0], [5.0, 5.0], [0.0, 0.0]])
    gain = find_best_split(good).gain
    assert find_best_split(good, gamma=gain) is None
    assert find_best_split(good, gamma=np.nextafter(gain, 0.0)) is not None
    assert find_best_split(good, min_child_weight=5.0) is not None
    assert find_best_split(good, min_child_weight=5.1) is None
    assert find_best_split(good, reg_alpha=5.0) is None
    for reg_lambda in (0.0, 1.0):
        assert find_best_split(np.zeros((3, 256, 2)), reg_lambda=reg_lambda) is None
    assert find_best_split(np.zeros((0, 256, 2))) is None


def test_leaves_without_a_minimum_are_not_admissible():
    # Right child: H + lambda = -1 + 1 = 0.
    column = histogram_of([[-5.0, 5.0], [5.0, -1.0], [0.0, 0.0]])
    assert find_best_split(column, min_child_weight=0.0) is None
    # Parent: H + lambda = -3 + 1 < 0, though a child would do.
    column = histogram_of([[-5.0, 5.0], [5.0, -8.0], [0.0, 0.0]])
    assert find_best_split(column, min_child_weight=0.0) is None
    # An empty child with lambda 0 would be 0 / 0.
    column = histogram_of([[-5.0, 5.0], [0.0, 0.0], [0.0, 0.0]])
    assert find_best_split(column, reg_lambda=0.0, min_child_weight=0.0) is None


def test_gain_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    bins = rng.integers(0, 256, (999, 4), dtype=np.uint8)
    histogram = build_histogram(bins, rng.standard_normal(999), np.ones(999))
    rules = {"reg_lambda": 0.5, "reg_alpha": 0.2, "gamma": 0.01}
    split = find_best_split(histogram, **rules)
    assert split.gain == split_gain(*split[4:], **rules)


def test_single_precision_histograms_become_double():
    histogram = random_histogram(3, 32).astype(np.float32)
    expected = find_best_split(histogram.astype(np.float64))
    assert find_best_split(histogram) == expected
    assert find_best_split(np.asfortranarray(histogram)) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 120),
    st.sampled_from([np.exp, np.tanh, np.arcsinh]),
)
def test_monotone_transforms_keep_the_split(seed, n_rows, transform):
    rng = np.random.default_rng(seed)
    X = rng.integers(-8, 9, (n_rows, 3)) / 4.0
    X[rng.random(X.shape) < 0.1] = np.nan
    grad, hess = rng.standard_normal(n_rows), rng.random(n_rows)
    one, other = (
        find_best_split(
            build_histogram(BinMapper().fit_transform(table), grad, hess),
            min_child_weight=0.1,
        )
        for table in (X, transform(X))
    )
    assert one == other


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_threshold_sends_the_same_rows_left_as_the_bin(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((200, 3)).astype(np.float32)
    X[rng.random(X.shape) < 0.2] = np.nan
    binned = BinMapper(16).fit_transform(X)
    split = find_best_split(
        build_histogram(binned, rng.standard_normal(200), np.ones(200))
    )
    if split is None or split.bin == binned.n_bins - 2:
        return
    x, codes = X[:, split.feature], binned.bins[:, split.feature]
    missing = np.isnan(x)
    left = x <= binned.thresholds[split.feature][split.bin]
    np.testing.assert_array_equal(left[~missing], (codes <= split.bin)[~missing])
    left[missing] = split.default_left
    assert (left.sum(), (~left).sum()) == (split.H_left, split.H_right)
