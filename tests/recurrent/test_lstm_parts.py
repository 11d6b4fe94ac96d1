"""The LSTM's optional parts: NumPy, finite differences, peers, bytes, refusals."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from fastnotes.recurrent import LSTM, LSTMWeights, lstm_backward, lstm_forward
from recurrent.cases import (
    KINDS,
    TOGETHER,
    Case,
    Parts,
    as_given,
    make_case,
    make_parts,
    make_projected,
    parameters_of,
    reference_run,
    with_padding_nan,
)
from support.gradcheck import assert_directional, assert_gradients
from support.sweeps import DTYPES, assert_same_bytes, same_bytes_for_threads
from support.tolerances import COMPOSITE

#: (batch, time, input, hidden): a vector, a panel, a slice, more and less of each.
SHAPES = [
    (0, 3, 2, 5),
    (3, 0, 2, 5),
    (3, 4, 2, 0),
    (1, 1, 1, 1),
    (7, 5, 3, 8),
    (9, 8, 0, 7),
    (16, 2, 15, 17),
    (33, 3, 31, 31),
    (2, 257, 2, 3),
    (13, 40, 20, 70),
]
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_kind = pytest.mark.parametrize("kind", KINDS)


def run(
    case: Case, parts: Parts, candidate: str = "tanh", n_threads: int = 1
) -> tuple[Any, ...]:
    """(h, h_last, c_last), the six gradients and those of the parts."""
    out = lstm_forward(
        *case.forward,
        lengths=case.lengths,
        candidate=candidate,
        n_threads=n_threads,
        **as_given(parts),
    )
    gradients = lstm_backward(
        case.dh,
        out.cache,
        dh_last=case.dh_last,
        dc_last=case.dc_last,
        n_threads=n_threads,
    )
    of_parts = (getattr(gradients, f"d{name}") for name in parameters_of(parts))
    flat = (np.concatenate(d) if isinstance(d, tuple) else d for d in of_parts)
    return (*out[:3], *gradients, *flat)


@each_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@each_kind
def test_matches_the_reference(
    kind: str, shape: tuple[int, int, int, int], dtype: Any
) -> None:
    case = make_projected(kind, *shape, dtype=dtype, seed=sum(shape))
    parts = make_parts(case, kind)
    candidate = "sigmoid" if kind in TOGETHER else "tanh"
    got = same_bytes_for_threads(lambda n: run(case, parts, candidate, n))
    forward, gradients = reference_run(case, candidate, **parts)
    for ours, theirs in zip(got, (*forward, *gradients), strict=True):
        assert ours.dtype == dtype
        assert ours.shape == theirs.shape
        scale = dtype(max(1.0, float(np.abs(theirs).max(initial=0))))
        COMPOSITE.assert_close(ours / scale, theirs / scale)


@each_kind
@each_dtype
@pytest.mark.parametrize("batch", [1, 16])
def test_same_bytes_however_threads_share_the_work(
    batch: int, dtype: Any, kind: str
) -> None:
    """A step split by rows, by units, or not at all."""
    case = make_projected(kind, batch, 20, 64, 64, dtype=dtype)
    parts = make_parts(case, kind)
    same_bytes_for_threads(lambda n: run(case, parts, n_threads=n))


@each_dtype
def test_peepholes_of_zero_are_none(dtype: Any) -> None:
    case = make_case(9, 8, 5, 21, dtype)
    *plain, dpeephole = run(case, {"peephole": np.zeros(63, dtype)})
    assert_same_bytes(tuple(plain), run(case, {}))
    assert dpeephole.any()


@each_dtype
def test_zoneout_of_numbers_is_that_of_units(dtype: Any) -> None:
    case = make_case(9, 8, 5, 21, dtype)
    numbers = {"zoneout_h": 0.25, "zoneout_c": 0.375}
    units = {name: np.full(case.dh.shape, part) for name, part in numbers.items()}
    assert_same_bytes(run(case, numbers), run(case, units))
    nothing = {name: np.zeros(case.dh.shape, bool) for name in numbers}
    assert_same_bytes(run(case, nothing), run(case, {}))
    everything = run(case, dict.fromkeys(numbers, 1))
    assert_same_bytes(everything[1:3], (case.h0, case.c0))
    assert not any(d.any() for d in everything[3:7])


@pytest.mark.parametrize("candidate", ["tanh", "sigmoid"])
@each_kind
@pytest.mark.parametrize(
    ("check", "shape"),
    [
        (assert_gradients, (5, 4, 2, 3)),
        (assert_gradients, (2, 1, 1, 9)),
        (assert_directional, (9, 7, 5, 17)),
        (assert_directional, (40, 12, 9, 16)),
    ],
)
def test_finite_differences(check: Any, shape: Any, kind: str, candidate: str) -> None:
    case = make_projected(kind, *shape, seed=3)
    parts = make_parts(case, kind)
    weights = parameters_of(parts)

    def loss(*inputs: Any) -> float:
        h, h_last, c_last, _ = lstm_forward(
            *inputs[:6],
            lengths=case.lengths,
            candidate=candidate,
            keep_cache=False,
            **as_given({**parts, **dict(zip(weights, inputs[6:], strict=True))}),
        )
        ends = np.vdot(h_last, case.dh_last) + np.vdot(c_last, case.dc_last)
        return float(np.vdot(h, case.dh) + ends)

    gradients = run(case, parts, candidate)[3:]
    check(loss, (*case.forward, *weights.values()), gradients)


@each_kind
@each_dtype
def test_rows_neither_see_each_other_nor_padding(dtype: Any, kind: str) -> None:
    case = make_projected(kind, 9, 7, 5, 18, dtype=dtype)
    parts = make_parts(case, kind)
    masks = [name for name, part in parts.items() if np.ndim(part) == 3]
    together = run(case, parts, n_threads=2)
    past = np.arange(7) >= case.lengths[:, None]
    unread = {name: parts[name].copy() for name in masks}
    for mask in unread.values():
        mask[past] = np.nan
    assert_same_bytes(run(with_padding_nan(case), {**parts, **unread}), together)
    for b in range(9):
        row = slice(b, b + 1)
        length = max(1, int(case.lengths[b]))
        alone = Case(case.x[row, :length], *case[1:4], *(a[row] for a in case[4:]))
        own = {name: parts[name][row, :length] for name in masks}
        one = run(alone._replace(dh=alone.dh[:, :length]), {**parts, **own})
        for k in (0, 1, 2, 3, 7, 8):  # h, h_last, c_last, dx, dh0, dc0
            whole = together[k][row, :length] if k in (0, 3) else together[k][row]
            assert_same_bytes(np.ascontiguousarray(whole), one[k])


@each_dtype
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "masks"])
@pytest.mark.parametrize("batch", [1, 3, 8])
def test_steps_are_the_forward_pass(batch: int, kind: str, dtype: Any) -> None:
    case = make_projected(kind, batch, 4, 3, 21, dtype=dtype, ragged=False)
    weights = LSTMWeights(*case[1:4], **as_given(make_parts(case, kind)))
    h, c = case.h0, case.c0
    for t in range(4):
        h, c = weights.step(case.x[:, t], h, c)
    for packed in (weights, pickle.loads(pickle.dumps(weights))):
        whole = packed.forward(case.x, case.h0, case.c0)
        assert_same_bytes((h, c), whole[1:3])
    kept = weights.forward(case.x, case.h0, case.c0, keep_cache=True)
    assert_same_bytes(kept[:3], whole[:3])
    whole_gradients = run(case._replace(lengths=None), make_parts(case, kind))[3:9]
    gradients = lstm_backward(
        case.dh, kept.cache, dh_last=case.dh_last, dc_last=case.dc_last
    )
    assert_same_bytes(tuple(gradients), whole_gradients)
    assert (gradients.dpeephole is None) == (kind not in ("peephole", *TOGETHER))
    assert (gradients.dlayer_norm is None) == (not kind.startswith("normed"))


@each_kind
def test_the_cache_holds_copies(kind: str) -> None:
    case = make_projected(kind, 7, 6, 5, 9)
    parts = make_parts(case, kind)
    expected = run(case, parts)[3:9]
    out = lstm_forward(*case.forward, lengths=case.lengths, **as_given(parts))
    for array in (*case.forward, *(p for p in parts.values() if np.ndim(p))):
        array[...] = 0
    for _ in range(2):
        got = lstm_backward(
            case.dh, out.cache, dh_last=case.dh_last, dc_last=case.dc_last
        )
        assert_same_bytes(tuple(got), expected)


def test_peepholes_of_onnx() -> None:
    """ONNX has gates i, o, f, c; peepholes i, o, f; two biases; time first."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    case = make_case(4, 6, 3, 5, np.float32, ragged=False)
    peephole = make_parts(case, "peephole")["peephole"]

    def blocks(array: Any, order: tuple[int, ...]) -> Any:
        return np.concatenate([np.split(array, len(order))[k] for k in order])[None]

    gates = (0, 3, 1, 2)
    bias = np.concatenate(
        [blocks(case.bias, gates), np.zeros((1, 20), np.float32)], axis=1
    )
    given = {
        "X": case.x.transpose(1, 0, 2),
        "W": blocks(case.weight_ih, gates),
        "R": blocks(case.weight_hh, gates),
        "B": bias,
        "h": case.h0[None],
        "c": case.c0[None],
        "P": blocks(peephole, (0, 2, 1)),
    }
    names = ["X", "W", "R", "B", "", "h", "c", "P"]
    outputs = ["Y", "Y_h", "Y_c"]

    def described(name: str, shape: Any) -> Any:
        kind = onnx.TensorProto.FLOAT
        return onnx.helper.make_tensor_value_info(name, kind, shape)

    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("LSTM", names, outputs, hidden_size=5)],
        "lstm",
        [described(name, value.shape) for name, value in given.items()],
        [described(name, None) for name in outputs],
    )
    opset = [onnx.helper.make_opsetid("", 14)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    h, h_last, c_last = session.run(None, given)
    out = lstm_forward(*case.forward, peephole=peephole)
    COMPOSITE.assert_close(out.h, h[:, 0].transpose(1, 0, 2))
    COMPOSITE.assert_close(out.h_last, h_last[0])
    COMPOSITE.assert_close(out.c_last, c_last[0])


# Layers

LENGTHS = [5, 0, 2, 4]
LAYERS: list[Parts] = [
    {"peephole": True},
    {"zoneout": 0.25},
    {"proj_size": 2},
    {"layer_norm": True},
    {"peephole": True, "zoneout": (0.5, 0.125), "proj_size": 3, "layer_norm": True},
]
each_layer = pytest.mark.parametrize("options", LAYERS, ids=str)


def make_network(options: Parts, **more: Any) -> LSTM:
    return LSTM(3, 4, 2, **{"dtype": np.float64, **options, **more})


@each_layer
def test_finite_differences_of_ragged_bidirectional_layers(options: Parts) -> None:
    network = make_network(options, bidirectional=True)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 5, 3))
    h, (h0, c0) = network.forward(x)
    dh, dh_last, dc_last = (rng.normal(size=a.shape) for a in (h, h0, c0))
    names = list(network.parameters)

    def loss(x: Any, h0: Any, c0: Any, *parameters: Any) -> float:
        moved = copy.copy(network)  # which draws the same zoneout
        moved.parameters = dict(zip(names, parameters, strict=True))
        h, last = moved.forward(x, (h0, c0), lengths=LENGTHS, training=True)
        ends = np.vdot(last[0], dh_last) + np.vdot(last[1], dc_last)
        return float(np.vdot(h, dh) + ends)

    inputs = [x, h0, c0, *network.parameters.values()]
    first = copy.copy(network)
    first.forward(x, (h0, c0), lengths=LENGTHS, training=True)
    dx = first.backward(dh, (dh_last, dc_last))
    gradients = [dx, *first.state_gradient, *first.gradients.values()]
    assert list(first.gradients) == names
    assert_gradients(loss, inputs, gradients)


@each_dtype
@each_layer
def test_layers_stream(options: Parts, dtype: Any) -> None:
    network = make_network(options, dtype=dtype)
    x = np.random.default_rng(1).normal(size=(3, 5, 3)).astype(dtype)
    whole, last = network.forward(x)
    stream = None
    for t in range(5):
        h, stream = network.step(x[:, t], stream)
        assert_same_bytes(h, np.ascontiguousarray(whole[:, t]))
    assert stream is not None
    assert_same_bytes(stream.state, last)


@each_layer
def test_layers_start_alike_and_travel(options: Parts) -> None:
    network, plain = make_network(options), make_network({})
    x = np.ones((2, 3, 3))
    assert_same_bytes(
        network.parameters["weight_ih_l0"], plain.parameters["weight_ih_l0"]
    )
    twin = pickle.loads(pickle.dumps(network))
    assert_same_bytes(twin.forward(x)[0], network.forward(x)[0])
    assert not np.array_equal(network.forward(x)[0], plain.forward(x)[0])


@each_dtype
@each_layer
def test_layers_promise_the_same_bytes(options: Parts, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 5, 3)).astype(dtype)
    lengths = np.array([5, 0, 2, 4, 5, 1, 3, 3, 2])

    def train(n_threads: int, x: Any = x) -> tuple[Any, ...]:
        network = make_network(
            options, bidirectional=True, dtype=dtype, n_threads=n_threads
        )
        h, _ = network.forward(x, lengths=lengths, training=True)
        dx = network.backward(np.ones_like(h))
        return (h[:, :5], dx[:, :5], *network.gradients.values())

    whole = same_bytes_for_threads(train)
    padded = np.full((9, 8, 3), np.nan, dtype)
    padded[:, :5] = x
    assert_same_bytes(train(1, padded), whole)
    network = make_network(options, bidirectional=True, dtype=dtype)
    parts = [  # one batch in two
        network.forward(x[rows], lengths=lengths[rows], training=True)[0]
        for rows in (slice(0, 4), slice(4, 9))
    ]
    assert_same_bytes(np.concatenate(parts), whole[0])


def test_zoneout_is_drawn_in_training_and_expected_elsewhere() -> None:
    network = LSTM(3, 200, zoneout=(0.25, 0), random_state=3)
    x = np.random.default_rng(0).normal(size=(20, 30, 3))
    h, _ = network.forward(x, training=True)
    stays = np.diff(h, axis=1) == 0
    assert abs(stays.mean() - 0.25) < 5 * (0.25 * 0.75 / stays.size) ** 0.5
    again, _ = network.forward(x, training=True)
    assert not np.array_equal(again, h)
    assert not (np.diff(network.forward(x)[0], axis=1) == 0).any()


def test_torch_has_no_such_parts() -> None:
    with pytest.raises(ValueError, match=r"to_torch\] expected peephole=False, got"):
        LSTM(3, 4, peephole=True).to_torch()
    with pytest.raises(ValueError, match=r"to_torch\] expected zoneout 0, got \(0.5"):
        LSTM(3, 4, zoneout=0.5).to_torch()


@pytest.mark.parametrize(
    ("zoneout", "error", "words"),
    [
        (1.5, ValueError, "zoneout from 0.0 to 1.0"),
        ((0.5, -0.1), ValueError, "zoneout from 0.0 to 1.0"),
        ((0.5,), ValueError, "zoneout as a number, or two, got 1"),
        ("a", TypeError, "zoneout as a real number"),
        (None, TypeError, "zoneout as a real number"),
    ],
)
def test_refused_zoneout(zoneout: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=rf"^\[recurrent\.LSTM\] expected {words}"):
        LSTM(3, 4, zoneout=zoneout)


# Bad input

CASE = make_case(3, 4, 2, 5)
REFUSED = [
    ({"peephole": np.ones(14)}, ValueError, r"peephole of shape \(3H,\) = \(15,\)"),
    ({"peephole": np.ones((3, 5))}, ValueError, "peephole with 1 dimension"),
    ({"peephole": "abc"}, TypeError, "peephole of real"),
    ({"peephole": np.ones(15, complex)}, TypeError, "peephole of real"),
    ({"weight_hr": np.ones((2, 6))}, ValueError, r"weight_hh of shape \(4H, R\)"),
    ({"weight_hr": np.ones((0, 5))}, ValueError, "weight_hr .* of a row and a column"),
    ({"weight_hr": np.ones(5)}, ValueError, "weight_hr with 2 dimension"),
    ({"weight_hr": "abc"}, TypeError, "weight_hr of real"),
    ({"zoneout_h": 1.5}, ValueError, "zoneout_h from 0.0 to 1.0"),
    ({"zoneout_c": -0.5}, ValueError, "zoneout_c from 0.0 to 1.0"),
    ({"zoneout_c": np.nan}, ValueError, "zoneout_c finite"),
    ({"zoneout_h": True}, TypeError, "zoneout_h as a real number"),
    ({"zoneout_h": "abc"}, TypeError, "zoneout_h "),
]


@pytest.mark.parametrize(("parts", "error", "words"), REFUSED)
def test_refused(parts: Parts, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=rf"^\[recurrent\.lstm_forward\] expected {words}"):
        lstm_forward(*CASE.forward, **parts)
    with pytest.raises(error, match=rf"^\[recurrent\.LSTMWeights\] expected {words}"):
        LSTMWeights(*CASE[1:4], **parts)


UNITS = [
    (np.ones((3, 4, 6)), ValueError, r"zoneout_h of shape \(B, T, H\)"),
    (np.ones((4, 5)), ValueError, "zoneout_h with 3 dimension"),
    (np.ones((3, 4, 5), complex), TypeError, "zoneout_h of real"),
    (np.full((3, 4, 5), np.nan), ValueError, "zoneout_h from 0.0 to 1.0, got nan"),
    (np.full((3, 4, 5), 1.5), ValueError, "zoneout_h from 0.0 to 1.0, got 1.5"),
]


@pytest.mark.parametrize(("units", "error", "words"), UNITS)
def test_refused_parts_of_units(units: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=rf"^\[recurrent\.lstm_forward\] expected {words}"):
        lstm_forward(*CASE.forward, zoneout_h=units)
    with pytest.raises(TypeError, match="zoneout_h as a real number"):
        LSTMWeights(*CASE[1:4], zoneout_h=units)


def test_zoneout_is_not_read_past_the_ends() -> None:
    units, lengths = np.ones((3, 4, 5)), [2, 0, 4]
    units[0, 2:] = units[1] = np.nan
    lstm_forward(*CASE.forward, lengths=lengths, zoneout_h=units)
    units[2, 3, 4] = -0.25
    with pytest.raises(ValueError, match=r"zoneout_c from 0.0 to 1.0, got -0.25"):
        lstm_forward(*CASE.forward, lengths=lengths, zoneout_c=units)


def test_float64_wherever_a_weight_is() -> None:
    case = make_case(2, 3, 2, 5, np.float32)
    out = lstm_forward(*case.forward, peephole=np.zeros(15))
    assert out.h.dtype == np.float64
    masked = lstm_forward(*case.forward, zoneout_c=np.zeros(case.dh.shape))
    assert masked.h.dtype == np.float32
