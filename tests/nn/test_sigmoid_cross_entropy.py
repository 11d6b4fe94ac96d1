"""Sigmoid cross-entropy: the twin, closed forms, edges, and same bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastnotes._reference import nn as reference
from fastnotes.nn import sigmoid_cross_entropy
from support.gradcheck import assert_gradients
from support.sweeps import (
    AWKWARD_SIZES,
    DTYPES,
    assert_same_bytes,
    same_bytes_for_threads,
)
from support.tolerances import COMPOSITE, TRANSCENDENTAL

INF, NAN = float("inf"), float("nan")
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def draw(n: int, labels: int, dtype: Any = np.float64) -> Any:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (n, labels)).astype(dtype)
    target = rng.choice([0, 1, 0.25], (n, labels)).astype(dtype)
    weight = rng.uniform(0.5, 2, n).astype(dtype)
    weight[::5] = 0
    return logits, target, weight


@each_dtype
@pytest.mark.parametrize("labels", AWKWARD_SIZES)
@pytest.mark.parametrize("n", [0, 1, 7, 65])
def test_twin(n: int, labels: int, dtype: Any) -> None:
    logits, target, weight = draw(n, labels, dtype)
    got = sigmoid_cross_entropy(logits, target, weight=weight)
    loss, gradient = reference.sigmoid_cross_entropy(logits, target, weight)
    assert got.loss.dtype == dtype
    assert got.gradient is not None
    assert got.gradient.dtype == dtype
    COMPOSITE.assert_close(got.loss, loss)
    COMPOSITE.assert_close(got.gradient, gradient)


def test_finite_differences() -> None:
    logits, target, weight = draw(6, 5)

    def total(a: NDArray[np.float64]) -> float:
        return float(sigmoid_cross_entropy(a, target, weight=weight).loss.sum())

    _, gradient = sigmoid_cross_entropy(logits, target, weight=weight)
    assert gradient is not None
    assert_gradients(total, [logits], [gradient])


@each_dtype
@pytest.mark.parametrize("sign", [1, -1])
def test_a_near_certain_label_keeps_its_relative_accuracy(
    sign: int, dtype: Any
) -> None:
    logits = np.full((1, 1), sign * 30, dtype)
    loss, gradient = sigmoid_cross_entropy(logits, [[float(sign > 0)]])
    assert gradient is not None
    TRANSCENDENTAL.assert_close(loss, [np.log1p(np.exp(-30.0))])
    TRANSCENDENTAL.assert_close(gradient, [[-sign / (1 + np.exp(30.0))]])


@each_dtype
@pytest.mark.parametrize(
    ("logit", "target", "loss", "gradient"),
    [
        (INF, 1, 0, 0),
        (INF, 0, INF, 1),
        (-INF, 0, 0, 0),
        (-INF, 1, INF, -1),
        (INF, 0.5, INF, 0.5),
        (1e30, 1, 0, 0),
        (NAN, 1, NAN, NAN),
    ],
)
def test_edge_values(
    logit: float, target: float, loss: float, gradient: float, dtype: Any
) -> None:
    around = np.zeros((3, 2), dtype)
    around[1, 0] = logit
    targets = np.full((3, 2), 0.5)
    targets[1, 0] = target
    got = sigmoid_cross_entropy(around, targets)
    assert got.gradient is not None
    np.testing.assert_allclose(got.loss[1], loss + np.log(2), rtol=1e-6)
    np.testing.assert_array_equal(got.gradient[1], np.array([gradient, 0], dtype))
    assert np.isfinite(got.loss[::2]).all()


def test_rows_of_weight_zero_are_not_read() -> None:
    loss, gradient = sigmoid_cross_entropy([[NAN, 1.0]], [[0, 1]], weight=[0.0])
    assert loss.tolist() == [0]
    assert gradient is not None
    assert gradient.tolist() == [[0, 0]]


@each_dtype
@pytest.mark.parametrize("labels", [3, 88, 5000])
def test_same_bytes(labels: int, dtype: Any) -> None:
    logits, target, weight = draw(203, labels, dtype)
    whole = same_bytes_for_threads(
        lambda n: sigmoid_cross_entropy(logits, target, weight=weight, n_threads=n)
    )
    for row in (0, 64, 201):
        alone = sigmoid_cross_entropy(
            logits[row], target[row], weight=weight[row : row + 1].reshape(())
        )
        assert_same_bytes(alone.loss, whole.loss[row])
        assert_same_bytes(alone.gradient, whole.gradient[row])
    only = sigmoid_cross_entropy(logits, target, weight=weight, keep_gradient=False)
    assert only.gradient is None
    assert_same_bytes(only.loss, whole.loss)


A = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("error", "message", "logits", "target", "keywords"),
    [
        (ValueError, r"from 0 to 1, got 2.0 at index \(0, 0\)", A, A + 2, {}),
        (ValueError, r"from 0 to 1, got nan at index \(0, 0\)", A, A * NAN, {}),
        (ValueError, "target of shape", A, [0.0, 1.0], {}),
        (ValueError, "the labels along the last axis", 1.0, 0.0, {}),
        (TypeError, "logits of real numbers", A + 1j, A, {}),
        (TypeError, "target of real numbers", A, [["a"] * 3] * 2, {}),
        (ValueError, "weight of shape", A, A, {"weight": [1.0]}),
        (ValueError, "n_threads", A, A, {"n_threads": 0}),
    ],
)
def test_bad_input(
    error: type[Exception],
    message: str,
    logits: Any,
    target: Any,
    keywords: dict[str, Any],
) -> None:
    with pytest.raises(error, match=message) as caught:
        sigmoid_cross_entropy(logits, target, **keywords)
    assert str(caught.value).startswith("[nn.sigmoid_cross_entropy] expected ")
