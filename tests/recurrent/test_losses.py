"""The softmax's Jacobian and the loss of a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastnotes.evidence import softmax
from fastnotes.recurrent import sequence_nll, softmax_jacobian, softmax_vjp
from support.gradcheck import assert_gradients
from support.sweeps import DTYPES, assert_same_bytes, same_bytes_for_threads
from support.tolerances import COMPOSITE

NAN = float("nan")


def draw(dtype: Any = np.float64) -> tuple[NDArray[Any], NDArray[Any], list[int]]:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (5, 7, 4)).astype(dtype)
    return logits, rng.integers(-1, 4, (5, 7)), [7, 0, 3, 6, 1]


# The softmax


@given(st.integers(1, 20), st.integers(0, 2**31))
def test_jacobian(classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    s = np.asarray(softmax(rng.normal(0, 3, (2, classes)), axis=-1))
    jacobian = softmax_jacobian(s)
    assert jacobian.shape == (2, classes, classes)
    np.testing.assert_allclose(jacobian.sum(axis=-1), 0, atol=1e-14)
    np.testing.assert_array_equal(jacobian, jacobian.swapaxes(-1, -2))
    assert np.linalg.eigvalsh(jacobian).min() > -1e-14
    g = rng.normal(size=(2, classes))
    np.testing.assert_allclose(
        softmax_vjp(s, g), np.einsum("bij,bj->bi", jacobian, g), atol=1e-13
    )


def test_vjp_is_the_gradient_of_the_softmax() -> None:
    rng = np.random.default_rng(1)
    o, g = rng.normal(size=(2, 3, 6))

    def along(o: NDArray[np.float64]) -> float:
        return float(np.vdot(softmax(o, axis=-1), g))

    assert_gradients(along, [o], [softmax_vjp(softmax(o, axis=-1), g)])


def test_jacobian_of_no_classes() -> None:
    assert softmax_jacobian(np.empty((2, 0))).shape == (2, 0, 0)


# The loss


@pytest.mark.parametrize("dtype", DTYPES)
def test_by_definition(dtype: Any) -> None:
    logits, classes, lengths = draw(dtype)
    got = sequence_nll(logits, classes, lengths=lengths)
    expected = np.zeros((5, 7))
    for b, length in enumerate(lengths):
        for t in range(length):
            if classes[b, t] >= 0:
                o = logits[b, t].astype(np.float64)
                expected[b, t] = np.log(np.exp(o - o[classes[b, t]]).sum())
    assert got.loss.dtype == dtype
    COMPOSITE.assert_close(got.loss, expected)


def test_reductions() -> None:
    logits, classes, lengths = draw()
    steps, d_steps = sequence_nll(logits, classes, lengths=lengths)
    n = np.count_nonzero((classes >= 0) & (np.arange(7) < np.array(lengths)[:, None]))
    for reduction, expected in (
        ("sequence", steps.sum(axis=1)),
        ("sum", steps.sum()),
        ("mean", steps.sum() / n),
    ):
        got = sequence_nll(logits, classes, lengths=lengths, reduction=reduction)
        COMPOSITE.assert_close(got.loss, expected)
        assert got.gradient is not None
        assert d_steps is not None
        scale = 1 / n if reduction == "mean" else 1
        COMPOSITE.assert_close(got.gradient, scale * d_steps)


@pytest.mark.parametrize("reduction", ["none", "sequence", "sum", "mean"])
def test_finite_differences(reduction: str) -> None:
    logits, classes, lengths = draw()

    def total(o: NDArray[np.float64]) -> float:
        found = sequence_nll(o, classes, lengths=lengths, reduction=reduction)
        return float(found.loss.sum())

    _, gradient = sequence_nll(logits, classes, lengths=lengths, reduction=reduction)
    assert gradient is not None
    assert_gradients(total, [logits], [gradient])


def test_through_the_lstm_to_a_finite_difference() -> None:
    from fastnotes.recurrent import lstm_backward, lstm_forward

    rng = np.random.default_rng(4)
    x, w, u = (
        rng.normal(size=(2, 4, 3)),
        rng.normal(size=(8, 3)),
        rng.normal(size=(8, 2)),
    )
    v, classes, lengths = rng.normal(size=(2, 5)), rng.integers(0, 5, (2, 4)), [4, 2]

    def loss(x: NDArray[np.float64]) -> float:
        h = lstm_forward(x, w, u, lengths=lengths).h
        found = sequence_nll(h @ v, classes, lengths=lengths, reduction="sum")
        return float(found.loss)

    out = lstm_forward(x, w, u, lengths=lengths)
    _, d_logits = sequence_nll(out.h @ v, classes, lengths=lengths)
    assert d_logits is not None
    assert_gradients(loss, [x], [lstm_backward(d_logits @ v.T, out.cache).dx])


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bytes_and_padding_is_not_read(dtype: Any) -> None:
    logits, classes, lengths = draw(dtype)
    for b, length in enumerate(lengths):
        logits[b, length:] = NAN
        classes[b, length:] = 99
    whole = same_bytes_for_threads(
        lambda n: tuple(sequence_nll(logits, classes, lengths=lengths, n_threads=n))
    )
    assert np.isfinite(whole[0]).all()
    assert np.isfinite(whole[1]).all()
    for b, length in enumerate(lengths):
        alone = sequence_nll(logits[b : b + 1, :length], classes[b : b + 1, :length])
        assert_same_bytes(alone.loss[0], whole[0][b, :length])


def test_no_step_has_a_loss() -> None:
    got = sequence_nll(np.zeros((2, 3, 4)), np.full((2, 3), -1), reduction="mean")
    assert got.loss == 0
    assert got.gradient is not None
    assert not got.gradient.any()
    assert sequence_nll(np.zeros((0, 3, 4)), np.zeros((0, 3), int)).loss.shape == (0, 3)


LOGITS, Y = np.zeros((2, 3, 4)), np.zeros((2, 3), int)
Y_WRONG = np.array([[0, 1, 2], [3, -1, 4]])


@pytest.mark.parametrize(
    ("error", "message", "logits", "target", "keywords"),
    [
        (
            ValueError,
            r"targets from -1 to 3, got 4 at index \(1, 2\)",
            LOGITS,
            Y_WRONG,
            {},
        ),
        (ValueError, "target of shape", LOGITS, Y.T, {}),
        (ValueError, "3 dimension", LOGITS[0], Y, {}),
        (TypeError, "target of integers", LOGITS, Y.astype(float), {}),
        (ValueError, "lengths from 0 to T = 3", LOGITS, Y, {"lengths": [3, 4]}),
        (ValueError, "reduction as one of", LOGITS, Y, {"reduction": "average"}),
        (ValueError, "n_threads", LOGITS, Y, {"n_threads": 0}),
    ],
)
def test_bad_input(
    error: type[Exception],
    message: str,
    logits: Any,
    target: Any,
    keywords: dict[str, Any],
) -> None:
    with pytest.raises(error, match=message):
        sequence_nll(logits, target, **keywords)
