from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from fastnotes._core import native
from fastnotes.boosting.sparse_table import assign_sparse, bin_sparse
from fastnotes.boosting.table import TableEncoder
from fastnotes.boosting.training_table import bin_table
from support.columns import mixed_columns
from support.sweeps import DTYPES, same_bytes_for_threads

ABSENT = ("zero", "missing")


def sparse_columns(n_rows, dtype, seed=0):
    """Mixed columns with most entries absent, one with none and one with all."""
    rng = np.random.default_rng(seed)
    X = mixed_columns(n_rows, dtype, seed)
    X[rng.random(X.shape) < 0.7] = 0
    X[:, 0] = 0
    X[:, 8] = rng.standard_normal(n_rows)
    matrix = sparse.csr_array(X)
    matrix.data[rng.random(matrix.nnz) < 0.1] = 0.0  # zeros that are stored
    return matrix


def dense_form(matrix, absent):
    X = np.full(matrix.shape, 0.0 if absent == "zero" else np.nan, matrix.dtype)
    entries = matrix.tocoo()
    X[entries.coords] = entries.data
    return X


def all_bins(table):
    bins = np.repeat(table.absent_bins[None], table.n_rows, axis=0)
    column = np.repeat(np.arange(len(table.absent_bins)), np.diff(table.offsets))
    bins[table.rows, column] = table.bins
    return bins


def assert_equals_dense(matrix, absent, missing=np.nan, **parameters):
    encoder = TableEncoder(absent=absent, missing=missing)
    encoded = encoder.fit_encode(matrix)
    got = bin_sparse(encoded, absent=absent, missing=missing, **parameters)
    dense = TableEncoder(missing=missing).fit_encode(dense_form(matrix, absent))
    expected = bin_table(dense, {}, **parameters)
    np.testing.assert_array_equal(got.columns.cuts, expected.columns.cuts)
    assert got.columns.cuts.dtype == expected.columns.cuts.dtype
    np.testing.assert_array_equal(got.columns.cut_offsets, expected.columns.cut_offsets)
    np.testing.assert_array_equal(got.columns.column_bins, expected.columns.column_bins)
    np.testing.assert_array_equal(all_bins(got.bins), expected.bins)
    blocks = list(encoder.encode_blocks(matrix, 64))
    np.testing.assert_array_equal(np.concatenate([b for _, b in blocks]), dense)
    assert [first for first, _ in blocks] == list(range(0, matrix.shape[0], 64))


@pytest.mark.parametrize("absent", ABSENT)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_rows", [1, 2, 17, 257, 3000])
def test_equals_the_dense_form(n_rows, dtype, absent):
    matrix = sparse_columns(n_rows, dtype)
    for max_bin in (2, 3, 16, 255):
        assert_equals_dense(matrix, absent, max_bin=max_bin)


@pytest.mark.parametrize("absent", ABSENT)
@pytest.mark.parametrize("missing", [-9.0, 0.0, 3.0])
def test_missing_numbers(missing, absent):
    assert_equals_dense(sparse_columns(500, np.float32), absent, missing)


@pytest.mark.parametrize("absent", ABSENT)
@pytest.mark.parametrize("subsample", [1, 100, 999, 2500])
def test_samples_and_weights(subsample, absent):
    matrix = sparse_columns(1000, np.float64)
    rng = np.random.default_rng(1)
    for weight in (None, rng.random(1000), rng.integers(0, 4, 1000).astype(float)):
        assert_equals_dense(
            matrix,
            absent,
            sample_weight=weight,
            subsample=subsample,
            random_state=5,
            max_bin=31,
        )


@settings(max_examples=100, deadline=None)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 30), st.integers(1, 4)),
        elements=st.one_of(st.just(0.0), st.floats(width=32)),
    ),
    st.integers(2, 9),
    st.sampled_from(ABSENT),
)
def test_any_table(X, max_bin, absent):
    assert_equals_dense(sparse.csc_array(X), absent, max_bin=max_bin)


@pytest.mark.parametrize("absent", ABSENT)
def test_new_rows(absent):
    matrix = sparse_columns(500, np.float32)
    columns = bin_sparse(matrix.tocsc(), absent=absent).columns
    for dtype in DTYPES:
        new = sparse_columns(200, dtype, seed=1)
        got = assign_sparse(columns, new.tocsc(), absent=absent)
        expected = columns.bin(dense_form(new, absent))
        np.testing.assert_array_equal(all_bins(got), expected)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("container", ["array", "matrix"])
def test_every_kind_of_sparse_matrix(kind, container):
    X = np.round(np.random.default_rng(0).standard_normal((12, 6)))
    expected = TableEncoder().fit_encode(sparse.csc_array(X))
    got = TableEncoder().fit_encode(getattr(sparse, f"{kind}_{container}")(X))
    np.testing.assert_array_equal(got.toarray(), expected.toarray())
    assert got.format == "csc"
    assert got.has_canonical_format
    for wide in (np.int64, np.bool_, np.float32):
        cast = TableEncoder().fit_encode(sparse.csr_array(X.astype(wide)))
        assert cast.dtype == (np.float32 if wide is np.float32 else np.float64)


def test_wide_indices():
    matrix = sparse_columns(50, np.float64)
    wide = matrix.copy()
    wide.indices = matrix.indices.astype(np.int64)
    wide.indptr = matrix.indptr.astype(np.int64)
    assert_equals_dense(wide, "zero")


def test_duplicates_are_summed_and_the_input_stays():
    parts = (np.array([1.0, 2.0, 5.0]), np.array([1, 1, 0]), np.array([0, 2, 3]))
    for kind in (sparse.csr_array, sparse.csc_array):
        matrix = kind(parts, shape=(2, 2))
        encoded = TableEncoder().fit_encode(matrix)
        np.testing.assert_array_equal(encoded.toarray(), matrix.toarray())
        assert matrix.nnz == 3
        blocks = TableEncoder()
        blocks.fit_encode(matrix)
        [(_, block)] = blocks.encode_blocks(matrix, 10)
        np.testing.assert_array_equal(block, matrix.toarray())


def broken(**changes):
    matrix = sparse.csr_array(np.ones((3, 2)))
    for name, index, value in changes.values():
        getattr(matrix, name)[index] = value
    return matrix


BROKEN = {
    "index too large": broken(a=("indices", 1, 2)),
    "negative index": broken(a=("indices", 0, -1)),
    "falling indptr": broken(a=("indptr", 1, 5)),
    "indptr too large": broken(a=("indptr", 3, 100)),
    "indptr from 1": broken(a=("indptr", 0, 1)),
}


@pytest.mark.parametrize("matrix", BROKEN.values(), ids=BROKEN)
def test_broken_matrices(matrix):
    with pytest.raises(ValueError, match=r"^\[there\] expected a sparse X whose"):
        TableEncoder().fit_encode(matrix, where="there")
    encoder = TableEncoder()
    encoder.fit_encode(sparse.csr_array(np.ones((3, 2))))
    with pytest.raises(ValueError, match=r"^\[there\] expected a sparse X whose"):
        list(encoder.encode_blocks(matrix, 2, where="there"))


def test_broken_coordinates():
    matrix = sparse.coo_array(np.ones((3, 2)))
    matrix.coords[1][0] = 2
    with pytest.raises(ValueError, match="outside 0"):
        TableEncoder().fit_encode(matrix)
    lists = sparse.lil_array(np.ones((3, 2)))
    lists.rows[0] = [0, 7]
    with pytest.raises(ValueError, match="sparse X whose indices"):
        TableEncoder().fit_encode(lists)


def test_categories_need_a_dense_table():
    matrix = sparse.csr_array(np.ones((3, 2)))
    with pytest.raises(TypeError, match="categorical_features=None with a sparse X"):
        TableEncoder(categorical_features=[0]).fit_encode(matrix)
    encoder = TableEncoder(categorical_features=[0])
    encoder.fit_encode(np.ones((3, 2)))
    with pytest.raises(TypeError, match="a dense X"):
        encoder.encode(matrix)


def test_bindings_check_memory_themselves():
    room = native.boosting
    offsets, rows, values = np.array([0, 2]), np.array([0, 1], np.int32), np.ones(2)

    def fit(offsets=offsets, rows=rows, values=values, n_rows=2, weight=None):
        room.fit_sparse_thresholds(
            n_rows, offsets, rows, values, True, weight, 255, 10, 0, 1
        )

    fit()
    for bad in (
        {"offsets": np.array([0, 3])},
        {"offsets": np.array([1, 2])},
        {"offsets": np.array([0, 3, 2])},
        {"offsets": np.empty(0, np.int64)},
        {"rows": rows[::-1].copy()},
        {"rows": rows - 1},
        {"n_rows": 1},
        {"values": np.ones(3)},
        {"weight": np.ones(3)},
    ):
        with pytest.raises(ValueError, match=r"\[boosting\.bin_sparse\] expected"):
            fit(**bad)
    cuts, places = np.zeros(3), np.array([0, 3])
    for arguments in (
        (np.array([0, 3]), values, cuts, places),
        (offsets, values, cuts, np.array([0, 2])),
        (offsets, values, cuts, np.array([0, 1, 3])),
        (offsets, values, np.zeros(255), np.array([0, 255])),
        (offsets, values, cuts, np.array([0, 4, 3])),
    ):
        with pytest.raises(ValueError, match=r"\[boosting\.bin_sparse\] expected"):
            room.assign_sparse_bins(*arguments, 256, 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bytes_for_any_number_of_threads(dtype):
    matrix = sparse.hstack([sparse_columns(20_011, dtype)] * 7, format="csc")

    def run(n_threads):
        table = bin_sparse(matrix, subsample=5000, n_threads=n_threads)
        return (*table.bins[1:], table.columns.cuts, table.columns.column_bins)

    same_bytes_for_threads(run)
