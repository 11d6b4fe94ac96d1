from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from fastnotes._core import native
from fastnotes.boosting import (
    BinMapper,
    build_histogram,
    find_best_split,
    leaf_weight,
    split_gain,
    structure_score,
)

X = np.arange(12.0).reshape(6, 2)
BINS = np.arange(12, dtype=np.uint8).reshape(6, 2)
ONES = np.ones(6)
SUMS = np.ones((2, 4, 2))


def with_value(array, value):
    array = array.copy()
    array.flat[-1] = value
    return array


BAD_MATRICES = {
    "complex": (X + 1j, TypeError, "real numbers"),
    "object": (X.astype(object), TypeError, "real numbers"),
    "text": (X.astype(str), TypeError, "real numbers"),
    "masked": (np.ma.masked_array(X), TypeError, "mask"),
    "sparse": (sparse.csr_array(X), TypeError, "dense"),
    "one dimension": (X.ravel(), ValueError, "dimension"),
    "three dimensions": (X[None], ValueError, "dimension"),
    "ragged": ([[1.0], [1.0, 2.0]], ValueError, "rectangular"),
}


@pytest.mark.parametrize(
    ("table", "error", "message"), BAD_MATRICES.values(), ids=BAD_MATRICES
)
def test_bin_mapper_refuses(table, error, message):
    with pytest.raises(error, match=rf"\[boosting\.BinMapper\.fit\] .*{message}"):
        BinMapper().fit(table)
    with pytest.raises(error, match=message):
        BinMapper().fit_transform(table)
    with pytest.raises(error, match=message):
        BinMapper().fit(X).transform(table)


@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (0, 0)])
def test_bin_mapper_needs_a_row_and_a_column(shape):
    with pytest.raises(ValueError, match="at least one row and one column"):
        BinMapper().fit(np.empty(shape))


def test_bin_mapper_refuses_another_number_of_columns():
    with pytest.raises(ValueError, match="X with 2 columns, got 1"):
        BinMapper().fit(X).transform(X[:, :1])


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"max_bin": 1}, ValueError),
        ({"max_bin": 256}, ValueError),
        ({"max_bin": 2.5}, TypeError),
        ({"max_bin": True}, TypeError),
        ({"subsample": 0}, ValueError),
        ({"subsample": "all"}, TypeError),
        ({"random_state": -1}, ValueError),
        ({"random_state": "seed"}, TypeError),
        ({"n_threads": 0}, ValueError),
        ({"n_threads": 1.5}, TypeError),
    ],
)
def test_bin_mapper_parameters(parameters, error):
    with pytest.raises(error, match=next(iter(parameters))):
        BinMapper(**parameters).fit(X)


BAD_NODES = {
    "float bins": ({"bins": X}, TypeError, "uint8"),
    "int64 bins": ({"bins": BINS.astype(np.int64)}, TypeError, "uint8"),
    "flat bins": ({"bins": BINS.ravel()}, ValueError, "n_rows, n_columns"),
    "short grad": ({"grad": ONES[1:]}, ValueError, "grad of shape"),
    "long hess": ({"hess": np.ones(7)}, ValueError, "hess of shape"),
    "2-d grad": ({"grad": ONES[:, None]}, ValueError, "dimension"),
    "complex grad": ({"grad": ONES * 1j}, TypeError, "real"),
    "nan grad": ({"grad": with_value(ONES, np.nan)}, ValueError, "grad finite"),
    "inf grad": ({"grad": with_value(ONES, -np.inf)}, ValueError, "grad finite"),
    "nan hess": ({"hess": with_value(ONES, -np.nan)}, ValueError, "hess finite"),
    "inf hess": ({"hess": with_value(ONES, np.inf)}, ValueError, "hess finite"),
    "float rows": ({"rows": [0.0, 1.0]}, TypeError, "integers"),
    "mask": ({"rows": ONES.astype(bool)}, TypeError, "integers"),
    "2-d rows": ({"rows": [[0, 1]]}, ValueError, "dimension"),
    "row too large": ({"rows": [0, 6]}, ValueError, "rows from 0 to n_rows - 1"),
    "negative row": ({"rows": [-1]}, ValueError, "got -1"),
    "huge row": ({"rows": [2**62]}, ValueError, "rows from"),
    "unsigned row": ({"rows": np.array([2**63], np.uint64)}, ValueError, "below 2"),
    "repeated row": ({"rows": [1, 1]}, ValueError, "distinct"),
    "repeated rows apart": ({"rows": [3, 1, 2, 3]}, ValueError, "distinct"),
    "too many rows": ({"rows": [0, 1, 2, 3, 4, 5, 0]}, ValueError, "distinct"),
    "code": ({"n_bins": 11}, ValueError, "codes below n_bins = 11"),
    "code in a row": ({"n_bins": 11, "rows": [5]}, ValueError, "codes below"),
    "n_bins 1": ({"n_bins": 1}, ValueError, "n_bins from 2 to 256"),
    "n_bins 257": ({"n_bins": 257}, ValueError, "n_bins from 2 to 256"),
    "n_bins kind": ({"n_bins": 16.0}, TypeError, "n_bins"),
    "threads": ({"n_threads": 0}, ValueError, "n_threads"),
}


@pytest.mark.parametrize(
    ("change", "error", "message"), BAD_NODES.values(), ids=BAD_NODES
)
def test_build_histogram_refuses(change, error, message):
    arguments = {"bins": BINS, "grad": ONES, "hess": ONES, **change}
    with pytest.raises(error, match=rf"\[boosting\.build_histogram\] .*{message}"):
        build_histogram(**arguments)


@pytest.mark.parametrize("bad", [0, 255, 256, 65_279, 65_280, 99_999])
def test_bad_values_are_found_anywhere(bad):
    n_rows = 100_000
    bins = np.zeros((n_rows, 3), np.uint8)
    zeros = np.zeros(n_rows, np.float32)
    every = np.arange(n_rows)
    for wrong in (-1, n_rows, (bad + 1) % n_rows):
        rows = every.copy()
        rows[bad] = wrong
        message = "distinct" if 0 <= wrong < n_rows else "rows from"
        with pytest.raises(ValueError, match=message):
            build_histogram(bins, zeros, zeros, rows, n_threads=2)
    bins[bad, 2] = 9
    for rows in (None, every):
        with pytest.raises(ValueError, match="codes below"):
            build_histogram(bins, zeros, zeros, rows, n_bins=9, n_threads=2)
    for value in (np.nan, np.inf, -np.inf):
        grad = zeros.copy()
        grad[bad] = value
        with pytest.raises(ValueError, match="grad finite"):
            build_histogram(bins, grad, zeros, [1], n_threads=2)
        with pytest.raises(ValueError, match="hess finite"):
            build_histogram(bins, zeros, grad, None, n_threads=2)


def test_codes_of_unused_rows_are_not_looked_at():
    assert build_histogram(BINS, ONES, ONES, [0, 1], n_bins=4).shape == (2, 4, 2)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"histogram": SUMS[0]}, ValueError, "dimension"),
        ({"histogram": SUMS[..., :1]}, ValueError, "shape"),
        ({"histogram": SUMS[:, :1]}, ValueError, "shape"),
        ({"histogram": np.ones((1, 257, 2))}, ValueError, "shape"),
        ({"histogram": SUMS.astype(complex)}, TypeError, "real"),
        ({"reg_lambda": -1.0}, ValueError, "reg_lambda"),
        ({"gamma": np.nan}, ValueError, "gamma"),
        ({"min_child_weight": -0.1}, ValueError, "min_child_weight"),
        ({"reg_alpha": "1"}, TypeError, "reg_alpha"),
        ({"n_threads": 0}, ValueError, "n_threads"),
    ],
)
def test_find_best_split_refuses(change, error, message):
    arguments = {"histogram": SUMS, **change}
    with pytest.raises(error, match=rf"\[boosting\.find_best_split\] .*{message}"):
        find_best_split(**arguments)


@pytest.mark.parametrize("place", range(8))
def test_find_best_split_looks_at_every_entry(place):
    for value in (np.nan, np.inf, -np.inf):
        histogram = np.ones((1, 4, 2))
        histogram.flat[place] = value
        with pytest.raises(ValueError, match="histogram finite"):
            find_best_split(histogram)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: leaf_weight(1.0, -1.0), ValueError, "no minimum"),
        (lambda: leaf_weight([1.0], [0.0], reg_lambda=0.0), ValueError, "no minimum"),
        (lambda: leaf_weight([1.0, 2.0], [1.0, 2.0, 3.0]), ValueError, "broadcast"),
        (lambda: leaf_weight(1j, 1.0), TypeError, "real"),
        (lambda: leaf_weight(1.0, 1.0, reg_alpha=-1.0), ValueError, "reg_alpha"),
        (lambda: structure_score(1.0, -2.0), ValueError, "no minimum"),
        (lambda: structure_score(1.0, 1.0, gamma=-1.0), ValueError, "gamma"),
        (lambda: split_gain(1.0, 1.0, 1.0, -1.0), ValueError, "no minimum"),
        (lambda: split_gain(1, 1, 1, 1, reg_lambda=-1), ValueError, "reg_lambda"),
        (lambda: split_gain("a", 1, 1, 1), TypeError, "real"),
    ],
)
def test_formulas_refuse(call, error, message):
    with pytest.raises(error, match=rf"\[boosting\..*{message}"):
        call()


def test_bindings_check_memory_themselves():
    room = native.boosting
    single = ONES.astype(np.float32)
    with pytest.raises(ValueError, match="C-contiguous"):
        room.fit_thresholds(np.asfortranarray(X), None, 255, 6, 0, 1)
    with pytest.raises(ValueError, match="max_bin"):
        room.fit_thresholds(X, None, 256, 6, 0, 1)
    with pytest.raises(ValueError, match="sample_weight of size"):
        room.fit_thresholds(X, ONES[1:], 255, 6, 0, 1)
    with pytest.raises(ValueError, match="thresholds"):
        room.assign_bins(X, np.zeros((1, 3)), 256, 1)
    with pytest.raises(ValueError, match="thresholds"):
        room.assign_bins(X, np.zeros((2, 3)), 4, 1)
    with pytest.raises(ValueError, match="dtype uint8"):
        room.build_histogram(X, ONES, ONES, None, 256, 1)
    with pytest.raises(ValueError, match="hess"):
        room.build_histogram(BINS, ONES, single, None, 256, 1)
    with pytest.raises(ValueError, match="size n_rows"):
        room.build_histogram(BINS, ONES[1:], ONES, None, 256, 1)
    with pytest.raises(ValueError, match="last extent"):
        room.find_best_split(np.ones((1, 4, 3)), 1.0, 0.0, 1.0, 0.0, 1)
    with pytest.raises(ValueError, match="rows in range"):
        native.bench.histogram_f64_pairs(BINS, single, single, np.array([6]), 1)
