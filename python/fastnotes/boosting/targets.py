"""Targets and groups as users give them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from fastnotes._validation import (
    as_index_array,
    check_finite,
    fail,
    fail_type,
    refuse_mask,
)
from fastnotes.boosting.columns import is_missing

#: Labels that are integers within such a range are counted instead of sorted.
_COUNTED = 1 << 16


class Groups(NamedTuple):
    """Rows of one list each, one list after another.

    ``order`` puts the rows so; None if they are so already.
    """

    offsets: NDArray[np.int64]
    order: NDArray[np.int64] | None


def as_target(y: Any, n_rows: int, where: str) -> NDArray[Any]:
    """Return y as an array of shape (n_rows,); a column is flattened with a warning."""
    if y is None:
        fail(where, "y", "None: it requires y to be passed, but the target y is None")
    if hasattr(y, "tocsr"):
        fail_type(where, "y as a dense array", type(y).__name__)
    refuse_mask(y, where, "y")
    shape: tuple[int, ...] = getattr(y, "shape", ())
    if len(shape) == 2 and shape[1] > 1:
        fail(
            where,
            "y as one column: a 1d array (sklearn.multioutput fits a model for each)",
            f"shape {tuple(shape)}",
        )
    plain = type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biuf"
    target: NDArray[Any] = y if plain else column_or_1d(y, warn=True)
    if len(target) != n_rows:
        fail(where, f"y with {n_rows} rows, as X", str(len(target)))
    if target.dtype.kind == "f":
        check_finite(target, where, "y")
    return target


def as_numbers(y: NDArray[Any], where: str) -> NDArray[Any]:
    """Return y as finite real numbers; objects that are numbers will do."""
    if y.dtype.kind == "O":
        try:
            y = y.astype(np.float64)
        except (TypeError, ValueError):
            fail_type(where, "y of real numbers", "objects")
    if y.dtype.kind not in "fiub":
        fail_type(where, "y of real numbers", str(y.dtype))
    check_finite(y, where, "y")
    return y


def find_classes(y: NDArray[Any], where: str) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Return the sorted classes and the code of each row's.

    Raises
    ------
    TypeError
        If the labels are of kinds that have no common order.
    ValueError
        If y holds no classes, such as numbers with a fraction, or a label is missing.
    """
    y = _whole_numbers(y)
    counted = _counted_classes(y)
    if counted is not None:
        return counted
    try:
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError:
        _refuse_missing(y, where)
        kinds = sorted({type(label).__name__ for label in y.tolist()})
        fail_type(where, "labels y of one kind", " and ".join(kinds))
    if y.dtype.kind == "O":
        _refuse_missing(classes, where)
    check_classification_targets(y)
    return classes, codes.astype(np.int32)


def encode_classes(
    y: NDArray[Any], classes: NDArray[Any], where: str
) -> NDArray[np.int32]:
    """Return the codes of labels that must be among the classes."""
    found, codes = find_classes(y, where)
    place = np.searchsorted(classes, found)
    place = np.minimum(place, len(classes) - 1)
    known = np.asarray(classes[place] == found)
    if not known.all():
        bad = found[~known]
        fail(where, f"y among the classes {_listed(classes)}", _listed(bad))
    table: NDArray[np.int32] = place.astype(np.int32)[codes]
    return table


def _whole_numbers(y: NDArray[Any]) -> NDArray[Any]:
    """Return objects that are all bool, or all integers, as what they are."""
    if y.dtype.kind != "O":
        return y
    for kind in ((bool, np.bool_), (int, np.integer)):
        if all(isinstance(label, kind) for label in y.tolist()):
            return np.array(y.tolist())
    return y


def _refuse_missing(labels: NDArray[Any], where: str) -> None:
    missing = [label for label in labels.tolist() if is_missing(label)]
    if missing:
        got = f"{missing[0]!r}: drop those rows, or give them a label of their own"
        fail(where, "y without missing labels", got)


def _listed(labels: NDArray[Any], most: int = 10) -> str:
    """The first labels, in words."""
    shown = ", ".join(map(repr, labels[:most].tolist()))
    return shown if len(labels) <= most else f"{shown}, ... ({len(labels)} in all)"


def _counted_classes(
    y: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[np.int32]] | None:
    """The same for labels that are integers close together; None for others."""
    if y.dtype.kind not in "biuf" or len(y) == 0:
        return None
    low, high = float(y.min()), float(y.max())
    if not (abs(low) < 2**31 and abs(high) < 2**31 and high - low < _COUNTED):
        return None
    codes = (y - low).astype(np.int32) if y.dtype.kind == "f" else _shifted(y, int(low))
    if y.dtype.kind == "f" and not np.array_equal(codes + low, y):
        return None
    present = np.bincount(codes) > 0
    values = np.flatnonzero(present) + int(low)
    rank = (np.cumsum(present) - 1).astype(np.int32)
    return values.astype(y.dtype), rank[codes]


def _shifted(y: NDArray[Any], low: int) -> NDArray[np.int32]:
    shifted: NDArray[np.int32] = (y.astype(np.int64) - low).astype(np.int32)
    return shifted


def as_qid(qid: Any, n_rows: int, where: str) -> NDArray[np.int64] | None:
    """Return the list of each row."""
    if qid is None:
        return None
    query = as_index_array(column_or_1d(qid), where, "qid")
    if len(query) != n_rows:
        fail(where, f"qid with {n_rows} rows, as X", str(len(query)))
    return query


def group_rows(qid: NDArray[np.int64]) -> Groups:
    """Return the lists that query numbers make."""
    order = None
    if (np.diff(qid) < 0).any():
        order = np.argsort(qid, kind="stable")
        qid = qid[order]
    starts = np.flatnonzero(np.diff(qid)) + 1
    return Groups(np.concatenate([[0], starts, [len(qid)]]), order)
