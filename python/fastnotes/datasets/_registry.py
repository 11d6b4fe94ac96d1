"""The table of sets: files with their pinned hashes, sources, licences, splits.

A set is added by a row in one of the two tables and a loader in the file of its kind.
"""

from __future__ import annotations

from fastnotes.datasets import _registry_structured, _registry_tabular
from fastnotes.datasets._info import DatasetInfo

REGISTRY: dict[str, DatasetInfo] = {
    info.name: info for info in _registry_tabular.ROWS + _registry_structured.ROWS
}
