"""A character model of Tiny Shakespeare, by fastnotes and by torch, step beside step.

``python -m fastnotes.bench.tiny_shakespeare --data DIR`` trains what `LanguageModel`
trains and torch's modules from the same first weights, by the same windows and rates.
Steps take turns, so that whatever else the machine does slows both. After every epoch
it tells the bits per character on the last tenth of the text; in the end it writes
table, learning curves and a sample into docs/recurrent.md. ``--checkpoint F`` keeps all
of it after every epoch, and a later call goes on from there; ``--stop-after N`` ends a
call after N epochs. ``--steps N`` trains one epoch of N steps and writes no page.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes import _saving as saving
from fastnotes._plots import GRID, LINES, new_axes, plain
from fastnotes.bench import quality_record
from fastnotes.bench.language_model import MAX_NORM
from fastnotes.bench.shakespeare_contenders import Ours, Theirs
from fastnotes.nn.training import decayed
from fastnotes.recurrent._streams import Streams

Ids = NDArray[np.int64]

WHERE = "bench.tiny_shakespeare"
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
RESULT = Path("benchmarks", "recurrent", "tiny_shakespeare.json")
PAGE, PICTURE = Path("docs", "recurrent.md"), Path("docs", "tiny-shakespeare.png")
START, END = "<!-- shakespeare: start -->", "<!-- shakespeare: end -->"

Epoch = dict[str, Any]
"""Of one epoch, for both contenders: ``bits``, ``seconds`` of all steps and of the
median ``step``; and ``ratio``, the median of torch's seconds over ours of a step."""


def train_epoch(both: Sequence[Any], train: Ids, rate: float, settings: Any) -> Epoch:
    """Train by one reading of the text; which one is first changes every step."""
    for contender in both:
        contender.begin(rate)
    seconds: list[list[float]] = [[], []]
    streams = Streams(train, settings["batch_size"], whole=False)
    for i, window in enumerate(streams.windows(settings["seq_length"])):
        for k in (i % 2, 1 - i % 2):
            start = time.perf_counter()
            both[k].step(window)
            seconds[k].append(time.perf_counter() - start)
    ratios = [theirs / ours for ours, theirs in zip(*seconds, strict=True)]
    return {
        "seconds": [sum(each) for each in seconds],
        "step": [statistics.median(each) for each in seconds],
        "ratio": statistics.median(ratios),
    }


def run(
    both: Sequence[Any], parts: tuple[Ids, Ids], options: Any, settings: Any
) -> Any:
    """Train, from the checkpoint if there is one, and return the epochs."""
    train, held_out = parts
    epochs = restored(both, options.checkpoint, settings)
    last = settings["n_epochs"]
    if options.stop_after is not None:
        last = min(last, len(epochs) + options.stop_after)
    for epoch in range(len(epochs), last):
        rate = decayed(
            settings["learning_rate"],
            settings["learning_rate_decay"],
            settings["decay_after"],
            epoch,
        )
        epochs.append(train_epoch(both, train, rate, settings))
        bits = [each.bits(held_out, settings["batch_size"]) for each in both]
        epochs[-1]["bits"] = bits
        sys.stderr.write(
            f"epoch {epoch + 1}: {bits[0]:.4f} bits, torch {bits[1]:.4f}; "
            f"a step {epochs[-1]['ratio']:.2f} times as fast\n"
        )
        if options.checkpoint is not None:
            arrays = {
                f"{k}/{name}": array
                for k, each in enumerate(both)
                for name, array in each.state().items()
            }
            note = {"settings": settings, "epochs": epochs}
            saving.write_file(options.checkpoint, arrays, note, WHERE)
    return epochs


def restored(both: Sequence[Any], path: str | None, settings: Any) -> list[Epoch]:
    """Make both what a checkpoint holds, if there is one; return its epochs."""
    if path is None or not Path(path).exists():
        return []
    arrays, note = saving.read_file(path, WHERE)
    if {**note["settings"], "n_epochs": settings["n_epochs"]} != settings:
        raise ValueError(f"[{WHERE}] expected the checkpoint's settings, got others")
    for k, contender in enumerate(both):
        own = (name for name in arrays if name.startswith(f"{k}/"))
        contender.restore({name.partition("/")[2]: arrays[name] for name in own})
    return list(note["epochs"])


# ---------------------------------------------------------------- what is shown


def table(epochs: Sequence[Epoch]) -> str:
    """Return the Markdown table."""
    lines = [
        "| | bits per character | seconds | a step, median |",
        "| --- | ---: | ---: | ---: |",
    ]
    for k, name in enumerate(("fastnotes", "torch")):
        seconds = sum(epoch["seconds"][k] for epoch in epochs)
        step = statistics.median(epoch["step"][k] for epoch in epochs)
        bits = epochs[-1]["bits"][k]
        lines.append(f"| {name} | {bits:.4f} | {seconds:.0f} | {1000 * step:.0f} ms |")
    return "\n".join(lines) + "\n"


def draw(epochs: Sequence[Epoch], path: Path) -> None:
    """Draw bits against seconds of training."""
    ax = new_axes(WHERE, (6.4, 4.0))
    for k, name in enumerate(("fastnotes", "torch")):
        seconds = np.cumsum([epoch["seconds"][k] for epoch in epochs])
        bits = [epoch["bits"][k] for epoch in epochs]
        ax.plot(seconds, bits, "o-", color=LINES[k], lw=1.8, ms=4, label=name)
    ax.set_xlabel("seconds of training")
    ax.set_ylabel("bits per character, last tenth of the text")
    ax.set_xlim(left=0)
    ax.grid(color=GRID)
    plain(ax, ("top", "right"))
    ax.legend(frameon=False)
    ax.figure.savefig(path, dpi=110)


def page_text(epochs: Sequence[Epoch], sample: str, n_threads: int) -> str:
    """Return what comes into the page."""
    ratio = statistics.median(epoch["ratio"] for epoch in epochs)
    lines = (line.rstrip() for line in sample.split("\n"))
    return (
        f"{table(epochs)}\n"
        f"{len(epochs)} epochs, threads: {n_threads}. Of two steps side by side "
        f"torch's takes {ratio:.2f} times as long, by the median.\n\n"
        f"![Bits per character against seconds of training]({PICTURE.name})\n\n"
        "A sample at temperature 0.7:\n\n```text\n" + "\n".join(lines) + "\n```\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, compare, and write table, curves and a sample."""
    parser = argparse.ArgumentParser(prog="python -m fastnotes.bench.tiny_shakespeare")
    parser.add_argument("--data", metavar="DIR", help="as for fastnotes bench")
    parser.add_argument("--steps", type=int, metavar="N", help="one epoch of N steps")
    parser.add_argument("--epochs", type=int, default=SETTINGS["n_epochs"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--checkpoint", metavar="F", help="to go on from, and to keep")
    parser.add_argument("--stop-after", type=int, metavar="N", help="epochs of a call")
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
    ours = Ours(len(text.vocabulary), settings, options.threads)
    both = ours, Theirs(ours.network.parameters, settings, options.threads)
    epochs = run(both, (train, held_out), options, settings)
    sys.stdout.write(table(epochs))
    if len(epochs) < settings["n_epochs"]:
        return 0
    ids = ours.sample(400, np.bincount(train, minlength=len(text.vocabulary)))
    sample = "".join(text.vocabulary[i] for i in ids)
    sys.stdout.write(f"\n{sample}\n")
    if options.steps is None:
        content = {"settings": settings, "epochs": epochs}
        RESULT.write_text(json.dumps(content, indent=1) + "\n")
        draw(epochs, PICTURE)
        made = page_text(epochs, sample, options.threads)
        quality_record.put_between(PAGE, START, END, made, WHERE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
