"""Categories of a column: their codes, and their order by target statistics."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import fail, fail_type
from fastnotes.boosting.columns import Factor

_FEW_INTEGERS = 1024


class Levels(NamedTuple):
    """The categories of a column.

    Code k is ``values[k]``; ``seen[k]`` says whether a row of ``fit`` had it. Those of
    a categorical dtype keep its order. Integers from 0 keep their value as code if the
    largest is below 1,024 or below twice their number. All others are sorted, numbers
    before text.
    """

    values: list[Any]
    seen: NDArray[np.bool_]


def fit_levels(factor: Factor, missing: float, name: str, where: str) -> Levels:
    """Return the levels of a column, those equal to ``missing`` left out."""
    counts = np.bincount(factor.codes[factor.codes >= 0], minlength=len(factor.values))
    seen = counts > 0
    for k in _equal_to(factor, missing):
        seen[k] = False
    if factor.declared:
        return Levels(list(factor.values), seen)
    present = [factor.values[k] for k in np.flatnonzero(seen).tolist()]
    n_direct = _n_direct(present)
    if n_direct:
        direct = np.zeros(n_direct, bool)
        direct[np.array(present, np.int64)] = True
        return Levels(list(range(n_direct)), direct)
    try:
        present.sort(key=lambda value: (isinstance(value, str), value))
    except TypeError:
        kinds = ", ".join(sorted({type(value).__name__ for value in present}))
        fail_type(where, f"column {name} of categories that can be sorted", kinds)
    return Levels(present, np.ones(len(present), bool))


def encode_levels(
    levels: Levels, factor: Factor, missing: float, unseen: str, name: str, where: str
) -> NDArray[np.float64]:
    """Return the code of each row, NaN where missing or, by policy, unseen."""
    table = np.full(len(factor.values) + 1, np.nan)  # the last is read by code -1
    code_of = {value: code for code, value in enumerate(levels.values)}
    for k, value in enumerate(factor.values):
        code = code_of.get(value, -1)
        if code >= 0 and levels.seen[code]:
            table[k] = code
    if unseen == "error":
        unknown = np.isnan(table)
        unknown[[-1, *_equal_to(factor, missing)]] = False
        bad = np.flatnonzero(unknown[factor.codes])
        if len(bad):
            value = factor.values[factor.codes[bad[0]]]
            fail(where, f"column {name} of categories seen in fit", repr(value))
    codes: NDArray[np.float64] = table[factor.codes]
    return codes


def _equal_to(factor: Factor, missing: float) -> list[int]:
    if np.isnan(missing):
        return []
    if isinstance(factor.values, range):
        return [int(missing)] if missing in factor.values else []
    return [k for k, value in enumerate(factor.values) if value == missing]


def _n_direct(present: list[Any]) -> int:
    """How many codes integers that stand for themselves need; 0 if they should not."""
    if not present or not all(isinstance(v, (int, float)) for v in present):
        return 0
    largest, n = max(present), len(present)
    if min(present) < 0 or largest >= max(_FEW_INTEGERS, 2 * n):
        return 0
    return int(largest) + 1 if all(v == int(v) for v in present) else 0
