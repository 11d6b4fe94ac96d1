"""A machine without any data folder, and archives of our own making."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastnotes.datasets import _files
from fastnotes.datasets._registry import REGISTRY
from support.archives import repinned, sha256


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Hide every data folder and return the path of an empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.delenv("FASTNOTES_DATA", raising=False)
    monkeypatch.setattr(_files, "cache_folder", lambda: folder)
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a function that puts files in a data folder and pins what they hold."""

    def place(name: str, contents: dict[str, bytes], *, pin: bool = True) -> Path:
        home = tmp_path / "home"
        folder = home / REGISTRY[name].subfolder
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in contents.items():
            (folder / file).write_bytes(content)
        if pin:
            pinned = {file: sha256(content) for file, content in contents.items()}
            monkeypatch.setitem(REGISTRY, name, repinned(REGISTRY[name], pinned))
        return home

    return place


@pytest.fixture
def small_graph() -> dict[str, np.ndarray]:
    """Arrays of a four-node graph in the layout of the graph sets."""
    return {
        "x_data": np.ones(3, np.uint8),
        "x_indices": np.array([0, 2, 1], np.int16),
        "x_indptr": np.array([0, 2, 2, 3, 3], np.int32),
        "x_shape": np.array([4, 3], np.int32),
        "y": np.array([0, 1, 0, 1], np.int8),
        "edges": np.array([[0, 0, 1, 2], [1, 3, 2, 2]], np.int32),
        "train_idx": np.array([0], np.int32),
        "val_idx": np.array([1], np.int32),
        "test_idx": np.array([2, 3], np.int32),
    }
