"""Stacked layers: composed by hand, finite differences, torch, streams, dropout."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastnotes.nn import Adam
from fastnotes.recurrent import LSTM, RNN, lstm_forward, sequence_nll
from support.gradcheck import assert_gradients
from support.sweeps import DTYPES, assert_same_bytes, same_bytes_for_threads
from support.tolerances import COMPOSITE

KINDS: list[Any] = [LSTM, RNN]
each_kind = pytest.mark.parametrize("kind", KINDS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
LENGTHS = [5, 0, 2, 4]
N_LAYERS, WIDTH, HIDDEN = 2, 3, 4


def make(kind: Any, **options: Any) -> Any:
    defaults: dict[str, Any] = {"num_layers": N_LAYERS, "dtype": np.float64}
    return kind(WIDTH, HIDDEN, **{**defaults, **options})


def draw(dtype: Any = np.float64, batch: int = 4) -> NDArray[Any]:
    return np.random.default_rng(1).normal(size=(batch, 5, WIDTH)).astype(dtype)


def states_of(network: Any, seed: int, batch: int = 4) -> Any:
    """A state with random entries, and its twin as a tuple."""
    rng = np.random.default_rng(seed)
    shape = (network.num_layers * network.n_directions, batch, HIDDEN)
    arrays = tuple(rng.normal(size=shape) for _ in range(network._n_states))
    return arrays if len(arrays) > 1 else arrays[0]


def test_a_stack_is_its_layers_one_after_the_other() -> None:
    network = make(LSTM, bidirectional=True)
    x, (h0, c0) = draw(), states_of(network, 2)
    h, (h_last, c_last) = network.forward(x, (h0, c0), lengths=LENGTHS)
    below = x
    for layer in range(N_LAYERS):
        both = []
        for direction, suffix in enumerate(("", "_reverse")):
            k = 2 * layer + direction
            names = (
                f"{n}_l{layer}{suffix}" for n in ("weight_ih", "weight_hh", "bias")
            )
            weights = [network.parameters[name] for name in names]
            out = lstm_forward(
                below, *weights, h0[k], c0[k], lengths=LENGTHS, reverse=direction == 1
            )
            assert_same_bytes((h_last[k], c_last[k]), out[1:3])
            both.append(out.h)
        below = np.concatenate(both, axis=2)
    assert_same_bytes(h, below)


@each_kind
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
def test_finite_differences(kind: Any, bidirectional: bool, lengths: Any) -> None:
    network = make(kind, bidirectional=bidirectional)
    x, state = draw(), states_of(network, 2)
    dh, dstate = None, states_of(network, 3)
    names = list(network.parameters)

    def tuple_of(value: Any) -> tuple[Any, ...]:
        return value if isinstance(value, tuple) else (value,)

    def loss(x: Any, *rest: Any) -> float:
        moved = copy.copy(network)
        n_states = network._n_states
        given = rest[:n_states] if n_states > 1 else rest[0]
        moved.parameters = dict(zip(names, rest[n_states:], strict=True))
        h, last = moved.forward(x, given, lengths=lengths)
        ends = zip(tuple_of(last), tuple_of(dstate), strict=True)
        return float(np.vdot(h, dh)) + sum(float(np.vdot(a, b)) for a, b in ends)

    h, _ = network.forward(x, state, lengths=lengths, training=True)
    dh = np.random.default_rng(4).normal(size=h.shape)
    dx = network.backward(dh, dstate)
    inputs = [x, *tuple_of(state), *network.parameters.values()]
    gradients = [dx, *network.state_gradient, *network.gradients.values()]
    assert list(network.gradients) == names
    assert_gradients(loss, inputs, gradients)


@each_kind
@each_dtype
def test_same_bytes(kind: Any, dtype: Any) -> None:
    x = draw(dtype, batch=9)
    lengths = np.array([5, 0, 2, 4, 5, 1, 3, 3, 2])

    def run(n_threads: int, x: Any = x) -> tuple[Any, ...]:
        network = make(
            kind, bidirectional=True, dtype=dtype, dropout=0.3, n_threads=n_threads
        )
        h, _ = network.forward(x, lengths=lengths, training=True)
        dx = network.backward(np.ones_like(h))
        return (h[:, :5], dx[:, :5], *network.gradients.values())

    whole = same_bytes_for_threads(run)
    padded = np.full((9, 11, WIDTH), np.nan, dtype)
    padded[:, :5] = x
    assert_same_bytes(run(1, padded), whole)  # dropout too
    inference = make(kind, bidirectional=True, dtype=dtype, dropout=0.3)
    together, _ = inference.forward(x, lengths=lengths)
    for b, length in enumerate(lengths):
        alone, _ = inference.forward(x[b : b + 1, :length])
        assert_same_bytes(alone[0], together[b, :length])


@each_kind
@pytest.mark.parametrize("bidirectional", [False, True])
def test_states_of_every_layer(kind: Any, bidirectional: bool) -> None:
    """Each layer's are what the next one reads, and c is the cache's."""
    network = make(kind, bidirectional=bidirectional)
    x, state = draw(), states_of(network, 2)
    given = {"lengths": LENGTHS}
    plain = network.forward(x, state, **given)
    assert network.states == {}
    kept = network.forward(x, state, **given, keep_states=True)
    for ours, expected in zip(kept, plain, strict=True):
        assert_same_bytes(ours, expected)
    ways = ("", "_reverse")[: network.n_directions]
    names = [f"{s}_l{k}{way}" for k in (0, 1) for way in ways for s in "hc"]
    names = [name for name in names if kind is LSTM or name[0] == "h"]
    assert list(network.states) == names
    above = [network.states[f"h_l1{way}"] for way in ways]
    assert_same_bytes(np.concatenate(above, axis=2), plain[0])
    if kind is RNN:
        return
    for k, name in enumerate(name for name in names if name[0] == "c"):
        c = network.states[name]
        for b, length in enumerate(LENGTHS):
            assert not c[b, length:].any()
            end = 0 if name.endswith("_reverse") else length - 1
            if length:
                assert_same_bytes(c[b, end], plain[1][1][k, b])
    with pytest.raises(RuntimeError, match="expected forward"):
        network.backward(plain[0])


@each_kind
@each_dtype
def test_steps_are_the_forward_pass(kind: Any, dtype: Any) -> None:
    network = make(kind, dtype=dtype)
    x = draw(dtype)
    whole, last = network.forward(x)
    stream = None
    for t in range(5):
        h, stream = network.step(x[:, t], stream)
        assert_same_bytes(h, np.ascontiguousarray(whole[:, t]))
    assert stream is not None
    assert_same_bytes(stream.state, last)
    first, half = network.forward(x[:, :3])
    h, stream = network.step(x[:, 3], half)
    assert_same_bytes(h, np.ascontiguousarray(whole[:, 3]))
    assert first.shape == (4, 3, HIDDEN)


@each_kind
def test_a_stream_allocates_nothing(kind: Any) -> None:
    network = kind(WIDTH, 512, num_layers=2)
    x = np.zeros((4, WIDTH), np.float32)
    h, stream = network.step(x)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(20):
            h, stream = network.step(x, stream)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - before < h.nbytes  # not one state


def test_a_stream_keeps_the_weights_it_began_with() -> None:
    network = make(LSTM)
    x = draw()
    before, _ = network.forward(x)
    _, stream = network.step(x[:, 0])
    network.parameters["weight_ih_l0"][...] = 7
    h, _ = network.step(x[:, 1], stream)
    assert_same_bytes(h, np.ascontiguousarray(before[:, 1]))


def test_dropout_is_between_layers_and_in_training_alone() -> None:
    network = LSTM(WIDTH, 200, num_layers=2, dropout=0.25, random_state=3)
    x = np.random.default_rng(0).normal(size=(20, 30, WIDTH))
    plain, _ = network.forward(x)
    first, _ = network.forward(x, training=True)
    mask = network._trace.masks[1]  # type: ignore[union-attr]
    assert network._trace.masks[0] is None  # type: ignore[union-attr]
    assert mask is not None
    assert set(np.unique(mask)) == {0, np.float32(1 / 0.75)}
    assert abs((mask == 0).mean() - 0.25) < 5 * (0.25 * 0.75 / mask.size) ** 0.5
    second, _ = network.forward(x, training=True)
    assert not np.array_equal(first, second)
    again = LSTM(WIDTH, 200, num_layers=2, dropout=0.25, random_state=3)
    assert_same_bytes(again.forward(x)[0], plain)
    assert_same_bytes(again.forward(x, training=True)[0], first)


def test_first_weights() -> None:
    network = LSTM(5, 64, forget_bias=2.0)
    bias = network.parameters["bias_l0"].reshape(4, 64)
    assert (bias[1] == 2).all()
    assert not bias[[0, 2, 3]].any()
    for weight in ("weight_ih_l0", "weight_hh_l0"):
        values = network.parameters[weight] * 8  # sqrt(64)
        assert abs(values).max() <= 1
        assert abs(values.mean()) < 0.1
        assert abs(values.std() - 3**-0.5) < 0.05
    other = LSTM(5, 64, random_state=1)
    assert (
        network.parameters["weight_ih_l0"] != other.parameters["weight_ih_l0"]
    ).all()


def test_pickle_and_copy() -> None:
    network = make(RNN, nonlinearity="relu", dropout=0.5)
    x = draw()
    expected = network.forward(x)
    for twin in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        assert_same_bytes(twin.forward(x), expected)


def test_learns_to_remember_the_first_class() -> None:
    """The class shown at the first step is asked for at the last."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 64)
    x = np.zeros((64, 12, 3), np.float32)
    x[np.arange(64), 0, classes] = 1
    target = np.full((64, 12), -1)
    target[:, -1] = classes
    network = LSTM(3, 16)
    head = {"head": 0.1 * rng.normal(size=(16, 3)).astype(np.float32)}
    optimizer = Adam({**network.parameters, **head}, 0.02)
    for _ in range(60):
        h, _ = network.forward(x, training=True)
        loss, dlogits = sequence_nll(h @ head["head"], target, reduction="mean")
        assert dlogits is not None
        dhead = h.reshape(-1, 16).T @ dlogits.reshape(-1, 3)
        network.backward(dlogits @ head["head"].T)
        optimizer.step({**network.gradients, "head": dhead})
    assert loss < 0.05


#: Torch says that its projections are slow.
no_warning = pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")


@no_warning
@each_dtype
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(
    ("kind", "options"), [(LSTM, {}), (LSTM, {"proj_size": 2}), (RNN, {})]
)
def test_against_torch(
    kind: Any, options: dict[str, Any], bidirectional: bool, dtype: Any
) -> None:
    torch = pytest.importorskip("torch")
    network = make(kind, bidirectional=bidirectional, dtype=dtype, **options)
    there = getattr(torch.nn, kind.__name__)(
        WIDTH,
        HIDDEN,
        N_LAYERS,
        batch_first=True,
        bidirectional=bidirectional,
        dtype=getattr(torch, np.dtype(dtype).name),
        **options,
    )
    own = dict(there.named_parameters())
    with torch.no_grad():
        for name, value in network.parameters.items():
            own[name.replace("bias", "bias_ih")].copy_(torch.from_numpy(value))
            if name.startswith("bias"):
                own[name.replace("bias", "bias_hh")].zero_()
    x = draw(dtype)
    x_there = torch.from_numpy(x).requires_grad_()
    h_there, _ = there(x_there)
    h, _ = network.forward(x, training=True)
    dh = np.random.default_rng(5).normal(size=h.shape).astype(dtype)
    h_there.backward(torch.from_numpy(dh))
    COMPOSITE.assert_close(h, h_there.detach().numpy())
    COMPOSITE.assert_close(network.backward(dh), x_there.grad.numpy())
    for name, gradient in network.gradients.items():
        theirs = own[name.replace("bias", "bias_ih")].grad.numpy()
        scale = dtype(max(1.0, float(np.abs(theirs).max())))
        COMPOSITE.assert_close(gradient / scale, theirs / scale)


@no_warning
@each_dtype
@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"bias": False}])
@pytest.mark.parametrize("name", ["LSTM", "RNN", "relu", "projected"])
def test_from_torch_and_back(name: str, options: dict[str, Any], dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    kind = RNN if name in ("RNN", "relu") else LSTM
    more = {"relu": {"nonlinearity": "relu"}, "projected": {"proj_size": 2}}
    module = getattr(torch.nn, kind.__name__)(
        WIDTH,
        HIDDEN,
        2,
        dtype=getattr(torch, np.dtype(dtype).name),
        **options,
        **more.get(name, {}),
    )
    network = kind.from_torch(module)
    x = draw(dtype)
    x_there = torch.from_numpy(x)
    with torch.no_grad():
        theirs = module(x_there.transpose(0, 1))[0].transpose(0, 1).numpy()
        back = network.to_torch()(x_there)[0].numpy()
    h, _ = network.forward(x)
    assert h.dtype == dtype
    COMPOSITE.assert_close(h, theirs)
    COMPOSITE.assert_close(h, back)


def test_torch_modules_that_are_refused() -> None:
    torch = pytest.importorskip("torch")
    for kind, module in [
        (LSTM, torch.nn.GRU(3, 4)),
        (LSTM, torch.nn.RNN(3, 4)),
        (RNN, torch.nn.Linear(3, 4)),
        (RNN, None),
    ]:
        with pytest.raises(TypeError, match=r"from_torch\] expected a torch.nn"):
            kind.from_torch(module)
    with pytest.raises(ValueError, match="float32 or float64, got float16"):
        LSTM.from_torch(torch.nn.LSTM(3, 4).half())
    with pytest.raises(ValueError, match="candidate 'tanh'"):
        LSTM(3, 4, candidate="sigmoid").to_torch()


# Bad input

SETTINGS = [
    ({"input_size": 0}, ValueError, "input_size >= 1"),
    ({"hidden_size": 2.0}, TypeError, "hidden_size as an integer"),
    ({"num_layers": 0}, ValueError, "num_layers from 1"),
    ({"dropout": 1.0}, ValueError, "dropout below 1"),
    ({"dropout": -0.1}, ValueError, "dropout from 0"),
    ({"random_state": None}, TypeError, "random_state as an integer"),
    ({"random_state": -1}, ValueError, "random_state from 0"),
    ({"dtype": np.int32}, ValueError, "dtype float32 or float64"),
    ({"n_threads": 0}, ValueError, "n_threads from 1"),
]


@each_kind
@pytest.mark.parametrize(("options", "error", "words"), SETTINGS)
def test_bad_settings(
    kind: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    arguments = {"input_size": 3, "hidden_size": 4, **options}
    with pytest.raises(error, match=rf"^\[recurrent\.{kind.__name__}\].*{words}"):
        kind(**arguments)


def test_bad_choices() -> None:
    with pytest.raises(ValueError, match="candidate as one of"):
        LSTM(3, 4, candidate="relu")
    with pytest.raises(ValueError, match="nonlinearity as one of"):
        RNN(3, 4, nonlinearity="sigmoid")
    with pytest.raises(ValueError, match="forget_bias finite"):
        LSTM(3, 4, forget_bias=np.inf)
    with pytest.raises(ValueError, match="proj_size below hidden_size, got 4 and 4"):
        LSTM(3, 4, proj_size=4)
    with pytest.raises(ValueError, match="proj_size >= 0, got -1"):
        LSTM(3, 4, proj_size=-1)
    with pytest.raises(TypeError, match="proj_size as an integer"):
        LSTM(3, 4, proj_size=2.0)


STATE = np.zeros((2, 4, HIDDEN))
FORWARD = [
    ({"x": np.zeros((4, 5))}, ValueError, "x with 3 dimension"),
    ({"x": np.zeros((4, 5, 7))}, ValueError, r"x of shape \(B, T, D\)"),
    ({"lengths": [6, 1, 1, 1]}, ValueError, "lengths from 0 to T = 5"),
    ({"state": STATE}, TypeError, r"state as a tuple \(h, c\)"),
    ({"state": (STATE, STATE[:1])}, ValueError, "state of shape"),
    ({"state": (STATE, "a")}, TypeError, "state of real numbers"),
]


@pytest.mark.parametrize(("options", "error", "words"), FORWARD)
def test_bad_forward(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=rf"^\[recurrent\.LSTM\.forward\].*{words}"):
        make(LSTM).forward(**{"x": draw(), **options})


@each_kind
def test_backward_needs_a_training_pass(kind: Any) -> None:
    network = make(kind)
    h, _ = network.forward(draw())
    with pytest.raises(RuntimeError, match=r"expected forward\(..., training=True\)"):
        network.backward(h)
    h, _ = network.forward(draw(), training=True)
    with pytest.raises(ValueError, match=r"\.backward\] expected dh of shape"):
        network.backward(h[:, 1:])
    network.backward(h)  # the refused call left the pass as it was
    with pytest.raises(RuntimeError, match="training=True"):
        network.backward(h)


def test_a_network_of_two_directions_cannot_stream() -> None:
    with pytest.raises(ValueError, match=r"\[recurrent.LSTM.step\] expected one dir"):
        make(LSTM, bidirectional=True).step(draw()[:, 0])
    _, stream = make(LSTM).step(draw()[:, 0])
    with pytest.raises(ValueError, match="h of shape"):
        stream.step(draw()[:2, 0])
