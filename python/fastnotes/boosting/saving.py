"""Between estimators and what a model file says."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import fail, fail_type
from fastnotes.boosting.categories import Levels
from fastnotes.boosting.model_files import SavedModel
from fastnotes.boosting.objectives import Objective, resolve_objective
from fastnotes.boosting.table import TableEncoder
from fastnotes.boosting.trees import TreeEnsemble

#: The attribute of a file that holds what XGBoost's schema has no place for.
_NOTE = "fastnotes"

#: Rounding of a float32 margin, as where files are written.
_ROUNDING = 1e-7

_LABEL_KINDS = {"bool": np.bool_, "int": np.int64, "float": np.float64, "str": None}


def as_model(given: Any, kind: Any, where: str) -> Any:
    """Return a fitted estimator from one, a path or a SavedModel."""
    if isinstance(given, kind):
        given._check_fitted(where)
        return given
    if not isinstance(given, (str, bytes, PathLike, SavedModel)):
        wanted = f"init_model as a {kind.__name__}, a path or a SavedModel"
        fail_type(where, wanted, type(given).__name__)
    return kind().load_model(given)


def to_saved(model: Any) -> SavedModel:
    """Return what a file says of a fitted estimator."""
    linked: Objective = model._linked_objective()
    names = getattr(model, "feature_names_in_", None)
    levels = model._encoder.levels_
    n_columns = model.n_features_in_
    classes = getattr(model, "classes_", ())
    return SavedModel(
        trees=model.trees_,
        objective="reg:squarederror" if linked.name == "custom" else linked.name,
        objective_parameters=_as_text(linked.parameters()),
        n_classes=len(classes),
        round_offsets=model._round_offsets,
        feature_names=None if names is None else tuple(map(str, names)),
        feature_types=_types(model._encoder) if levels else None,
        categories=_names(model._encoder, n_columns) if levels else None,
        best_iteration=getattr(model, "best_iteration_", None),
        attributes={_NOTE: json.dumps(_note(model))},
        gamma=float(model.gamma),
    )


def restore(model: Any, saved: SavedModel, where: str) -> None:
    """Make an estimator the fitted one that a file tells of, if all of it is sound."""
    note = _read_note(saved, where)
    objective = _objective(saved, where)
    model._accept(objective, where)
    trees = _with_base_score(saved.trees.check(where), note, where)
    encoder = _encoder(model, saved, note, where)
    classes = _classes(saved, note, where)
    model._forget()
    model._objective = objective
    model._encoder = encoder
    model._trees = trees
    model._cache = {}
    model._round_offsets = _offsets(saved, trees.n_outputs)
    model.base_score_ = trees.base_score
    model.n_features_in_ = trees.n_features
    model.n_rounds_ = len(model._round_offsets) - 1
    if saved.best_iteration is not None:
        model.best_iteration_ = saved.best_iteration
    names = _given_names(saved)
    if names is not None:
        model.feature_names_in_ = np.array(names, dtype=object)
    if objective.link in ("logit", "softmax"):
        model._restore_classes(classes)


def parameters(saved: SavedModel, kind: Any) -> dict[str, Any]:
    """Return the parameters of the constructor that a file remembers."""
    where = f"boosting.{kind.__name__}.load"
    note = _read_note(saved, where)
    if note.get("estimator", kind.__name__) != kind.__name__:
        fail(where, f"a {kind.__name__}", repr(note["estimator"]))
    known = kind._get_param_names()
    given = note.get("parameters", {})
    if not isinstance(given, dict):
        fail(where, "parameters as a dict", type(given).__name__)
    return {name: value for name, value in given.items() if name in known}


# ---------------------------------------------------------------- the note


def _note(model: Any) -> dict[str, Any]:
    given = {k: _plain(v) for k, v in model.get_params(deep=False).items()}
    # Functions and generators are not the file's to keep.
    parameters = {k: v for k, v in given.items() if _is_plain(v)}
    note: dict[str, Any] = {
        "estimator": type(model).__name__,
        "parameters": parameters,
        "base_score": model.base_score_.tolist(),
    }
    classes = getattr(model, "classes_", None)
    if classes is not None:
        note["classes"] = {"kind": _label_kind(model), "values": classes.tolist()}
    levels = model._encoder.levels_
    if levels:
        note["unseen"] = {
            str(c): np.flatnonzero(~level.seen).tolist() for c, level in levels.items()
        }
    return note


def _label_kind(model: Any) -> str:
    """What brings the labels back from JSON."""
    classes = model.classes_
    kinds = {"b": "bool", "i": "int", "u": "int", "f": "float", "U": "str", "O": "str"}
    kind = kinds.get(classes.dtype.kind)
    too_large = kind == "int" and int(classes[-1]) > np.iinfo(np.int64).max
    if kind is None or too_large:
        where = f"boosting.{type(model).__name__}.save_model"
        wanted = "classes that are text, bool, floats or 64-bit integers, as a file has"
        fail(where, f"{wanted} (pickle keeps others)", str(classes.dtype))
    return kind


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _read_note(saved: SavedModel, where: str) -> dict[str, Any]:
    text = saved.attributes.get(_NOTE, "{}")
    try:
        note = json.loads(text)
    except (ValueError, RecursionError):
        fail(where, f"attribute {_NOTE!r} in JSON", "others")
    if not isinstance(note, dict):
        fail(where, f"attribute {_NOTE!r} as an object", type(note).__name__)
    return note


# ---------------------------------------------------------------- parts


def _as_text(given: dict[str, Any]) -> dict[str, str]:
    """Parameters of an objective as XGBoost writes them."""
    text = {}
    for name, value in given.items():
        if isinstance(value, (list, tuple)):
            text[name] = f"[{','.join(f'{x:G}' for x in value)}]"
        else:
            text[name] = str(int(value)) if isinstance(value, bool) else str(value)
    return text


def _objective(saved: SavedModel, where: str) -> Objective:
    options: dict[str, Any] = {}
    for name in (
        "huber_slope",
        "tweedie_variance_power",
        "max_delta_step",
        "quantile_alpha",
    ):
        if name in saved.objective_parameters:
            text = saved.objective_parameters[name]
            try:
                options[name] = json.loads(text)
            except (ValueError, RecursionError):
                fail(where, f"{name} as a number or numbers", repr(text[:80]))
    n_classes = saved.trees.n_outputs if saved.objective.startswith("multi:") else None
    return resolve_objective(
        saved.objective, n_classes=n_classes, where=where, **options
    )


def _with_base_score(
    trees: TreeEnsemble, note: dict[str, Any], where: str
) -> TreeEnsemble:
    """Trees with the note's float64 base score, where the file's float32 means it.

    Where float32 was too coarse, leaves have taken over what it lost.
    """
    given = note.get("base_score", trees.base_score.tolist())
    try:
        exact = np.array(given, np.float64)
    except (TypeError, ValueError, OverflowError):
        fail(where, "base_score as numbers", "others")
    if exact.shape != trees.base_score.shape or not np.isfinite(exact).all():
        fail(where, f"base_score of {trees.n_outputs} finite numbers", "others")
    size = np.maximum(1, np.abs(exact))
    close = np.abs(exact - trees.base_score) <= _ROUNDING * size
    return replace(trees, base_score=np.where(close, exact, trees.base_score))


def _given_names(saved: SavedModel) -> tuple[str, ...] | None:
    """Names of columns that a user gave: LightGBM makes some up for arrays."""
    made_up = tuple(f"Column_{c}" for c in range(saved.trees.n_features))
    return None if saved.feature_names == made_up else saved.feature_names


def _offsets(saved: SavedModel, n_outputs: int) -> NDArray[np.int64]:
    if saved.round_offsets is not None:
        return saved.round_offsets
    return np.arange(0, saved.trees.n_trees + 1, n_outputs, dtype=np.int64)


def _types(encoder: TableEncoder) -> tuple[str, ...]:
    columns = range(encoder.n_features_in_)
    return tuple("c" if c in encoder.levels_ else "float" for c in columns)


def _names(encoder: TableEncoder, n_columns: int) -> tuple[Any, ...]:
    columns = (encoder.levels_.get(c) for c in range(n_columns))
    return tuple(None if level is None else tuple(level.values) for level in columns)


def _encoder(
    model: Any, saved: SavedModel, note: dict[str, Any], where: str
) -> TableEncoder:
    """The encoder of the file's columns; the policies are the model's."""
    encoder = TableEncoder(
        missing=model.missing if math.isnan(saved.missing) else saved.missing,
        absent=model.absent,
        unseen=model.unseen,
    )
    levels = {}
    for c, values in enumerate(saved.categories or ()):
        if values is not None:
            seen = np.ones(len(values), bool)
            seen[_unseen(note, c, len(values), where)] = False
            levels[c] = Levels(list(values), seen)
    encoder.restore(levels, saved.trees.n_features, _given_names(saved), where)
    return encoder


def _unseen(note: dict[str, Any], column: int, n: int, where: str) -> list[int]:
    unseen = note.get("unseen", {})
    codes = unseen.get(str(column), []) if isinstance(unseen, dict) else None
    if not isinstance(codes, list) or not all(
        type(code) is int and 0 <= code < n for code in codes
    ):
        fail(where, f"unseen categories from 0 to {n - 1}", "others")
    return codes


def _classes(saved: SavedModel, note: dict[str, Any], where: str) -> NDArray[Any]:
    """Labels of the classes: the file's own, else numbers from 0."""
    n = max(2, saved.trees.n_outputs)
    given = note.get("classes")
    if given is None:
        return np.arange(n)
    values, kind = (
        (given.get("values"), str(given.get("kind")))
        if isinstance(given, dict)
        else (None, "")
    )
    if not isinstance(values, list) or len(values) != n or kind not in _LABEL_KINDS:
        fail(where, f"labels of {n} classes", "others")
    try:
        classes = np.array(values, dtype=_LABEL_KINDS[kind])
    except (TypeError, ValueError, OverflowError):
        fail(where, f"labels of kind {kind}", "others")
    if classes.ndim != 1 or (kind == "str" and classes.dtype.kind != "U"):
        fail(where, f"labels of kind {kind}", "others")
    if len(np.unique(classes)) != n or (classes != np.sort(classes)).any():
        fail(where, "labels in ascending order", "others")
    return classes
