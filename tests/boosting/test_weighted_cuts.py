from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fastnotes._reference import boosting as reference
from fastnotes.boosting import BinMapper
from support.columns import mixed_columns
from support.sweeps import DTYPES, same_bytes_for_threads

MAX_BINS = (2, 3, 17, 255)


def fit(X, weight, max_bin=255, subsample=200_000, seed=0, **parameters):
    mapper = BinMapper(max_bin, subsample=subsample, random_state=seed, **parameters)
    return mapper.fit(X, sample_weight=weight).thresholds_


def assert_same_cuts(got, expected):
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)


WEIGHTS = {
    "integers": lambda rng, n: rng.integers(0, 5, n).astype(float),
    "uniform": lambda rng, n: rng.random(n),
    "skewed": lambda rng, n: np.exp(8 * rng.standard_normal(n)),
    "few": lambda rng, n: np.where(rng.random(n) < 0.1, rng.random(n), 0.0),
    "tiny": lambda rng, n: np.where(rng.random(n) < 0.5, 5e-324, 1e300),
    "huge integers": lambda rng, n: rng.integers(1, 2**40, n).astype(float),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_rows", [1, 2, 17, 3000])
@pytest.mark.parametrize("kind", WEIGHTS)
def test_equals_reference(kind, n_rows, dtype):
    X = mixed_columns(n_rows, dtype)
    weight = WEIGHTS[kind](np.random.default_rng(1), n_rows)
    weight[n_rows // 2] = 1.0
    for max_bin in MAX_BINS:
        expected = reference.fit_thresholds(X, max_bin, 200_000, 0, weight)
        assert_same_cuts(fit(X, weight, max_bin), expected)


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("subsample", [1, 100, 999, 2500])
def test_sample_equals_reference(kind, subsample):
    X = mixed_columns(1000, np.float64)
    weight = WEIGHTS[kind](np.random.default_rng(2), 1000)
    expected = reference.fit_thresholds(X, 31, subsample, 2**40 + 5, weight)
    assert_same_cuts(fit(X, weight, 31, subsample, 2**40 + 5), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("subsample", [200_000, 4000, 1500, 100])
def test_integer_weights_are_repeated_rows(subsample, dtype):
    X = mixed_columns(2000, dtype)
    weight = np.random.default_rng(3).integers(0, 4, len(X))
    repeated = np.repeat(X, weight, axis=0)
    for max_bin in MAX_BINS:
        expected = fit(repeated, None, max_bin, subsample, seed=7)
        assert_same_cuts(fit(X, weight, max_bin, subsample, seed=7), expected)


def test_rows_of_weight_zero_do_not_exist():
    X = mixed_columns(1000, np.float64)
    weight = np.random.default_rng(4).random(1000)
    weight[::3] = 0
    kept = weight > 0
    for subsample in (200_000, 300):
        expected = fit(X[kept], weight[kept], 31, subsample)
        assert_same_cuts(fit(X, weight, 31, subsample), expected)
    assert_same_cuts(fit(X, kept, 31), fit(X[kept], None, 31))


@pytest.mark.parametrize("constant", [0.1, 1 / 3, 1e-300, 1e300, 2.0, 1e9])
def test_constant_weights_make_no_difference(constant):
    X = mixed_columns(1000, np.float64)
    assert_same_cuts(fit(X, np.full(1000, constant)), fit(X, None))


@settings(max_examples=100, deadline=None)
@given(
    arrays(np.float32, 40, elements=st.floats(width=32)),
    arrays(np.int64, 40, elements=st.integers(0, 9)),
    st.integers(2, 12),
    st.sampled_from([2.0**-30, 0.5, 3.0, 2.0**40]),
)
def test_scale_and_order_make_no_difference(x, weight, max_bin, scale):
    weight[0] += 1
    X = x[:, None]
    expected = fit(X, weight, max_bin, subsample=None)
    assert_same_cuts(fit(X, weight * scale, max_bin, subsample=None), expected)
    order = np.random.default_rng(0).permutation(40)
    assert_same_cuts(fit(X[order], weight[order], max_bin), expected)
    repeated = fit(np.repeat(X, weight, axis=0), None, max_bin)
    assert_same_cuts(expected, repeated)


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bytes_for_any_number_of_threads(dtype):
    X = np.tile(mixed_columns(20_011, dtype), (1, 4))
    weight = np.random.default_rng(5).random(len(X))

    def run(n_threads):
        return tuple(fit(X, weight, 63, subsample=10_000, n_threads=n_threads))

    same_bytes_for_threads(run)


def test_fit_transform_takes_weights():
    X = mixed_columns(500, np.float32)
    weight = np.arange(500.0)
    mapper = BinMapper(15).fit(X, sample_weight=weight)
    binned = BinMapper(15).fit_transform(X, sample_weight=weight)
    np.testing.assert_array_equal(binned.bins, mapper.transform(X).bins)
    assert mapper.column_bins_.dtype == np.int32
    assert mapper.column_bins_.tolist() == [len(t) + 1 for t in mapper.thresholds_]


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (np.ones(5), ValueError, "shape"),
        (np.ones((6, 1)), ValueError, "dimension"),
        (np.full(6, -1.0), ValueError, "sample_weight >= 0"),
        (np.zeros(6), ValueError, "positive"),
        ([1, 1, 1, 1, 1, np.nan], ValueError, "finite"),
        ([1, 1, 1, 1, 1, np.inf], ValueError, "finite"),
        (["a"] * 6, TypeError, "real"),
    ],
)
def test_bad_weights(weight, error, message):
    with pytest.raises(error, match=rf"\[boosting\.BinMapper\.fit\] .*{message}"):
        BinMapper().fit(np.ones((6, 2)), sample_weight=weight)
