"""Feature selection by mutual information, beside scikit-learn, on real data.

``python -m fastnotes.bench.feature_selection --data DIR [--page docs/information.md]``
scores the features of two tables for their class, several times in turns, and tells the
seconds, and how far the scores move between seeds. Ours have no seed to move with.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes.bench import peers
from fastnotes.bench.quality_record import put_between

SEEDS = range(5)
MARKS = "<!-- feature selection -->", "<!-- end of feature selection -->"


class Table(NamedTuple):
    """Features, a class, and which features are discrete."""

    name: str
    X: NDArray[np.float64]
    y: NDArray[Any]
    discrete: NDArray[np.bool_]


class Finding(NamedTuple):
    """One contender on one table: seconds and scores of each run."""

    table: Table
    contender: str
    seconds: list[float]
    scores: NDArray[np.float64]

    def row(self) -> str:
        """One line of the page's table."""
        spread = (self.scores.max(axis=0) - self.scores.min(axis=0)).max()
        half = len(self.scores[0]) // 2
        best = {tuple(sorted(np.argsort(-run)[:half])) for run in self.scores}
        n, n_features = self.table.X.shape
        moved = "0" if spread == 0 else f"{spread:.1e}"
        return (
            f"| {self.table.name} ({n:,} x {n_features}) | {self.contender} "
            f"| {statistics.median(self.seconds):.2f} s | {moved} | {len(best)} |"
        )


def tables(data_home: str | None) -> list[Table]:
    """Credit default and bank marketing, the latter without the call's duration."""
    from fastnotes import datasets

    credit = datasets.load_credit_default(data_home=data_home)
    names = ("SEX", "EDUCATION", "MARRIAGE")
    listed = [name.upper() for name in credit.feature_names]
    discrete = np.array(
        [
            name in names
            or (name.startswith("PAY_") and not name.startswith("PAY_AMT"))
            for name in listed
        ]
    )
    found = [Table("credit_default", credit.X.astype(np.float64), credit.y, discrete)]
    bank = datasets.load_bank_marketing(data_home=data_home)
    kept = [i for i, name in enumerate(bank.feature_names) if name != "duration"]
    discrete = np.isin(kept, bank.categorical_columns)
    X = np.nan_to_num(bank.X[:, kept].astype(np.float64), nan=-1)  # unknown: a level
    return [*found, Table("bank_marketing", X, bank.y, discrete)]


def compare(table: Table, n_threads: int) -> list[Finding]:
    """Both contenders in turns, a run of each for every seed."""
    from fastnotes.information import mutual_info_classif

    theirs = peers.load("sklearn.feature_selection").mutual_info_classif
    contenders: dict[str, Callable[..., Any]] = {
        "fastnotes": mutual_info_classif,
        "scikit-learn": theirs,
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    scores: dict[str, list[Any]] = {name: [] for name in contenders}
    for seed in SEEDS:
        for name, score in contenders.items():
            options: dict[str, Any] = {"random_state": seed, "n_jobs": n_threads}
            start = time.perf_counter()
            result = score(
                table.X, table.y, discrete_features=table.discrete, **options
            )
            seconds[name].append(time.perf_counter() - start)
            scores[name].append(result)
    return [
        Finding(table, name, seconds[name], np.stack(scores[name]))
        for name in contenders
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison; print its table, and put it into a page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", metavar="DIR", help="folder of real data sets")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--page", type=Path, help="put the table between its marks")
    chosen = parser.parse_args(arguments)
    lines = [
        "| data | by | median | largest change between seeds, nats | best halves |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for table in tables(chosen.data):
        lines += [finding.row() for finding in compare(table, chosen.threads)]
    text = "\n".join(lines) + "\n"
    print(text)
    if chosen.page is not None:
        put_between(chosen.page, *MARKS, text, "bench.feature_selection")


if __name__ == "__main__":
    main()
