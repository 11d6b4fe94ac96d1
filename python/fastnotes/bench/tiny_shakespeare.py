"""A character model of Tiny Shakespeare, by fastnotes and by torch.

``python -m fastnotes.bench.tiny_shakespeare --data DIR`` trains the same network twice:
same first weights, windows, steps and schedule. It tells the bits per character on the
last tenth of the text after every epoch, then prints a table with the seconds of
training, and a sample. ``--steps N`` trains one epoch of N steps.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.bench import peers
from fastnotes.bench.case import OURS
from fastnotes.bench.language_model import MAX_NORM, TorchTraining, our_network
from fastnotes.recurrent import LanguageModel
from fastnotes.recurrent._streams import Streams

Ids = NDArray[np.int64]

SETTINGS: dict[str, Any] = {
    "hidden_size": 256,
    "num_layers": 2,
    "batch_size": 32,
    "seq_length": 64,
    "n_epochs": 12,
    "learning_rate": 0.002,
    "learning_rate_decay": 0.7,
    "decay_after": 6,
    "max_norm": MAX_NORM,
}


@dataclass
class Outcome:
    """What a training reached: bits per character by epoch, and its seconds."""

    contender: str
    bits: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, measure: Callable[[], float]) -> None:
        """Measure an epoch, off the clock."""
        self.seconds += time.perf_counter()
        self.bits.append(measure())
        epoch = len(self.bits)
        sys.stderr.write(f"{self.contender}, epoch {epoch}: {self.bits[-1]:.4f} bits\n")
        self.seconds -= time.perf_counter()


def train_ours(
    train: Ids, held_out: Ids, settings: dict[str, Any], n_threads: int
) -> tuple[Outcome, LanguageModel]:
    """Train `LanguageModel`."""
    outcome = Outcome(OURS)
    model = LanguageModel(
        **settings, n_jobs=n_threads, callbacks=[_Watch(outcome, held_out)]
    )
    outcome.seconds -= time.perf_counter()
    model.fit(train)
    outcome.seconds += time.perf_counter()
    return outcome, model


@dataclass
class _Watch:
    outcome: Outcome
    held_out: Ids

    def after_iteration(self, model: LanguageModel, epoch: int, evals_log: Any) -> None:
        """Measure the epoch."""
        del epoch, evals_log
        n_streams = model.batch_size
        self.outcome.add(
            lambda: model.bits_per_character(self.held_out, n_streams=n_streams)
        )


def train_torch(
    train: Ids, held_out: Ids, settings: dict[str, Any], n_threads: int
) -> Outcome:
    """Train torch's modules from the same first weights."""
    torch = peers.torch_with(n_threads)
    n_streams, n_steps = settings["batch_size"], settings["seq_length"]
    network = our_network(
        int(train.max()) + 1,
        (n_streams, n_steps),
        settings["hidden_size"],
        settings["num_layers"],
        1,
    )
    training = TorchTraining(
        torch, network.parameters, settings["learning_rate"], batch_first=True
    )
    outcome = Outcome("torch")
    outcome.seconds -= time.perf_counter()
    for epoch in range(settings["n_epochs"]):
        exponent = max(0, epoch + 1 - settings["decay_after"])
        rate = settings["learning_rate"] * settings["learning_rate_decay"] ** exponent
        training.optimizer.param_groups[0]["lr"] = rate
        state = None
        for window in Streams(train, n_streams, whole=False).windows(n_steps):
            ids, targets = map(training.laid_out, window)
            _, state = training.step(ids, targets, state)
        outcome.add(lambda: _torch_bits(torch, training, held_out, n_streams))
    outcome.seconds += time.perf_counter()
    return outcome


def _torch_bits(torch: Any, training: TorchTraining, ids: Ids, n_streams: int) -> float:
    streams, total, state = Streams(ids, n_streams, whole=True), 0.0, None
    with torch.inference_mode():
        for window in streams.windows(64):
            tokens, targets = map(training.laid_out, window)
            loss, state = training.loss(tokens, targets, state)
            total += loss.item() * np.count_nonzero(window.targets >= 0)
    return total / streams.n_targets / math.log(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, compare, and write a sample."""
    parser = argparse.ArgumentParser(prog="python -m fastnotes.bench.tiny_shakespeare")
    parser.add_argument("--data", metavar="DIR", help="as for fastnotes bench")
    parser.add_argument("--steps", type=int, metavar="N", help="one epoch of N steps")
    parser.add_argument("--epochs", type=int, default=SETTINGS["n_epochs"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", metavar="F", help="file for all figures")
    options = parser.parse_args(arguments)
    if options.data:
        os.environ["FASTNOTES_DATA"] = options.data
    from fastnotes import datasets

    text = datasets.load_tiny_shakespeare()
    train, held_out = text.train.astype(np.int64), text.test.astype(np.int64)
    settings = {**SETTINGS, "n_epochs": options.epochs}
    if options.steps is not None:
        settings["n_epochs"] = 1
        n_tokens = options.steps * settings["batch_size"] * settings["seq_length"]
        train = train[: n_tokens + 1]
    ours, model = train_ours(train, held_out, settings, options.threads)
    theirs = train_torch(train, held_out, settings, options.threads)
    print("| | bits per character | seconds |\n| --- | ---: | ---: |")
    for outcome in (ours, theirs):
        print(
            f"| {outcome.contender} | {outcome.bits[-1]:.4f} | {outcome.seconds:.1f} |"
        )
    sample = model.sample(400, temperature=0.7, random_state=0)
    print("\n" + "".join(text.vocabulary[i] for i in sample))
    if options.json:
        content = {"settings": settings, "outcomes": [asdict(ours), asdict(theirs)]}
        Path(options.json).write_text(json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
