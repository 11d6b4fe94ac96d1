"""A case of the recurrent room: sequences of unequal length, trained both ways.

The second direction begins at each sequence's own end, so padding cannot simply be run
over: torch has packed sequences for that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnotes.bench import peers
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run, Work

BOUND = 1e-4
"""Gradients of float32 sums over all steps, as of the room's other cases."""


def vowels(hidden: int) -> Inputs:
    """Return the 270 training sequences of Japanese Vowels, and weights both ways."""
    from fastnotes import datasets
    from fastnotes.recurrent import LSTM

    x, lengths = datasets.load_japanese_vowels().train.padded()
    rng = np.random.default_rng(0)
    dh = rng.standard_normal((*x.shape[:2], 2 * hidden), dtype=np.float32)
    dh[np.arange(x.shape[1]) >= lengths[:, None]] = 0
    layers = LSTM(x.shape[2], hidden, bidirectional=True)
    return {"x": x, "lengths": lengths, "dh": dh, "weights": layers.parameters}


def _layers(inputs: Inputs, n_threads: int | None = None) -> Any:
    from fastnotes.nn.training import restore
    from fastnotes.recurrent import LSTM

    weights = inputs["weights"]
    hidden = weights["weight_hh_l0"].shape[1]
    features = inputs["x"].shape[2]
    layers = LSTM(features, hidden, bidirectional=True, n_threads=n_threads)
    restore(layers.parameters, weights)
    return layers


def _ours(inputs: Inputs, n_threads: int) -> Run:
    layers = _layers(inputs, n_threads)
    x, lengths, dh = (inputs[name] for name in ("x", "lengths", "dh"))

    def run() -> Any:
        layers.forward(x, lengths=lengths, training=True)
        dx = layers.backward(dh)
        return dx, *layers.gradients.values()

    return run


def _torch(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)
    module = _layers(inputs).to_torch()
    x = torch.from_numpy(inputs["x"]).requires_grad_()
    lengths, dh = (torch.from_numpy(inputs[name]) for name in ("lengths", "dh"))
    wanted = dict(module.named_parameters())
    names = [name.replace("bias_", "bias_ih_") for name in inputs["weights"]]
    leaves = [x, *(wanted[name] for name in names)]
    rnn = torch.nn.utils.rnn

    def run() -> Any:
        packed = rnn.pack_padded_sequence(
            x, lengths, batch_first=True, enforce_sorted=False
        )
        h, _ = module(packed)
        h, _ = rnn.pad_packed_sequence(h, batch_first=True, total_length=x.shape[1])
        return torch.autograd.grad(h, leaves, dh)

    return run


def _work(inputs: Inputs) -> Work:
    """Three products of each direction's weights with every step that there is."""
    weights = sum(values.nbytes for values in inputs["weights"].values())
    flops = 3 * 2 * float(inputs["lengths"].sum()) * weights / 4
    traffic = weights + inputs["x"].nbytes + inputs["dh"].nbytes
    return Work(3 * traffic, flops)


CASES = (
    Case(
        room="recurrent",
        name="ragged-train-vowels",
        title="LSTM both ways, forward and all gradients, Japanese Vowels, 64 units",
        build=vowels,
        full={"hidden": 64},
        quick={"hidden": 64},
        contenders=(
            Contender(OURS, "LSTM.forward, LSTM.backward", _ours),
            Contender(
                "torch", "nn.LSTM of packed sequences, autograd", _torch, "torch"
            ),
        ),
        work=_work,
        bound=BOUND,
        needs_data=True,
    ),
)
