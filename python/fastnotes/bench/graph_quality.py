"""Test accuracies of the classifiers of nodes on real graphs, beside published ones.

``python -m fastnotes.bench.graph_quality --data DIR`` trains them from several
initialisations, keeps the figures in benchmarks/graph, prints the table and puts it
into docs/graph.md. Sets and models that are named take the place of their own figures
alone.
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

from fastnotes.bench import quality_record
from fastnotes.bench.quality_record import Outcome

RESULT = Path("benchmarks", "graph", "quality.json")
PAGE = Path("docs", "graph.md")
START, END = "<!-- quality: start -->", "<!-- quality: end -->"


@dataclass(frozen=True)
class Model:
    """A classifier under the name in the table."""

    name: str
    kind: str
    settings: dict[str, Any] = field(default_factory=dict)


MODELS = (
    Model("GCN", "GCNClassifier"),
    Model("Chebyshev, degree 2", "ChebNetClassifier", {"degree": 2}),
    Model("Chebyshev, degree 3", "ChebNetClassifier", {"degree": 3}),
)


@dataclass(frozen=True)
class Subject:
    """A graph, the published accuracy of each model, and settings.

    With ``early_stopping`` the set's validation nodes choose the epoch.
    """

    name: str
    published: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)
    early_stopping: bool = False


_OTHER: dict[str, Any] = {"hidden_size": 64, "weight_decay": 5e-5}
SUBJECTS = (
    Subject(
        "cora",
        {
            "GCN": "81.5",
            "Chebyshev, degree 2": "81.2",
            "Chebyshev, degree 3": "79.5",
        },
    ),
    Subject("cora_ml", {}, _OTHER, early_stopping=True),
    Subject("coauthor_cs", {"GCN": "91.1"}, _OTHER, early_stopping=True),
    Subject("coauthor_physics", {"GCN": "92.8"}, _OTHER, early_stopping=True),
    Subject(
        "amazon_computers",
        {"GCN": "82.6"},
        {**_OTHER, "learning_rate": 0.05, "patience": 20},
        early_stopping=True,
    ),
)


def fit_and_test(
    subject: Subject, model: Model, seed: int, n_threads: int
) -> tuple[float, float]:
    """Return the accuracy in per cent on the test nodes, and the seconds of the fit."""
    import numpy as np

    from fastnotes import datasets, graph

    data = getattr(datasets, f"load_{subject.name}")()
    settings = {**subject.settings, **model.settings}
    classifier = getattr(graph, model.kind)(
        **settings, random_state=seed, n_jobs=n_threads
    )

    def labels(*parts: Any) -> Any:
        known = np.full(len(data.y), -1)
        for nodes in parts:
            known[nodes] = data.y[nodes]
        return known

    held_out = data.val_idx if subject.early_stopping else None
    parts = [data.train_idx] if held_out is None else [data.train_idx, data.val_idx]
    start = time.perf_counter()
    classifier.fit(data.X, labels(*parts), graph=data.adjacency, validation=held_out)
    seconds = time.perf_counter() - start
    return 100 * classifier.score(None, labels(data.test_idx)), seconds


def run(
    subject: Subject, model: Model, seeds: Sequence[int], n_threads: int
) -> Outcome:
    """Train from every seed."""
    outcome = Outcome(subject.name, "accuracy", model.name, [], [])
    for seed in seeds:
        figure, seconds = fit_and_test(subject, model, seed, n_threads)
        outcome.figures.append(round(figure, 3))
        outcome.seconds.append(round(seconds, 4))
    mean, spread = outcome.mean, statistics.pstdev(outcome.figures)
    line = f"{subject.name:18} {model.name:20} {mean:.2f} ± {spread:.2f}"
    sys.stderr.write(f"{line}  {statistics.median(outcome.seconds):.2f} s\n")
    return outcome


def record(outcomes: Sequence[Outcome]) -> None:
    """Keep outcomes in place of those of the same sets and models."""
    order = [subject.name for subject in SUBJECTS]
    quality_record.record(RESULT, outcomes, order, lambda o: (o.subject, o.contender))


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the Markdown table: means and spreads, median seconds of a fit."""
    published = {subject.name: subject.published for subject in SUBJECTS}
    names = [model.name for model in MODELS]
    lines = [
        "| set | model | accuracy, % | published | seconds | initialisations |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, row in quality_record.by_subject(outcomes).items():
        for model in names:
            if model not in row:
                continue
            outcome = row[model]
            spread = statistics.pstdev(outcome.figures)
            lines.append(
                f"| {name} | {model} | {outcome.mean:.1f} ± {spread:.1f} | "
                f"{published[name].get(model, '—')} | "
                f"{statistics.median(outcome.seconds):.2f} | {len(outcome.figures)} |"
            )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, record, print the table and put it into the page."""
    parser = argparse.ArgumentParser(prog="python -m fastnotes.bench.graph_quality")
    parser.add_argument("names", nargs="*", metavar="set", help="these data sets alone")
    parser.add_argument("--data", metavar="DIR", help="as for fastnotes bench")
    parser.add_argument(
        "--model", choices=[model.name for model in MODELS], help="this model alone"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=100)
    options = parser.parse_args(arguments)
    if options.data:
        os.environ["FASTNOTES_DATA"] = options.data
    for subject in SUBJECTS:
        if options.names and subject.name not in options.names:
            continue
        for model in MODELS:
            if options.model not in (None, model.name):
                continue
            record([run(subject, model, range(options.seeds), options.threads)])
    made = table(quality_record.recorded(RESULT))
    quality_record.put_between(PAGE, START, END, made, "bench.graph_quality")
    sys.stdout.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
