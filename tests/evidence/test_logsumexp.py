"""logsumexp, logmeanexp, softmax and log_softmax against reference and edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnotes._reference import evidence as reference
from fastnotes.evidence import log_softmax, logmeanexp, logsumexp, softmax
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
from support.tolerances import LOG_OF_SUM, NORMALISED

AXES = (None, 0, 1, 2, -1, (0,), (0, 1), (1, 2), (0, 2), (2, 0, 1), ())


def assert_softmax_matches(a, axis):
    got = same_bytes_for_threads(lambda n: softmax(a, axis, n_threads=n))
    assert got.dtype == a.dtype
    assert_weights_close(got, reference.softmax(a, axis))
    got = same_bytes_for_threads(lambda n: log_softmax(a, axis, n_threads=n))
    assert got.dtype == a.dtype
    LOG_OF_SUM.assert_close(got, reference.log_softmax(a, axis))


# ------------------------------------------------------------------- against reference


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES)
def test_axes(axis, keepdims, dtype):
    a = random_log_weights((4, 3, 5), dtype)
    got = same_bytes_for_threads(
        lambda n: logsumexp(a, axis, keepdims=keepdims, n_threads=n)
    )
    expected = reference.logsumexp(a, axis, keepdims=keepdims)
    assert got.dtype == dtype
    assert got.shape == np.shape(expected)
    LOG_OF_SUM.assert_close(got, expected)
    got = logmeanexp(a, axis, keepdims=keepdims)
    LOG_OF_SUM.assert_close(got, reference.logmeanexp(a, axis, keepdims=keepdims))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_softmax_shapes(shape, axis, spread, dtype):
    assert_softmax_matches(random_log_weights(shape, dtype, spread=spread), axis)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", AWKWARD_SIZES)
def test_awkward_sizes(n, dtype):
    for axis in (0, 1):
        for other in (1, 9, 33):
            shape = (n, other) if axis == 0 else (other, n)
            a = with_edge_values(random_log_weights(shape, dtype), seed=n)
            LOG_OF_SUM.assert_close(logsumexp(a, axis), reference.logsumexp(a, axis))
            assert_softmax_matches(a, axis)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1])
def test_factors(axis, dtype):
    a = random_log_weights((70, 33), dtype)
    rng = np.random.default_rng(1)
    positive = rng.uniform(0.5, 2.0, a.shape).astype(dtype)
    positive[rng.random(a.shape) < 0.2] = 0
    got = same_bytes_for_threads(lambda n: logsumexp(a, axis, b=positive, n_threads=n))
    assert got.dtype == dtype
    LOG_OF_SUM.assert_close(got, reference.logsumexp(a, axis, positive))


def test_factors_with_signs():
    assert logsumexp([2.0, 1.0], b=[1, -1]) == pytest.approx(
        np.log(np.exp(2) - np.exp(1))
    )
    assert np.isnan(logsumexp([1.0, 2.0], b=[1, -1]))
    assert logsumexp([3.0, 3.0], b=[1, -1]) == -np.inf


def test_factors_broadcast_and_keep_the_dtype():
    a = random_log_weights((3, 4), np.float32)
    column = np.array([[1.0], [2.0], [0.0]], np.float32)
    got = logsumexp(a, 0, b=column)
    assert got.dtype == np.float32
    LOG_OF_SUM.assert_close(got, reference.logsumexp(a, 0, column))
    assert logsumexp(a, 0, b=2.0).dtype == np.float32
    assert logsumexp(a, 0, b=column.astype(np.float64)).dtype == np.float64
    assert logsumexp(a[0], 1, b=np.ones((6, 4))).shape == (6,)
    assert logsumexp(a, (0, 2), b=np.ones((2, 3, 4))).shape == (3,)


def test_a_factor_of_zero_hides_its_term():
    for hidden in (np.inf, 1e30, -np.inf):
        assert logsumexp([1.0, hidden], b=[1.0, 0.0]) == 1.0
    assert logsumexp([1.0, 2.0], b=[0.0, 0.0]) == -np.inf


# ------------------------------------------------------------------- edge values


@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_sums(dtype):
    assert logsumexp(np.zeros(0, dtype)) == -np.inf
    assert (logsumexp(np.zeros((0, 3), dtype), 0) == np.full(3, -np.inf)).all()
    assert logsumexp(np.zeros((0, 3), dtype), 1).shape == (0,)
    assert logsumexp(np.zeros((2, 0, 3), dtype), 2).shape == (2, 0)
    assert softmax(np.zeros((0, 3), dtype), 0).shape == (0, 3)
    assert log_softmax(np.zeros((3, 0), dtype), 0).shape == (3, 0)


def test_scalars_and_dtypes():
    assert logsumexp(3.0) == 3.0
    assert isinstance(logsumexp(np.float32(3)), np.float32)
    assert isinstance(logsumexp([1, 2]), np.float64)
    assert logsumexp(np.ones(3, np.float16), 0).dtype == np.float64
    assert softmax(np.array([0, 0], np.int8)).dtype == np.float64
    assert logmeanexp([5, 5, 5]) == 5.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("a", "total", "probabilities"),
    [
        ([-np.inf, -np.inf], -np.inf, [0, 0]),
        ([np.inf, np.inf, 1, -np.inf], np.inf, [0.5, 0.5, 0, 0]),
        ([np.nan, 1], np.nan, [np.nan, np.nan]),
        ([np.nan, np.inf], np.nan, [np.nan, np.nan]),
        ([-800, 0, 800], 800, [0, 0, 1]),
        ([-1e30, 1e30], 1e30, [0, 1]),
    ],
)
def test_edge_table(a, total, probabilities, dtype):
    a = np.array(a, dtype)
    np.testing.assert_array_equal(logsumexp(a), dtype(total))
    np.testing.assert_array_equal(softmax(a), np.array(probabilities, dtype))
    with np.errstate(divide="ignore"):
        logarithm = np.log(np.array(probabilities, dtype))
    finite = np.isfinite(logarithm)
    got = log_softmax(a)
    LOG_OF_SUM.assert_close(got[finite], logarithm[finite])
    assert (np.isnan(got) == np.isnan(logarithm)).all()


def test_log_softmax_reaches_below_softmax():
    got = log_softmax(np.array([123, 456, 789], np.float32))
    assert (got == [-666, -333, 0]).all()


# ------------------------------------------------------------------- out


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_is_filled_and_returned(dtype):
    a = random_log_weights((5, 6), dtype)
    for call, shape in (
        (lambda out=None: logsumexp(a, 0, out=out), (6,)),
        (lambda out=None: logsumexp(a, 1, keepdims=True, out=out), (5, 1)),
        (lambda out=None: logmeanexp(a, None, out=out), ()),
        (lambda out=None: softmax(a, out=out), (5, 6)),
        (lambda out=None: log_softmax(a, 0, out=out), (5, 6)),
    ):
        out = np.full(shape, 7, dtype)
        assert call(out) is out
        assert_same_bytes(out, call())


# ------------------------------------------------------------------- invariants

tables = hnp.arrays(
    st.sampled_from(DTYPES),
    hnp.array_shapes(min_dims=1, max_dims=3, max_side=12),
    elements=st.floats(-60, 60, width=16),
)


@given(tables)
def test_softmax_is_a_distribution(a):
    probabilities = softmax(a)
    NORMALISED.assert_close(probabilities.sum(axis=-1), 1.0)
    assert (probabilities <= 1).all()
    assert (log_softmax(a) <= 0).all()


@given(tables)
def test_sum_lies_between_maximum_and_maximum_plus_log_count(a):
    largest, total = a.max(axis=-1), logsumexp(a, -1)
    assert (total >= largest).all()
    LOG_OF_SUM.assert_close(
        np.minimum(total, largest + np.log(a.dtype.type(a.shape[-1]))), total
    )


@given(tables)
def test_parts_combine(a):
    parts = np.stack([logsumexp(a[..., :3], -1), logsumexp(a[..., 3:], -1)])
    LOG_OF_SUM.assert_close(logsumexp(parts, 0), logsumexp(a, -1).astype(np.float64))
