"""Thresholds as XGBoost's files have them, and the exact ones that go along.

XGBoost asks ``x < t`` in float32, the notes ask ``x <= t`` in float64. A file has the
float32 that sends all float32 numbers the same way. Numbers of float64 between the two
would change sides, so the exact thresholds are kept beside, for fastnotes to read.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import fail

#: The attribute of exact thresholds: base64 of little-endian float64, one for each
#: numeric split in the file's order.
EXACT = "fastnotes_thresholds"
#: Share of a column's span of thresholds, about that of rows which change sides.
_BLUR = 1e-3
_LARGEST = np.finfo(np.float32).max


def to_conditions(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return t with x < t where x <= threshold, for float32."""
    with np.errstate(over="ignore"):
        rounded = thresholds.astype(np.float32)
        above = np.nextafter(rounded, np.float32(np.inf))
    below = np.where(rounded > thresholds, rounded, above)
    conditions: NDArray[np.float32] = np.minimum(below, _LARGEST)
    return conditions


def to_thresholds(conditions: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return t with x <= t where x < condition; the largest float32 means every x."""
    with np.errstate(over="ignore", invalid="ignore"):
        t = np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64)
    thresholds: NDArray[np.float64] = np.where(conditions >= _LARGEST, np.inf, t)
    return thresholds


def exact_text(thresholds: NDArray[np.float64]) -> str | None:
    """Return the attribute of the numeric splits; None where float32 holds them all."""
    if np.array_equal(to_thresholds(to_conditions(thresholds)), thresholds):
        return None
    return base64.b64encode(thresholds.astype("<f8").tobytes()).decode("ascii")


def refine(
    thresholds: NDArray[np.float64], text: str, where: str
) -> NDArray[np.float64]:
    """Return the exact thresholds for those read, where they mean the same float32.

    Others stay: XGBoost keeps the attribute when it adds trees or cuts some off.
    """
    try:
        data = base64.b64decode(text, validate=True)
        exact = np.frombuffer(data, "<f8").astype(np.float64)
    except (binascii.Error, ValueError):
        fail(where, f"attribute {EXACT!r} as float64 in base64", "others")
    refined: NDArray[np.float64] = thresholds.copy()
    n = min(len(exact), len(refined))
    with np.errstate(invalid="ignore"):
        same = to_thresholds(to_conditions(exact[:n])) == refined[:n]
    refined[:n][same] = exact[:n][same]
    return refined


def blurred_columns(
    feature: NDArray[np.integer[Any]], thresholds: NDArray[np.float64]
) -> list[int]:
    """Return the columns in which float32 moves thresholds by much of their span."""
    order = np.lexsort((thresholds, feature))
    column, exact = feature[order], thresholds[order]
    single = to_thresholds(to_conditions(exact))
    known = np.isfinite(exact) & np.isfinite(single)
    column, exact, single = column[known], exact[known], single[known]
    new = np.ones(len(column), np.bool_)
    new[1:] = (np.diff(column) != 0) | (np.diff(exact) != 0)
    column, exact, moved = column[new], exact[new], (exact - single)[new]
    columns, first = np.unique(column, return_index=True)
    if len(columns) == 0:
        return []
    last = np.append(first[1:], len(column)) - 1
    span = exact[last] - exact[first]
    much = (span > 0) & (np.add.reduceat(moved, first) > _BLUR * span)
    return [int(c) for c in columns[much]]
