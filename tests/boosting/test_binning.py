from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from fastnotes._reference import boosting as reference
from fastnotes.boosting import BinMapper
from support.columns import mixed_columns
from support.sweeps import AWKWARD_SIZES, DTYPES, same_bytes_for_threads

MAX_BINS = (2, 3, 16, 17, 254, 255)


def assert_equals_reference(X, max_bin, subsample=200_000, seed=0):
    mapper = BinMapper(max_bin, subsample=subsample, random_state=seed).fit(X)
    expected = reference.fit_thresholds(X, max_bin, subsample, seed)
    assert len(mapper.thresholds_) == len(expected)
    for got, cuts in zip(mapper.thresholds_, expected, strict=True):
        assert got.dtype == cuts.dtype
        np.testing.assert_array_equal(got, cuts)
    binned = mapper.transform(X)
    codes = reference.assign_bins(X, expected, max_bin + 1)
    np.testing.assert_array_equal(binned.bins, codes)
    assert binned.bins.dtype == np.uint8
    assert binned.n_bins == max_bin + 1
    return binned


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_rows", [n for n in AWKWARD_SIZES if n > 0] + [3000])
def test_equals_reference(n_rows, dtype):
    X = mixed_columns(n_rows, dtype)
    for max_bin in MAX_BINS:
        assert_equals_reference(X, max_bin)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("subsample", [1, 2, 100, 999, 1000, 1001])
def test_sample_equals_reference(subsample, dtype):
    assert_equals_reference(mixed_columns(1000, dtype), 255, subsample, seed=2**40 + 5)


def test_sample_takes_one_row_from_each_stratum():
    rows = reference.sample_rows(1003, 100, seed=3)
    stratum = np.arange(100)
    assert (rows >= stratum * 1003 // 100).all()
    assert (rows < (stratum + 1) * 1003 // 100).all()
    # Row numbers as values: their midpoints tell which rows the kernel drew.
    X = np.arange(1003.0)[:, None]
    cuts = BinMapper(subsample=100, random_state=3).fit(X).thresholds_[0]
    np.testing.assert_array_equal(cuts, (rows[:-1] + rows[1:]) / 2)


def test_random_state_kinds():
    X = np.random.default_rng(0).standard_normal((1000, 2))

    def cuts(state):
        mapper = BinMapper(16, subsample=100, random_state=state)
        return np.stack(mapper.fit(X).thresholds_)

    np.testing.assert_array_equal(cuts(5), cuts(np.int64(5)))
    assert not np.array_equal(cuts(5), cuts(6))
    for kind in (np.random.RandomState, np.random.default_rng):
        one, other = (cuts(kind(1)) for _ in range(2))
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(cuts(None), cuts(None))


def test_few_distinct_values_are_cut_at_exact_midpoints():
    X = np.array([[3.0, 10.0], [1.0, 20.0], [2.0, 10.0], [1.0, np.nan]])
    binned = BinMapper().fit_transform(X)
    np.testing.assert_array_equal(binned.thresholds[0], [1.5, 2.5])
    np.testing.assert_array_equal(binned.thresholds[1], [15.0])
    np.testing.assert_array_equal(binned.bins, [[2, 0], [0, 1], [1, 0], [0, 255]])


@pytest.mark.parametrize("n_distinct", [254, 255, 256])
def test_the_border_between_exact_and_quantile_cuts(n_distinct):
    X = np.repeat(np.arange(float(n_distinct)), 3)[:, None]
    binned = assert_equals_reference(X, 255)
    assert len(binned.thresholds[0]) == min(n_distinct, 255) - 1
    if n_distinct <= 255:
        np.testing.assert_array_equal(binned.bins[:, 0], X[:, 0])


def test_quantile_bins_have_equal_mass():
    X = np.random.default_rng(0).permutation(255 * 40).astype(np.float64)[:, None]
    counts = np.bincount(BinMapper().fit_transform(X).bins[:, 0], minlength=256)
    np.testing.assert_array_equal(counts, [40] * 255 + [0])


def test_a_heavy_value_has_a_bin_of_its_own():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(20_000)
    x[rng.random(len(x)) < 0.5] = 0.25
    codes = BinMapper(32).fit_transform(x[:, None]).bins[:, 0]
    heavy = codes[x == 0.25]
    assert (heavy == heavy[0]).all()
    assert (codes[x != 0.25] != heavy[0]).all()
    assert len(np.unique(codes)) == 32


@pytest.mark.parametrize("dtype", DTYPES)
def test_thresholds_separate_neighbours_in_the_dtype(dtype):
    tiny = np.nextafter(dtype(0), dtype(1))
    big = np.finfo(dtype).max
    one = dtype(1)
    after_one, before_big = np.nextafter(one, dtype(2)), np.nextafter(big, dtype(0))
    small = [-1, -tiny, 0, tiny, 2 * tiny, 3 * tiny, one, after_one]
    values = np.array([-np.inf, -big, *small, before_big, big, np.inf], dtype)
    binned = BinMapper().fit_transform(values[:, None])
    cuts = binned.thresholds[0]
    assert cuts.dtype == dtype
    assert (values[:-1] <= cuts).all()
    assert (cuts < values[1:]).all()
    np.testing.assert_array_equal(binned.bins[:, 0], np.arange(len(values)))


def test_zeros_are_one_value():
    binned = BinMapper().fit_transform(np.array([[-0.0], [0.0], [-1.0], [1.0]]))
    np.testing.assert_array_equal(binned.bins[:, 0], [1, 1, 0, 2])


@pytest.mark.parametrize("value", [0.0, -3.5, np.inf, -np.inf, np.nan, 5e-324])
@pytest.mark.parametrize("n_rows", [1, 300])
def test_constant_columns(value, n_rows):
    binned = BinMapper(8).fit_transform(np.full((n_rows, 1), value))
    assert len(binned.thresholds[0]) == 0
    assert (binned.bins == (8 if np.isnan(value) else 0)).all()


@pytest.mark.parametrize("max_bin", [5, 255])
def test_single_and_double_precision_agree(max_bin):
    single = mixed_columns(2000, np.float32)
    double = single.astype(np.float64)
    in_single, in_double = BinMapper(max_bin), BinMapper(max_bin)
    codes = in_single.fit_transform(single).bins
    np.testing.assert_array_equal(in_double.fit_transform(double).bins, codes)
    between = mixed_columns(2000, np.float32, seed=1)  # values that were not fitted
    codes = in_single.transform(between).bins
    for mapper, table in (
        (in_double, between),
        (in_single, between.astype(np.float64)),
        (in_double, between.astype(np.float64)),
    ):
        np.testing.assert_array_equal(mapper.transform(table).bins, codes)


def test_thresholds_beyond_single_precision():
    X = np.array([[-1e300], [-1e-300], [0.0], [1e-300], [1e300]])
    mapper = BinMapper().fit(X)
    values = np.array([[-np.inf], [-3e38], [-1.0], [0.0], [1e-40], [3e38], [np.inf]])
    single = values.astype(np.float32)
    np.testing.assert_array_equal(
        mapper.transform(single).bins, mapper.transform(single.astype(np.float64)).bins
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_layout_makes_no_difference(dtype):
    X = mixed_columns(500, dtype)
    expected = BinMapper().fit_transform(X).bins
    wide = np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)
    read_only = X.copy()
    read_only.flags.writeable = False
    layouts = [
        np.asfortranarray(X),
        wide[::2, ::3],
        X[::-1].copy()[::-1],
        X.astype(X.dtype.newbyteorder()),
        read_only,
    ]
    for layout in layouts:
        np.testing.assert_array_equal(BinMapper().fit_transform(layout).bins, expected)
    from_lists = BinMapper().fit(X).transform(X.tolist()).bins
    np.testing.assert_array_equal(from_lists, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (257, 9), (20_011, 9), (300, 70)])
def test_same_bytes_for_any_number_of_threads(shape, dtype):
    n_rows, n_columns = shape
    mixed = mixed_columns(n_rows, dtype)
    X = np.tile(mixed, (1, n_columns // 9 + 1))[:, :n_columns]

    def run(n_threads):
        mapper = BinMapper(subsample=10_000, n_threads=n_threads)
        binned = mapper.fit_transform(X)
        return (binned.bins, *binned.thresholds)

    same_bytes_for_threads(run)


def test_rows_do_not_depend_on_their_place():
    X = mixed_columns(300, np.float32)
    mapper = BinMapper(64).fit(X)
    whole = mapper.transform(X).bins
    for rows in (slice(0, 1), slice(3, 20), slice(63, 66), slice(100, 300, 7)):
        np.testing.assert_array_equal(mapper.transform(X[rows]).bins, whole[rows])


def test_zero_rows_can_be_transformed():
    binned = BinMapper().fit(np.ones((3, 2))).transform(np.empty((0, 2)))
    assert binned.bins.shape == binned.shape == (0, 2)


def test_is_a_scikit_learn_transformer():
    mapper = BinMapper(31, random_state=7)
    copy = clone(mapper)
    assert copy.get_params() == mapper.get_params()
    X = mixed_columns(100, np.float64)
    assert copy.fit(X) is copy
    assert copy.n_features_in_ == X.shape[1]
    assert copy.n_bins_ == 32
    with pytest.raises(NotFittedError, match=r"\[boosting\.BinMapper\.transform\]"):
        mapper.transform(X)


columns = arrays(
    np.float32,
    st.integers(1, 60),
    elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
)


@settings(max_examples=150, deadline=None)
@given(columns, st.integers(2, 12))
def test_bins_keep_the_order_of_values(x, max_bin):
    binned = assert_equals_reference(x[:, None], max_bin)
    known = ~np.isnan(x)
    codes = binned.bins[:, 0]
    assert (codes[~known] == max_bin).all()
    order = np.argsort(x[known], kind="stable")
    assert (np.diff(codes[known][order].astype(int)) >= 0).all()
    distinct = np.unique(x[known] + np.float32(0)).size
    used = np.unique(codes[known]).size
    assert used <= max_bin
    assert used == len(binned.thresholds[0]) + (distinct > 0)
    if distinct <= max_bin:
        assert used == distinct


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.int32, st.integers(1, 200), elements=st.integers(-1000, 1000)),
    st.integers(2, 20),
)
def test_monotone_transforms_keep_the_codes(x, max_bin):
    plain = BinMapper(max_bin).fit_transform(x[:, None]).bins
    cubes = x[:, None].astype(np.float64) ** 3 + 5
    np.testing.assert_array_equal(BinMapper(max_bin).fit_transform(cubes).bins, plain)
