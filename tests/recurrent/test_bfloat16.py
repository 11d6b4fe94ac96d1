"""Weights in bfloat16: how they are rounded, that nothing else is, refusals."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from fastnotes._reference import recurrent as reference
from fastnotes.recurrent import LSTM, RNN, LayerNorm, LSTMWeights, RNNWeights
from fastnotes.recurrent._bfloat16 import from_bits, to_bits
from recurrent.cases import Array, Case, make_case, reference_run, with_padding_nan
from support.sweeps import AWKWARD_SIZES, assert_same_bytes, same_bytes_for_threads
from support.tolerances import COMPOSITE, ROUNDED_WEIGHTS

HALF = {"dtype": "bfloat16"}
#: What rounding moves of a weight.
UNIT = 2.0**-8
#: (batch, time, input, hidden): a vector, a panel, a slice, more and less of each.
SHAPES = [
    (0, 3, 2, 5),
    (3, 0, 2, 5),
    (3, 4, 2, 0),
    (1, 1, 1, 1),
    (1, 9, 17, 33),
    (2, 4, 3, 70),
    (9, 8, 0, 7),
    (13, 5, 300, 31),
]
OPTIONS = ["plain", "sigmoid", "peephole", "zoneout", "projection", "normed", "rnn"]
each_option = pytest.mark.parametrize("option", OPTIONS)


def rounded(array: Array | None) -> Array | None:
    return None if array is None else reference.round_to_bfloat16(array)


def make_weights(case: Case, option: str) -> tuple[Any, Any]:
    """Weights in bfloat16, and float32 ones of weights that were rounded before."""
    if option == "rnn":
        hidden = case.c0.shape[1]
        ih, hh, bias = (a[:hidden] for a in case[1:4])
        return RNNWeights(ih, hh, bias, **HALF), RNNWeights(
            rounded(ih), rounded(hh), bias
        )
    rng, hidden, weight_hr = np.random.default_rng(7), case.c0.shape[1], None
    parts: dict[str, Any] = {}
    if option == "sigmoid":
        parts = {"candidate": "sigmoid"}
    if option == "peephole":
        parts = {"peephole": rng.normal(size=3 * hidden).astype(np.float32)}
    if option == "zoneout":
        parts = {"zoneout_h": 0.25, "zoneout_c": 0.375}
    if option == "normed":
        gains = (np.ones(n * hidden, np.float32) for n in (4, 4, 1, 1))
        parts = {"layer_norm": LayerNorm(*gains)}
    if option == "projection" and hidden > 0:
        weight_hr = rng.normal(size=(case.h0.shape[1], hidden)).astype(np.float32)
    ih, hh, bias = case[1:4]
    return (
        LSTMWeights(ih, hh, bias, weight_hr=weight_hr, **HALF, **parts),
        LSTMWeights(
            rounded(ih), rounded(hh), bias, weight_hr=rounded(weight_hr), **parts
        ),
    )


def make(option: str, *shape: int, **more: Any) -> tuple[Case, tuple[Array, ...]]:
    """A case, and the states that weights of the option begin with."""
    projection = -(-shape[3] * 3 // 5) if option == "projection" else 0
    case = make_case(*shape, np.float32, projection=projection, **more)
    return case, (case.h0,) if option == "rnn" else (case.h0, case.c0)


# ---------------------------------------------------------------- rounding


def test_rounding_is_to_the_nearest_and_to_even() -> None:
    """All upper halves, on the lower halves where something turns."""
    low = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    values = (np.arange(2**16, dtype=np.uint32)[:, None] << 16 | low).view(np.float32)
    got, nan = from_bits(to_bits(values)), np.isnan(values)
    assert np.array_equal(np.isnan(got), nan)
    assert_same_bytes(got[~nan], reference.round_to_bfloat16(values[~nan]))
    assert_same_bytes(from_bits(to_bits(got)), got)


def test_rounding_moves_a_value_by_a_part_in_256_at_most() -> None:
    bits = np.random.default_rng(0).integers(0, 0x7F7F0000, 100_000, dtype=np.uint32)
    values = bits.view(np.float32)
    moved = np.abs(from_bits(to_bits(values)).astype(np.float64) - values)
    assert (moved <= np.maximum(UNIT * values.astype(np.float64), 2.0**-134)).all()
    one = np.float32(1 + UNIT)  # half-way: the bound is the best one
    assert from_bits(to_bits(np.array([one])))[0] == 1


@pytest.mark.parametrize("size", AWKWARD_SIZES)
def test_rounding_of_awkward_sizes(size: int) -> None:
    values = np.random.default_rng(size).normal(size=(size, 1)).astype(np.float32)
    got = from_bits(to_bits(values))
    assert_same_bytes(got, reference.round_to_bfloat16(values))


# ---------------------------------------------------------------- results


@each_option
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_same_bytes_as_float32_with_rounded_weights(
    shape: tuple[int, int, int, int], option: str
) -> None:
    case, states = make(option, *shape, seed=sum(shape))
    half, plain = make_weights(case, option)
    for reverse in (False, True):
        options = {"lengths": case.lengths, "reverse": reverse}
        got = same_bytes_for_threads(
            lambda n, o=options: half.forward(case.x, *states, n_threads=n, **o)
        )
        assert_same_bytes(got, plain.forward(case.x, *states, **options))


@each_option
def test_steps_are_the_forward_pass(option: str) -> None:
    for batch, inputs in ((1, 3), (1, 0), (2, 3), (3, 0), (8, 3)):
        case, states = make(option, batch, 4, inputs, 70, ragged=False)
        half, _ = make_weights(case, option)
        whole = half.forward(case.x, *states)
        for t in range(4):
            now = half.step(case.x[:, t], *states)
            states = now if isinstance(now, tuple) else (now,)
        assert_same_bytes(states, tuple(whole[1:-1]))


@each_option
def test_same_bytes_alone_and_beside_padding(option: str) -> None:
    case, states = make(option, 9, 7, 5, 40)
    half, _ = make_weights(case, option)
    together = half.forward(case.x, *states, lengths=case.lengths)
    unread = with_padding_nan(case)
    assert_same_bytes(half.forward(unread.x, *states, lengths=case.lengths), together)
    for b, length in enumerate(case.lengths):
        row = slice(b, b + 1)
        alone = half.forward(case.x[row, :length], *(s[row] for s in states))
        assert_same_bytes(alone.h, np.ascontiguousarray(together.h[row, :length]))
        assert_same_bytes(alone.h_last, together.h_last[row])


def test_matches_the_reference() -> None:
    case, _ = make("plain", 7, 9, 15, 33)
    half, _ = make_weights(case, "plain")
    got = half.forward(case.x, case.h0, case.c0, lengths=case.lengths)
    weights = {name: rounded(getattr(case, name)) for name in case._fields[1:3]}
    expected, _ = reference_run(case._replace(**weights))
    for ours, theirs in zip(got[:3], expected, strict=True):
        assert ours.dtype == np.float32
        COMPOSITE.assert_close(ours, theirs)


def lstm_bounds(case: Case) -> tuple[Array, Array]:
    """h in float64 with exact weights, and how far rounded ones may move it."""
    double = Case(*(a if a.dtype == np.int64 else a.astype(np.float64) for a in case))
    out = reference.lstm_forward(*double.forward, double.lengths)
    U, W = np.abs(double.weight_ih).T, np.abs(double.weight_hh).T
    h_off, c_off = np.zeros_like(double.h0), np.zeros_like(double.c0)
    bound = np.zeros_like(out.h)
    for t, step in enumerate(out.steps):
        h = np.abs(step.h_before)
        off = UNIT * (np.abs(double.x[:, t]) @ U + (h + h_off) @ W) + h_off @ W
        i_off, f_off, g_off, o_off = np.split(off, 4, axis=1)
        i_off, f_off, o_off = i_off / 4, f_off / 4, o_off / 4  # the slopes' bounds
        c_off = (
            np.minimum(1, step.f + f_off) * c_off
            + f_off * np.abs(step.c_before)
            + np.minimum(1, step.i + i_off) * g_off
            + i_off * np.abs(step.g)
        )
        h_off = np.minimum(1, step.o + o_off) * c_off + o_off * np.abs(step.tanh_c)
        bound[:, t] = h_off
    return out.h, bound


@pytest.mark.parametrize("hidden", [1, 8, 33])
def test_error_within_what_the_weights_moved(hidden: int) -> None:
    case = make_case(16, 6, 5, hidden, np.float32, ragged=False)
    exact, bound = lstm_bounds(case)
    half = LSTMWeights(*case[1:4], **HALF)
    error = np.abs(half.forward(case.x, case.h0, case.c0).h - exact)
    assert (error <= bound + COMPOSITE.atol32).all()
    assert error.max() > COMPOSITE.atol32  # it is there
    plain = LSTMWeights(*case[1:4]).forward(case.x, case.h0, case.c0).h
    COMPOSITE.assert_close(plain, exact)


@pytest.mark.parametrize("kind", [LSTM, RNN])
@pytest.mark.parametrize("hidden", [16, 256])
def test_error_of_usual_weights(hidden: int, kind: Any) -> None:
    network = kind(hidden, hidden, random_state=1)
    x = np.random.default_rng(0).normal(size=(4, 64, hidden))
    plain, _ = network.forward(x)
    half, _ = network.forward(x, **HALF)
    ROUNDED_WEIGHTS.assert_close(half, plain)
    assert not np.array_equal(half, plain)


# ---------------------------------------------------------------- what is kept


@each_option
def test_half_the_bytes(option: str) -> None:
    case, _ = make(option, 1, 1, 64, 128)
    half, plain = make_weights(case, option)
    assert plain.nbytes / 2 <= half.nbytes < 0.54 * plain.nbytes  # vectors stay
    assert len(pickle.dumps(half)) < 0.54 * len(pickle.dumps(plain))


@each_option
def test_copies_and_pickles(option: str) -> None:
    case, states = make(option, 3, 4, 5, 21)
    half, _ = make_weights(case, option)
    expected = half.forward(case.x, *states)
    for again in (copy.copy(half), pickle.loads(pickle.dumps(half))):
        assert_same_bytes(again.forward(case.x, *states), expected)
        assert repr(again) == repr(half)
    assert (half.dtype, half.weight_dtype) == (np.float32, "bfloat16")
    assert "dtype=bfloat16" in repr(half)


def test_weights_that_are_not_finite() -> None:
    """NaN and infinity stay; what bfloat16 has not is infinity too."""
    for value, h in ((np.nan, np.nan), (np.inf, np.inf), (3.4e38, np.inf)):
        weights = RNNWeights([[value, 0]], [[0]], nonlinearity="relu", **HALF)
        got = weights.step(np.array([[1.0, 0.0]]), np.zeros((1, 1)))
        assert np.array_equal(got, [[h]], equal_nan=True)


def test_wider_arrays_are_rounded_to_float32_before() -> None:
    case = make_case(2, 3, 4, 5)
    double = LSTMWeights(*case[1:4], **HALF)
    single = LSTMWeights(*(a.astype(np.float32) for a in case[1:4]), **HALF)
    assert_same_bytes(double.forward(case.x), single.forward(case.x))


# ---------------------------------------------------------------- layers


@pytest.mark.parametrize("kind", [LSTM, RNN])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True}])
def test_layers(kind: Any, options: dict[str, Any]) -> None:
    network = kind(3, 20, 2, **options)
    other = kind(3, 20, 2, **options)
    for name, values in network.parameters.items():
        to = values if name.startswith("bias") else rounded(values)
        other.parameters[name][...] = to
    x = np.random.default_rng(0).normal(size=(4, 5, 3))
    given = {"lengths": [5, 0, 3, 4]}
    h, last = network.forward(x, **given, **HALF)
    assert_same_bytes((h, last), other.forward(x, **given))
    if options:
        return
    h, stream = network.step(x[:, 0], **HALF)
    expected, going = other.step(x[:, 0])
    assert_same_bytes(h, expected)
    for t, more in ((1, {}), (2, HALF)):  # it goes on as it began
        h, stream = network.step(x[:, t], stream, **more)
        assert_same_bytes(h, other.step(x[:, t], going)[0])
    with pytest.raises(
        ValueError, match="a stream that began in bfloat16, got float32"
    ):
        other.step(x[:, 0], going, **HALF)


@pytest.mark.parametrize("kind", [LSTM, RNN])
def test_layers_refuse(kind: Any) -> None:
    x = np.zeros((1, 2, 3))
    where = rf"^\[recurrent\.{kind.__name__}\.forward\] expected "
    with pytest.raises(ValueError, match=where + "training=False with weights in bfl"):
        kind(3, 4).forward(x, training=True, **HALF)
    with pytest.raises(ValueError, match=where + "keep_states=False with weights in"):
        kind(3, 4).forward(x, keep_states=True, **HALF)
    with pytest.raises(ValueError, match=where + "layers of float32 for bfloat16"):
        kind(3, 4, dtype=np.float64).forward(x, **HALF)
    with pytest.raises(ValueError, match=where + "dtype None or 'bfloat16'"):
        kind(3, 4).forward(x, dtype="float16")


@pytest.mark.parametrize("kind", [LSTMWeights, RNNWeights])
@pytest.mark.parametrize("dtype", ["float16", "bf16", np.float32, 2, b"bfloat16"])
def test_weights_refuse(kind: Any, dtype: Any) -> None:
    words = rf"^\[recurrent\.{kind.__name__}\] expected dtype None or 'bfloat16', got "
    with pytest.raises(ValueError, match=words):
        kind(np.zeros((0, 1)), np.zeros((0, 0)), dtype=dtype)


@pytest.mark.parametrize("kind", [LSTMWeights, RNNWeights])
def test_nothing_goes_back_through_them(kind: Any) -> None:
    weights = kind(np.zeros((0, 1)), np.zeros((0, 0)), **HALF)
    words = rf"^\[recurrent\.{kind.__name__}\.forward\] expected keep_cache=False"
    with pytest.raises(ValueError, match=words):
        weights.forward(np.zeros((1, 1, 1)), keep_cache=True)
