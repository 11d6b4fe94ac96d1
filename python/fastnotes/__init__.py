"""fastnotes: machine-learning notes made executable.

Rooms are modules of this package and load on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from fastnotes import _core

# Alphabetical, a line each.
_ROOMS: tuple[str, ...] = (
    "boosting",
    "datasets",
    "evidence",
    "graph",
    "information",
    "nn",
    "recurrent",
)

__version__: str = _core.build_info()["version"]

__all__ = ["__version__", *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"fastnotes.{name}")
    raise AttributeError(f"module 'fastnotes' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
