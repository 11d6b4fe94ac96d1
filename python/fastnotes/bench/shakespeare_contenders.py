"""The two that train a character model, one step at a time, and can be interrupted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.bench import peers
from fastnotes.bench.language_model import TorchTraining, our_network
from fastnotes.nn import Adam
from fastnotes.nn.training import restore
from fastnotes.recurrent._streams import Streams, Window
from fastnotes.recurrent._text_sampling import Choice, drawn
from fastnotes.recurrent._text_training import train_by

Arrays = dict[str, NDArray[Any]]
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Ours:
    """What `LanguageModel` trains, by its steps."""

    def __init__(
        self, vocabulary: int, settings: Mapping[str, Any], n_threads: int
    ) -> None:
        self.network = our_network(
            vocabulary,
            (settings["batch_size"], settings["seq_length"]),
            settings["hidden_size"],
            settings["num_layers"],
            n_threads,
        )
        self._optimizer = Adam(self.network.parameters, settings["learning_rate"])
        self._max_norm = settings["max_norm"]
        self._carried: Any = None

    def begin(self, rate: float) -> None:
        """Begin an epoch."""
        self._optimizer.learning_rate, self._carried = rate, None

    def step(self, window: Window) -> None:
        """Train by a window."""
        loss, _ = train_by(
            self.network,
            self._optimizer,
            window,
            self._carried,
            self._max_norm,
            0,
            "bench.tiny_shakespeare",
        )
        self._carried = loss.state

    def bits(self, ids: NDArray[np.int64], n_streams: int) -> float:
        """Bits per character of a text."""
        streams = Streams(ids, n_streams, whole=True)
        return float(self.network.mean_loss(streams, 64) / math.log(2))

    def sample(self, n: int, counts: NDArray[np.int64]) -> Iterator[int]:
        """Characters drawn, the first by how often each stands in the text."""
        choice = Choice(temperature=0.7, top_k=None, seed=0)
        with np.errstate(divide="ignore"):
            first = np.log(counts)
        return drawn(self.network, np.empty(0, np.int64), first, n, choice)

    def state(self) -> Arrays:
        """All that the next epoch depends on."""
        return {**self.network.parameters, **self._optimizer.state}

    def restore(self, arrays: Arrays) -> None:
        """Become what `state` returned."""
        restore(self.network.parameters, arrays)
        self._optimizer.state = {name: arrays[name] for name in self._optimizer.state}


class Theirs:
    """The same by torch."""

    def __init__(
        self, parameters: Mapping[str, Any], settings: Mapping[str, Any], n_threads: int
    ) -> None:
        self._torch = peers.torch_with(n_threads)
        rate = settings["learning_rate"]
        self._training = TorchTraining(self._torch, parameters, rate, batch_first=True)
        self._carried: Any = None

    def begin(self, rate: float) -> None:
        """Begin an epoch."""
        self._training.optimizer.param_groups[0]["lr"] = rate
        self._carried = None

    def step(self, window: Window) -> None:
        """Train by a window."""
        ids, targets = map(self._training.laid_out, window)
        _, self._carried = self._training.step(ids, targets, self._carried)

    def bits(self, ids: NDArray[np.int64], n_streams: int) -> float:
        """Bits per character of a text."""
        streams, total, state = Streams(ids, n_streams, whole=True), 0.0, None
        with self._torch.inference_mode():
            for window in streams.windows(64):
                tokens, targets = map(self._training.laid_out, window)
                loss, state = self._training.loss(tokens, targets, state)
                total += loss.item() * np.count_nonzero(window.targets >= 0)
        return total / streams.n_targets / math.log(2)

    def state(self) -> Arrays:
        """All that the next epoch depends on."""
        found, optimizer = {}, self._training.optimizer
        for name, leaf in self._training.leaves.items():
            found[name] = leaf.detach().numpy()
            for moment in _MOMENTS:
                found[f"{moment}/{name}"] = optimizer.state[leaf][moment].numpy()
        return found

    def restore(self, arrays: Arrays) -> None:
        """Become what `state` returned."""
        torch, optimizer = self._torch, self._training.optimizer
        with torch.no_grad():
            for name, leaf in self._training.leaves.items():
                leaf.copy_(torch.from_numpy(arrays[name]))
                optimizer.state[leaf] = {
                    moment: torch.from_numpy(arrays[f"{moment}/{name}"].copy())
                    for moment in _MOMENTS
                }
