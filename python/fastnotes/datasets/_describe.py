"""Docstring sections and the documentation table, made from the registry."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from fastnotes.datasets._info import DatasetInfo
from fastnotes.datasets._registry import REGISTRY

Loader = TypeVar("Loader", bound=Callable[..., Any])

_DATA_HOME = """
data_home : path, optional
    Folder with one sub-folder per set; nothing else is looked at when it is given.
    Default: ``FASTNOTES_DATA`` if set, then the cache folder, then a download where
    the registry pins the public files.
"""

_RAISES = """
Raises
------
FileNotFoundError
    The files are nowhere; says which, where it looked and how to provide them.
ValueError
    A file does not have its pinned digest or is damaged.
"""


def documented(name: str) -> Callable[[Loader], Loader]:
    """Complete a loader's docstring with what the registry says of its set.

    The docstring's own text may have a line ``{data_home}`` under "Parameters"; where
    it has no such section, one is added for loaders that read files.
    """
    info = REGISTRY[name]

    def complete(loader: Loader) -> Loader:
        if loader.__doc__ is not None:  # absent under `python -OO`
            text = inspect.cleandoc(loader.__doc__)
            if info.files:
                if "{data_home}" in text:
                    text = text.replace("{data_home}", _DATA_HOME.strip())
                else:
                    head, *returns = text.split("\n\nReturns\n")
                    section = f"\n\nParameters\n----------{_DATA_HOME.rstrip()}"
                    text = "\n\nReturns\n".join((head + section, *returns))
                text += f"\n{_RAISES.rstrip()}"
            loader.__doc__ = f"{text}\n\n{_notes(info)}\n"
        return loader

    return complete


def markdown_table() -> str:
    """Return the table of docs/datasets.md: one row per set, grouped by kind."""
    lines = [
        "| loader | kind | what | split | licence |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| `load_{info.name}` | {info.kind} | {info.title} "
        f"| {info.split} | {info.licence} |"
        for info in sorted(REGISTRY.values(), key=lambda info: (info.kind, info.name))
    ]
    return "\n".join(lines) + "\n"


def _notes(info: DatasetInfo) -> str:
    entries = {
        "Source": info.source,
        "Licence": info.licence,
        "Split": info.split,
        "Published": info.published,
    }
    lines = [f"{key}: {value}." for key, value in entries.items() if value]
    return "Notes\n-----\n" + "\n\n".join(lines)
