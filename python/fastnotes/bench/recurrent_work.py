"""What a pass of a recurrent layer has to do at least."""

from __future__ import annotations

from collections.abc import Callable

from fastnotes.bench.case import Inputs, Work


def work_of(passes: int, weight_bytes: int = 4) -> Callable[[Inputs], Work]:
    """Count both products of every step that there is, ``passes`` times.

    One is the forward pass: weights and inputs read once, h written once. Three is
    training: gradients of inputs and of weights are two more.
    """

    def count(inputs: Inputs) -> Work:
        x, lengths = inputs["x"], inputs.get("lengths")
        n_steps = x.shape[0] * x.shape[1] if lengths is None else lengths.sum()
        weights = inputs["weight_ih"].size + inputs["weight_hh"].size
        traffic = weight_bytes * weights + x.nbytes + inputs["dh"].nbytes
        return Work(passes * traffic, passes * 2 * float(n_steps) * weights)

    return count
