"""Ranges of the estimators' parameters, and constraints in their one form."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastnotes._validation import as_integer, as_real, check_choice, fail, fail_type
from fastnotes.boosting.importance import IMPORTANCE_TYPES

_INT32_MAX = 2**31 - 1


class _Range(NamedTuple):
    """From low to high; ``above`` leaves low itself out."""

    low: float
    high: float | None = None
    above: bool = False


_INTEGERS = {
    "n_estimators": _Range(1, _INT32_MAX),
    "max_depth": _Range(0, _INT32_MAX),
    "max_leaves": _Range(0, _INT32_MAX),
    "max_bin": _Range(2, 255),
    "max_cat_to_onehot": _Range(1, _INT32_MAX),
    "early_stopping_rounds": _Range(1, _INT32_MAX),
    "verbose": _Range(0, _INT32_MAX),
}
_REALS = {
    "learning_rate": _Range(0),
    "gamma": _Range(0),
    "reg_lambda": _Range(0),
    "reg_alpha": _Range(0),
    "min_child_weight": _Range(0),
    "max_delta_step": _Range(0),
    "scale_pos_weight": _Range(0, above=True),
    "subsample": _Range(0, 1, above=True),
    "colsample_bytree": _Range(0, 1, above=True),
    "colsample_bylevel": _Range(0, 1, above=True),
    "colsample_bynode": _Range(0, 1, above=True),
}
_CHOICES = {
    "grow_policy": ("depthwise", "lossguide"),
    "importance_type": IMPORTANCE_TYPES,
}
_FLAGS = ("warm_start",)
#: None stands for 0, which means no limit.
_UNLIMITED = ("max_depth", "max_leaves")
_OPTIONAL = ("early_stopping_rounds", "max_delta_step")


def check_parameters(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the parameters that are plain numbers or words, checked.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, its range and what came.
    """
    checked: dict[str, Any] = {}
    for name, value in given.items():
        if value is None and name in _UNLIMITED:
            checked[name] = 0
        elif value is None and name in _OPTIONAL:
            checked[name] = None
        elif name == "verbose" and isinstance(value, (bool, np.bool_)):
            checked[name] = int(value)
        elif name in _FLAGS:
            if not isinstance(value, (bool, np.bool_)):
                fail_type(where, f"{name} as a bool", type(value).__name__)
            checked[name] = bool(value)
        elif name in _INTEGERS:
            low, high, _ = _INTEGERS[name]
            bounds = {"low": int(low), "high": None if high is None else int(high)}
            checked[name] = as_integer(value, where, name, **bounds)
        elif name in _REALS:
            checked[name] = _real_in(value, _REALS[name], where, name)
        elif name in _CHOICES:
            checked[name] = check_choice(value, where, name, _CHOICES[name])
    return checked


def _real_in(value: Any, allowed: _Range, where: str, name: str) -> float:
    number = as_real(value, where, name)
    low, high, above = allowed
    if number < low or (above and number == low) or (high and number > high):
        sign = ">" if above else ">="
        least = f"{name} {sign} {low:g}"
        fail(where, least if high is None else f"{least} and <= {high:g}", str(number))
    return number


def monotone_signs(
    given: Any, names: Sequence[str] | None, n_columns: int, where: str
) -> tuple[int, ...] | None:
    """-1, 0 or 1 for each column, from a sequence, a mapping or XGBoost's "(1,0)"."""
    if given is None:
        return None
    what = "monotone_constraints"
    given = _literal(given, where, what)
    signs = [0] * n_columns
    if isinstance(given, Mapping):
        for key, sign in given.items():
            column = column_number(key, names, n_columns, where, what)
            signs[column] = as_integer(sign, where, what, low=-1, high=1)
        return tuple(signs)
    if not isinstance(given, Iterable):
        fail_type(where, f"{what} as a sequence or a dict", type(given).__name__)
    values = [as_integer(sign, where, what, low=-1, high=1) for sign in given]
    if len(values) != n_columns:
        fail(where, f"{what} for {n_columns} columns", f"{len(values)} of them")
    return tuple(values)


def interaction_sets(
    given: Any, names: Sequence[str] | None, n_columns: int, where: str
) -> tuple[tuple[int, ...], ...] | None:
    """Sets of column numbers, from sets of numbers or names, or XGBoost's text."""
    if given is None:
        return None
    what = "interaction_constraints"
    given = _literal(given, where, what)
    if not isinstance(given, Iterable):
        fail_type(where, f"{what} as a sequence of sets", type(given).__name__)
    sets = []
    for members in given:
        if isinstance(members, (str, bytes)) or not isinstance(members, Iterable):
            fail_type(where, f"{what} as a sequence of sets", type(members).__name__)
        columns = {column_number(key, names, n_columns, where, what) for key in members}
        sets.append(tuple(sorted(columns)))
    return tuple(sets)


def column_number(
    key: Any, names: Sequence[str] | None, n_columns: int, where: str, what: str
) -> int:
    """Position of a column named by its name or its number."""
    if not isinstance(key, str):
        return as_integer(key, where, f"columns of {what}", low=0, high=n_columns - 1)
    if names is None:
        fail(where, f"{what} by number, as X has no column names", repr(key))
    if key not in names:
        fail(where, f"{what} to name columns of X", repr(key))
    return list(names).index(key)


def _literal(given: Any, where: str, what: str) -> Any:
    """The value of a text such as "(1, -1)"; anything else is returned as it is."""
    if not isinstance(given, str):
        return given
    try:
        return ast.literal_eval(given)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        fail(where, f"{what} as a literal", repr(given[:80]))
