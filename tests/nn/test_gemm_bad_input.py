"""What the products refuse, and how."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes.nn import PackedMatrix, matmul
from support.processes import run_python

A = np.ones((2, 3), np.float32)
B = np.ones((3, 4), np.float32)
READ_ONLY = np.frombuffer(bytes(32), np.float32).reshape(2, 4)

OPERANDS = {
    "complex": (A + 1j, B, TypeError, "real numbers"),
    "object": (A.astype(object), B, TypeError, "real numbers"),
    "text": (A.astype(str), B, TypeError, "real numbers"),
    "masked": (np.ma.masked_array(A), B, TypeError, "without a mask"),
    "one dimension": (A[0], B, ValueError, "2 dimension"),
    "three dimensions": (A[None], B, ValueError, "2 dimension"),
    "ragged": ([[1, 2], [3]], B, ValueError, "rectangular"),
    "depth": (A, B[:2], ValueError, r"shape \(rows, 2\)"),
}

OUTPUTS = {
    "no array": ([[0.0] * 4] * 2, TypeError, "NumPy array"),
    "dtype": (np.empty((2, 4)), ValueError, "float32"),
    "shape": (np.empty((2, 5), np.float32), ValueError, r"\(2, 4\)"),
    "fortran": (np.empty((2, 4), np.float32, order="F"), ValueError, "C-contiguous"),
    "strided": (np.empty((2, 8), np.float32)[:, ::2], ValueError, "C-contiguous"),
    "read only": (READ_ONLY, ValueError, "writable"),
}


@pytest.mark.parametrize("case", OPERANDS)
def test_operands(case: str) -> None:
    a, b, error, message = OPERANDS[case]
    with pytest.raises(error, match=message) as caught:
        matmul(a, b)
    assert str(caught.value).startswith("[nn.matmul] expected ")
    with pytest.raises(error, match=message) as caught:
        PackedMatrix(b).matmul(a)
    assert str(caught.value).startswith("[nn.PackedMatrix.matmul] expected ")


@pytest.mark.parametrize("case", OUTPUTS)
def test_outputs(case: str) -> None:
    out, error, message = OUTPUTS[case]
    for call in (
        lambda: matmul(A, B, out=out),
        lambda: PackedMatrix(B).matmul(A, out=out),
    ):
        with pytest.raises(error, match=message):
            call()


def test_out_overlapping_an_input_is_refused_unwritten() -> None:
    square = np.ones((3, 3))
    for call in (
        lambda: matmul(square, square + 1, out=square),
        lambda: matmul(square + 1, square, out=square),
        lambda: PackedMatrix(square).matmul(square, out=square),
    ):
        with pytest.raises(ValueError, match="overlapping"):
            call()
    np.testing.assert_array_equal(square, 1)


def test_accumulate_needs_out() -> None:
    with pytest.raises(ValueError, match="out to accumulate into"):
        matmul(A, B, accumulate=True)
    with pytest.raises(ValueError, match="out to accumulate into"):
        PackedMatrix(B).matmul(A, accumulate=True)


def test_a_packed_matrix_multiplies_its_own_dtype() -> None:
    with pytest.raises(ValueError, match="a of dtype float32 .*, got float64"):
        PackedMatrix(B).matmul(A.astype(np.float64))


@pytest.mark.parametrize("bad", [complex, object, str])
def test_packing_refuses_what_is_not_real(bad: Any) -> None:
    with pytest.raises(TypeError, match=r"\[nn.PackedMatrix\] expected b"):
        PackedMatrix(B.astype(bad))


@pytest.mark.parametrize("n_threads", [0, -1, 100_000])
def test_thread_counts(n_threads: int) -> None:
    for call in (
        lambda: matmul(A, B, n_threads=n_threads),
        lambda: PackedMatrix(B, n_threads=n_threads),
        lambda: PackedMatrix(B).matmul(A, n_threads=n_threads),
    ):
        with pytest.raises(ValueError, match="n_threads"):
            call()


def test_a_masked_output_is_refused() -> None:
    out = np.ma.zeros((2, 4), np.float32)
    for call in (
        lambda: matmul(A, B, out=out),
        lambda: PackedMatrix(B).matmul(A, out=out),
    ):
        with pytest.raises(TypeError, match="out without a mask"):
            call()


HUGE = """
import numpy as np
from fastnotes import nn

long, wide = np.empty((2**58, 0)), np.empty((0, 2**58))
nothing = np.empty((0, 0))
assert nn.matmul(long, nothing).shape == (2**58, 0)
assert nn.matmul(wide, nothing, transpose_a=True).shape == (2**58, 0)
assert nn.matmul(nothing, long, transpose_b=True).shape == (0, 2**58)
assert nn.PackedMatrix(nothing).matmul(long).shape == (2**58, 0)
assert nn.PackedMatrix(wide).matmul(nothing).shape == (0, 2**58)
assert nn.PackedMatrix(long, transpose=True).shape == (0, 2**58)
"""


def test_astronomical_shapes_of_nothing_take_no_time() -> None:
    done = run_python(HUGE)
    assert done.returncode == 0, done.stderr
