"""Meaning is checked once, in one voice."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from fastnotes import _validation as v

VOICE = r"^\[room\.f\] expected .+, got .+"


def test_right_arrays_come_back_untouched():
    for dtype in (np.float32, np.float64):
        array = np.ones((2, 3), dtype)
        assert v.as_real_array(array, "room.f", "x") is array


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([[1, 2]], np.float64),
        (np.ones((2, 2), np.float16), np.float64),
        (np.ones((2, 2), bool), np.float64),
        (np.ones((2, 2), ">f4"), np.float32),
        (np.ones((2, 2), ">f8"), np.float64),
        (np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.float64),
        (np.arange(12, dtype=np.float32).reshape(2, 6)[:, ::2], np.float32),
        (np.ones((0, 3)), np.float64),
    ],
)
def test_conversion_happens_once_and_keeps_values(value, dtype):
    array = v.as_real_array(value, "room.f", "x")
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    assert array.dtype.isnative
    np.testing.assert_array_equal(array, np.asarray(value))


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (np.ones(2, complex), TypeError),
        (np.array([1, None]), TypeError),
        (np.array(["1"]), TypeError),
        (np.array(["2020-01-01"], "datetime64[D]"), TypeError),
        (np.ma.masked_array([1.0], [True]), TypeError),
        (sparse.csr_array(np.eye(2)), TypeError),
        ([[1.0], [1.0, 2.0]], ValueError),
        (1.0, ValueError),
        (np.ones((1, 1, 1)), ValueError),
    ],
)
def test_bad_real_arrays(value, error):
    with pytest.raises(error, match=VOICE):
        v.as_real_array(value, "room.f", "x", ndim=(1, 2))


def test_longdouble_is_refused_rather_than_rounded():
    if np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("longdouble is float64 here")
    with pytest.raises(TypeError, match=VOICE):
        v.as_real_array(np.ones(2, np.longdouble), "room.f", "x")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (np.array([1.0]), TypeError),
        (np.array([True]), TypeError),
        (["a"], TypeError),
        (np.array([2**63], np.uint64), ValueError),
        ([[1]], ValueError),
    ],
)
def test_bad_index_arrays(value, error):
    with pytest.raises(error, match=VOICE):
        v.as_index_array(value, "room.f", "rows")


def test_index_arrays():
    assert v.as_index_array([], "room.f", "rows").dtype == np.int64
    assert v.as_index_array(np.array([3], np.uint8), "room.f", "rows").tolist() == [3]


@pytest.mark.parametrize(
    ("value", "error"), [(1.0, TypeError), (True, TypeError), (-1, ValueError)]
)
def test_bad_integers(value, error):
    with pytest.raises(error, match=VOICE):
        v.as_integer(value, "room.f", "k", low=0)


def test_an_integer_too_long_to_write_is_named_by_its_length():
    with pytest.raises(ValueError, match="k <= 9, got an integer of 16610 bits"):
        v.as_integer(10**5000, "room.f", "k", high=9)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("1", TypeError),
        (None, TypeError),
        (True, TypeError),
        (1j, TypeError),
        (np.complex128(0.5), TypeError),
        (np.array(0.5 + 0j), TypeError),
        (np.array([0.5]), TypeError),
        (10**400, ValueError),
        (Fraction(10**400), ValueError),
        (np.nan, ValueError),
        (np.inf, ValueError),
        (-0.5, ValueError),
        (2.0, ValueError),
    ],
)
def test_bad_reals(value, error):
    with pytest.raises(error, match=VOICE):
        v.as_real(value, "room.f", "rate", low=0.0, high=1.0)


def test_choices():
    assert v.check_choice("a", "room.f", "kind", ("a", "b")) == "a"
    with pytest.raises(ValueError, match=r"kind as one of 'a', 'b', got 'c'"):
        v.check_choice("c", "room.f", "kind", ("a", "b"))
    with pytest.raises(TypeError, match=VOICE):
        v.check_choice(1, "room.f", "kind", ("a", "b"))


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("out", "error"),
    [
        ([0.0, 0.0], TypeError),
        (np.zeros(2, np.float32), ValueError),
        (np.zeros(3), ValueError),
        (np.zeros(4)[::2], ValueError),
        (np.zeros(2, ">f8"), ValueError),
        (read_only(np.zeros(2)), ValueError),
        (np.ma.zeros(2), TypeError),
    ],
)
def test_bad_outputs(out, error):
    with pytest.raises(error, match=VOICE):
        v.check_out(out, "room.f", (2,), np.float64)


def test_output_apart_from_inputs():
    array = np.zeros(4)
    v.check_out(array[:2], "room.f", (2,), np.float64, np.zeros(4))
    with pytest.raises(ValueError, match="overlapping memory"):
        v.check_out(array[:2], "room.f", (2,), np.float64, array[1:3])


def test_non_finite_values_are_named_by_place():
    with pytest.raises(ValueError, match=r"got nan at index \(1, 0\)"):
        v.check_finite(np.array([[0.0], [np.nan]]), "room.f", "x")


def test_shape_is_spelled_out():
    with pytest.raises(
        ValueError, match=r"w of shape \(4H, D\) = \(8, 3\), got \(8, 2\)"
    ):
        v.check_shape(np.zeros((8, 2)), "room.f", "w", (8, 3), "(4H, D)")
