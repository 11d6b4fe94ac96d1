"""LightGBM's text of models: to a SavedModel.

Splits are ``x <= t`` in float64, as ours. Where NaN goes depends on the missing type of
the node: with None it counts as 0, with NaN it takes the default direction, with Zero
it does so together with every |x| <= 1e-35, which SavedModel.missing = 0 says.
Categories in a node's set go left; all others, and NaN, go right. Leaves are rounded to
float32.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import fail
from fastnotes.boosting.model_files.document import WHERE
from fastnotes.boosting.model_files.forest import NodeTable, build_forest, join_tables
from fastnotes.boosting.model_files.saved_model import Levels, SavedModel

_INT_MAX = 2**31 - 1
_MOST_OUTPUTS = 2**16
#: Bits of decision_type: categorical, default left, and two of the missing type.
_CATEGORICAL, _DEFAULT_LEFT, _MISSING_SHIFT = 1, 2, 2
_MISSING_NONE, _MISSING_ZERO, _MISSING_NAN = 0, 1, 2
#: LightGBM's objective: XGBoost's with the same link, and its parameters by our names.
_OBJECTIVES: dict[str, tuple[str, dict[str, str]]] = {
    "regression": ("reg:squarederror", {}),
    "regression_l1": ("reg:absoluteerror", {}),
    "huber": ("reg:pseudohubererror", {"alpha": "huber_slope"}),
    "fair": ("reg:pseudohubererror", {}),
    "mape": ("reg:absoluteerror", {}),
    "quantile": ("reg:quantileerror", {"alpha": "quantile_alpha"}),
    "poisson": ("count:poisson", {}),
    "gamma": ("reg:gamma", {}),
    "tweedie": (
        "reg:tweedie",
        {"tweedie_variance_power": "tweedie_variance_power"},
    ),
    "binary": ("binary:logistic", {}),
    "cross_entropy": ("reg:logistic", {}),
    "multiclass": ("multi:softprob", {"num_class": "num_class"}),
    "lambdarank": ("rank:ndcg", {}),
    "rank_xendcg": ("rank:ndcg", {}),
    "custom": ("reg:squarederror", {}),
}


def read_text(data: bytes) -> SavedModel:
    """Return the model of a LightGBM text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        fail(WHERE, "a LightGBM model in UTF-8", "other bytes")
    trees, *tail = re.split(r"^end of trees", text, maxsplit=1, flags=re.MULTILINE)
    if not tail:
        fail(WHERE, "a LightGBM model with an end of its trees", "none")
    head, *blocks = re.split(r"^Tree=\d+[ \t\r]*$", trees, flags=re.MULTILINE)
    return _model(_Fields(head, "the header"), blocks, tail[0])


class _Fields:
    """Lines ``key=value`` of one block."""

    def __init__(self, block: str, name: str) -> None:
        self.name = name
        self.flags: set[str] = set()
        self._values: dict[str, str] = {}
        for line in block.splitlines():
            key, equals, value = line.strip().partition("=")
            if key in self._values:
                fail(WHERE, f"every key of {name} once", f"{key[:40]!r} twice")
            if equals:
                self._values[key] = value
            else:
                self.flags.add(key)

    def get(self, key: str) -> str | None:
        return self._values.get(key)

    def text(self, key: str) -> str:
        value = self._values.get(key)
        return value if value is not None else self._fail(key, "none")

    def integer(self, key: str, low: int, high: int) -> int:
        text = self.text(key)
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not low <= int(text) <= high:
            self._fail(f"{key} from {low} to {high}", repr(text[:40]))
        return int(text)

    def integers(self, key: str, size: int | None = None) -> NDArray[np.int64]:
        words = self.text(key).split()
        if not all(re.fullmatch(r"-?[0-9]{1,18}", word) for word in words):
            self._fail(f"{key} of integers", "others")
        return self._sized(np.array(list(map(int, words)), np.int64), key, size)

    def floats(self, key: str, size: int) -> NDArray[np.float64]:
        try:
            numbers = list(map(float, self.text(key).split()))
        except ValueError:
            self._fail(f"{key} of numbers", "others")
        return self._sized(np.array(numbers, np.float64), key, size)

    def _sized(self, array: NDArray[Any], key: str, size: int | None) -> NDArray[Any]:
        if size is not None and len(array) != size:
            self._fail(f"{size} of {key}", str(len(array)))
        return array

    def _fail(self, expected: str, got: str) -> Any:
        fail(WHERE, f"{self.name} with {expected}", got)


def _model(head: _Fields, blocks: list[str], tail: str) -> SavedModel:
    n_features = head.integer("max_feature_idx", -1, _INT_MAX - 1) + 1
    n_outputs = head.integer("num_tree_per_iteration", 1, _MOST_OUTPUTS)
    if len(blocks) % n_outputs:
        fail(WHERE, f"rounds of {n_outputs} trees", f"{len(blocks)} trees")
    objective, parameters, scale = _objective(head, tail)
    trees = [_tree(_Fields(b, f"tree {i}")) for i, b in enumerate(blocks)]
    missing = _check_missing([types for _, types in trees])
    tables = [table for table, _ in trees]
    if "average_output" in head.flags and tables:
        scale /= len(tables) // n_outputs
    with np.errstate(over="ignore", invalid="ignore"):
        for table in tables:
            table.value = (table.value * scale).astype(np.float32)
    forest = build_forest(
        join_tables(tables),
        n_features=n_features,
        base_score=np.zeros(n_outputs),
        tree_output=np.arange(len(tables)) % n_outputs,
        where=WHERE,
    )
    names = tuple(head.text("feature_names").split())
    if len(names) != n_features:
        fail(WHERE, f"names of {n_features} columns", str(len(names)))
    infos = (head.get("feature_infos") or "").split()
    types = tuple("c" if ":" in info and info[0] != "[" else "float" for info in infos)
    if len(types) != n_features:
        types = ("float",) * n_features
    return SavedModel(
        trees=forest,
        objective=objective,
        objective_parameters=parameters,
        n_classes=_n_classes(objective, n_outputs),
        round_offsets=np.arange(0, len(tables) + 1, n_outputs, dtype=np.int64),
        feature_names=names,
        feature_types=types,
        categories=_categories(tail, types),
        attributes={"lightgbm_objective": head.get("objective") or ""},
        missing=missing,
        source=f"lightgbm {head.get('version') or 'of no version'}",
    )


def _objective(head: _Fields, tail: str) -> tuple[str, dict[str, str], float]:
    """Return XGBoost's name, parameters, and what margins are multiplied by."""
    name, *words = (head.get("objective") or "custom").split() or ["custom"]
    # Not every version writes the parameters beside the name.
    options = dict(
        re.findall(r"^\[(alpha|tweedie_variance_power): (\S+)\]", tail, re.M)
    )
    options |= dict(word.partition(":")[::2] for word in words)
    if name not in _OBJECTIVES or "sqrt" in options:
        fail(WHERE, "an objective with XGBoost's links", repr(name[:40]))
    ours, renamed = _OBJECTIVES[name]
    parameters = {new: options[old] for old, new in renamed.items() if old in options}
    for key, text in parameters.items():
        _number(text, key)
    n_outputs = head.integer("num_tree_per_iteration", 1, _MOST_OUTPUTS)
    n_classes = _number(options.get("num_class", "1"), "num_class")
    if n_classes != n_outputs and name != "custom":
        fail(WHERE, f"one tree per output of {name} in a round", str(n_outputs))
    # P = 1 / (1 + exp(-sigmoid * score)).
    scale = _number(options.get("sigmoid", "1"), "sigmoid")
    if scale <= 0:
        fail(WHERE, "sigmoid > 0", str(scale))
    return ours, parameters, scale


def _n_classes(objective: str, n_outputs: int) -> int:
    if objective == "binary:logistic":
        return 2
    return n_outputs if objective == "multi:softprob" else 0


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        fail(WHERE, f"{name} as a number", repr(text[:40]))
    return number


def _tree(fields: _Fields) -> tuple[NodeTable, NDArray[np.int64]]:
    """Return a tree's nodes, inner ones first, and the missing types of its splits.

    The missing type of a categorical split comes with -1, since it has no effect.
    """
    if (fields.get("is_linear") or "0") != "0":
        fail(WHERE, "leaves that are constants", f"linear ones in {fields.name}")
    n_leaves = fields.integer("num_leaves", 1, _INT_MAX)
    values = fields.floats("leaf_value", n_leaves)
    n_inner = n_leaves - 1
    if n_inner == 0:
        return _leaf(values), np.zeros(0, np.int64)
    kinds = fields.integers("decision_type", n_inner)
    if ((kinds < 0) | (kinds >> _MISSING_SHIFT > _MISSING_NAN)).any():
        fail(WHERE, f"{fields.name} with known decision types", "another")
    threshold = fields.floats("threshold", n_inner)
    categorical = (kinds & _CATEGORICAL) != 0
    missing = np.where(categorical, -1, kinds >> _MISSING_SHIFT)
    as_zero = (missing == _MISSING_NONE) & (threshold >= 0)
    told = (missing > _MISSING_NONE) & (kinds & _DEFAULT_LEFT != 0)
    children = []
    for key in ("left_child", "right_child"):
        child = fields.integers(key, n_inner)
        if ((child < -n_leaves) | (child >= n_inner)).any():
            fail(WHERE, f"{fields.name} with {key} within it", "another")
        children.append(np.where(child >= 0, child, n_inner + ~child))
    offsets, words = _sets(fields, threshold, categorical)
    pad = np.full(n_leaves, -1, np.int64)
    return NodeTable(
        sizes=np.array([n_inner + n_leaves], np.int64),
        left=np.concatenate([children[0], pad]),
        right=np.concatenate([children[1], pad]),
        feature=np.concatenate([fields.integers("split_feature", n_inner), pad]),
        threshold=np.concatenate([threshold, np.zeros(n_leaves)]),
        default_left=np.concatenate([as_zero | told, np.zeros(n_leaves, np.bool_)]),
        value=_joined(fields.floats("internal_value", n_inner), values),
        gain=_joined(fields.floats("split_gain", n_inner) / 2, np.zeros(n_leaves)),
        cover=_joined(*_covers(fields, n_inner, n_leaves)),
        category_offsets=np.concatenate([offsets, np.full(n_leaves, offsets[-1])]),
        category_words=words,
        unused=np.zeros(n_inner + n_leaves, np.bool_),
    ), missing


def _leaf(values: NDArray[np.float64]) -> NodeTable:
    none = np.full(1, -1, np.int64)
    zero = np.zeros(1, np.float32)
    no = np.zeros(1, np.bool_)
    return NodeTable(
        sizes=np.ones(1, np.int64),
        left=none,
        right=none,
        feature=none,
        threshold=np.zeros(1),
        default_left=no,
        value=_joined(values),
        gain=zero,
        cover=zero,
        category_offsets=np.zeros(2, np.int64),
        category_words=np.zeros(0, np.uint32),
        unused=no,
    )


def _joined(*parts: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.concatenate(parts).astype(np.float32)


def _covers(
    fields: _Fields, n_inner: int, n_leaves: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sums of hessians; where an old version has none, numbers of rows."""
    kind = "count" if fields.get("leaf_weight") is None else "weight"
    inner = fields.floats(f"internal_{kind}", n_inner)
    return inner, fields.floats(f"leaf_{kind}", n_leaves)


def _sets(
    fields: _Fields, threshold: NDArray[np.float64], categorical: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Return the words of categorical nodes, whose thresholds number the sets."""
    lengths = np.zeros(len(threshold), np.int64)
    if not categorical.any():
        return np.zeros(len(threshold) + 1, np.int64), np.zeros(0, np.uint32)
    bounds = fields.integers("cat_boundaries")
    words = fields.integers("cat_threshold")
    number = threshold[categorical]
    if (
        len(bounds) != np.count_nonzero(categorical) + 1
        or bounds[0] != 0
        or bounds[-1] != len(words)
        or (np.diff(bounds) < 1).any()
        or ((words < 0) | (words >= 2**32)).any()
        or not np.array_equal(np.sort(number), np.arange(len(bounds) - 1))
    ):
        fail(WHERE, f"{fields.name} with a set for each categorical split", "others")
    order = number.astype(np.int64)
    lengths[categorical] = np.diff(bounds)[order]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    pieces = [words[bounds[i] : bounds[i + 1]] for i in order]
    return offsets, np.concatenate(pieces).astype(np.uint32)


def _check_missing(types: list[NDArray[np.int64]]) -> float:
    """Return the value that means missing beside NaN."""
    found = set(np.unique(np.concatenate([np.zeros(0, np.int64), *types])).tolist())
    if _MISSING_ZERO not in found:
        return float("nan")
    if found != {_MISSING_ZERO}:
        fail(WHERE, "zero to mean missing at every split or none", "a mixture")
    return 0.0


def _categories(tail: str, types: tuple[str, ...]) -> tuple[Levels, ...] | None:
    """Return the levels of pandas columns, if it is plain whose they are."""
    found = re.search(r"^pandas_categorical:(.*)$", tail, flags=re.MULTILINE)
    if found is None:
        return None
    try:
        columns = json.loads(found.group(1))
    except (RecursionError, ValueError):
        fail(WHERE, "pandas_categorical as JSON", "something else")
    if not columns:
        return None
    if not isinstance(columns, list) or not all(map(_are_levels, columns)):
        fail(WHERE, "pandas_categorical as lists of levels", "others")
    if len(columns) != types.count("c"):
        return None
    levels = iter(columns)
    return tuple(tuple(next(levels)) if kind == "c" else None for kind in types)


def _are_levels(column: object) -> bool:
    return isinstance(column, list) and set(map(type, column)) <= {str, int, float}
