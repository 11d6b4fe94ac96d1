"""Cases of the nn room: the loss at the end of a network, and a step of Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnotes._reference import nn as reference
from fastnotes.bench import peers
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run, Work

BOUND = 1e-5
"""Some roundings of float32, of the largest gradient or parameter."""

RATE = 1e-3


def logits_of(rows: int, classes: int) -> Inputs:
    """Return normal float32 logits and a target for each row."""
    rng = np.random.default_rng(0)
    logits = 3 * rng.standard_normal((rows, classes), dtype=np.float32)
    return {"logits": logits, "target": rng.integers(0, classes, rows)}


def parameters_of(size: int) -> Inputs:
    """Return a normal float32 parameter and its gradient."""
    rng = np.random.default_rng(0)
    parameter, gradient = rng.standard_normal((2, size), dtype=np.float32)
    return {"parameter": parameter, "gradient": gradient}


# ---------------------------------------------------------------- cross-entropy


def _our_loss(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.nn import softmax_cross_entropy

    logits, target = inputs["logits"], inputs["target"]
    return lambda: softmax_cross_entropy(logits, target, n_threads=n_threads)


def _torch_loss(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)
    logits = torch.from_numpy(inputs["logits"]).requires_grad_()
    target = torch.from_numpy(inputs["target"])
    cross_entropy = torch.nn.functional.cross_entropy

    def run() -> Any:
        logits.grad = None
        loss = cross_entropy(logits, target, reduction="none")
        loss.sum().backward()
        return loss.detach(), logits.grad

    return run


def _exact_loss(inputs: Inputs) -> Any:
    logits, target = inputs["logits"], inputs["target"]
    return reference.softmax_cross_entropy(logits, target, np.ones(len(logits)))


def _loss_case(rows: int, classes: int, *, quick: bool) -> Case:
    parameters = {"rows": rows, "classes": classes}
    return Case(
        room="nn",
        name=f"cross-entropy-{rows}x{classes}",
        title=f"softmax cross-entropy of {rows} rows of {classes}, with its gradient",
        build=logits_of,
        full=parameters,
        quick=parameters if quick else None,
        contenders=(
            Contender(OURS, "nn.softmax_cross_entropy", _our_loss),
            Contender("torch", "cross_entropy, backward", _torch_loss, "torch"),
        ),
        reference=_exact_loss,
        work=lambda inputs: Work(n_bytes=2 * inputs["logits"].nbytes),
        bound=BOUND,
        allocation="fresh",
    )


# ---------------------------------------------------------------- Adam


def _our_adam(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.nn import Adam

    parameters = {"p": inputs["parameter"].copy()}
    optimizer, gradients = Adam(parameters, RATE), {"p": inputs["gradient"]}

    def run() -> Any:
        optimizer.step(gradients, n_threads=n_threads)
        return parameters["p"]

    return run


def _torch_adam(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)
    parameter = torch.from_numpy(inputs["parameter"].copy())
    parameter.grad = torch.from_numpy(inputs["gradient"])
    optimizer = torch.optim.Adam([parameter], RATE, fused=True)

    def run() -> Any:
        optimizer.step()
        return parameter

    return run


def _exact_step(inputs: Inputs) -> Any:
    p, g = (inputs[name].astype(np.float64) for name in ("parameter", "gradient"))
    return reference.adam(p, [g], RATE, (0.9, 0.999), 1e-8)


def _adam_case(size: int) -> Case:
    return Case(
        room="nn",
        name=f"adam-{size}",
        title=f"one step of Adam on {size:,} float32 parameters",
        build=parameters_of,
        full={"size": size},
        contenders=(
            Contender(OURS, "nn.Adam.step", _our_adam),
            Contender("torch", "optim.Adam, fused", _torch_adam, "torch"),
        ),
        reference=_exact_step,
        work=lambda inputs: Work(n_bytes=7 * inputs["parameter"].nbytes),
        bound=BOUND,
        allocation="preallocated",
    )


CASES = (
    _loss_case(2048, 65, quick=True),
    _loss_case(640, 10_000, quick=False),
    _adam_case(50_000),
    _adam_case(2_000_000),
)
