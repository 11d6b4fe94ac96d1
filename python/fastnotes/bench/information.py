"""Cases of the information room: mutual information from samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnotes.bench import peers
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run

AGREEMENT = 2e-3
"""Nats: scikit-learn's noise moves few counts where values do not repeat; none else."""


def correlated(n_rows: int, n_columns: int) -> Inputs:
    """Normal columns, each a mixture of its own noise and of the one before."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_columns))
    X[:, 1:] += 0.75 * X[:, :-1]
    return {"X": X, "y": np.tanh(X[:, 0]) + rng.standard_normal(n_rows) / 2}


def classes(n_rows: int, n_columns: int) -> Inputs:
    """The same columns, and four classes."""
    inputs = correlated(n_rows, n_columns)
    labels = np.digitize(inputs["y"], [-0.7, 0.0, 0.7])
    return {"X": inputs["X"], "y": labels}


def _difference(inputs: Inputs, answer: Any, reference: Any) -> float:
    """Largest difference in nats, off the diagonal of a matrix."""
    del inputs
    a, b = np.array(answer, float), np.array(reference, float)
    if a.shape != b.shape:
        return float("inf")
    if a.ndim == 2:
        np.fill_diagonal(a, 0)
        np.fill_diagonal(b, 0)
    return float(np.abs(a - b).max())


def _ours(name: str) -> Any:
    def prepare(inputs: Inputs, n_threads: int) -> Run:
        from fastnotes import information

        score = getattr(information, name)
        return lambda: score(inputs["X"], inputs["y"], n_jobs=n_threads)

    return prepare


def _sklearn(name: str) -> Any:
    def prepare(inputs: Inputs, n_threads: int) -> Run:
        score = getattr(peers.load("sklearn.feature_selection"), name)
        options = {"random_state": 0, "n_jobs": n_threads}
        return lambda: score(inputs["X"], inputs["y"], **options)

    return prepare


def _our_pairs(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes import information

    pairwise = information.pairwise_mutual_information
    return lambda: np.maximum(pairwise(inputs["X"], n_threads=n_threads), 0)


def _sklearn_pairs(inputs: Inputs, n_threads: int) -> Run:
    """Each column against those before it, so that no pair is done twice."""
    score = peers.load("sklearn.feature_selection").mutual_info_regression
    X = inputs["X"]
    options = {"random_state": 0, "n_jobs": n_threads}

    def run() -> Any:
        matrix = np.zeros((X.shape[1], X.shape[1]))
        for j in range(1, X.shape[1]):
            matrix[j, :j] = matrix[:j, j] = score(X[:, :j], X[:, j], **options)
        return matrix

    return run


def _case(name: str, title: str, score: str, **options: Any) -> Case:
    return Case(
        room="information",
        name=name,
        title=title,
        contenders=(
            Contender(OURS, f"information.{score}", _ours(score)),
            Contender("sklearn", f"{score}", _sklearn(score), "sklearn"),
        ),
        bound=AGREEMENT,
        error=_difference,
        error_name="max difference, nats",
        **options,
    )


CASES = (
    _case(
        "regression-100000x1",
        "mutual information of 100,000 pairs of numbers",
        "mutual_info_regression",
        build=correlated,
        quick={"n_rows": 20_000, "n_columns": 1},
        full={"n_rows": 100_000, "n_columns": 1},
    ),
    _case(
        "classif-20000x20",
        "mutual information of 20 features and 4 classes, 20,000 rows",
        "mutual_info_classif",
        build=classes,
        quick={"n_rows": 5_000, "n_columns": 5},
        full={"n_rows": 20_000, "n_columns": 20},
    ),
    Case(
        room="information",
        name="pairwise-20000x50",
        title="mutual information of every two of 50 features, 20,000 rows",
        build=correlated,
        quick={"n_rows": 2_000, "n_columns": 6},
        full={"n_rows": 20_000, "n_columns": 50},
        contenders=(
            Contender(OURS, "information.pairwise_mutual_information", _our_pairs),
            Contender("sklearn", "mutual_info_regression", _sklearn_pairs, "sklearn"),
        ),
        bound=AGREEMENT,
        error=_difference,
        error_name="max difference, nats",
    ),
)
