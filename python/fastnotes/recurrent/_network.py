"""A recurrent network with a pooling and a head, as the training loop takes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import RealArray
from fastnotes.nn import matmul
from fastnotes.recurrent._sequences import Batch, Ragged
from fastnotes.recurrent._targets import Targets
from fastnotes.recurrent.pooling import Pooling
from fastnotes.recurrent.stack import Stack

Array = RealArray

#: What predictions take at once: sequences, and steps with the padding.
LARGE_BATCH, LARGE_STEPS = 256, 2**16


class Network:
    """Layers, pooling and a linear head."""

    def __init__(
        self, stack: Stack, pooling: str, n_outputs: int, n_threads: int
    ) -> None:
        self.stack, self.n_threads = stack, n_threads
        self.pooling = pooling
        self._pass: Any = None  # what a training pass leaves for backward
        width = stack.n_directions * stack.output_size
        self.parameters: dict[str, RealArray] = {
            **stack.parameters,
            "head_weight": np.zeros((width, n_outputs), stack.dtype),
            "head_bias": np.zeros(n_outputs, stack.dtype),
        }

    def forward(self, batch: Batch, *, training: bool) -> Array:
        """(B, n_outputs), the outputs of the head; or a row for each step."""
        h, state = self.stack.forward(  # type: ignore[attr-defined]
            batch.x, lengths=batch.lengths, training=training
        )
        pooling = Pooling(self.pooling, self.stack.n_directions)
        pooled = pooling.forward(h, state, batch.lengths, batch.valid)
        if training:
            self._pass = pooling, pooled, state
        weight, bias = self.parameters["head_weight"], self.parameters["head_bias"]
        return np.add(matmul(pooled, weight, n_threads=self.n_threads), bias)

    def backward(self, doutput: Array) -> dict[str, RealArray]:
        """Gradients of all parameters, after a training pass."""
        (pooling, pooled, state), self._pass = self._pass, None
        weight, n_threads = self.parameters["head_weight"], self.n_threads
        dpooled = matmul(doutput, weight, transpose_b=True, n_threads=n_threads)
        dweight = matmul(pooled, doutput, transpose_a=True, n_threads=n_threads)
        self.stack.backward(*pooling.backward(dpooled, state))
        return {
            **self.stack.gradients,
            "head_weight": dweight,
            "head_bias": doutput.sum(axis=0),
        }

    def outputs(self, data: Ragged) -> Array:
        """As forward, some sequences at a time."""
        parts = [
            self.forward(data.batch(rows), training=False) for rows in _pieces(data)
        ]
        return np.concatenate(parts)


def _pieces(data: Ragged) -> Iterator[NDArray[np.int64]]:
    first = 0
    while first < len(data.lengths):
        longest = np.maximum.accumulate(data.lengths[first : first + LARGE_BATCH])
        sizes = longest * np.arange(1, len(longest) + 1)
        count = max(int(np.searchsorted(sizes, LARGE_STEPS, side="right")), 1)
        yield np.arange(first, first + count)
        first += count


class Part(NamedTuple):
    """Sequences with their targets: a row for each of them, or for each step."""

    data: Ragged
    values: Any
    weight: NDArray[np.float32]
    per_step: bool

    def take(self, rows: NDArray[np.int64]) -> Part:
        """Some of them; steps stay where they are."""
        part = self._replace(data=self.data.take(rows))
        if self.per_step:
            return part
        return part._replace(values=self.values[rows], weight=self.weight[rows])

    def targets(self, rows: NDArray[np.int64]) -> tuple[Any, NDArray[np.float32]]:
        """Targets and weights of some, as the network puts out rows for them."""
        at = self.data.steps_of(rows) if self.per_step else rows
        return self.values[at], self.weight[at]


class Task:
    """A network with its training data, for the training loop."""

    def __init__(
        self, network: Network, targets: Targets, train: Part, held_out: Part | None
    ) -> None:
        self.network, self._targets = network, targets
        self.parameters = network.parameters
        self._train, self._held_out = train, held_out

    def gradients(
        self, rows: NDArray[np.int64]
    ) -> tuple[float, float, Mapping[str, RealArray]]:
        y, weight = self._train.targets(rows)
        total = float(weight.sum(dtype=np.float64))
        output = self.network.forward(self._train.data.batch(rows), training=True)
        loss, doutput = self._targets.loss(output, y, weight, self.network.n_threads)
        scaled = doutput * np.float32(1 / total if total > 0 else 0)
        return loss, total, self.network.backward(scaled)

    def validate(self) -> float | None:
        if self._held_out is None:
            return None
        return mean_loss(self.network, self._targets, self._held_out)


def mean_loss(network: Network, targets: Targets, part: Part) -> float:
    """The loss of a part, over the sum of its weights."""
    y, weight = part.targets(np.arange(len(part.data.lengths)))
    output = network.outputs(part.data)
    loss, _ = targets.loss(output, y, weight, network.n_threads)
    return loss / max(float(weight.sum(dtype=np.float64)), 1e-30)
