"""Whole models of boosted trees as XGBoost and LightGBM train them.

All have learning rate 0.1, lambda 1, gamma 0, 255 bins, at least 1 of hessian and one
row in a leaf, and the same rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.bench import peers
from fastnotes.bench.case import Inputs, Run

LEARNING_RATE = 0.1
MAX_BIN = 255
_LIGHTGBM_NAMES = {
    "binary:logistic": "binary",
    "multi:softprob": "multiclass",
    "reg:squarederror": "l2",
    "rank:ndcg": "lambdarank",
}


def n_classes_of(y: Any) -> int:
    """Classes, where y holds their codes."""
    return int(y.max()) + 1


def lightgbm_options(
    settings: Mapping[str, Any], n_classes: int, n_threads: int
) -> dict[str, Any]:
    """Return the parameters all share, as LightGBM calls them."""
    objective, depth = settings["objective"], settings["max_depth"]
    options = {
        "objective": _LIGHTGBM_NAMES[objective],
        "learning_rate": LEARNING_RATE,
        "max_depth": depth or -1,
        "num_leaves": settings.get("max_leaves", 2**depth),
        "lambda_l2": 1.0,
        "min_sum_hessian_in_leaf": 1.0,
        "min_data_in_leaf": 1,
        "max_bin": MAX_BIN,
        "num_threads": n_threads,
        "verbosity": -1,
    }
    if objective == "multi:softprob":
        options["num_class"] = n_classes
    return options


def xgboost_options(
    settings: Mapping[str, Any], n_classes: int, n_threads: int
) -> dict[str, Any]:
    """Return the parameters all share, as XGBoost calls them."""
    options = {
        "objective": settings["objective"],
        "eta": LEARNING_RATE,
        "max_depth": settings["max_depth"],
        "max_leaves": settings.get("max_leaves", 0),
        "grow_policy": "lossguide" if "max_leaves" in settings else "depthwise",
        "lambda": 1.0,
        "min_child_weight": 1.0,
        "max_bin": MAX_BIN,
        "tree_method": "hist",
        "nthread": n_threads,
        "verbosity": 0,
    }
    if settings["objective"] == "multi:softprob":
        options["num_class"] = n_classes
    return options


def lightgbm_training(inputs: Inputs, n_threads: int) -> Run:
    """``lightgbm.Dataset`` and ``lightgbm.train``."""
    lightgbm = peers.load("lightgbm")
    settings, X, y = inputs["parameters"], inputs["X"], inputs["y"]
    options = lightgbm_options(settings, n_classes_of(y), n_threads)

    def run() -> Any:
        data = lightgbm.Dataset(X, y, params=options)
        return lightgbm.train(options, data, settings["n_estimators"]), inputs

    return run


def lightgbm_answer(raw: Any) -> NDArray[Any]:
    """Return predictions of the test rows."""
    model, inputs = raw
    return np.asarray(model.predict(inputs["X_test"]))


def xgboost_training(inputs: Inputs, n_threads: int) -> Run:
    """``xgboost.QuantileDMatrix`` and ``xgboost.train``."""
    xgboost = peers.load("xgboost")
    settings, X, y = inputs["parameters"], inputs["X"], inputs["y"]
    options = xgboost_options(settings, n_classes_of(y), n_threads)

    def run() -> Any:
        data = xgboost.QuantileDMatrix(X, y, max_bin=MAX_BIN, nthread=n_threads)
        return xgboost.train(options, data, settings["n_estimators"]), inputs

    return run


def xgboost_answer(raw: Any) -> NDArray[Any]:
    """Return predictions of the test rows."""
    model, inputs = raw
    return np.asarray(model.inplace_predict(inputs["X_test"]))
