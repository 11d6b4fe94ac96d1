"""Products against NumPy, their written order, and bytes that nothing else changes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnotes._reference import nn as reference
from fastnotes.nn import PackedMatrix, matmul
from support.sweeps import (
    AWKWARD_SIZES,
    DTYPES,
    assert_same_bytes,
    same_bytes_for_threads,
)
from support.tolerances import PRODUCT

Array = np.ndarray[Any, Any]
Multiply = Callable[..., Array]

#: Values of k that make one chain of fma: part of the result's definition.
DEPTH_BLOCK = 256


def packed(a: Array, b: Array, **options: Any) -> Array:
    return PackedMatrix(b).matmul(a, **options)


def packed_transposed(a: Array, b: Array, **options: Any) -> Array:
    return PackedMatrix(b.T, transpose=True).matmul(a, **options)


def transposed_a(a: Array, b: Array, **options: Any) -> Array:
    return matmul(np.ascontiguousarray(a.T), b, transpose_a=True, **options)


def transposed_b(a: Array, b: Array, **options: Any) -> Array:
    return matmul(a, np.ascontiguousarray(b.T), transpose_b=True, **options)


def transposed_both(a: Array, b: Array, **options: Any) -> Array:
    return matmul(a.T, b.T, transpose_a=True, transpose_b=True, **options)


FORMS: tuple[Multiply, ...] = (
    matmul,
    transposed_a,
    transposed_b,
    transposed_both,
    packed,
    packed_transposed,
)


def operands(
    rows: int, depth: int, columns: int, dtype: Any, seed: int = 0
) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((rows, depth)).astype(dtype)
    b = rng.standard_normal((depth, columns)).astype(dtype)
    return a, b


def assert_product(got: Array, a: Array, b: Array) -> None:
    assert got.dtype == a.dtype
    PRODUCT.assert_close(got, reference.matmul(a, b), reference.matmul_magnitude(a, b))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", AWKWARD_SIZES)
def test_every_form_matches_numpy_with_the_same_bytes(size: int, dtype: Any) -> None:
    for rows, depth, columns in (
        (size, 17, 33),
        (33, size, 17),
        (17, 33, size),
        (size, size, size),
    ):
        a, b = operands(rows, depth, columns, dtype)
        first = matmul(a, b)
        assert_product(first, a, b)
        for form in FORMS[1:]:
            assert_same_bytes(form(a, b), first, form.__name__)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "shape",
    [(1, 300, 3000), (8, 512, 1030), (250, 600, 130), (1100, 40, 70), (5, 9, 4)],
)
def test_threads_do_not_change_a_byte(
    shape: tuple[int, int, int], form: Multiply, dtype: Any
) -> None:
    a, b = operands(*shape, dtype)
    got = same_bytes_for_threads(lambda n: form(a, b, n_threads=n))
    assert_product(got, a, b)


def in_written_order(a: Array, b: Array) -> Array:
    """The sums as the documentation defines them, one rounding per step.

    The operands must be so short that a product plus a sum is exact in float64.
    """
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for first in range(0, a.shape[1], DEPTH_BLOCK):
        block = np.zeros_like(total)
        for k in range(first, min(first + DEPTH_BLOCK, a.shape[1])):
            term = np.outer(a[:, k].astype(np.float64), b[k].astype(np.float64))
            block = (block.astype(np.float64) + term).astype(np.float32)
        total = block if first == 0 else total + block
    return total


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("depth", [1, 255, 256, 257, 700])
def test_sums_run_in_the_written_order(depth: int, form: Multiply) -> None:
    rng = np.random.default_rng(depth)
    a, b = (
        np.ldexp(rng.integers(-2047, 2048, shape), rng.integers(-14, -7, shape)).astype(
            np.float32
        )
        for shape in ((9, depth), (depth, 70))
    )
    expected = in_written_order(a, b)
    assert_same_bytes(form(a, b), expected)
    if depth > 1:  # the test means something: another order gives other bytes
        assert in_written_order(a[:, ::-1], b[::-1]).tobytes() != expected.tobytes()


@settings(max_examples=30, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_has_the_same_bytes_wherever_it_stands(
    form: Multiply, dtype: Any, data: st.DataObject
) -> None:
    depth = data.draw(st.sampled_from([1, 5, 64, 300]), label="depth")
    columns = data.draw(st.sampled_from([1, 16, 65, 130]), label="columns")
    a, b = operands(40, depth, columns, dtype)
    whole = matmul(a, b)
    chosen = data.draw(
        st.lists(st.integers(0, 39), min_size=1, max_size=40), label="rows"
    )
    n_threads = data.draw(st.integers(1, 3), label="n_threads")
    got = form(np.ascontiguousarray(a[chosen]), b, n_threads=n_threads)
    assert_same_bytes(got, whole[chosen])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_a_column_has_the_same_bytes_wherever_it_stands(
    form: Multiply, dtype: Any
) -> None:
    a, b = operands(13, 77, 150, dtype)
    whole = matmul(a, b)
    chosen = np.random.default_rng(1).permutation(150)[:31]
    assert_same_bytes(form(a, b[:, chosen].copy()), whole[:, chosen].copy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_integers_are_exact(form: Multiply, dtype: Any) -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(-9, 10, (19, 400)), rng.integers(-9, 10, (400, 67))
    got = form(a.astype(dtype), b.astype(dtype))
    np.testing.assert_array_equal(got, a @ b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_empty_sums_are_zero(form: Multiply, dtype: Any) -> None:
    a, b = operands(3, 0, 5, dtype)
    assert_same_bytes(form(a, b), np.zeros((3, 5), dtype))
    out = np.full((3, 5), 7, dtype)
    form(a, b, out=out, accumulate=True)
    np.testing.assert_array_equal(out, 7)


@pytest.mark.parametrize("form", FORMS)
def test_nan_and_infinity_reach_their_own_row_and_column_only(form: Multiply) -> None:
    a, b = np.ones((20, 30), np.float32), np.ones((30, 70), np.float32)
    a[3, 4], a[7, 29], b[5, 66] = np.nan, np.inf, np.nan
    b[29, 2] = 0.0  # inf * 0
    got = form(a, b)
    expected = np.full((20, 70), 30, np.float32)
    expected[:, 2] -= 1
    expected[7] = np.inf
    expected[7, 2] = np.nan
    expected[3] = np.nan
    expected[:, 66] = np.nan
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_out_is_filled_and_returned(form: Multiply, dtype: Any) -> None:
    a, b = operands(9, 20, 33, dtype)
    out = np.full((9, 33), np.nan, dtype)
    assert form(a, b, out=out) is out
    assert_same_bytes(out, matmul(a, b))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_accumulating_whole_blocks_gives_the_bytes_of_one_call(
    form: Multiply, dtype: Any
) -> None:
    a, b = operands(21, 3 * DEPTH_BLOCK + 40, 75, dtype)
    split = 2 * DEPTH_BLOCK
    out = form(a[:, :split].copy(), b[:split])
    form(a[:, split:].copy(), b[split:], out=out, accumulate=True)
    assert_same_bytes(out, matmul(a, b))


def test_mixed_dtypes_meet_in_float64() -> None:
    a, b = operands(4, 5, 6, np.float32)
    got = matmul(a, b.astype(np.float64))
    assert_same_bytes(got, matmul(a.astype(np.float64), b.astype(np.float64)))
    assert matmul([[1, 2]], [[3], [4]]).tolist() == [[11.0]]


@pytest.mark.parametrize("layout", ["fortran", "strided", "big endian", "read only"])
def test_any_layout_of_input_is_read(layout: str) -> None:
    a, b = operands(7, 11, 13, np.float32)
    expected = matmul(a, b)
    change = {
        "fortran": np.asfortranarray,
        "strided": lambda x: np.repeat(x, 3, axis=1)[:, ::3],
        "big endian": lambda x: x.astype(">f4"),
        "read only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    }[layout]
    assert_same_bytes(matmul(change(a), change(b)), expected)
    assert_same_bytes(PackedMatrix(change(b)).matmul(change(a)), expected)


def test_a_packed_matrix_keeps_its_values() -> None:
    a, b = operands(3, 4, 5, np.float64)
    weights = PackedMatrix(b)
    expected = matmul(a, b)
    b[:] = 0
    assert_same_bytes(weights.matmul(a), expected)
    assert weights.shape == (4, 5)
    assert weights.dtype == np.float64
    assert PackedMatrix(b, transpose=True).shape == (5, 4)
    assert "(4, 5)" in repr(weights)
    with pytest.raises(TypeError, match="pack the matrix again"):
        pickle.dumps(weights)
