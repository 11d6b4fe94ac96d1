"""Choose and load the extension module of one instruction-set level.

Every level is a module of its own, built from the same sources. The best one that
was built and that this CPU can run is taken; the environment variable
``FASTNOTES_LEVEL`` forces one by name.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fastnotes import _core_native as native

#: Best first: a native build knows this machine better than any portable level.
_PREFERENCE = ("native", "v4", "v3", "v2")


class _Level(NamedTuple):
    name: str
    missing: tuple[str, ...]

    @property
    def reason(self) -> str:
        if not self.missing:
            return "this CPU runs it"
        return "this CPU lacks " + ", ".join(self.missing)


def _built_levels() -> dict[str, _Level]:
    try:
        cpu = importlib.import_module("fastnotes._cpu")
    except ModuleNotFoundError as error:
        raise ImportError(
            "fastnotes has no compiled modules here: install it with "
            "`python -m pip install .`, and do not import it from its source folder"
        ) from error
    built: dict[str, list[str]] = cpu.built_levels()
    return {
        name: _Level(name, tuple(built[name])) for name in _PREFERENCE if name in built
    }


def _choose(levels: dict[str, _Level], forced: str | None) -> tuple[_Level, str]:
    """Pick a level and say why, or raise ImportError."""
    if forced:
        if forced not in levels:
            raise ImportError(
                f"FASTNOTES_LEVEL={forced} was not built; "
                f"built levels: {', '.join(levels)}"
            )
        if levels[forced].missing:
            raise ImportError(
                f"FASTNOTES_LEVEL={forced} cannot run: {levels[forced].reason}"
            )
        return levels[forced], "forced by FASTNOTES_LEVEL"
    for level in levels.values():
        if not level.missing:
            return level, "best built level that this CPU runs"
    reasons = "; ".join(f"{level.name}: {level.reason}" for level in levels.values())
    raise ImportError(
        f"fastnotes was built for another CPU ({reasons}). Rebuild it on this machine, "
        "or build portable levels with "
        '`pip install . -C cmake.define.FASTNOTES_LEVELS="v2;v3;v4"`'
    )


_levels = _built_levels()
_active, _active_reason = _choose(_levels, os.environ.get("FASTNOTES_LEVEL"))
if not TYPE_CHECKING:
    native = importlib.import_module(f"fastnotes._core_{_active.name}")


def build_info() -> dict[str, str]:
    """Version, commit, level, compiler, flags and threading runtime of this build."""
    return native.runtime.build_info()


def describe() -> dict[str, Any]:
    """Build facts, and for each level: built, runnable, and the reason."""
    levels = {
        name: {
            "built": name in _levels,
            "runnable": name in _levels and not _levels[name].missing,
            "reason": _levels[name].reason if name in _levels else "not built",
        }
        for name in _PREFERENCE
    }
    return {
        **build_info(),
        "levels": levels,
        "active": _active.name,
        "active_reason": _active_reason,
    }


__all__ = ["build_info", "describe", "native"]
