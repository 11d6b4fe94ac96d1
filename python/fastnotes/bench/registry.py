"""Finds the cases: each room's module is imported only when its cases are asked for."""

from __future__ import annotations

import fnmatch
import importlib
import importlib.util
from collections.abc import Sequence

from fastnotes.bench.case import Case

ROOMS = ("boosting", "recurrent", "graph", "evidence", "information", "nn")
"""Rooms that may have a module ``fastnotes.bench.<room>`` with ``CASES``."""


class UnknownCaseError(ValueError):
    """A room or case was named that does not exist."""


def rooms() -> tuple[str, ...]:
    """Rooms whose case module is installed."""
    return tuple(
        room for room in ROOMS if importlib.util.find_spec(f"fastnotes.bench.{room}")
    )


def cases_of(room: str) -> tuple[Case, ...]:
    """All cases of a room, in the order of its module."""
    module = importlib.import_module(f"fastnotes.bench.{room}")
    cases: tuple[Case, ...] = tuple(module.CASES)
    return cases


def find_cases(names: Sequence[str] = ()) -> list[Case]:
    """Cases for names such as ``graph``, ``graph/cora``, ``graph/co*``, in house order.

    Raises
    ------
    UnknownCaseError
        A name that matches nothing; the message lists what there is.
    """
    if not names:
        return [case for room in rooms() for case in cases_of(room)]
    wanted: dict[str, None] = {}
    known: dict[str, Case] = {}
    for name in names:
        room, _, pattern = name.partition("/")
        if room not in rooms():
            raise UnknownCaseError(
                f"[bench] expected a room among {', '.join(rooms())}, got {room!r}"
            )
        known.update((case.id, case) for case in cases_of(room))
        matches = [
            case.id
            for case in cases_of(room)
            if fnmatch.fnmatchcase(case.name, pattern or "*")
        ]
        if not matches:
            options = ", ".join(case.name for case in cases_of(room))
            raise UnknownCaseError(
                f"[bench] expected a case of {room} among {options}, got {pattern!r}"
            )
        wanted.update(dict.fromkeys(matches))
    order = {room: place for place, room in enumerate(ROOMS)}
    chosen = [case for key, case in known.items() if key in wanted]
    return sorted(chosen, key=lambda case: order[case.room])
