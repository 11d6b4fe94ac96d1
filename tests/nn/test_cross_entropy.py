"""Softmax cross-entropy: the twin, closed forms, edges, and same bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastnotes._reference import nn as reference
from fastnotes.nn import softmax_cross_entropy
from support.gradcheck import assert_gradients
from support.sweeps import (
    AWKWARD_SIZES,
    DTYPES,
    assert_same_bytes,
    same_bytes_for_threads,
)
from support.tolerances import COMPOSITE, ELEMENTWISE, LOG_OF_SUM, TRANSCENDENTAL

INF, NAN = float("inf"), float("nan")
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def draw(n: int, classes: int, dtype: Any = np.float64, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (n, classes)).astype(dtype)
    target = rng.integers(-1, classes, n)
    weight = rng.uniform(0.5, 2, n).astype(dtype)
    weight[::5] = 0
    return logits, target, weight


@each_dtype
@pytest.mark.parametrize("classes", AWKWARD_SIZES[1:])
@pytest.mark.parametrize("n", [0, 1, 7, 65])
def test_twin(n: int, classes: int, dtype: Any) -> None:
    logits, target, weight = draw(n, classes, dtype)
    got = softmax_cross_entropy(logits, target, weight=weight)
    loss, gradient = reference.softmax_cross_entropy(logits, target, weight)
    assert got.loss.dtype == dtype
    assert got.gradient is not None
    assert got.gradient.dtype == dtype
    COMPOSITE.assert_close(got.loss, loss)
    COMPOSITE.assert_close(got.gradient, gradient)


@each_dtype
def test_many_classes(dtype: Any) -> None:
    logits, target, weight = draw(3, 50_257, dtype)
    target[:] = 7
    got = softmax_cross_entropy(logits, target, weight=weight)
    loss, gradient = reference.softmax_cross_entropy(logits, target, weight)
    LOG_OF_SUM.assert_close(got.loss, loss)
    COMPOSITE.assert_close(got.gradient, gradient)


def test_by_hand() -> None:
    loss, gradient = softmax_cross_entropy([[0.0, np.log(3.0)]], [0])
    ELEMENTWISE.assert_close(loss, [np.log(4.0)])
    ELEMENTWISE.assert_close(gradient, [[-0.75, 0.75]])


def test_a_near_certain_row_keeps_its_relative_accuracy_in_float32() -> None:
    loss, _ = softmax_cross_entropy(np.float32([[20.0, 0.0, 0.0]]), [0])
    TRANSCENDENTAL.assert_close(loss, [np.log1p(2 * np.exp(-20.0))])


def test_finite_differences() -> None:
    logits, target, weight = draw(6, 5)

    def total(a: NDArray[np.float64]) -> float:
        return float(softmax_cross_entropy(a, target, weight=weight).loss.sum())

    _, gradient = softmax_cross_entropy(logits, target, weight=weight)
    assert gradient is not None
    assert_gradients(total, [logits], [gradient])


@given(st.integers(1, 40), st.integers(0, 2**31), st.floats(-1e4, 1e4))
def test_laws(classes: int, seed: int, offset: float) -> None:
    logits, target, _ = draw(5, classes, seed=seed)
    loss, gradient = softmax_cross_entropy(logits, target)
    assert (loss >= 0).all()
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-12)
    moved, _ = softmax_cross_entropy(logits + offset, target)
    np.testing.assert_allclose(moved, loss, rtol=1e-9, atol=1e-9)


# Edges


@each_dtype
@pytest.mark.parametrize(
    ("row", "target", "loss", "gradient"),
    [
        ([INF, 0, INF, 1], 0, np.log(2), [-0.5, 0, 0.5, 0]),
        ([INF, 0], 1, INF, [1, -1]),
        ([-INF, -INF], 0, INF, [-1, 0]),
        ([0, -INF], 0, 0, [0, 0]),
        ([0, -INF], 1, INF, [1, -1]),
        ([NAN, 0], 1, NAN, [NAN, NAN]),
        ([1e30, 0], 0, 0, [0, 0]),
        ([NAN, NAN], -1, 0, [0, 0]),
        ([5], 0, 0, [0]),
    ],
)
def test_edge_values(
    row: list[float], target: int, loss: float, gradient: list[float], dtype: Any
) -> None:
    around = np.zeros((3, len(row)), dtype)
    around[1] = row
    got = softmax_cross_entropy(around, [0, target, 0])
    assert got.gradient is not None
    ELEMENTWISE.assert_close(got.loss[1:2], [loss])
    np.testing.assert_array_equal(got.gradient[1], np.array(gradient, dtype))
    assert np.isfinite(got.gradient[::2]).all()


def test_rows_of_weight_zero_are_not_read() -> None:
    loss, gradient = softmax_cross_entropy([[NAN, 1.0]], [0], weight=[0.0])
    assert loss.tolist() == [0]
    assert gradient is not None
    assert gradient.tolist() == [[0, 0]]


def test_no_classes_take_no_targets() -> None:
    loss, gradient = softmax_cross_entropy(np.empty((2, 0)), [-1, -1])
    assert loss.tolist() == [0, 0]
    assert gradient is not None
    assert gradient.shape == (2, 0)
    with pytest.raises(ValueError, match="targets from -1 to -1, got 0 at place 1"):
        softmax_cross_entropy(np.empty((2, 0)), [-1, 0])


# Same bytes


@each_dtype
@pytest.mark.parametrize("classes", [3, 65, 5000])
def test_same_bytes(classes: int, dtype: Any) -> None:
    logits, target, weight = draw(203, classes, dtype)
    whole = same_bytes_for_threads(
        lambda n: softmax_cross_entropy(logits, target, weight=weight, n_threads=n)
    )
    for row in (0, 64, 200):
        alone = softmax_cross_entropy(
            logits[row], target[row], weight=weight[row : row + 1].reshape(())
        )
        assert_same_bytes(alone.loss, whole.loss[row])
        assert_same_bytes(alone.gradient, whole.gradient[row])
    only = softmax_cross_entropy(logits, target, weight=weight, keep_gradient=False)
    assert only.gradient is None
    assert_same_bytes(only.loss, whole.loss)


@each_dtype
def test_out(dtype: Any) -> None:
    logits, target, _ = draw(9, 13, dtype)
    expected = softmax_cross_entropy(logits, target)
    out = np.full_like(logits, NAN)
    assert softmax_cross_entropy(logits, target, out=out).gradient is out
    assert_same_bytes(out, expected.gradient)
    in_place = logits.copy()
    got = softmax_cross_entropy(in_place, target, out=in_place)
    assert got.gradient is in_place
    assert_same_bytes((got.loss, in_place), tuple(expected))


def test_any_shape() -> None:
    logits, target, weight = draw(24, 5)
    flat = softmax_cross_entropy(logits, target, weight=weight)
    shaped = softmax_cross_entropy(
        logits.reshape(2, 3, 4, 5),
        target.reshape(2, 3, 4),
        weight=weight.reshape(2, 3, 4),
    )
    assert shaped.loss.shape == (2, 3, 4)
    assert shaped.gradient is not None
    assert_same_bytes(shaped.gradient.reshape(24, 5), flat.gradient)


# Bad input

A = np.zeros((2, 3))
BAD: list[tuple[type, str, Any, Any, dict[str, Any]]] = [
    (ValueError, "targets from -1 to 2, got 3 at place 1", A, [0, 3], {}),
    (ValueError, "targets from -1 to 2, got -2 at place 0", A, [-2, 0], {}),
    (TypeError, "target of integers", A, [0.0, 1.0], {}),
    (TypeError, "target of integers", A, [True, False], {}),
    (ValueError, "target of shape", A, [0], {}),
    (ValueError, "target with 1 dimension", A, 0, {}),
    (ValueError, "below 2\\*\\*63", A, np.array([0, 2**63], np.uint64), {}),
    (ValueError, "the classes along the last axis", 1.0, 0, {}),
    (TypeError, "logits of real numbers", A + 1j, [0, 0], {}),
    (ValueError, "weight of shape", A, [0, 0], {"weight": [1.0]}),
    (TypeError, "weight of real numbers", A, [0, 0], {"weight": ["a", "b"]}),
    (ValueError, "out as float64", A, [0, 0], {"out": np.zeros((3, 2))}),
    (ValueError, "out as float64", A, [0, 0], {"out": np.zeros((2, 3), np.float32)}),
    (TypeError, "out as a NumPy array", A, [0, 0], {"out": [[0.0] * 3] * 2}),
    (ValueError, "n_threads", A, [0, 0], {"n_threads": 0}),
]


@pytest.mark.parametrize(("error", "message", "logits", "target", "keywords"), BAD)
def test_bad_input(
    error: type[Exception],
    message: str,
    logits: Any,
    target: Any,
    keywords: dict[str, Any],
) -> None:
    with pytest.raises(error, match=message) as caught:
        softmax_cross_entropy(logits, target, **keywords)
    assert str(caught.value).startswith("[nn.softmax_cross_entropy] expected ")


def test_an_overlapping_output_is_refused_unwritten() -> None:
    memory = np.ones(9)
    with pytest.raises(ValueError, match="overlapping"):
        softmax_cross_entropy(
            memory[:6].reshape(2, 3), [0, 0], out=memory[3:].reshape(2, 3)
        )
    np.testing.assert_array_equal(memory, 1)
