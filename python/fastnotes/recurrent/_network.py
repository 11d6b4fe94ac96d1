"""A recurrent network with a pooling and a head, as the training loop takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import RealArray
from fastnotes.nn import matmul
from fastnotes.recurrent._sequences import Batch
from fastnotes.recurrent.pooling import Pooling
from fastnotes.recurrent.stack import Stack

Array = RealArray
#: loss(outputs, y, weight, n_threads): the weighted sum of losses, and its gradient.
Loss = Callable[[Array, Any, Array, int], tuple[float, Array]]

#: Sequences that predictions take at once.
LARGE_BATCH = 256


class Network:
    """Layers, pooling and a linear head."""

    def __init__(
        self, stack: Stack, pooling: str, n_outputs: int, n_threads: int
    ) -> None:
        self.stack, self.n_threads = stack, n_threads
        self.pooling = pooling
        self._pass: Any = None  # what a training pass leaves for backward
        width = stack.n_directions * stack.hidden_size
        self.parameters: dict[str, RealArray] = {
            **stack.parameters,
            "head_weight": np.zeros((width, n_outputs), stack.dtype),
            "head_bias": np.zeros(n_outputs, stack.dtype),
        }

    def forward(self, batch: Batch, *, training: bool) -> Array:
        """(B, n_outputs), the outputs of the head."""
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

    def outputs(self, batch: Batch) -> Array:
        """As forward, some sequences at a time."""
        rows = np.arange(len(batch.lengths))
        parts = [
            self.forward(batch.part(rows[i : i + LARGE_BATCH]), training=False)
            for i in range(0, len(rows), LARGE_BATCH)
        ]
        return np.concatenate(parts)


class Task:
    """A network with its training data, for the training loop."""

    def __init__(
        self,
        network: Network,
        loss: Loss,
        train: tuple[Batch, Any, Array],
        held_out: tuple[Batch, Any, Array] | None,
    ) -> None:
        self.network, self._loss = network, loss
        self.parameters = network.parameters
        self._train, self._held_out = train, held_out

    def gradients(
        self, rows: NDArray[np.int64]
    ) -> tuple[float, float, Mapping[str, RealArray]]:
        batch, y, weight = self._train
        output = self.network.forward(batch.part(rows), training=True)
        total = float(weight[rows].sum(dtype=np.float64))
        loss, doutput = self._loss(
            output, y[rows], weight[rows], self.network.n_threads
        )
        scaled = doutput * np.float32(1 / total if total > 0 else 0)
        return loss, total, self.network.backward(scaled)

    def validate(self) -> float | None:
        if self._held_out is None:
            return None
        batch, y, weight = self._held_out
        output = self.network.outputs(batch)
        loss, _ = self._loss(output, y, weight, self.network.n_threads)
        return loss / max(float(weight.sum(dtype=np.float64)), 1e-30)
