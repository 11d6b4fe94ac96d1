"""The network of a language model: streams, gradients, dropout, against torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fastnotes.recurrent._options import LSTMOptions
from fastnotes.recurrent._streams import Streams, Window
from fastnotes.recurrent._text_network import TextNetwork, TextSizes, scatter_add
from support.gradcheck import assert_directional, assert_gradients
from support.sweeps import DTYPES, assert_same_bytes, same_bytes_for_threads
from support.tolerances import COMPOSITE

#: Folded: more embedding than vocabulary, in a window of many tokens.
FOLDED = TextSizes(
    cell="lstm",
    vocabulary_size=3,
    embedding_size=4,
    hidden_size=5,
    num_layers=2,
    tie_weights=False,
    dropout=0.0,
    window_size=15,
)
PLAIN = replace(FOLDED, vocabulary_size=7)
TIED = replace(PLAIN, embedding_size=5, tie_weights=True)
TIED_FOLDED = replace(FOLDED, embedding_size=5, tie_weights=True)
DROPPED = replace(PLAIN, dropout=0.3)
PARTS = replace(FOLDED, parts=LSTMOptions(True, 3, (0.5, 0.25)))
ALL = {
    "folded": FOLDED,
    "plain": PLAIN,
    "tied": TIED,
    "tied and folded": TIED_FOLDED,
    "dropout": DROPPED,
    "tied with dropout": replace(TIED, dropout=0.5),
    "parts": PARTS,
    "parts, dropout": replace(PARTS, dropout=0.3, embedding_size=3, tie_weights=True),
    "rnn": replace(PLAIN, cell="rnn"),
    "folded rnn": replace(FOLDED, cell="rnn", num_layers=1),
}


def network_of(sizes: TextSizes, n_threads: int = 1, **options: Any) -> TextNetwork:
    return TextNetwork(sizes, random_state=3, n_threads=n_threads, **options)


def window_of(
    sizes: TextSizes, shape: tuple[int, int] = (3, 5), seed: int = 0
) -> Window:
    rng = np.random.default_rng(seed)
    inputs, targets = rng.integers(0, sizes.vocabulary_size, (2, *shape))
    targets[0, -1] = -1
    return Window(inputs, targets)


# ---------------------------------------------------------------- streams


def test_streams_by_hand() -> None:
    ids = np.arange(10)
    windows = list(Streams(ids, 2, whole=False).windows(3))
    assert [w.inputs.tolist() for w in windows] == [
        [[0, 1, 2], [4, 5, 6]],
        [[3], [7]],
    ]
    assert [w.targets.tolist() for w in windows] == [
        [[1, 2, 3], [5, 6, 7]],
        [[4], [8]],
    ]
    assert Streams(ids, 2, whole=False).n_targets == 8
    [whole] = Streams(ids, 2, whole=True).windows(9)
    assert whole.targets.tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 9, -1]]
    assert Streams(ids, 2, whole=True).n_targets == 9


@pytest.mark.parametrize("n", [2, 3, 17, 64, 65])
@pytest.mark.parametrize("n_streams", [1, 2, 7])
@pytest.mark.parametrize("n_steps", [1, 5, 100])
def test_every_token_is_a_target_once(n: int, n_streams: int, n_steps: int) -> None:
    ids = np.random.default_rng(0).permutation(n)
    for whole in (False, True):
        streams = Streams(ids, min(n_streams, n - 1), whole=whole)
        windows = list(streams.windows(n_steps))
        inputs = np.concatenate([w.inputs for w in windows], axis=1).reshape(-1)
        targets = np.concatenate([w.targets for w in windows], axis=1).reshape(-1)
        real = targets >= 0
        assert real.sum() == streams.n_targets
        assert targets[real].tolist() == ids[1 : 1 + streams.n_targets].tolist()
        assert inputs[real].tolist() == ids[: streams.n_targets].tolist()
        assert streams.n_targets > n - 1 - n_streams
        if whole:
            assert streams.n_targets == n - 1


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize("sizes", ALL.values(), ids=ALL)
def test_shapes_are_those_of_the_parameters(sizes: TextSizes) -> None:
    network = network_of(sizes)
    shapes = {name: array.shape for name, array in network.parameters.items()}
    assert shapes == sizes.shapes()
    assert list(shapes) == list(sizes.shapes())


def test_which_networks_are_folded() -> None:
    assert FOLDED.folded
    assert TIED_FOLDED.folded
    for sizes in (PLAIN, TIED, DROPPED, replace(FOLDED, dropout=0.1)):
        assert not sizes.folded
    assert not replace(FOLDED, window_size=12).folded
    assert not replace(FOLDED, embedding_size=3).folded


def test_first_weights() -> None:
    sizes = replace(PLAIN, hidden_size=64, embedding_size=64, vocabulary_size=80)
    parameters = network_of(sizes).parameters
    assert abs(parameters["embedding"].std() - 1) < 0.05
    assert np.abs(parameters["weight_hh_l1"]).max() <= 1 / 8
    assert np.abs(parameters["head_weight"]).max() <= 1 / 8
    assert parameters["bias_l0"].tolist() == [0.0] * 64 + [1.0] * 64 + [0.0] * 128
    tied = network_of(replace(sizes, tie_weights=True)).parameters
    assert abs(tied["embedding"].std() * 8 - 1) < 0.05
    small = network_of(sizes, init_scale=0.05, forget_bias=0.0).parameters
    for name, array in small.items():
        assert np.abs(array).max() <= 0.05
        assert np.abs(array).max() == 0 if "bias" in name else array.std() > 0.02
    folded = replace(sizes, vocabulary_size=7, window_size=2048)
    plain = replace(folded, window_size=1)
    assert folded.folded
    for name, array in network_of(plain).parameters.items():
        assert_same_bytes(network_of(folded).parameters[name], array)


# ---------------------------------------------------------------- gradients


@pytest.mark.parametrize("sizes", ALL.values(), ids=ALL)
def test_gradients(sizes: TextSizes) -> None:
    network = network_of(sizes, dtype=np.float64)
    window, names = window_of(sizes), list(network.parameters)
    state = network.loss(window_of(sizes, seed=1), None).state

    def loss(*values: Any) -> float:
        for name, value in zip(names, values, strict=True):
            network.parameters[name][...] = value
        network.n_tokens, network.n_sequences = 30, 6  # what is drawn each time
        total, n_losses, _ = network.loss(window, state, training=True)
        return total / n_losses

    values = [array.copy() for array in network.parameters.values()]
    loss(*values)
    found = network.gradients()
    assert list(found) == names
    assert (network.n_tokens, network.n_sequences) == (45, 9)
    small = [i for i, value in enumerate(values) if value.size <= 40]
    gradients = [found[name] for name in names]
    assert_directional(loss, values, gradients)
    for i in small:

        def loss_of_one(value: Any, i: int = i) -> float:
            return loss(*values[:i], value, *values[i + 1 :])

        assert_gradients(loss_of_one, [values[i]], [gradients[i]])


def test_folded_and_plain_are_one_function() -> None:
    window = window_of(FOLDED)
    plain = replace(FOLDED, window_size=1)
    for dtype in DTYPES:
        one, other = (network_of(sizes, dtype=dtype) for sizes in (FOLDED, plain))
        losses = [n.loss(window, None, training=True).total for n in (one, other)]
        COMPOSITE.assert_close(np.array(losses[0], dtype), losses[1])
        for got, expected in zip(
            one.gradients().values(), other.gradients().values(), strict=True
        ):
            COMPOSITE.assert_close(got, expected)


def test_scatter_add_is_a_product_with_one_hots() -> None:
    rng = np.random.default_rng(0)
    ids, values = rng.integers(0, 5, (3, 7)), rng.normal(size=(3, 7, 2))
    ids[ids == 3] = 0
    expected = np.eye(6)[ids.reshape(-1)].T @ values.reshape(-1, 2)
    np.testing.assert_allclose(scatter_add(ids, values, 6), expected, atol=1e-12)
    single = scatter_add(ids, values.astype(np.float32), 6)
    assert single.dtype == np.float32
    assert not single[3].any()
    assert not single[5].any()


@pytest.mark.parametrize(
    "sizes",
    [FOLDED, TIED, DROPPED, PARTS],
    ids=["folded", "tied", "dropout", "parts"],
)
def test_same_bytes_for_threads(sizes: TextSizes) -> None:
    large = replace(sizes, hidden_size=33, embedding_size=33, window_size=400)
    window = window_of(large, (8, 50))

    def step(n_threads: int) -> Any:
        network = network_of(large, n_threads)
        loss = network.loss(window, None, training=True)
        return np.array(loss.total), *network.gradients().values()

    same_bytes_for_threads(step)


def test_a_stream_does_not_see_its_neighbours() -> None:
    window = window_of(PLAIN)
    network = network_of(PLAIN)
    alone = Window(window.inputs[1:2], window.targets[1:2])
    _, (h, _) = network.loss(window, None)[1:]
    assert_same_bytes(network.loss(alone, None).state[0], h[:, 1:2])


@pytest.mark.parametrize("sizes", [DROPPED, PARTS], ids=["dropout", "zoneout"])
def test_what_is_drawn_counts_what_was_read(sizes: TextSizes) -> None:
    window = window_of(sizes)
    network, other = network_of(sizes), network_of(sizes)
    first = network.loss(window, None, training=True).total
    second = network.loss(window, None, training=True).total
    assert first != second
    other.n_tokens, other.n_sequences = window.inputs.size, len(window.inputs)
    assert other.loss(window, None, training=True).total == second
    assert network.loss(window, None).total == other.loss(window, None).total


def test_reading_token_by_token_is_reading_a_window() -> None:
    for sizes in (PLAIN, FOLDED, TIED, PARTS):
        network = network_of(sizes, dtype=np.float64)
        ids = window_of(sizes).inputs[:1]
        reader = network.reader()
        logits = np.array([reader.read(int(token)) for token in ids[0]])
        losses = [
            np.logaddexp.reduce(row) - row[target]
            for row, target in zip(logits, np.roll(ids[0], -1), strict=True)
        ]
        whole = network.loss(Window(ids, np.roll(ids, -1, axis=1)), None)
        np.testing.assert_allclose(sum(losses), whole.total, rtol=1e-12)


@pytest.mark.parametrize("tied", [False, True])
def test_a_window_against_torch(tied: bool) -> None:
    """Loss, carried state and every gradient, of the second of two windows."""
    torch = pytest.importorskip("torch")
    sizes = replace(
        TIED if tied else FOLDED, hidden_size=24, embedding_size=24, window_size=400
    )
    network = network_of(sizes)
    ours, windows = network.parameters, [window_of(sizes, (4, 30), s) for s in (0, 1)]
    embedding = torch.nn.Embedding(*ours["embedding"].shape)
    lstm = torch.nn.LSTM(24, 24, 2, batch_first=True)
    head = torch.nn.Linear(24, sizes.vocabulary_size)
    if tied:
        head.weight = embedding.weight
    leaves = {"embedding": embedding.weight, "head_bias": head.bias}
    leaves |= {} if tied else {"head_weight": head.weight}
    for name in ours:
        if name[-3:-1] == "_l":
            leaves[name] = getattr(lstm, name.replace("bias", "bias_ih"))
    with torch.no_grad():
        for layer in range(2):
            getattr(lstm, f"bias_hh_l{layer}").zero_()
        for name, leaf in leaves.items():
            leaf.copy_(torch.from_numpy(ours[name]))

    state = None
    for window in windows:
        h, state = lstm(embedding(torch.from_numpy(window.inputs)), state)
        expected = torch.nn.functional.cross_entropy(
            head(h).reshape(-1, sizes.vocabulary_size),
            torch.from_numpy(window.targets).reshape(-1),
            ignore_index=-1,
        )
        state = tuple(each.detach() for each in state)
    gradients = torch.autograd.grad(expected, list(leaves.values()))

    carried = network.loss(windows[0], None).state
    loss = network.loss(windows[1], carried, training=True)
    COMPOSITE.assert_close(
        np.array(loss.total / loss.n_losses, np.float32), expected.item()
    )
    found = network.gradients()
    assert found.keys() == leaves.keys()
    for name, gradient in zip(leaves, gradients, strict=True):
        COMPOSITE.assert_close(found[name], gradient.numpy())
