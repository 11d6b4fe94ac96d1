"""What the LSTM refuses, with which error and which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes._core import native
from fastnotes.recurrent import LSTMCache, LSTMWeights, lstm_backward, lstm_forward
from recurrent.cases import make_case
from support.sweeps import assert_same_bytes

B, T, D, H = 3, 4, 2, 5
CASE = make_case(B, T, D, H)
ARGUMENTS = dict(
    zip(("x", "weight_ih", "weight_hh", "bias", "h0", "c0"), CASE.forward, strict=True)
)
RNG = np.random.default_rng(0)


def zeros(*shape: int) -> Any:
    return np.zeros(shape)


#: (replaced argument, value, error, words of the message)
FORWARD = [
    ("x", None, TypeError, "x of real numbers"),
    ("x", "abc", TypeError, "x of real numbers"),
    ("x", CASE.x.astype(object), TypeError, "x of real numbers"),
    ("x", CASE.x.astype(complex), TypeError, "x of real numbers"),
    ("x", CASE.x.astype(str), TypeError, "x of real numbers"),
    ("x", np.ma.masked_array(CASE.x), TypeError, "x without a mask"),
    ("x", CASE.x.astype(np.longdouble), TypeError, "64-bit"),
    ("x", [[[1.0, 2.0]], [[1.0]]], ValueError, "rectangular"),
    ("x", CASE.x[0], ValueError, "x with 3 dimension"),
    ("x", CASE.x[None], ValueError, "x with 3 dimension"),
    ("x", zeros(B, T, D + 1), ValueError, r"x of shape \(B, T, D\)"),
    ("x", zeros(B, T, 0), ValueError, r"x of shape \(B, T, D\)"),
    ("x", np.array(1.0), ValueError, "x with 3 dimension"),
    ("weight_ih", CASE.weight_ih.astype(complex), TypeError, "weight_ih of real"),
    ("weight_ih", CASE.weight_ih[:-1], ValueError, r"weight_ih of shape \(4H, D\)"),
    ("weight_ih", CASE.weight_ih.T, ValueError, r"weight_ih of shape \(4H, D\)"),
    ("weight_ih", CASE.bias, ValueError, "weight_ih with 2 dimension"),
    ("weight_hh", CASE.weight_hh.T, ValueError, r"weight_hh of shape \(4H, H\)"),
    ("weight_hh", zeros(7, 2), ValueError, r"weight_hh of shape \(4H, H\)"),
    ("weight_hh", CASE.bias, ValueError, "weight_hh with 2 dimension"),
    ("bias", CASE.bias[:-1], ValueError, r"bias of shape \(4H,\)"),
    ("bias", CASE.bias[None], ValueError, "bias with 1 dimension"),
    ("bias", "abc", TypeError, "bias of real"),
    ("h0", CASE.h0[:-1], ValueError, r"h0 of shape \(B, H\)"),
    ("h0", CASE.h0[None], ValueError, "h0 with 2 dimension"),
    ("c0", CASE.c0[:, :-1], ValueError, r"c0 of shape \(B, H\)"),
    ("c0", CASE.c0.astype(object), TypeError, "c0 of real"),
    ("lengths", [1, 2], ValueError, r"lengths of shape \(B,\)"),
    ("lengths", 3, ValueError, "lengths with 1 dimension"),
    ("lengths", [[1, 2, 3]], ValueError, "lengths with 1 dimension"),
    ("lengths", [1, 2, T + 1], ValueError, "lengths from 0 to T = 4, got 5 at index 2"),
    ("lengths", [1, -1, 2], ValueError, "lengths from 0 to T = 4, got -1 at index 1"),
    ("lengths", [2**62, 1, 1], ValueError, "lengths from 0 to T"),
    ("lengths", np.array([2**64 - 1, 1, 1], np.uint64), ValueError, "lengths below"),
    ("lengths", [1.0, 2.0, 3.0], TypeError, "lengths of integers"),
    ("lengths", [True, True, False], TypeError, "lengths of integers"),
    ("lengths", ["1", "2", "3"], TypeError, "lengths of integers"),
    ("lengths", [None, 1, 2], TypeError, "lengths of integers"),
    ("candidate", "relu", ValueError, "candidate as one of 'tanh', 'sigmoid'"),
    ("candidate", None, TypeError, "candidate as a string"),
    ("n_threads", 0, ValueError, "n_threads from 1"),
    ("n_threads", 2.0, TypeError, "n_threads as an int"),
    ("n_threads", True, TypeError, "n_threads as an int"),
]


@pytest.mark.parametrize(("name", "value", "error", "words"), FORWARD)
def test_forward(name: str, value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(
        error, match=rf"^\[recurrent\.lstm_forward\] expected .*{words}"
    ):
        lstm_forward(**{**ARGUMENTS, name: value})


@pytest.mark.parametrize(("name", "value", "error", "words"), FORWARD)
def test_weights(name: str, value: Any, error: type[Exception], words: str) -> None:
    """The same table through LSTMWeights."""
    arguments = {**ARGUMENTS, name: value}
    packing = {k: arguments.pop(k) for k in ("weight_ih", "weight_hh", "bias")}
    if "candidate" in arguments:
        packing["candidate"] = arguments.pop("candidate")
    with pytest.raises(error, match=rf"^\[recurrent\.LSTMWeights.*{words}"):
        LSTMWeights(**packing).forward(**arguments)


BACKWARD = [
    ("dh", CASE.dh[:, :, :-1], ValueError, r"dh of shape \(B, T, H\)"),
    ("dh", CASE.dh[0], ValueError, "dh with 3 dimension"),
    ("dh", None, TypeError, "dh of real"),
    ("dh", CASE.dh.astype(complex), TypeError, "dh of real"),
    ("dh_last", CASE.dh_last[0], ValueError, "dh_last with 2 dimension"),
    ("dh_last", CASE.dh_last.T, ValueError, r"dh_last of shape \(B, H\)"),
    ("dc_last", zeros(B, H + 1), ValueError, r"dc_last of shape \(B, H\)"),
    ("dc_last", "abc", TypeError, "dc_last of real"),
    ("cache", None, TypeError, "cache from lstm_forward, got NoneType"),
    ("cache", {}, TypeError, "cache from lstm_forward, got dict"),
    ("cache", CASE, TypeError, "cache from lstm_forward, got Case"),
    ("n_threads", -1, ValueError, "n_threads from 1"),
]


@pytest.mark.parametrize(("name", "value", "error", "words"), BACKWARD)
def test_backward(name: str, value: Any, error: type[Exception], words: str) -> None:
    arguments: dict[str, Any] = {
        "dh": CASE.dh,
        "cache": lstm_forward(*CASE.forward).cache,
        name: value,
    }
    with pytest.raises(
        error, match=rf"^\[recurrent\.lstm_backward\] expected .*{words}"
    ):
        lstm_backward(**arguments)


def test_a_cache_of_another_shape_is_refused() -> None:
    other = lstm_forward(*make_case(B, T + 1, D, H).forward).cache
    assert other is not None
    with pytest.raises(ValueError, match=r"dh of shape \(B, T, H\) = \(3, 5, 5\)"):
        lstm_backward(CASE.dh, other)


def test_a_cache_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError, match="No constructor"):
        LSTMCache()


STEP = [
    ("x", zeros(B, D + 1), ValueError, r"x of shape \(B, 2\)"),
    ("x", zeros(B, 1, D), ValueError, "x with 2 dimension"),
    ("x", zeros(B + 1, D), ValueError, r"h of shape \(4, 5\)"),
    ("x", [["a", "b"]], TypeError, "x of real"),
    ("h", zeros(B, H + 1), ValueError, r"h of shape \(3, 5\)"),
    ("h", None, TypeError, "h of real"),
    ("c", zeros(B + 1, H), ValueError, r"c of shape \(3, 5\)"),
    ("out", zeros(B, H), TypeError, "out as a tuple"),
    ("out", (zeros(B, H),), TypeError, "out as a tuple"),
    ("out", (zeros(B, H), None), TypeError, "out as a NumPy array"),
    ("out", (zeros(B, H), zeros(B, H + 1)), ValueError, "out columns = "),
    ("out", (zeros(B, H), zeros(B, H).astype("f4")), ValueError, "out of dtype"),
    ("out", (zeros(H, B).T, zeros(B, H)), ValueError, "out C-contiguous"),
    ("out", (zeros(B, H), CASE.h0), ValueError, "out apart from the inputs"),
    ("out", (CASE.c0, zeros(B, H)), ValueError, "out apart from the inputs"),
    ("out", (zeros(B, H),) * 2, ValueError, "out apart from the inputs"),
]


@pytest.mark.parametrize(("name", "value", "error", "words"), STEP)
def test_step(name: str, value: Any, error: type[Exception], words: str) -> None:
    weights = LSTMWeights(*CASE[1:4])
    arguments = {"x": CASE.x[:, 0], "h": CASE.h0, "c": CASE.c0, name: value}
    before = CASE.h0.copy(), CASE.c0.copy()
    with pytest.raises(error, match=rf"^\[recurrent\.LSTMWeights\.step\].*{words}"):
        weights.step(**arguments)
    assert_same_bytes((CASE.h0, CASE.c0), before)


def test_step_refuses_a_read_only_out() -> None:
    out = zeros(B, H)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out writable"):
        LSTMWeights(*CASE[1:4]).step(
            CASE.x[:, 0], CASE.h0, CASE.c0, out=(zeros(B, H), out)
        )


def huge_stride(array: Any) -> Any:
    """The same values, each on a page of its own."""
    spread = np.zeros((*array.shape, 512), array.dtype)
    spread[..., 0] = array
    return spread[..., 0]


def read_only(array: Any) -> Any:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def unaligned(array: Any) -> Any:
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        read_only,
        huge_stride,
        unaligned,
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: a[::-1].copy()[::-1],
        lambda a: a.tolist(),
    ],
    ids=["fortran", "read-only", "strides", "unaligned", "big-endian", "flip", "list"],
)
def test_any_layout_is_taken(change: Any) -> None:
    """Layouts change no byte, of forward, backward or a step."""

    def everything(case: Any) -> tuple[Any, ...]:
        out = lstm_forward(*case[:6], lengths=case[6])
        assert out.cache is not None
        back = lstm_backward(case[7], out.cache, dh_last=case[8], dc_last=case[9])
        x = np.asarray(case[0])[:, 0]
        step = LSTMWeights(*case[1:4]).step(x, case[4], case[5])
        return (*out[:3], *back, *step)

    changed = tuple(change(a) for a in CASE)
    assert_same_bytes(everything(changed), everything(CASE))


@pytest.mark.parametrize("dtype", [">f4", "i4", "f8", ">f8"])
def test_bindings_see_type_and_byte_order(dtype: str) -> None:
    """What Python would have converted is refused below it, not misread."""
    weights = LSTMWeights(*(a.astype(np.float32) for a in CASE[1:4]))
    x, h, c = (a.astype(np.float32) for a in (CASE.x[:, 0].copy(), CASE.h0, CASE.c0))
    with pytest.raises(ValueError, match="x of dtype float32 and 2 dimensions, got"):
        native.recurrent.lstm_step(
            weights._inference, x.astype(dtype), h, c, h.copy(), c.copy()
        )


def test_integers_are_float64() -> None:
    ints = [RNG.integers(-1, 2, a.shape) for a in CASE.forward]
    got = lstm_forward(*ints)
    assert_same_bytes(got[:3], lstm_forward(*(a.astype(float) for a in ints))[:3])
