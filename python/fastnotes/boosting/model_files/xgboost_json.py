"""XGBoost's schema of models: from a parsed document to a SavedModel.

The schema is that of XGBoost 1.0 to 3.2: ``learner`` with a gbtree or dart booster. Its
splits are ``x < t`` in float32, ours ``x <= t``: the largest float32 below t takes its
place, or the exact threshold that fastnotes has written beside. Its categorical sets
name the categories that go right, and every other one goes left; ours name those that
go left. So children of such a node change places.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import fail
from fastnotes.boosting.model_files.document import WHERE, Part
from fastnotes.boosting.model_files.forest import (
    MOST_CATEGORIES,
    NodeTable,
    build_forest,
    join_tables,
    pack_sets,
)
from fastnotes.boosting.model_files.margins import to_margin
from fastnotes.boosting.model_files.saved_model import Levels, SavedModel
from fastnotes.boosting.model_files.thresholds import EXACT, refine, to_thresholds
from fastnotes.boosting.trees import TreeEnsemble

_INT_MAX = 2**31 - 1
_MOST_OUTPUTS = 2**16
#: Column number of nodes that pruning has cut off.
_DELETED = 2**31 - 1


def parse_json(data: bytes) -> Any:
    """Return the document of a JSON text; ValueError for anything else."""
    try:
        return json.loads(data, object_pairs_hook=unique_members)
    except RecursionError:
        fail(WHERE, "JSON of moderate depth", "deeper nesting")
    except UnicodeDecodeError:
        fail(WHERE, "JSON in UTF-8", "other bytes")
    except json.JSONDecodeError as error:
        fail(WHERE, "JSON", f"{error.msg} at character {error.pos}")
    except ValueError as error:  # an integer of too many digits
        if str(error).startswith(f"[{WHERE}]"):
            raise
        fail(WHERE, "JSON with numbers of moderate length", "a longer one")


def unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return pairs as a dict; ValueError if a key comes twice."""
    members = dict(pairs)
    if len(members) < len(pairs):
        fail(WHERE, "every member of an object once", "one twice")
    return members


def read_document(document: Any) -> SavedModel:
    """Return the model of a parsed document."""
    root = Part(document, "")
    learner = root["learner"]
    booster = learner["gradient_booster"]
    kind = booster["name"].text()
    if kind not in ("gbtree", "dart"):
        fail(WHERE, "a booster of trees: gbtree or dart", repr(kind))
    model = (booster["gbtree"] if kind == "dart" else booster)["model"]
    objective = learner["objective"]["name"].text()
    parameters = _Parameters(learner["learner_model_param"])
    attributes = _attributes(learner)
    exact = attributes.pop(EXACT, None)
    trees = _trees(model, booster.get("weight_drop"), parameters, objective, exact)
    names = _column_texts(learner, "feature_names", trees.n_features)
    types = _column_texts(learner, "feature_types", trees.n_features)
    return SavedModel(
        trees=trees,
        objective=objective,
        objective_parameters=_objective_parameters(learner["objective"]),
        n_classes=_n_classes(parameters, objective),
        round_offsets=_round_offsets(model, trees),
        feature_names=names,
        feature_types=types,
        categories=_categories(model, trees.n_features),
        best_iteration=_best_iteration(attributes, trees.n_trees),
        attributes=attributes,
        source=f"xgboost {_version(root)} {kind}",
    )


class _Parameters:
    """``learner_model_param``: strings of numbers."""

    def __init__(self, part: Part) -> None:
        self.n_features = part["num_feature"].integer(0, _INT_MAX)
        self.num_class = self._count(part.get("num_class"))
        self.n_outputs = max(self.num_class, self._count(part.get("num_target")), 1)
        self._base_score = part["base_score"].text()

    @staticmethod
    def _count(part: Part | None) -> int:
        return 0 if part is None else part.integer(0, _MOST_OUTPUTS)

    def base_margins(self, objective: str) -> NDArray[np.float64]:
        """One margin per output; before 3.0 the file has one number for all."""
        texts = self._base_score.strip("[] ").split(",")
        if len(texts) not in (1, self.n_outputs):
            fail(WHERE, f"{self.n_outputs} base scores", str(len(texts)))
        try:
            scores = np.array([float(text) for text in texts], np.float64)
        except ValueError:
            fail(WHERE, "base_score as numbers", repr(self._base_score[:40]))
        with np.errstate(over="ignore"):
            margins = to_margin(scores.astype(np.float32), objective)
        if not np.isfinite(margins).all():
            fail(WHERE, f"base scores with a margin for {objective}", texts[0][:40])
        return np.repeat(margins, self.n_outputs // len(margins))


def _trees(
    model: Part,
    weight_drop: Part | None,
    parameters: _Parameters,
    objective: str,
    exact: str | None,
) -> TreeEnsemble:
    parts = _in_order(model["trees"].items())
    tables = [_tree(part) for part in parts]
    tree_output = model["tree_info"].integers(len(parts))
    if ((tree_output < 0) | (tree_output >= parameters.n_outputs)).any():
        fail(WHERE, f"tree_info from 0 to {parameters.n_outputs - 1}", "another")
    if weight_drop is not None:
        for table, weight in zip(tables, weight_drop.floats(len(parts)), strict=True):
            with np.errstate(over="ignore", invalid="ignore"):
                table.value *= weight
    nodes = join_tables(tables)
    if exact is not None:
        split = nodes.numeric_splits()
        nodes.threshold[split] = refine(nodes.threshold[split], exact, WHERE)
    return build_forest(
        nodes,
        n_features=parameters.n_features,
        base_score=parameters.base_margins(objective),
        tree_output=tree_output,
        where=WHERE,
    )


def _in_order(trees: list[Part]) -> list[Part]:
    """Return trees by their ``id``, which is their place for XGBoost."""
    ids = [tree["id"].integer(0, _INT_MAX) for tree in trees]
    if sorted(ids) != list(range(len(trees))):
        fail(WHERE, f"trees with the ids 0 to {len(trees) - 1}, each once", "others")
    place = dict(zip(ids, trees, strict=True))
    return [place[i] for i in range(len(trees))]


def _tree(tree: Part) -> NodeTable:
    parameters = tree["tree_param"]
    size = parameters["num_nodes"].integer(1, _INT_MAX)
    vector = parameters.get("size_leaf_vector")
    if vector is not None and vector.integer(0, _INT_MAX) > 1:
        fail(WHERE, "trees with one output each", "leaves that are vectors")
    left = tree["left_children"].integers(size)
    right = tree["right_children"].integers(size)
    feature = tree["split_indices"].integers(size)
    conditions = tree["split_conditions"].floats(size)
    default_left = _flags(tree["default_left"], size)
    kinds = tree.get("split_type")
    categorical = np.zeros(size, np.bool_) if kinds is None else _flags(kinds, size)
    categorical &= left >= 0
    offsets, words = _sets(tree, size, categorical)
    inner = left >= 0
    return NodeTable(
        sizes=np.array([size], np.int64),
        left=np.where(categorical, right, left),
        right=np.where(categorical, left, right),
        feature=feature,
        threshold=to_thresholds(conditions),
        default_left=default_left ^ categorical,
        value=np.where(inner, np.float32(0), conditions),
        gain=tree["loss_changes"].floats(size) / np.float32(2),
        cover=tree["sum_hessian"].floats(size),
        category_offsets=offsets,
        category_words=words,
        unused=(feature == _DELETED) & (left == -1),
    )


def _flags(part: Part, size: int) -> NDArray[np.bool_]:
    flags = part.integers(size)
    if ((flags < 0) | (flags > 1)).any():
        fail(WHERE, f"{part.path} of 0 and 1", "another")
    return flags.astype(np.bool_)


def _sets(
    tree: Part, size: int, categorical: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    if not categorical.any():
        return np.zeros(size + 1, np.int64), np.zeros(0, np.uint32)
    categories = tree["categories"].integers()
    nodes = tree["categories_nodes"].integers()
    starts = tree["categories_segments"].integers(len(nodes))
    sizes = tree["categories_sizes"].integers(len(nodes))
    path = tree.path
    if not np.array_equal(np.sort(nodes), np.flatnonzero(categorical)):
        fail(WHERE, f"{path}.categories_nodes as the categorical nodes", "others")
    # Segments that overlap would make a short file stand for long sets.
    ends = np.cumsum(sizes)
    if (
        (sizes < 1).any()
        or (sizes > len(categories)).any()
        or not np.array_equal(starts, ends - sizes)
        or ends[-1] != len(categories)
    ):
        fail(WHERE, f"{path}.categories cut into segments, none empty", "others")
    if ((categories < 0) | (categories >= MOST_CATEGORIES)).any():
        fail(WHERE, f"{path}.categories from 0 to {MOST_CATEGORIES - 1}", "another")
    return pack_sets(np.repeat(nodes, sizes), categories, size, WHERE)


def _round_offsets(model: Part, trees: TreeEnsemble) -> NDArray[np.int64]:
    given = model.get("iteration_indptr")
    if given is not None:
        offsets = given.integers()
        if (
            len(offsets) == 0
            or offsets[0] != 0
            or offsets[-1] != trees.n_trees
            or (np.diff(offsets) < 0).any()
        ):
            expected = f"iteration_indptr ascending from 0 to {trees.n_trees}"
            fail(WHERE, expected, "others")
        return offsets
    per_output = model["gbtree_model_param"].get("num_parallel_tree")
    parallel = 1 if per_output is None else per_output.integer(0, _INT_MAX)
    size = max(parallel, 1) * trees.n_outputs
    if trees.n_trees % size:
        fail(WHERE, f"rounds of {size} trees", f"{trees.n_trees} trees")
    return np.arange(0, trees.n_trees + 1, size, dtype=np.int64)


def _n_classes(parameters: _Parameters, objective: str) -> int:
    if objective.startswith("binary:"):
        return 2
    return parameters.num_class if parameters.num_class > 1 else 0


def _objective_parameters(objective: Part) -> dict[str, str]:
    """Return the strings of every ``*_param`` group in one dict."""
    found: dict[str, str] = {}
    for key, part in objective.members().items():
        if key.endswith("_param"):
            found |= {name: value.text() for name, value in part.members().items()}
    return found


def _attributes(learner: Part) -> dict[str, str]:
    part = learner.get("attributes")
    if part is None:
        return {}
    return {key: value.text() for key, value in part.members().items()}


def _best_iteration(attributes: dict[str, str], n_trees: int) -> int | None:
    if "best_iteration" not in attributes:
        return None
    part = Part(attributes["best_iteration"], "learner.attributes.best_iteration")
    return part.integer(0, max(n_trees - 1, 0))


def _column_texts(learner: Part, key: str, n_columns: int) -> tuple[str, ...] | None:
    part = learner.get(key)
    texts = () if part is None else part.texts()
    if texts and len(texts) != n_columns:
        fail(WHERE, f"{key} of {n_columns} columns", str(len(texts)))
    return texts or None


def _categories(model: Part, n_columns: int) -> tuple[Levels, ...] | None:
    part = model.get("cats")
    columns = [] if part is None else part["enc"].items()
    if columns and len(columns) != n_columns:
        fail(WHERE, f"cats of {n_columns} columns", str(len(columns)))
    return tuple(map(_levels, columns)) or None


def _levels(column: Part) -> Levels:
    """Return the names of a column's levels: strings by offsets, or numbers."""
    values = column["values"]
    given = column.get("offsets")
    if given is None:
        # Counted arrays have a dtype, lists have Python's own types.
        numbers = values.value
        if not isinstance(numbers, np.ndarray):
            numbers = values.integers()
        return tuple(numbers.tolist()) or None
    offsets = given.integers()
    codes = values.integers()
    if len(offsets) == 0 and len(codes) == 0:
        return None
    if (
        offsets[:1].tolist() != [0]
        or (np.diff(offsets) < 0).any()
        or offsets[-1] > len(codes)
        or ((codes < -128) | (codes > 255)).any()
    ):
        fail(WHERE, f"{column.path} as strings cut by offsets", "others")
    # XGBoost may cut within a character: what is not UTF-8 is kept as it is.
    text = (codes & 255).astype(np.uint8).tobytes()
    pairs = itertools.pairwise(offsets)
    return tuple(text[a:b].decode("utf-8", "surrogateescape") for a, b in pairs)


def _version(root: Part) -> str:
    part = root.get("version")
    numbers = () if part is None else part.integers(3).tolist()
    return ".".join(map(str, numbers)) or "of no version"
