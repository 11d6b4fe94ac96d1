from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnotes._core import native
from fastnotes._reference import boosting as reference
from fastnotes.boosting import BinMapper, build_histogram
from support.sweeps import (
    AWKWARD_SIZES,
    DTYPES,
    assert_same_bytes,
    same_bytes_for_threads,
)
from support.tolerances import REDUCTION

#: The contract: a sum over count rows is within count max|v| 2**-15.
QUANTUM = 2.0**-15


def problem(n_rows, n_columns=5, dtype=np.float32, n_bins=256, seed=0):
    rng = np.random.default_rng(seed)
    bins = rng.integers(0, n_bins, (n_rows, n_columns), dtype=np.uint8)
    grad = rng.standard_normal(n_rows).astype(dtype)
    hess = (rng.random(n_rows) - 0.2).astype(dtype)
    return bins, grad, hess


def subset(n_rows, share=2, seed=1):
    return np.random.default_rng(seed).permutation(n_rows)[: n_rows // share]


def assert_equals_reference(bins, grad, hess, rows, n_bins=256):
    got = same_bytes_for_threads(
        lambda n_threads: build_histogram(
            bins, grad, hess, rows, n_bins=n_bins, n_threads=n_threads
        )
    )
    assert got.dtype == np.float64
    assert got.shape == (bins.shape[1], n_bins, 2)
    expected = reference.build_histogram(bins, grad, hess, rows, n_bins)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_rows", AWKWARD_SIZES)
def test_equals_reference(n_rows, dtype):
    node = problem(n_rows, dtype=dtype)
    for rows in (None, subset(n_rows), subset(n_rows, 5)):
        assert_equals_reference(*node, rows)
        assert_equals_reference(*node, None if rows is None else np.sort(rows))


@pytest.mark.parametrize("n_columns", [*AWKWARD_SIZES[:-2], 28, 32, 64, 65, 100])
@pytest.mark.parametrize("n_bins", [2, 16, 255, 256])
def test_columns_and_bins(n_columns, n_bins):
    node = problem(600, n_columns, n_bins=n_bins)
    for rows in (None, subset(600)):
        assert_equals_reference(*node, rows, n_bins)


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_rows_pass_the_flush(dtype):
    n_rows = 300_003
    bins, grad, hess = problem(n_rows, 9, dtype)
    bins[:, 0] = 3  # one slot takes every row, each at the largest magnitude
    grad[:] = np.abs(grad).max()
    hess[:] = -np.abs(hess).max()
    for rows in (None, np.sort(subset(n_rows)), np.sort(subset(n_rows, 4))):
        assert_equals_reference(bins, grad, hess, rows)


@pytest.mark.parametrize("largest", [np.nextafter(np.float32(1), np.float32(0)), 1.0])
def test_the_largest_integers_do_not_overflow(largest):
    # Just below a power of two the integer rounds up to 2**15 itself.
    bins = np.zeros((66_000, 1), np.uint8)
    for sign in (1, -1):
        grad = np.full(66_000, sign * largest, np.float32)
        assert_equals_reference(bins, grad, -grad, None)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 3e7])
def test_within_the_quantisation_of_the_exact_sums(dtype, scale):
    bins, grad, hess = problem(2000, 3, dtype)
    grad = grad * dtype(scale)
    rows = subset(2000)
    got = build_histogram(bins, grad, hess, rows)
    exact = reference.exact_histogram(bins, grad, hess, rows, 256)
    for c in range(3):
        count = np.bincount(bins[rows, c], minlength=256)
        for k, values in enumerate((grad, hess)):
            bound = count * np.abs(values).max().astype(np.float64) * QUANTUM
            assert (np.abs(got[c, :, k] - exact[c, :, k]) <= bound).all()


def test_values_on_the_grid_are_summed_exactly():
    bins, _, _ = problem(5000, 4)
    grad = np.random.default_rng(0).integers(-(2**14), 2**14, 5000).astype(np.float64)
    grad[0] = 2.0**14
    hess = np.ones(5000)
    exact = reference.exact_histogram(bins, grad, hess, None, 256)
    np.testing.assert_array_equal(build_histogram(bins, grad, hess), exact)


@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_magnitudes(dtype):
    info = np.finfo(dtype)
    bins, grad, hess = problem(300, 2, dtype)
    signs = reference.exact_histogram(bins, np.sign(grad), hess, None, 256)[..., 0]
    for largest in (
        info.smallest_subnormal,
        info.tiny,
        np.ldexp(dtype(1), info.maxexp - 10),
    ):
        scaled = (np.sign(grad) * largest).astype(dtype)
        assert_equals_reference(bins, scaled, hess, None)
        got = build_histogram(bins, scaled, hess)[..., 0]
        np.testing.assert_array_equal(got, signs * float(scaled.max()))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse_rows_at_either_end(dtype):
    bins, grad, hess = problem(40_001, 40, dtype)
    first, last = range(7000), range(33_001, 40_001)
    for rows in ([0], [40_000], [0, 20_000, 40_000], first, last):
        assert_equals_reference(bins, grad, hess, list(rows))


def test_zero_gradients():
    bins, grad, _ = problem(100)
    assert not build_histogram(bins, np.zeros(100), np.zeros(100)).any()
    assert not build_histogram(bins, np.zeros(100), grad)[..., 0].any()


def test_gradients_and_hessians_do_not_leak_into_each_other():
    bins = np.zeros((1000, 1), np.uint8)
    for g, h in ((1, -1), (-1, 1), (-1, -1), (1, 1), (0, -1), (-1, 0)):
        got = build_histogram(bins, np.full(1000, float(g)), np.full(1000, float(h)))
        assert got[0, 0].tolist() == [1000.0 * g, 1000.0 * h]


def test_rows_are_a_set():
    bins, grad, hess = problem(5000)
    rows = subset(5000)
    expected = build_histogram(bins, grad, hess, rows)
    ascending = np.sort(rows)
    for order in (ascending, ascending[::-1], rows.astype(np.int32), rows.tolist()):
        assert_same_bytes(build_histogram(bins, grad, hess, order), expected)
    every = np.arange(5000, dtype=np.uint32)
    assert_same_bytes(
        build_histogram(bins, grad, hess, every), build_histogram(bins, grad, hess)
    )


def test_no_rows_and_no_columns():
    bins, grad, hess = problem(10)
    empty = build_histogram(bins, grad, hess, [])
    assert empty.shape == (5, 256, 2)
    assert not empty.any()
    assert build_histogram(np.empty((10, 0), np.uint8), grad, hess).shape == (0, 256, 2)


def test_a_binned_matrix_brings_its_number_of_bins():
    X = np.random.default_rng(0).standard_normal((500, 3))
    binned = BinMapper(31).fit_transform(X)
    got = build_histogram(binned, X[:, 0], np.ones(500))
    assert got.shape == (3, 32, 2)
    by_array = build_histogram(binned.bins, X[:, 0], np.ones(500), n_bins=32)
    assert_same_bytes(got, by_array)


def test_memory_layout_makes_no_difference():
    bins, grad, hess = problem(300)
    expected = build_histogram(bins, grad, hess)
    swapped = grad.astype(grad.dtype.newbyteorder())
    strided = np.repeat(hess, 2)[::2]
    got = build_histogram(np.asfortranarray(bins), swapped, strided)
    assert_same_bytes(got, expected)
    bins.flags.writeable = False
    assert_same_bytes(build_histogram(bins, grad.tolist(), hess.tolist()), expected)


@pytest.mark.parametrize("n_rows", [0, 1, 1000])
def test_yardstick_agrees(n_rows):
    bins, grad, hess = problem(n_rows, 28)
    for rows in (None, np.sort(subset(n_rows))):
        exact = reference.exact_histogram(bins, grad, hess, rows, 256)
        for n_threads in (1, 2, 7):
            got = native.bench.histogram_f64_pairs(bins, grad, hess, rows, n_threads)
            REDUCTION.assert_close(got, exact)


@st.composite
def nodes(draw):
    seed = draw(st.integers(0, 2**32 - 1))
    n_bins = draw(st.sampled_from([2, 5, 256]))
    node = problem(
        draw(st.integers(1, 300)),
        draw(st.integers(1, 12)),
        draw(st.sampled_from(DTYPES)),
        n_bins,
        seed,
    )
    return *node, n_bins, np.random.default_rng(seed)


@settings(max_examples=60, deadline=None)
@given(nodes())
def test_parent_is_the_sum_of_its_children_exactly(node):
    bins, grad, hess, n_bins, rng = node
    parent = rng.permutation(len(bins))[: rng.integers(0, len(bins) + 1)]
    cut = rng.integers(0, len(parent) + 1)
    left, right, both = (
        build_histogram(bins, grad, hess, rows, n_bins=n_bins)
        for rows in (parent[:cut], parent[cut:], parent)
    )
    np.testing.assert_array_equal(left + right, both)
    np.testing.assert_array_equal(both - left, right)


@settings(max_examples=60, deadline=None)
@given(nodes())
def test_every_column_has_the_same_totals_exactly(node):
    bins, grad, hess, n_bins, _ = node
    totals = build_histogram(bins, grad, hess, n_bins=n_bins).sum(axis=1)
    np.testing.assert_array_equal(totals, np.broadcast_to(totals[0], totals.shape))


@settings(max_examples=40, deadline=None)
@given(nodes())
def test_the_order_of_rows_does_not_matter(node):
    bins, grad, hess, n_bins, rng = node
    order = rng.permutation(len(bins))
    assert_same_bytes(
        build_histogram(bins[order], grad[order], hess[order], n_bins=n_bins),
        build_histogram(bins, grad, hess, n_bins=n_bins),
    )
