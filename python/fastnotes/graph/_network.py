"""A network of graph layers with its task, as the training loop takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import RealArray
from fastnotes.graph._features import Features
from fastnotes.graph.layers import GraphLayer
from fastnotes.nn.losses import softmax_cross_entropy


class Outputs(NamedTuple):
    """What the last layer puts out, and what enters it."""

    logits: RealArray
    embedding: RealArray


class Network:
    """Layers one after another, with max(0, x) between them."""

    def __init__(self, layers: Sequence[GraphLayer]) -> None:
        self.layers = list(layers)
        self.parameters: dict[str, RealArray] = {
            f"{name}_{i}": array
            for i, layer in enumerate(self.layers)
            for name, array in layer.parameters.items()
        }
        self._hidden: list[RealArray] = []

    def forward(self, graph: Any, X: Features, *, training: bool = False) -> Outputs:
        """Run over all nodes."""
        x: Any = X
        hidden = []
        for layer in self.layers[:-1]:
            x = layer.forward(graph, x, training=training)
            np.maximum(x, 0, out=x)
            hidden.append(x)
        logits = self.layers[-1].forward(graph, x, training=training)
        if training:
            self._hidden = hidden
        return Outputs(logits, hidden[-1] if hidden else logits)

    def backward(self, dlogits: RealArray) -> dict[str, RealArray]:
        """Gradients of all parameters, after a training pass."""
        hidden, self._hidden = self._hidden, []
        dy: Any = dlogits
        for i in range(len(self.layers) - 1, -1, -1):
            dy = self.layers[i].backward(dy, input_gradient=i > 0)
            if i > 0:
                dy *= hidden[i - 1] > 0
        return {
            f"{name}_{i}": array
            for i, layer in enumerate(self.layers)
            for name, array in layer.gradients.items()
        }


class Task:
    """All nodes at once; the loss is that of those with a target (-1: none)."""

    def __init__(
        self,
        network: Network,
        graph: Any,
        X: Features,
        target: NDArray[np.int64],
        held_out: NDArray[np.int64] | None,
        n_threads: int,
    ) -> None:
        self.network, self.parameters = network, network.parameters
        self._graph, self._x = graph, X
        self._target, self._held_out = target, held_out
        self._n_threads = n_threads

    def gradients(
        self, rows: NDArray[np.int64]
    ) -> tuple[float, float, Mapping[str, RealArray]]:
        total = float(len(rows))  # every step takes all
        logits = self.network.forward(self._graph, self._x, training=True).logits
        loss, _ = softmax_cross_entropy(
            logits, self._target, out=logits, n_threads=self._n_threads
        )
        logits *= logits.dtype.type(1 / total)  # by now their gradient
        return float(loss.sum(dtype=np.float64)), total, self.network.backward(logits)

    def validate(self) -> float | None:
        if self._held_out is None:
            return None
        logits = self.network.forward(self._graph, self._x).logits
        loss = softmax_cross_entropy(
            logits, self._held_out, keep_gradient=False, n_threads=self._n_threads
        ).loss
        return float(loss.sum(dtype=np.float64)) / int((self._held_out >= 0).sum())
