"""One tree of depth 1 with eta 1: its leaves are -G / (H + lambda) of each side."""

from __future__ import annotations

import json

import numpy as np
import pytest

from boosting.objective_cases import gradients_of, margins_of
from fastnotes.boosting import leaf_weight, resolve_metric, resolve_objective
from support.tolerances import COMPOSITE

xgboost = pytest.importorskip("xgboost")

N = 400
LAMBDA = 0.5


def targets(name, rng):
    if name in ("binary:logistic", "reg:logistic"):
        return rng.integers(0, 2, N).astype(np.float32)
    if name.startswith("multi:"):
        return rng.integers(0, 3, N).astype(np.float32)
    if name == "reg:gamma":
        return rng.gamma(2.0, size=N).astype(np.float32)
    if name in ("count:poisson", "reg:tweedie"):
        return rng.poisson(2.0, N).astype(np.float32)
    return (3.0 * rng.standard_normal(N)).astype(np.float32)


def their_leaves(name, x, y, margins, weight=None, qid=None, **parameters):
    """Leaf values of x < 0.5 and x >= 0.5, for each output."""
    shape = margins[0] if len(margins) == 1 else margins.T
    data = xgboost.DMatrix(
        x[:, None], y, weight=weight, base_margin=shape, qid=qid, nthread=1
    )
    booster = xgboost.train(
        {
            "objective": name,
            "max_depth": 1,
            "eta": 1.0,
            "lambda": LAMBDA,
            "min_child_weight": 0.0,
            "max_delta_step": 0.0,
            "tree_method": "hist",
            "nthread": 1,
            "verbosity": 0,
            "base_score": 0.5,
            **parameters,
        },
        data,
        1,
    )
    dumps = [json.loads(each) for each in booster.get_dump(dump_format="json")]
    return np.array([[c["leaf"] for c in d["children"]] for d in dumps], np.float32)


def our_leaves(grad, hess, x):
    sides = np.stack([x < 0.5, x >= 0.5], axis=1).astype(np.float64)
    return leaf_weight(grad @ sides, hess @ sides, reg_lambda=LAMBDA)


def their_hessian(name, n_outputs):
    """XGBoost's hessian over ours: 2 p (1 - p) over K / (K - 1) p (1 - p)."""
    return 2 * (n_outputs - 1) / n_outputs if name.startswith("multi:") else 1.0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("reg:squarederror", {}),
        ("reg:pseudohubererror", {"huber_slope": 0.7}),
        ("count:poisson", {"max_delta_step": 0.7}),
        ("reg:gamma", {}),
        ("reg:tweedie", {"tweedie_variance_power": 1.3}),
        ("binary:logistic", {}),
        ("reg:logistic", {}),
        ("multi:softprob", {"num_class": 3}),
    ],
)
def test_same_leaves(name, options, weighted):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, N).astype(np.float32), targets(name, rng)
    weight = rng.integers(1, 4, N).astype(np.float32) if weighted else None
    ours = {k: v for k, v in options.items() if k != "num_class"}
    objective = resolve_objective(name, n_classes=options.get("num_class"), **ours)
    margins = margins_of(objective.n_outputs, N).astype(np.float32).astype(np.float64)
    grad, hess = gradients_of(objective.bind(y, weight), margins)
    got = our_leaves(grad, their_hessian(name, objective.n_outputs) * hess, x)
    theirs = their_leaves(name, x, y, margins, weight, **options)
    COMPOSITE.assert_close(theirs, got)


@pytest.mark.parametrize("score", [False, True])
@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("level", [2, 8, 32])
@pytest.mark.parametrize("name", ["rank:ndcg", "rank:pairwise"])
def test_same_ranking_leaves(name, level, lists, score):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, N).astype(np.float32), rng.integers(0, 5, N)
    qid = np.sort(rng.integers(0, 25, N))
    offsets = np.append(np.unique(qid, return_index=True)[1], N)
    margins = margins_of(1, N).astype(np.float32).astype(np.float64)
    options = {
        "lambdarank_num_pair_per_sample": level,
        "lambdarank_normalization": lists,
        "lambdarank_score_normalization": score,
    }
    objective = resolve_objective(name, **options)
    got = our_leaves(*gradients_of(objective.bind(y, None, offsets), margins), x)
    theirs = their_leaves(name, x, y, margins, qid=qid, **options)
    COMPOSITE.assert_close(theirs, got)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("name", "metrics"),
    [
        ("reg:squarederror", ["rmse", "mae", "mape", "mphe"]),
        ("count:poisson", ["poisson-nloglik", "rmse", "tweedie-nloglik@1.3"]),
        ("reg:gamma", ["gamma-nloglik", "gamma-deviance", "mae"]),
        ("binary:logistic", ["logloss", "error", "error@0.3", "auc"]),
        ("multi:softprob", ["mlogloss", "merror", "auc"]),
        ("rank:ndcg", ["ndcg", "ndcg@3", "ndcg@3-", "map", "map@3", "map@3-"]),
    ],
)
def test_same_metrics(name, metrics, weighted):
    rng = np.random.default_rng(0)
    ranking = name.startswith("rank:")
    n_classes = 3 if name.startswith("multi:") else None
    objective = resolve_objective(name, n_classes=n_classes)
    y = rng.integers(0, 2, N).astype(np.float32) if ranking else targets(name, rng)
    qid = np.sort(rng.integers(0, 25, N)) if ranking else None
    weight = rng.integers(1, 4, N).astype(np.float32) if weighted else None
    groups = None
    if ranking:
        groups = np.append(np.unique(qid, return_index=True)[1], N)
        y[groups[1] : groups[2]] = 0.0
    of_list = weight if not ranking or weight is None else weight[groups[:-1]]
    if of_list is not None and ranking:
        weight = np.repeat(of_list, np.diff(groups))
    # Their deviance adds 1e-6 to means, which must not count.
    scale = 0.1 if name == "reg:gamma" else 1.0
    margins = scale * margins_of(objective.n_outputs, N)
    margins = margins.astype(np.float32).astype(np.float64)
    shape = margins[0] if len(margins) == 1 else margins.T
    data = xgboost.DMatrix(
        np.zeros((N, 1)), y, weight=of_list, base_margin=shape, qid=qid, nthread=1
    )
    options = {"objective": name, "eval_metric": metrics, "nthread": 1, "eta": 0.0}
    if n_classes:
        options["num_class"] = n_classes
    history: dict[str, dict[str, list[float]]] = {}
    xgboost.train(
        options, data, 1, evals=[(data, "d")], evals_result=history, verbose_eval=False
    )
    theirs = {key: values[-1] for key, values in history["d"].items()}
    for metric in metrics:
        got = resolve_metric(metric, objective)(y, margins, weight, groups)
        COMPOSITE.assert_close(np.float32(theirs[metric]), got)
