"""Cases of prediction and explanation: one model, or twins of it trained by peers.

XGBoost loads the very trees, from our file; LightGBM and CatBoost train on the same
data with the same parameters, so that their trees have the same size.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.bench import peers
from fastnotes.bench.boosting_training import noisy_signal
from fastnotes.bench.boosting_training_peers import LEARNING_RATE, lightgbm_options
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run

CALLS = 100
"""One row is predicted so many times in a row."""

# ---------------------------------------------------------------- inputs


def signal(
    n_train: int, n_rows: int, n_columns: int, n_classes: int = 2, **parameters: Any
) -> Inputs:
    """Return normal columns, classes of equal size, and our model of them."""
    from fastnotes.boosting import BoostedTreesClassifier

    X, score = noisy_signal(n_train + n_rows, n_columns)
    cuts = np.quantile(score, np.arange(1, n_classes) / n_classes)
    y = np.searchsorted(cuts, score).astype(np.float32)
    settings = {"n_estimators": 100, "max_depth": 6} | parameters
    model = BoostedTreesClassifier(
        learning_rate=LEARNING_RATE,
        grow_policy="lossguide" if "max_leaves" in settings else "depthwise",
        **settings,
    )
    return {
        "X_train": X[:n_train],
        "y_train": y[:n_train],
        "X": np.ascontiguousarray(X[n_train:]),
        "n_classes": n_classes,
        "parameters": settings,
        "model": model.fit(X[:n_train], y[:n_train]),
    }


# ---------------------------------------------------------------- models


def _ours(inputs: Inputs, n_threads: int) -> Any:
    return inputs["model"].set_params(n_jobs=n_threads)


def _xgboost(inputs: Inputs, n_threads: int) -> Any:
    xgboost = peers.load("xgboost")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ubj"
        inputs["model"].save_model(path)
        booster = xgboost.Booster(model_file=str(path))
    booster.set_param({"nthread": n_threads})
    return booster


def _lightgbm(inputs: Inputs, n_threads: int) -> Any:
    lightgbm = peers.load("lightgbm")
    settings, n_classes = inputs["parameters"], inputs["n_classes"]
    objective = "binary:logistic" if n_classes == 2 else "multi:softprob"
    options = lightgbm_options(
        {"objective": objective} | settings, n_classes, n_threads
    )
    data = lightgbm.Dataset(inputs["X_train"], inputs["y_train"], params=options)
    return lightgbm.train(options, data, settings["n_estimators"])


def _catboost(inputs: Inputs, n_threads: int) -> Any:
    catboost = peers.load("catboost")
    settings = inputs["parameters"]
    model = catboost.CatBoostClassifier(
        iterations=settings["n_estimators"],
        depth=settings["max_depth"],
        learning_rate=LEARNING_RATE,
        thread_count=n_threads,
        allow_writing_files=False,
        verbose=0,
    )
    return model.fit(inputs["X_train"], inputs["y_train"])


# ---------------------------------------------------------------- batches


def _our_batch(inputs: Inputs, n_threads: int) -> Run:
    model, X = _ours(inputs, n_threads), inputs["X"]
    return lambda: model.predict_proba(X)


def _xgboost_batch(inputs: Inputs, n_threads: int) -> Run:
    booster, X = _xgboost(inputs, n_threads), inputs["X"]
    return lambda: booster.inplace_predict(X)


def _lightgbm_batch(inputs: Inputs, n_threads: int) -> Run:
    booster, X = _lightgbm(inputs, n_threads), inputs["X"]
    return lambda: booster.predict(X, num_threads=n_threads)


def _catboost_batch(inputs: Inputs, n_threads: int) -> Run:
    model, X = _catboost(inputs, n_threads), inputs["X"]
    return lambda: model.predict_proba(X, thread_count=n_threads)


def _chances(raw: Any) -> NDArray[Any]:
    """(n_rows, n_classes), from libraries that give the second of two classes, too."""
    chances = np.asarray(raw, dtype=np.float64)
    return np.stack([1 - chances, chances], axis=1) if chances.ndim == 1 else chances


def _mean_difference(inputs: Inputs, answer: Any, reference: Any) -> float:
    del inputs
    if np.shape(answer) != np.shape(reference):
        return float("inf")
    return float(np.mean(np.abs(answer - reference)))


# ---------------------------------------------------------------- one row


def _row_of(batch: Any) -> Any:
    """One row, many times, by the function that does a batch."""

    def prepare(inputs: Inputs, n_threads: int) -> Run:
        run = batch({**inputs, "X": inputs["X"][:1]}, n_threads)

        def repeat() -> Any:
            for _ in range(CALLS - 1):
                run()
            return run()

        return repeat

    return prepare


# ---------------------------------------------------------------- Shapley values


def _our_shap(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.boosting import Explainer

    explainer = Explainer(inputs["model"].trees_, n_threads=n_threads)
    return lambda: explainer.contributions(inputs["X"])[:, 0]


def _xgboost_shap(inputs: Inputs, n_threads: int) -> Run:
    xgboost = peers.load("xgboost")
    booster = _xgboost(inputs, n_threads)
    data = xgboost.DMatrix(inputs["X"], nthread=n_threads)
    return lambda: booster.predict(data, pred_contribs=True)


def _lightgbm_shap(inputs: Inputs, n_threads: int) -> Run:
    booster, X = _lightgbm(inputs, n_threads), inputs["X"]
    return lambda: booster.predict(X, pred_contrib=True, num_threads=n_threads)


def _catboost_shap(inputs: Inputs, n_threads: int) -> Run:
    catboost = peers.load("catboost")
    model, X = _catboost(inputs, n_threads), inputs["X"]

    def run() -> Any:
        return model.get_feature_importance(
            catboost.Pool(X), type="ShapValues", thread_count=n_threads
        )

    return run


def _relative_difference(inputs: Inputs, answer: Any, reference: Any) -> float:
    difference = _mean_difference(inputs, answer, reference)
    return difference / float(np.mean(np.abs(reference)))


# ---------------------------------------------------------------- cases

_CALLS = (
    (OURS, "BoostedTreesClassifier.predict_proba", _our_batch, None),
    ("xgboost", "Booster.inplace_predict, our trees", _xgboost_batch, "xgboost"),
    ("lightgbm", "Booster.predict", _lightgbm_batch, "lightgbm"),
    ("catboost", "predict_proba, symmetric trees", _catboost_batch, "catboost"),
)
_BATCH = tuple(
    Contender(name, call, prepare, package, answer=_chances)
    for name, call, prepare, package in _CALLS
)
_ROW = tuple(
    Contender(name, call, _row_of(prepare), package, answer=_chances)
    for name, call, prepare, package in _CALLS
)
_SHAP = (
    Contender(OURS, "Explainer.contributions", _our_shap),
    Contender("xgboost", "pred_contribs, our trees", _xgboost_shap, "xgboost"),
    Contender("lightgbm", "pred_contrib", _lightgbm_shap, "lightgbm"),
    Contender("catboost", "ShapValues, symmetric", _catboost_shap, "catboost"),
)


def _prediction(
    name: str,
    title: str,
    contenders: tuple[Contender, ...] = _BATCH,
    quick: bool = False,
    **sizes: Any,
) -> Case:
    full = {"n_train": 60_000, "n_rows": 100_000, "n_columns": 28} | sizes
    small = {"n_train": 3_000, "n_rows": 5_000, "n_estimators": 20}
    return Case(
        room="boosting",
        name=f"predict-{name}",
        title=f"chances of {title}",
        build=signal,
        full=full,
        quick=full | small if quick else None,
        contenders=contenders,
        error=_mean_difference,
        error_name="mean difference",
        bound=0.1,  # models of different libraries
    )


_SHAP_FULL = {"n_train": 60_000, "n_rows": 2_000, "n_columns": 28}

CASES = (
    _prediction("batch", "100,000 x 28, 100 trees of depth 6", quick=True),
    _prediction(
        "255-leaves",
        "100,000 x 28, 100 trees of 255 leaves",
        _BATCH[:3],
        max_depth=0,
        max_leaves=255,
    ),
    _prediction(
        "7-classes",
        "100,000 x 54, 7 classes, 30 rounds of depth 6",
        n_columns=54,
        n_classes=7,
        n_estimators=30,
    ),
    _prediction(
        "row", f"one row {CALLS} times, 100 trees of depth 6", _ROW, quick=True
    ),
    Case(
        room="boosting",
        name="shap",
        title="Shapley values of 2,000 x 28, 100 trees of depth 6",
        build=signal,
        full=_SHAP_FULL,
        quick=_SHAP_FULL | {"n_train": 3_000, "n_rows": 100, "n_estimators": 20},
        contenders=_SHAP,
        error=_relative_difference,
        error_name="mean difference / mean value",
        bound=0.5,
    ),
)
