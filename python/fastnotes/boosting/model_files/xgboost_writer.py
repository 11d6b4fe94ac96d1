"""XGBoost's schema of models: from a SavedModel to the document of XGBoost 3.2.

What differs from ours is said in :mod:`fastnotes.boosting.model_files.xgboost_json`.
Arrays have the types that XGBoost wants in UBJSON.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import fail
from fastnotes.boosting.model_files.forest import (
    MOST_CATEGORIES,
    NodeTable,
    by_levels,
    unpack_set,
)
from fastnotes.boosting.model_files.margins import from_margin, to_margin
from fastnotes.boosting.model_files.saved_model import Levels, SavedModel
from fastnotes.boosting.model_files.thresholds import (
    EXACT,
    blurred_columns,
    exact_text,
    to_conditions,
)
from fastnotes.boosting.trees import TreeEnsemble

WHERE = "boosting.write_model"
_VERSION = [3, 2, 0]
_NO_PARENT = 2**31 - 1
#: XGBoost's number of the type int64.
_INT64 = 15
#: A categorical node's condition is never looked at; XGBoost writes this one.
_NO_CONDITION = np.float32(1e-45)
#: Rounding of a float32 margin: base scores within it need no correction.
_ROUNDING = 1e-7
#: The group of an objective's parameters and those XGBoost wants to find in it.
_REG_LOSS = ("reg_loss_param", {"scale_pos_weight": "1"})
_LAMBDARANK = (
    "lambdarank_param",
    {
        "lambdarank_bias_norm": "1",
        "lambdarank_normalization": "1",
        "lambdarank_num_pair_per_sample": "4294967295",
        "lambdarank_pair_method": "topk",
        "lambdarank_score_normalization": "1",
        "lambdarank_unbiased": "0",
        "ndcg_exp_gain": "1",
    },
)
_GROUPS: dict[str, tuple[str, dict[str, str]]] = {
    "reg:squarederror": _REG_LOSS,
    "reg:logistic": _REG_LOSS,
    "reg:gamma": _REG_LOSS,
    "binary:logistic": _REG_LOSS,
    "binary:logitraw": _REG_LOSS,
    "reg:pseudohubererror": ("pseudo_huber_param", {"huber_slope": "1"}),
    "reg:quantileerror": ("quantile_loss_param", {"quantile_alpha": "[5E-1]"}),
    "reg:tweedie": ("tweedie_regression_param", {"tweedie_variance_power": "1.5"}),
    "count:poisson": ("poisson_regression_param", {"max_delta_step": "0.7"}),
    "survival:aft": (
        "aft_loss_param",
        {"aft_loss_distribution": "normal", "aft_loss_distribution_scale": "1"},
    ),
    "multi:softmax": ("softmax_multiclass_param", {}),
    "multi:softprob": ("softmax_multiclass_param", {}),
    "rank:ndcg": _LAMBDARANK,
    "rank:map": _LAMBDARANK,
    "rank:pairwise": _LAMBDARANK,
}
_PLAIN = ("reg:absoluteerror", "reg:squaredlogerror", "binary:hinge", "survival:cox")


def write_document(model: SavedModel) -> dict[str, Any]:
    """Return the document of a model, its members in XGBoost's order."""
    trees = model.trees.check(WHERE)
    _check(model)
    base, shift = _base_scores(trees, model.objective)
    nodes = _nodes(model, np.repeat(shift, np.diff(trees.tree_offsets)))
    attributes = {k: v for k, v in model.attributes.items() if k != EXACT}
    exact = exact_text(nodes.threshold[nodes.numeric_splits()])
    if exact is not None:
        attributes[EXACT] = exact
    if model.best_iteration is not None:
        attributes["best_iteration"] = str(model.best_iteration)
    n_targets = 1 if _is_multiclass(model) else trees.n_outputs
    learner = {
        "attributes": dict(sorted(attributes.items())),
        "feature_names": list(model.feature_names or ()),
        "feature_types": list(_feature_types(model) or ()),
        "gradient_booster": {"model": _booster(model, nodes), "name": "gbtree"},
        "learner_model_param": {
            # One number stands for all, and versions before 3.1 know no list.
            "base_score": base[0] if len(set(base)) == 1 else f"[{','.join(base)}]",
            "boost_from_average": "0",
            "num_class": str(trees.n_outputs if _is_multiclass(model) else 0),
            "num_feature": str(trees.n_features),
            "num_target": str(n_targets),
        },
        "objective": _objective(model),
    }
    return {"learner": learner, "version": _VERSION}


def warn_of_blur(model: SavedModel) -> None:
    """Warn of columns whose numbers are too long for float32."""
    trees = model.trees
    split = (trees.feature >= 0) & (np.diff(trees.category_offsets) == 0)
    columns = blurred_columns(trees.feature[split], trees.threshold[split])
    if columns:
        names = model.feature_names
        shown = ", ".join(str(c) if names is None else repr(names[c]) for c in columns)
        warnings.warn(
            f"[{WHERE}] expected thresholds that float32 can hold, got others in "
            f"column {shown}: XGBoost, to which all numbers are float32, will predict "
            "otherwise; subtract a constant before training to have shorter numbers",
            UserWarning,
            stacklevel=3,
        )


def _is_multiclass(model: SavedModel) -> bool:
    return model.objective.startswith("multi:")


def _check(model: SavedModel) -> None:
    trees = model.trees
    if model.objective not in _GROUPS and model.objective not in _PLAIN:
        fail(WHERE, "an objective that XGBoost has", repr(model.objective))
    if _is_multiclass(model) and trees.n_outputs < 2:
        fail(WHERE, "an output for each of 2 classes or more", str(trees.n_outputs))
    if not np.isnan(model.missing):
        fail(WHERE, "NaN alone to mean missing", f"{model.missing} too")
    for name in ("feature_names", "feature_types", "categories"):
        columns = getattr(model, name)
        if columns is not None and len(columns) != trees.n_features:
            fail(WHERE, f"{name} of {trees.n_features} columns", str(len(columns)))


def _objective(model: SavedModel) -> dict[str, Any]:
    if model.objective in _PLAIN:
        return {"name": model.objective}
    group, defaults = _GROUPS[model.objective]
    given = {k: v for k, v in model.objective_parameters.items() if k in defaults}
    parameters = defaults | given
    if "lambdarank_unbiased" in parameters:
        # With "1" XGBoost wants the biases it has estimated, which are not kept here.
        parameters["lambdarank_unbiased"] = "0"
    if _is_multiclass(model):
        parameters = {"num_class": str(model.trees.n_outputs)}
    return {"name": model.objective, group: parameters}


def _base_scores(
    trees: TreeEnsemble, objective: str
) -> tuple[list[str], NDArray[np.float64]]:
    """Return base scores as text, and per tree what its leaves have to make up for.

    A probability near 1 in float32 says little of its margin: what is left over goes
    to the leaves of the first tree of the output.
    """
    scores = from_margin(trees.base_score, objective)
    left_over = trees.base_score - to_margin(scores, objective)
    shift = np.zeros(trees.n_trees)
    size = np.maximum(1, np.abs(trees.base_score))
    for output in np.flatnonzero(np.abs(left_over) > _ROUNDING * size):
        own = np.flatnonzero(trees.tree_output == output)
        if len(own):
            shift[own[0]] = left_over[output]
        elif abs(left_over[output]) > 1e-3 * size[output]:
            fail(
                WHERE,
                f"a base score of {objective} in float32",
                str(trees.base_score[output]),
            )
    return [str(score) for score in scores], shift


def _booster(model: SavedModel, nodes: NodeTable) -> dict[str, Any]:
    trees = model.trees
    rounds = _rounds(model)
    per_output = np.unique(np.diff(rounds))
    parallel = 1
    if len(per_output) == 1 and per_output[0] % trees.n_outputs == 0:
        parallel = max(int(per_output[0]) // trees.n_outputs, 1)
    return {
        "cats": _categories(model.categories),
        "gbtree_model_param": {
            "num_parallel_tree": str(parallel),
            "num_trees": str(trees.n_trees),
        },
        "iteration_indptr": rounds.tolist(),
        "tree_info": trees.tree_output.tolist(),
        "trees": _trees(nodes, trees.n_features),
    }


def _rounds(model: SavedModel) -> NDArray[np.int64]:
    trees = model.trees
    if model.round_offsets is None:
        if trees.n_trees % trees.n_outputs:
            fail(WHERE, f"rounds of {trees.n_outputs} trees", f"{trees.n_trees} trees")
        return np.arange(0, trees.n_trees + 1, trees.n_outputs, dtype=np.int64)
    offsets = np.asarray(model.round_offsets)
    if (
        offsets.ndim != 1
        or offsets.dtype.kind not in "iu"
        or offsets[:1].tolist() != [0]
        or offsets[-1] != trees.n_trees
        or (np.diff(offsets) < 0).any()
    ):
        fail(WHERE, f"round_offsets ascending from 0 to {trees.n_trees}", "others")
    return offsets.astype(np.int64)


def _nodes(model: SavedModel, shift: NDArray[np.float64]) -> NodeTable:
    """Return the nodes as XGBoost has them, but with our thresholds.

    XGBoost takes ``left + 1`` for the right child, so siblings lie side by side.
    """
    trees = model.trees
    inner = trees.feature >= 0
    with np.errstate(over="ignore", invalid="ignore"):
        gains = 2 * (trees.gain.astype(np.float64) + model.gamma)
        gains = np.nan_to_num(gains.astype(np.float32))
    table = NodeTable(
        sizes=np.diff(trees.tree_offsets),
        left=trees.left.astype(np.int64),
        right=trees.right.astype(np.int64),
        feature=np.maximum(trees.feature, 0).astype(np.int64),
        threshold=trees.threshold,
        default_left=trees.default_left,
        value=np.where(inner, trees.value, _shifted_leaves(trees, shift)),
        gain=np.where(inner, gains, np.float32(0)),
        cover=np.nan_to_num(trees.cover),
        category_offsets=trees.category_offsets,
        category_words=trees.category_words,
        unused=np.zeros(trees.n_nodes, np.bool_),
    )
    categorical = table.has_set()
    table.left, table.right = (
        np.where(categorical, table.right, table.left),
        np.where(categorical, table.left, table.right),
    )
    table.default_left = table.default_left ^ categorical
    beside = (table.right == table.left + 1) | ~inner
    return table if beside.all() else by_levels(table)


def _conditions(nodes: NodeTable) -> NDArray[np.float32]:
    """Return what a node compares with, or a leaf's value.

    XGBoost has no empty set. Such a node sends every category right: as a numeric one
    with x < 0.
    """
    is_set = np.diff(nodes.category_offsets) > 0
    below = np.where(is_set, np.float32(0), to_conditions(nodes.threshold))
    conditions = np.where(nodes.left >= 0, below, nodes.value)
    return np.where(nodes.has_set(), _NO_CONDITION, conditions)


def _shifted_leaves(
    trees: TreeEnsemble, shift: NDArray[np.float64]
) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        shifted = (trees.value + shift).astype(np.float32)
    if not np.isfinite(shifted).all():
        fail(WHERE, "a base score within float32", "one too large")
    return shifted


def _trees(nodes: NodeTable, n_features: int) -> list[dict[str, Any]]:
    ends = np.cumsum(nodes.sizes).tolist()
    conditions = _conditions(nodes)
    return [
        _tree(nodes, conditions, slice(first, last), t, n_features)
        for t, (first, last) in enumerate(itertools.pairwise([0, *ends]))
    ]


def _tree(
    nodes: NodeTable,
    conditions: NDArray[np.float32],
    own: slice,
    t: int,
    n_features: int,
) -> dict[str, Any]:
    left, right = nodes.left[own], nodes.right[own]
    inner = np.flatnonzero(left >= 0)
    parents = np.full(len(left), _NO_PARENT, np.int32)
    parents[left[inner]] = inner
    parents[right[inner]] = inner
    sets = _sets(nodes, own)
    categories = np.concatenate([np.zeros(0, np.int64), *sets.values()])
    if (categories >= MOST_CATEGORIES).any():
        fail(WHERE, f"categories below {MOST_CATEGORIES}", str(categories.max()))
    sizes = np.array([len(members) for members in sets.values()], np.int64)
    split_type = np.zeros(len(left), np.uint8)
    split_type[list(sets)] = 1
    return {
        "base_weights": nodes.value[own],
        "categories": categories.astype(np.int32),
        "categories_nodes": np.array(list(sets), np.int32),
        "categories_segments": np.cumsum(sizes, dtype=np.int64) - sizes,
        "categories_sizes": sizes,
        "default_left": nodes.default_left[own].astype(np.uint8),
        "id": t,
        "left_children": left.astype(np.int32),
        "loss_changes": nodes.gain[own],
        "parents": parents,
        "right_children": right.astype(np.int32),
        "split_conditions": conditions[own],
        "split_indices": nodes.feature[own].astype(np.int32),
        "split_type": split_type,
        "sum_hessian": nodes.cover[own],
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(n_features),
            "num_nodes": str(len(left)),
            "size_leaf_vector": "1",
        },
    }


def _sets(nodes: NodeTable, own: slice) -> dict[int, NDArray[np.int64]]:
    """Return the categories of a tree's nodes that have any."""
    bounds = nodes.category_offsets[own.start : own.stop + 1]
    sets = {
        int(node): unpack_set(nodes.category_words[bounds[node] : bounds[node + 1]])
        for node in np.flatnonzero(np.diff(bounds))
    }
    return {node: members for node, members in sets.items() if len(members)}


def _feature_types(model: SavedModel) -> tuple[str, ...] | None:
    """Return the types; a categorical column has to be called so."""
    if model.feature_types is not None:
        return model.feature_types
    trees = model.trees
    split = np.diff(trees.category_offsets) > 0
    named = [i for i, levels in enumerate(model.categories or ()) if levels is not None]
    columns = {*trees.feature[split].tolist(), *named}
    if not columns:
        return None
    return tuple("c" if i in columns else "float" for i in range(trees.n_features))


def _categories(columns: tuple[Levels, ...] | None) -> dict[str, Any]:
    """Return XGBoost's ``cats``: levels by column and the order that sorts them."""
    if columns is None or all(levels is None for levels in columns):
        return {"enc": [], "feature_segments": _int32([]), "sorted_idx": _int32([])}
    sizes = [0 if levels is None else len(levels) for levels in columns]
    encoded = [_levels(levels or ()) for levels in columns]
    order = [i for levels in columns for i in _sorted_levels(levels or ())]
    return {
        "enc": encoded,
        "feature_segments": _int32([0, *np.cumsum(sizes)]),
        "sorted_idx": _int32(order),
    }


def _int32(values: Any) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def _sorted_levels(levels: tuple[str | int | float, ...]) -> list[int]:
    """Return the numbers of levels in ascending order, names by their signed bytes."""

    def key(i: int) -> Any:
        level = levels[i]
        if isinstance(level, str):
            return np.frombuffer(_utf8(level), np.int8).tolist()
        return level

    return sorted(range(len(levels)), key=key)


def _levels(levels: tuple[str | int | float, ...]) -> dict[str, Any]:
    numbers = [level for level in levels if type(level) is int]
    if levels and len(numbers) == len(levels):
        if min(numbers) < -(2**63) or max(numbers) >= 2**63:
            fail(WHERE, "levels of 64 bits", "a longer one")
        return {"type": _INT64, "values": np.array(numbers, np.int64)}
    names = [_utf8(level) for level in levels if isinstance(level, str)]
    if len(names) < len(levels):
        fail(WHERE, "levels of a column as strings, or all as integers", "others")
    offsets = itertools.accumulate(map(len, names), initial=0)
    return {
        "offsets": _int32(list(offsets) if names else []),
        "values": np.frombuffer(b"".join(names), np.int8),
    }


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
