"""Test figures of sequence estimators on real data, beside published ones.

``python -m fastnotes.bench.recurrent_quality --data DIR`` trains the LSTM and the tanh
network with several seeds, keeps the figures in benchmarks/recurrent, prints the table
and puts it into docs/recurrent.md. Sets and cells that are named take the place of
their own figures alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fastnotes.bench import quality_record
from fastnotes.bench.quality_record import Outcome

RESULT = Path("benchmarks", "recurrent", "quality.json")
PAGE = Path("docs", "recurrent.md")
START, END = "<!-- quality: start -->", "<!-- quality: end -->"


@dataclass(frozen=True)
class Subject:
    """A data set, what is published of it, and settings; others of the tanh network."""

    name: str
    published: str
    settings: dict[str, Any] = field(default_factory=dict)
    of_rnn: dict[str, Any] = field(default_factory=dict)
    of_music: bool = False

    @property
    def metric(self) -> str:
        """What the table shows."""
        return "nats a frame" if self.of_music else "accuracy"


_MUSIC: dict[str, Any] = {
    "return_sequences": True,
    "loss": "bernoulli",
    "standardize": False,
    "hidden_size": 200,
    "zoneout": (0.0, 0.1),
    "learning_rate": 0.008,
    "learning_rate_decay": 0.7,
    "decay_after": 5,
    "weight_decay": 1e-5,
    "batch_size": 8,
    "max_norm": 1.0,
    "n_epochs": 14,
    "patience": 5,
}
_OF_RNN: dict[str, Any] = {
    "zoneout": 0.0,
    "learning_rate": 0.001,
    "learning_rate_decay": 1.0,
    "weight_decay": 0.0,
    "batch_size": 2,
    "n_epochs": 60,
}
PIECE = 100
"""Frames of music that training sees at once; it is tested on whole songs. This and
the settings were chosen on the validation parts of the music, those of Basic Motions
and of ItalyPowerDemand's tanh network on folds of their training parts."""
CELLS = {"lstm": "LSTM", "rnn": "tanh RNN"}
SUBJECTS = (
    Subject(
        "japanese_vowels",
        "1-NN: Euclidean 0.924, DTW 0.959",
        {"pooling": "mean", "n_epochs": 60, "batch_size": 16},
    ),
    Subject(
        "basic_motions",
        "1-NN: Euclidean 0.675, DTW 1.000",
        {"pooling": "max", "n_epochs": 60, "batch_size": 10, "weight_decay": 0.01},
    ),
    Subject(
        "italy_power_demand",
        "1-NN: Euclidean 0.955, DTW 0.950",
        {"n_epochs": 150, "batch_size": 16, "learning_rate": 0.01},
        {"learning_rate": 0.002},
    ),
    Subject(
        "jsb_chorales",
        "LSTM 8.67, tanh RNN 9.10 [1]; LSTM 8.45, RNN 8.91 [2]; RNN 8.71, 8.58 [3]",
        {**_MUSIC, "decay_after": 15, "n_epochs": 24},
        _OF_RNN,
        of_music=True,
    ),
    Subject(
        "piano_midi",
        "LSTM 9.03, tanh RNN 9.03 [1]; RNN 8.37, 7.66 [3]",
        _MUSIC,
        _OF_RNN,
        of_music=True,
    ),
    Subject(
        "musedata",
        "LSTM 6.23, tanh RNN 6.23 [1]; RNN 8.13, 7.19 [3]",
        _MUSIC,
        {**_OF_RNN, "n_epochs": 20},
        of_music=True,
    ),
)


Sequences = list[NDArray[Any]]


def next_frames(part: Any, longest: int | None = None) -> tuple[Sequences, Sequences]:
    """Frames, and the frames after them, of pieces of at most ``longest`` pairs."""
    X: Sequences = []
    y: Sequences = []
    for k in range(len(part)):
        song = part[k]
        step = longest or max(len(song) - 1, 1)
        for first in range(0, len(song) - 1, step):
            last = min(first + step, len(song) - 1)
            X.append(song[first:last])
            y.append(song[first + 1 : last + 1])
    return X, y


def fit_and_test(
    subject: Subject, cell: str, seed: int, n_threads: int
) -> tuple[float, float]:
    """Return the test figure and the seconds of the fit."""
    from fastnotes import datasets
    from fastnotes.recurrent import SequenceClassifier

    data = getattr(datasets, f"load_{subject.name}")()
    settings = {**subject.settings, "random_state": seed, "n_jobs": n_threads}
    if cell == "rnn":
        settings.update(subject.of_rnn)
    if subject.of_music:
        model = SequenceClassifier(cell, **settings)
        train, test = next_frames(data.train, PIECE), next_frames(data.test)
        options = {"validation": next_frames(data.valid)}
    else:
        model = SequenceClassifier(cell, bidirectional=True, **settings)
        train, test = (
            ([part[k] for k in range(len(part))], part.y)
            for part in (data.train, data.test)
        )
        options = {}
    start = time.perf_counter()
    model.fit(*train, **options)
    seconds = time.perf_counter() - start
    figure = model.log_loss(*test) if subject.of_music else model.score(*test)
    return figure, seconds


def run(subject: Subject, cell: str, seeds: Sequence[int], n_threads: int) -> Outcome:
    """Train with every seed."""
    outcome = Outcome(subject.name, subject.metric, CELLS[cell], [], [])
    for seed in seeds:
        figure, seconds = fit_and_test(subject, cell, seed, n_threads)
        outcome.figures.append(figure)
        outcome.seconds.append(seconds)
        line = f"{subject.name:20} seed {seed} {CELLS[cell]:9}"
        sys.stderr.write(f"{line} {figure:.4f} {seconds:7.1f} s\n")
    return outcome


def record(outcomes: Sequence[Outcome]) -> None:
    """Keep outcomes in place of those of the same sets and cells."""
    order = [subject.name for subject in SUBJECTS]
    quality_record.record(RESULT, outcomes, order, lambda o: (o.subject, o.contender))


def after_earlier(outcome: Outcome, n_seeds: int) -> Outcome:
    """Put the recorded figures of the first seeds before those of an outcome."""
    for row in quality_record.recorded(RESULT):
        if (row.subject, row.contender) == (outcome.subject, outcome.contender):
            outcome.figures[:0] = row.figures[:n_seeds]
            outcome.seconds[:0] = row.seconds[:n_seeds]
    return outcome


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the Markdown table: means over the seeds, median seconds of a fit."""
    published = {subject.name: subject.published for subject in SUBJECTS}
    cells = list(CELLS.values())
    lines = [
        f"| set | figure | {' | '.join(cells)} | published | seconds | seeds |",
        f"| --- | --- |{' ---: |' * len(cells)} --- | ---: | ---: |",
    ]
    for name, row in quality_record.by_subject(outcomes).items():
        figures, seconds, seeds = (
            [show(row[cell]) if cell in row else "—" for cell in cells]
            for show in (_figure, _seconds, _count)
        )
        lines.append(
            f"| {name} | {next(iter(row.values())).metric} | {' | '.join(figures)} | "
            f"{published[name]} | {' / '.join(seconds)} | {' / '.join(seeds)} |"
        )
    return "\n".join(lines) + "\n"


def _figure(outcome: Outcome) -> str:
    digits = 3 if outcome.metric == "accuracy" else 2
    return f"{outcome.mean:.{digits}f}"


def _seconds(outcome: Outcome) -> str:
    median = statistics.median(outcome.seconds)
    return f"{median:.0f}" if median >= 10 else f"{median:.1f}"


def _count(outcome: Outcome) -> str:
    return str(len(outcome.figures))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, record, print the table and put it into the page."""
    parser = argparse.ArgumentParser(prog="python -m fastnotes.bench.recurrent_quality")
    parser.add_argument("names", nargs="*", metavar="set", help="these data sets alone")
    parser.add_argument("--data", metavar="DIR", help="as for fastnotes bench")
    parser.add_argument("--cell", choices=list(CELLS), help="this cell alone")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--first-seed", type=int, default=0, help="figures of those below are kept"
    )
    options = parser.parse_args(arguments)
    if options.data:
        os.environ["FASTNOTES_DATA"] = options.data
    for subject in SUBJECTS:
        if options.names and subject.name not in options.names:
            continue
        for cell in [options.cell] if options.cell else CELLS:
            first = options.first_seed
            seeds = range(first, first + options.seeds)
            outcome = run(subject, cell, seeds, options.threads)
            record([after_earlier(outcome, first)])
    made = table(quality_record.recorded(RESULT))
    quality_record.put_between(PAGE, START, END, made, "bench.recurrent_quality")
    sys.stdout.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
