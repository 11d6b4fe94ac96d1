"""What a user's callbacks are asked during a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnotes._validation import fail_type


def as_callbacks(given: Any, where: str) -> list[Any]:
    """Return the user's callbacks as a list of objects that have a method of one."""
    if given is None:
        return []
    if not isinstance(given, (list, tuple)):
        fail_type(where, "callbacks as a list", type(given).__name__)
    methods = ("before_training", "after_iteration", "after_training")
    for callback in given:
        if isinstance(callback, type):
            wanted = f"callbacks as objects: {callback.__name__}()"
            fail_type(where, wanted, "the class")
        if not any(hasattr(callback, method) for method in methods):
            wanted = f"callbacks with a method of {', '.join(methods)}"
            fail_type(where, wanted, type(callback).__name__)
    return list(given)


def call_all(callbacks: Sequence[Any], method: str, *arguments: Any) -> bool:
    """Call a method of every callback that has it; whether any returned True."""
    stop = False
    for callback in callbacks:
        function = getattr(callback, method, None)
        if function is not None:
            stop |= function(*arguments) is True
    return stop
