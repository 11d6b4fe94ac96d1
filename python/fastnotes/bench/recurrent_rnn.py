"""Cases of the recurrent room: the vanilla network, beside torch.nn.RNN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastnotes._reference import recurrent as reference
from fastnotes.bench import peers
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run
from fastnotes.bench.recurrent_peers import fastest
from fastnotes.bench.recurrent_work import work_of

FORWARD_BOUND = 2e-5
GRADIENT_BOUND = 1e-4
"""As of the LSTM's cases."""

WEIGHTS = ("weight_ih", "weight_hh", "bias")


def generated(n_rows: int, n_steps: int, hidden: int) -> Inputs:
    """Return normal inputs as wide as the layer, weights as torch starts them."""
    rng = np.random.default_rng(0)
    bound = hidden**-0.5
    shapes = ((hidden, hidden), (hidden, hidden), (hidden,))
    weights = (rng.uniform(-bound, bound, shape).astype(np.float32) for shape in shapes)
    x, dh = rng.standard_normal((2, n_rows, n_steps, hidden), dtype=np.float32)
    return {"x": x, "dh": dh, **dict(zip(WEIGHTS, weights, strict=True))}


def _our_inference(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.recurrent import RNNWeights

    weights, x = RNNWeights(*(inputs[name] for name in WEIGHTS)), inputs["x"]
    return lambda: weights.forward(x, n_threads=n_threads)[:2]


def _our_training(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.recurrent import rnn_backward, rnn_forward

    arguments = [inputs["x"], *(inputs[name] for name in WEIGHTS)]
    dh = inputs["dh"]

    def run() -> Any:
        out = rnn_forward(*arguments, n_threads=n_threads)
        return rnn_backward(dh, out.cache, n_threads=n_threads)[:4]

    return run


def _torch_rnn(torch: Any, inputs: Inputs, batch_first: bool) -> Any:
    hidden = inputs["weight_hh"].shape[0]
    net = torch.nn.RNN(inputs["x"].shape[2], hidden, batch_first=batch_first)
    values = (*(inputs[name] for name in WEIGHTS), np.zeros(hidden, np.float32))
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), values, strict=True):
            parameter.copy_(torch.from_numpy(value))
    return net


def _laid_out(torch: Any, array: Any, batch_first: bool) -> Any:
    values = torch.from_numpy(array)
    return values if batch_first else values.transpose(0, 1).contiguous()


def _torch_inference(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)

    def way(batch_first: bool) -> Run:
        net = _torch_rnn(torch, inputs, batch_first).eval()
        x = _laid_out(torch, inputs["x"], batch_first)

        def run() -> Any:
            with torch.inference_mode():
                h, h_last = net(x)
            return (h if batch_first else h.transpose(0, 1)), h_last[0]

        return run

    return fastest([way(False), way(True)])


def _torch_training(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)

    def way(batch_first: bool) -> Run:
        net = _torch_rnn(torch, inputs, batch_first)
        x = _laid_out(torch, inputs["x"], batch_first).requires_grad_()
        dh = _laid_out(torch, inputs["dh"], batch_first)
        leaves = (x, net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0)

        def run() -> Any:
            h, _ = net(x)
            dx, *rest = torch.autograd.grad(h, leaves, dh)
            return (dx if batch_first else dx.transpose(0, 1)), *rest

        return run

    return fastest([way(False), way(True)])


def _exact(inputs: Inputs) -> tuple[Any, Any]:
    names = ("x", *WEIGHTS, "dh")
    x, u, w, b, dh = (inputs[name].astype(np.float64) for name in names)
    h0, lengths = np.zeros((len(x), len(w))), np.full(len(x), x.shape[1])
    out = reference.rnn_forward(x, u, w, b, h0, lengths)
    return out, reference.rnn_backward(dh, x, u, w, out.steps, h0)


def _cases() -> tuple[Case, ...]:
    cases = []
    for hidden, n_rows in ((64, 1), (64, 16), (256, 1), (256, 16)):
        size = f"h{hidden}-b{n_rows}"
        title = f"generated, {hidden} units, {n_rows} x 128 steps"
        options: Mapping[str, Any] = {
            "room": "recurrent",
            "build": generated,
            "full": {"n_rows": n_rows, "n_steps": 128, "hidden": hidden},
        }
        forward = Case(
            name=f"rnn-forward-{size}",
            title=f"tanh RNN inference, {title}",
            contenders=(
                Contender(OURS, "RNNWeights.forward", _our_inference),
                Contender("torch", "nn.RNN, faster layout", _torch_inference, "torch"),
            ),
            reference=lambda inputs: _exact(inputs)[0][:2],
            work=work_of(1),
            bound=FORWARD_BOUND,
            **options,
        )
        training = Case(
            name=f"rnn-train-{size}",
            title=f"tanh RNN forward and all gradients, {title}",
            contenders=(
                Contender(OURS, "rnn_forward, rnn_backward", _our_training),
                Contender("torch", "nn.RNN, autograd", _torch_training, "torch"),
            ),
            reference=lambda inputs: _exact(inputs)[1][:4],
            work=work_of(3),
            bound=GRADIENT_BOUND,
            **options,
        )
        cases += [forward, training]
    return tuple(cases)


CASES = _cases()
