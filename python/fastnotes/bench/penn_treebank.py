"""The small model of Zaremba et al. on the Penn Treebank, whose files the user has.

``python -m fastnotes.bench.penn_treebank --data DIR`` trains 2 x 200 LSTMs for 13
epochs and prints the perplexities beside the published ones. With ``--checkpoint F``
the file is replaced after every epoch, and a later call goes on from it.

Zaremba, Sutskever and Vinyals (2014), "Recurrent neural network regularization".
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastnotes.recurrent import LanguageModel

RECIPE: dict[str, Any] = {
    "level": "token",
    "hidden_size": 200,
    "num_layers": 2,
    "batch_size": 20,
    "seq_length": 20,
    "n_epochs": 13,
    "optimizer": "sgd",
    "learning_rate": 20,
    "learning_rate_decay": 0.5,
    "decay_after": 4,
    "max_norm": 0.25,
    "init_scale": 0.1,
    "forget_bias": 0.0,
    "unknown": "<unk>",
}
"""As published: the loss there is summed over 20 steps where ours is their mean, so
that the rate 1 is 20 here, and the norm 5 is 5 / 20."""


class _Epochs:
    """Tells the perplexities after every epoch."""

    def after_iteration(self, model: LanguageModel, epoch: int, evals_log: Any) -> None:
        """Write a line."""
        losses = [evals_log[name][-1] for name in ("loss", "validation_loss")]
        train, valid = map(math.exp, losses)
        line = f"epoch {epoch + 1}: perplexity {train:.2f}, validation {valid:.2f}\n"
        sys.stderr.write(line)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and print the table."""
    parser = argparse.ArgumentParser(prog="python -m fastnotes.bench.penn_treebank")
    parser.add_argument("--data", metavar="DIR", help="as for fastnotes bench")
    parser.add_argument("--epochs", type=int, default=RECIPE["n_epochs"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", metavar="F", help="to go on from, and to keep")
    options = parser.parse_args(arguments)
    if options.data:
        os.environ["FASTNOTES_DATA"] = options.data
    from fastnotes import datasets

    text = datasets.load_penn_treebank()
    settings = {**RECIPE, "n_epochs": options.epochs, "random_state": options.seed}
    model = LanguageModel(**settings, n_jobs=options.threads, callbacks=[_Epochs()])
    kept = options.checkpoint
    start = time.perf_counter()
    model.fit(
        text.train,
        validation=text.valid,
        checkpoint=kept,
        resume_from=kept if kept and Path(kept).exists() else None,
    )
    seconds = time.perf_counter() - start
    print(f"{model.n_epochs_} epochs; {seconds:.0f} s in this call\n")
    print("| | validation | test |\n| --- | ---: | ---: |")
    valid, test = map(model.perplexity, (text.valid, text.test))
    print(f"| fastnotes | {valid:.2f} | {test:.2f} |")
    print("| Zaremba et al. (2014) | 120.7 | 114.5 |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
