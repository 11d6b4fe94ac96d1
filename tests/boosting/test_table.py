from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator

from fastnotes.boosting.table import TableEncoder
from fastnotes.boosting.training_table import MISSING_CODE, bin_table
from support.columns import mixed_columns
from support.sweeps import DTYPES, same_bytes_for_threads

NAN = np.nan


def encode(X, **parameters):
    return TableEncoder(**parameters).fit_encode(X)


@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_arrays_pass_through(dtype):
    X = mixed_columns(50, dtype)
    encoder = TableEncoder()
    assert encoder.fit_encode(X) is X
    assert encoder.encode(X) is X
    assert encoder.encode(X[:3]).base is X
    assert encoder.n_features_in_ == X.shape[1]
    assert encoder.levels_ == {}


@pytest.mark.parametrize(
    ("table", "dtype"),
    [
        ([[1, 2], [3, 4]], np.float64),
        (np.array([[1, 2], [3, 4]], np.int8), np.float64),
        (np.array([[True, False], [False, True]]), np.float64),
        (np.array([[1, 2], [3, 4]], np.float16), np.float64),
        (np.array([[1, 2], [3, 4]], ">f4"), np.float32),
        (np.asfortranarray(np.ones((3, 2), np.float32)), np.float32),
        (np.ones((6, 4))[::2, ::2], np.float64),
        (np.array([[1, None], [2.5, NAN]], object), np.float64),
    ],
)
def test_other_arrays_are_converted(table, dtype):
    matrix = encode(table)
    assert matrix.dtype == dtype
    assert matrix.flags.c_contiguous
    expected = np.array(np.asarray(table), np.float64)
    np.testing.assert_array_equal(matrix, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, object])
def test_missing_values(dtype):
    X = np.array([[-9, 1], [2, -9], [3, 4]], dtype)
    before = X.copy()
    encoder = TableEncoder(missing=-9)
    expected = [[NAN, 1], [2, NAN], [3, 4]]
    np.testing.assert_array_equal(encoder.fit_encode(X), expected)
    np.testing.assert_array_equal(encoder.encode(X), expected)
    np.testing.assert_array_equal(X, before)
    again = np.array([[NAN, 1.0]])  # NaN is missing whatever else is
    np.testing.assert_array_equal(encoder.encode(again), again)


def test_nothing_missing_nothing_copied():
    X = np.ones((3, 2))
    assert encode(X, missing=-9) is X
    assert encode(X, missing=None) is X


def test_names_and_numbers_are_those_of_the_owner():
    class Owner(BaseEstimator):
        pass

    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    owner, encoder = Owner(), TableEncoder()
    encoder.fit_encode(frame, owner=owner)
    assert owner.n_features_in_ == 2
    assert owner.feature_names_in_.tolist() == ["a", "b"]
    with pytest.warns(UserWarning, match="Owner was fitted with feature names"):
        encoder.encode(frame.to_numpy(), owner=owner)
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        encoder.encode(frame[["b", "a"]], owner=owner)
    with pytest.raises(ValueError, match="yet now missing"):
        encoder.encode(frame[["a"]], owner=owner)
    encoder.fit_encode(frame.to_numpy(), owner=owner)
    assert not hasattr(owner, "feature_names_in_")
    with pytest.raises(ValueError, match="X has 1 features, but Owner is expecting 2"):
        encoder.encode(np.ones((3, 1)), owner=owner)


def test_pickle():
    X = np.array([[0.0, 5.0], [3.0, 7.0]])
    encoder = TableEncoder(categorical_features=[1], missing=-1)
    expected = encoder.fit_encode(X)
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(again.encode(X), expected)


def test_numbers_beside_text_in_lists_stay_numbers():
    rows = [[0.5, "Bern"], [1.5, "Chur"]]
    matrix = TableEncoder(categorical_features=[1]).fit_encode(rows)
    np.testing.assert_array_equal(matrix, [[0.5, 0], [1.5, 1]])


BAD_TABLES = {
    "one dimension": (np.ones(3), ValueError, "Reshape your data"),
    "three dimensions": (np.ones((2, 2, 2)), ValueError, "2 dimensions"),
    "ragged": ([[1.0], [1.0, 2.0]], ValueError, "rectangular"),
    "no rows": (np.ones((0, 2)), ValueError, r"0 sample\(s\) \(shape=\(0, 2\)\) while"),
    "no columns": (
        np.ones((2, 0)),
        ValueError,
        r"0 feature\(s\) \(shape=\(2, 0\)\) while a minimum of 1 is required",
    ),
    "complex": (np.ones((2, 2)) * 1j, ValueError, "Complex data not supported"),
    "text": (np.array([["a", "b"]]), TypeError, "column 0 of numbers"),
    "object text": (np.array([[1, "2"]], object), TypeError, "column 1 .* text '2'"),
    "dict": (
        np.array([[1, {"a": 1}]], object),
        TypeError,
        "argument must be .* string.* number",
    ),
    "dates": (np.array([["2020-01-01"]], "M8[D]"), TypeError, "column 0 of numbers"),
    "long double": (np.ones((2, 2), np.longdouble), TypeError, "column 0 of numbers"),
    "masked": (np.ma.masked_array(np.ones((2, 2))), TypeError, "mask"),
    "sparse complex": (sparse.csr_array(np.eye(2) * 1j), ValueError, "Complex"),
    "sparse empty": (sparse.csr_array((0, 3)), ValueError, "while a minimum of 1"),
}


@pytest.mark.parametrize(
    ("table", "error", "message"), BAD_TABLES.values(), ids=BAD_TABLES
)
def test_bad_tables(table, error, message):
    with pytest.raises(error, match=rf"^\[there\] expected .*{message}"):
        TableEncoder().fit_encode(table, where="there")


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"missing": "?"}, TypeError),
        ({"missing": np.inf}, ValueError),
        ({"absent": "none"}, ValueError),
        ({"unseen": 3}, TypeError),
        ({"categorical_features": "all"}, ValueError),
        ({"categorical_features": [2]}, ValueError),
        ({"categorical_features": [-1]}, ValueError),
        ({"categorical_features": [1.0]}, TypeError),
        ({"categorical_features": ["a"]}, ValueError),
        ({"categorical_features": [True]}, ValueError),
        ({"categorical_features": [[0]]}, ValueError),
    ],
)
def test_bad_parameters(parameters, error):
    with pytest.raises(error, match=next(iter(parameters))):
        encode(np.ones((3, 2)), **parameters)


def pandas_frame(pandas):
    return pandas.DataFrame(
        {
            "int": [1, 2, 3],
            "single": np.array([0.5, 1.5, NAN], np.float32),
            "nullable": pandas.array([1, None, 3], dtype="Int64"),
            "flag": pandas.array([True, None, False], dtype="boolean"),
            "real": pandas.array([0.1, None, 0.3], dtype="Float64"),
            "kind": pandas.Categorical(["b", None, "a"], categories=["b", "a", "z"]),
            "text": ["u", "v", None],
        }
    )


def test_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas_frame(pandas)
    expected = [
        [1, 0.5, 1, 1, 0.1, 0, 0],
        [2, 1.5, NAN, NAN, NAN, NAN, 1],
        [3, NAN, 3, 0, 0.3, 1, NAN],
    ]
    encoder = TableEncoder(categorical_features=["kind", "text"])
    np.testing.assert_array_equal(encoder.fit_encode(frame), expected)
    np.testing.assert_array_equal(encoder.encode(frame.iloc[::-1]), expected[::-1])
    numbers = encode(frame[["int", "nullable"]])
    np.testing.assert_array_equal(numbers, np.array(expected)[:, [0, 2]])
    assert encode(frame[["single", "kind"]], categorical_features=[1]).dtype == "f4"
    from_dtype = encode(frame.drop(columns="text"), categorical_features="from_dtype")
    np.testing.assert_array_equal(from_dtype, np.array(expected)[:, :6])


def test_pandas_refuses_what_is_not_a_number():
    pandas = pytest.importorskip("pandas")
    frame = pandas_frame(pandas)
    with pytest.raises(TypeError, match="column 'kind' of numbers, or its name in"):
        encode(frame, categorical_features=["text"])
    with pytest.raises(TypeError, match="column 'text' of numbers"):
        encode(frame, categorical_features="from_dtype")
    dates = pandas.DataFrame({"day": pandas.to_datetime(["2020-01-01"])})
    with pytest.raises(TypeError, match="column 'day' of numbers"):
        encode(dates)
    lists = pandas.DataFrame({"list": [[1], [2]]})
    with pytest.raises(TypeError, match="column 'list' of values that can be hashed"):
        encode(lists, categorical_features=[0])
    with pytest.raises(ValueError, match="categorical_features that X has, got 'no'"):
        encode(frame, categorical_features=["no"])


def test_polars():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {
            "int": [1, None, 3],
            "single": polars.Series([0.5, 1.5, None], dtype=polars.Float32),
            "flag": [True, None, False],
            "kind": polars.Series(["b", None, "a"], dtype=polars.Categorical),
            "enum": polars.Series(["b", None, "a"], dtype=polars.Enum(["b", "z", "a"])),
            "text": ["u", "v", None],
        }
    )
    expected = [
        [1, 0.5, 1, 1, 0, 0],
        [NAN, 1.5, NAN, NAN, NAN, 1],
        [3, NAN, 0, 0, 2, NAN],
    ]
    encoder = TableEncoder(categorical_features=["kind", "enum", "text"])
    np.testing.assert_array_equal(encoder.fit_encode(frame), expected)
    np.testing.assert_array_equal(encoder.encode(frame.reverse()), expected[::-1])
    assert encoder.feature_names_in_.tolist() == frame.columns
    from_dtype = encode(frame.drop("text"), categorical_features="from_dtype")
    np.testing.assert_array_equal(from_dtype, np.array(expected)[:, :5])
    assert encode(frame[["single"]]).dtype == np.float32
    for name in ("text", "kind"):
        with pytest.raises(TypeError, match=f"column '{name}' of numbers"):
            encode(frame[[name]])


def test_arrow_tables_go_through_pandas():
    pandas = pytest.importorskip("pandas")

    class Table:
        schema = None

        def to_pandas(self):
            return pandas.DataFrame({"a": [1.0, 2.0]})

    np.testing.assert_array_equal(encode(Table()), [[1.0], [2.0]])


def test_bins_are_those_of_the_thresholds():
    X = mixed_columns(2000, np.float32)
    table = bin_table(X, {}, max_bin=63)
    assert table.bins.dtype == np.uint8
    assert table.columns.column_bins.max() == 63
    for c, (first, last) in enumerate(
        zip(table.columns.cut_offsets, table.columns.cut_offsets[1:], strict=False)
    ):
        cuts = table.columns.cuts[first:last]
        codes = np.searchsorted(cuts, X[:, c])
        codes[np.isnan(X[:, c])] = MISSING_CODE
        np.testing.assert_array_equal(table.bins[:, c], codes)
        assert table.columns.column_bins[c] == last - first + 1
    np.testing.assert_array_equal(table.columns.bin(X[7:99]), table.bins[7:99])
    double = X.astype(np.float64)
    np.testing.assert_array_equal(table.columns.bin(double), table.bins)


def test_splits_of_nodes():
    X = np.array([[1.0, 1], [2, 2], [NAN, 2], [4, 1]])
    columns = bin_table(X, {}).columns
    splits = columns.decode(
        np.array([0, 0, 0, 1, -1], np.int32), np.array([0, 1, 2, 0, 0], np.int32)
    )
    np.testing.assert_array_equal(splits.threshold, [1.5, 3.0, np.inf, 1.5, 0.0])
    assert splits.threshold.dtype == np.float64
    assert splits.category_offsets.tolist() == [0] * 6
    assert splits.category_words.dtype == np.uint32
    empty = columns.decode(np.empty(0, np.int32), np.empty(0, np.int32))
    assert empty.category_offsets.tolist() == [0]


def test_a_threshold_parts_the_rows_that_its_bin_parts():
    X = mixed_columns(3000, np.float32)
    table = bin_table(X, {}, max_bin=100)
    for c, n_bins in enumerate(table.columns.column_bins):
        bins = np.arange(n_bins, dtype=np.int32)
        threshold = table.columns.decode(np.full(n_bins, c), bins).threshold
        with np.errstate(invalid="ignore"):
            left = X[:, c, None].astype(np.float64) <= threshold
        known = ~np.isnan(X[:, c])
        by_bin = table.bins[:, c, None] <= bins
        np.testing.assert_array_equal(left[known], by_bin[known])


def test_same_bytes_for_any_number_of_threads():
    X = np.tile(mixed_columns(20_011, np.float32), (1, 4))
    codes = np.random.default_rng(0).integers(0, 900, len(X)).astype(np.float32)
    X = np.column_stack([X, codes])
    encoder = TableEncoder(categorical_features=[X.shape[1] - 1])
    values = encoder.fit_encode(X)
    y = np.random.default_rng(1).random(len(X))

    def run(n_threads):
        table = bin_table(values, encoder.levels_, statistic=y, n_threads=n_threads)
        return table.bins, table.columns.cuts, table.columns.column_bins

    same_bytes_for_threads(run)
