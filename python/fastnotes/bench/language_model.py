"""One training step of a character model: ours, torch's and a NumPy twin.

A step reads a window (B, T) of characters through an embedding, layers of LSTMs and a
linear head, takes the gradients of the mean cross-entropy, clips them and moves all
parameters by Adam.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._reference import nn as exact_nn
from fastnotes._reference import recurrent as exact
from fastnotes.bench import peers
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run, Work
from fastnotes.bench.recurrent_peers import fastest

RATE, MAX_NORM = 0.002, 5.0

BOUND = 1e-4
"""As of the LSTM's training: gradients sum over all steps."""


def window(n_rows: int, n_steps: int, hidden: int, layers: int) -> Inputs:
    """Return a window of Tiny Shakespeare and the first weights of a model."""
    from fastnotes import datasets
    from fastnotes.recurrent._streams import Streams

    text = datasets.load_tiny_shakespeare()
    streams = Streams(text.train.astype(np.int64), n_rows, whole=False)
    ids, targets = next(streams.windows(n_steps))
    network = our_network(len(text.vocabulary), (n_rows, n_steps), hidden, layers, 1)
    parameters = {name: a.copy() for name, a in network.parameters.items()}
    return {"ids": ids, "targets": targets, "layers": layers, "parameters": parameters}


def our_network(
    vocabulary: int, shape: tuple[int, int], hidden: int, layers: int, n_threads: int
) -> Any:
    """Return the network behind `LanguageModel`, its embedding as wide as a layer."""
    from fastnotes.recurrent._text_network import TextNetwork, TextSizes

    sizes = TextSizes(
        cell="lstm",
        vocabulary_size=vocabulary,
        embedding_size=hidden,
        hidden_size=hidden,
        num_layers=layers,
        tie_weights=False,
        dropout=0.0,
        window_size=shape[0] * shape[1],
    )
    return TextNetwork(sizes, random_state=0, n_threads=n_threads)


def torch_model(torch: Any, parameters: Mapping[str, Any], batch_first: bool) -> Any:
    """Return torch's modules with the same weights: embedding, layers, head."""
    vocabulary, width = parameters["embedding"].shape
    hidden = parameters["weight_hh_l0"].shape[1]
    layers = sum(name.startswith("weight_hh") for name in parameters)
    model = torch.nn.ModuleDict(
        {
            "embedding": torch.nn.Embedding(vocabulary, width),
            "lstm": torch.nn.LSTM(width, hidden, layers, batch_first=batch_first),
            "head": torch.nn.Linear(hidden, vocabulary),
        }
    )
    with torch.no_grad():
        for name, leaf in torch_leaves(model, parameters).items():
            leaf.copy_(torch.from_numpy(parameters[name]))
        for layer in range(layers):  # two biases are added: one is enough
            bias = getattr(model["lstm"], f"bias_hh_l{layer}")
            bias.zero_().requires_grad_(False)
    return model


def torch_leaves(model: Any, names: Any) -> dict[str, Any]:
    """Return torch's parameters under our names."""
    outside = {
        "embedding": model["embedding"].weight,
        "head_weight": model["head"].weight,
        "head_bias": model["head"].bias,
    }
    lstm = model["lstm"]
    return {
        name: outside[name]
        if name in outside
        else getattr(lstm, name.replace("bias", "bias_ih"))
        for name in names
    }


class TorchTraining:
    """The same training by torch: Adam on clipped gradients, the state carried."""

    def __init__(
        self, torch: Any, parameters: Mapping[str, Any], rate: float, batch_first: bool
    ) -> None:
        self._torch, self._batch_first = torch, batch_first
        self.model = torch_model(torch, parameters, batch_first)
        self.leaves = torch_leaves(self.model, parameters)
        self.optimizer = torch.optim.Adam(self.leaves.values(), rate, fused=True)

    def laid_out(self, ids: NDArray[np.int64]) -> Any:
        """Tokens as this layout has them."""
        return self._torch.from_numpy(ids if self._batch_first else ids.T.copy())

    def loss(self, ids: Any, targets: Any, state: Any) -> tuple[Any, Any]:
        """Mean loss in nats, and the state after the window."""
        h, state = self.model["lstm"](self.model["embedding"](ids), state)
        logits = self.model["head"](h).flatten(0, 1)
        loss = self._torch.nn.functional.cross_entropy(
            logits, targets.flatten(), ignore_index=-1
        )
        return loss, tuple(each.detach() for each in state)

    def step(self, ids: Any, targets: Any, state: Any) -> tuple[Any, Any]:
        """Take a step; return what `loss` returns."""
        loss, state = self.loss(ids, targets, state)
        self.optimizer.zero_grad()
        loss.backward()
        self._torch.nn.utils.clip_grad_norm_(self.leaves.values(), MAX_NORM)
        self.optimizer.step()
        return loss.detach(), state


# ---------------------------------------------------------------- contenders


def _our_step(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.nn import Adam, clip_gradients
    from fastnotes.nn.training import restore
    from fastnotes.recurrent._streams import Window

    vocabulary, hidden = inputs["parameters"]["embedding"].shape
    ids = inputs["ids"]
    network = our_network(vocabulary, ids.shape, hidden, inputs["layers"], n_threads)
    restore(network.parameters, inputs["parameters"])
    optimizer = Adam(network.parameters, RATE)
    tokens = Window(ids, inputs["targets"])

    def run() -> Any:
        loss = network.loss(tokens, None, training=True)
        gradients = network.gradients()
        clip_gradients(gradients, MAX_NORM, n_threads=n_threads)
        optimizer.step(gradients, n_threads=n_threads)
        return loss.total / loss.n_losses, gradients

    return run


def _torch_step(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)

    def way(batch_first: bool) -> Run:
        training = TorchTraining(torch, inputs["parameters"], RATE, batch_first)
        ids, targets = map(training.laid_out, (inputs["ids"], inputs["targets"]))

        def run() -> Any:
            loss, _ = training.step(ids, targets, None)
            leaves = training.leaves.items()
            return loss.item(), {name: leaf.grad for name, leaf in leaves}

        return run

    tried = [way(False), way(True)]
    return way(fastest(tried) is tried[1])  # from the first weights again


def _answer(raw: Any) -> tuple[Any, ...]:
    loss, gradients = raw
    return loss, *gradients.values()


def _exact_step(inputs: Inputs) -> tuple[Any, ...]:
    """Return the loss and all clipped gradients, in float64."""
    p = {name: a.astype(np.float64) for name, a in inputs["parameters"].items()}
    ids, targets, hidden = inputs["ids"], inputs["targets"], p["weight_hh_l0"].shape[1]
    zeros, lengths = np.zeros((len(ids), hidden)), np.full(len(ids), ids.shape[1])
    layers, passes = range(inputs["layers"]), []
    x = p["embedding"][ids]
    for layer in layers:
        names = (f"{name}_l{layer}" for name in ("weight_ih", "weight_hh", "bias"))
        u, w, b = (p[name] for name in names)
        out = exact.lstm_forward(x, u, w, b, zeros, zeros, lengths)
        passes.append((x, u, w, out.steps))
        x = out.h
    flat = x.reshape(-1, hidden)
    logits = flat @ p["head_weight"].T + p["head_bias"]
    weight = np.full(targets.size, 1 / targets.size)
    loss, d = exact_nn.softmax_cross_entropy(logits, targets.reshape(-1), weight)
    found = {"head_weight": d.T @ flat, "head_bias": d.sum(axis=0)}
    dx = (d @ p["head_weight"]).reshape(x.shape)
    for layer in reversed(layers):
        back = exact.lstm_backward(dx, *passes[layer], zeros, zeros)
        found[f"weight_ih_l{layer}"] = back.dweight_ih
        found[f"weight_hh_l{layer}"] = back.dweight_hh
        found[f"bias_l{layer}"] = back.dbias
        dx = back.dx
    found["embedding"] = np.zeros_like(p["embedding"])
    np.add.at(found["embedding"], ids, dx)
    norm = np.sqrt(sum(np.vdot(g, g) for g in found.values()))
    scale = min(1.0, MAX_NORM / norm)
    return loss.sum(), *(scale * found[name] for name in p)


def _work(inputs: Inputs) -> Work:
    """Three times the products, the first layer's on one-hot tokens; Adam's traffic."""
    p = inputs["parameters"]
    matrices = sum(a.size for name, a in p.items() if a.ndim == 2)
    vocabulary, width = p["embedding"].shape
    matrices -= p["embedding"].size + p["weight_ih_l0"].size * (1 - vocabulary / width)
    n_bytes = 7 * sum(a.nbytes for a in p.values())
    return Work(n_bytes, 3 * 2 * inputs["ids"].size * matrices)


CASES = (
    Case(
        room="recurrent",
        name="language-model-step",
        title="a training step of a character model, 2 x 256 units, 32 x 64, Adam",
        build=window,
        full={"n_rows": 32, "n_steps": 64, "hidden": 256, "layers": 2},
        quick={"n_rows": 32, "n_steps": 64, "hidden": 256, "layers": 2},
        contenders=(
            Contender(OURS, "LanguageModel, one window", _our_step, answer=_answer),
            Contender(
                "torch",
                "Embedding, LSTM, Linear, fused Adam",
                _torch_step,
                "torch",
                answer=_answer,
            ),
        ),
        reference=_exact_step,
        work=_work,
        bound=BOUND,
        needs_data=True,
    ),
)
