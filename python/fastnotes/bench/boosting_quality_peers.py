"""Boosted trees of four libraries with the same parameters.

Learning rate 0.1, depth 6, lambda 1, 255 bins, at least 1 of hessian and one row in a
leaf; rows and columns sampled at 0.8 for each tree. scikit-learn samples no rows, draws
its columns for each split, and does not rank. It has no bound on hessians either: in a
leaf of classes it must have 4 rows, which 1 of p (1 - p) takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastnotes.bench import peers
from fastnotes.bench.boosting_training_peers import (
    LEARNING_RATE,
    MAX_BIN,
    lightgbm_options,
    n_classes_of,
    xgboost_options,
)
from fastnotes.bench.case import OURS

Settings = Mapping[str, Any]
Fit = Callable[[], Callable[[Any], Any]]
_RANKING, _SOFTMAX = "rank:ndcg", "multi:softprob"
_SQUARED = "reg:squarederror"
_COMMON = {"max_depth": 6}


def _group_sizes(query: Any) -> Any:
    return np.diff(np.flatnonzero(np.diff(query, prepend=-1, append=-1)))


def ours(objective: str, split: Any, settings: Settings) -> Fit:
    """BoostedTrees* by its scikit-learn interface."""
    from fastnotes import boosting

    kind = {_RANKING: "Ranker", _SQUARED: "Regressor"}.get(objective, "Classifier")
    model = getattr(boosting, f"BoostedTrees{kind}")(
        objective=objective,
        n_estimators=settings["n_estimators"],
        learning_rate=LEARNING_RATE,
        **_COMMON,
        subsample=0.8,
        colsample_bytree=0.8,
        random_state=settings["seed"],
        n_jobs=settings["n_threads"],
    )
    extra = {} if objective != _RANKING else {"qid": split.query}

    def fit() -> Callable[[Any], Any]:
        model.fit(split.X, split.y, sample_weight=split.weight, **extra)
        predict: Callable[[Any], Any] = getattr(model, "predict_proba", model.predict)
        if kind != "Classifier" or objective == _SOFTMAX:
            return predict
        return lambda X: predict(X)[:, 1]

    return fit


def xgboost(objective: str, split: Any, settings: Settings) -> Fit:
    """XGBoost's hist."""
    library = peers.load("xgboost")
    common = _COMMON | {"objective": objective}
    options = xgboost_options(common, n_classes_of(split.y), settings["n_threads"])
    options |= {"subsample": 0.8, "colsample_bytree": 0.8, "seed": settings["seed"]}

    def fit() -> Callable[[Any], Any]:
        extra = {} if split.query is None else {"qid": split.query}
        data = library.QuantileDMatrix(
            split.X, split.y, weight=split.weight, max_bin=MAX_BIN, **extra
        )
        model = library.train(options, data, settings["n_estimators"])
        return lambda X: model.inplace_predict(X)

    return fit


def lightgbm(objective: str, split: Any, settings: Settings) -> Fit:
    """LightGBM."""
    library = peers.load("lightgbm")
    common = _COMMON | {"objective": objective}
    options = lightgbm_options(common, n_classes_of(split.y), settings["n_threads"])
    options |= {
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "feature_fraction": 0.8,
        "seed": settings["seed"],
    }

    def fit() -> Callable[[Any], Any]:
        group = None if split.query is None else _group_sizes(split.query)
        data = library.Dataset(
            split.X, split.y, weight=split.weight, group=group, params=options
        )
        model = library.train(options, data, settings["n_estimators"])
        return lambda X: model.predict(X)

    return fit


def sklearn(objective: str, split: Any, settings: Settings) -> Fit | None:
    """scikit-learn's HistGradientBoosting."""
    if objective == _RANKING:
        return None
    kind = "Regressor" if objective == _SQUARED else "Classifier"
    library = peers.load("sklearn.ensemble")
    model = getattr(library, f"HistGradientBoosting{kind}")(
        max_iter=settings["n_estimators"],
        learning_rate=LEARNING_RATE,
        max_depth=6,
        max_leaf_nodes=64,
        l2_regularization=1.0,
        min_samples_leaf=1 if objective == _SQUARED else 4,
        max_features=0.8,
        early_stopping=False,
        random_state=settings["seed"],
    )

    def fit() -> Callable[[Any], Any]:
        limit = peers.load("threadpoolctl").threadpool_limits
        with limit(settings["n_threads"], user_api="openmp"):
            model.fit(split.X, split.y, sample_weight=split.weight)
        if objective == _SQUARED:
            return lambda X: model.predict(X)
        if objective == _SOFTMAX:
            return lambda X: model.predict_proba(X)
        return lambda X: model.predict_proba(X)[:, 1]

    return fit


TRAINERS: Mapping[str, Callable[[str, Any, Settings], Fit | None]] = {
    OURS: ours,
    "xgboost": xgboost,
    "lightgbm": lightgbm,
    "scikit-learn": sklearn,
}
