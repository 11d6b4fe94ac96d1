"""Sets that come with scikit-learn: always at hand, no files needed."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from fastnotes.datasets._describe import documented
from fastnotes.datasets._registry import REGISTRY
from fastnotes.datasets._results import ImageDataset, TabularDataset


def _sklearn_bunch(name: str) -> Any:
    datasets = importlib.import_module("sklearn.datasets")
    return getattr(datasets, f"load_{name}")()


def _read_bundled(name: str) -> TabularDataset:
    bunch = _sklearn_bunch(name)
    is_classes = bunch.target.dtype.kind == "i"
    return TabularDataset(
        info=REGISTRY[name],
        X=np.ascontiguousarray(bunch.data, dtype=np.float64),
        y=bunch.target.astype(np.int64 if is_classes else np.float64),
        feature_names=tuple(map(str, bunch.feature_names)),
        target_names=tuple(map(str, bunch.target_names)) if is_classes else (),
    )


@documented("breast_cancer")
def load_breast_cancer() -> TabularDataset:
    """Breast cancer Wisconsin: malignant (0) or benign (1).

    Returns
    -------
    TabularDataset
        569 rows, 30 float64 columns.
    """
    return _read_bundled("breast_cancer")


@documented("diabetes")
def load_diabetes() -> TabularDataset:
    """Diabetes: progression after one year, a regression task.

    Returns
    -------
    TabularDataset
        442 rows, 10 float64 columns, standardised by scikit-learn; `y` float64.
    """
    return _read_bundled("diabetes")


@documented("iris")
def load_iris() -> TabularDataset:
    """Fisher's iris.

    Returns
    -------
    TabularDataset
        150 rows, 4 float64 columns, 3 classes.
    """
    return _read_bundled("iris")


@documented("wine")
def load_wine() -> TabularDataset:
    """Wine recognition.

    Returns
    -------
    TabularDataset
        178 rows, 13 float64 columns, 3 classes.
    """
    return _read_bundled("wine")


@documented("digits")
def load_digits() -> ImageDataset:
    """Handwritten digits, small; also eight-step sequences of image rows.

    Returns
    -------
    ImageDataset
        ``images`` (1797, 8, 8) uint8, values 0 to 16; `y` 0 to 9.
    """
    bunch = _sklearn_bunch("digits")
    return ImageDataset(
        info=REGISTRY["digits"],
        images=bunch.images.astype(np.uint8),
        y=bunch.target.astype(np.int64),
    )
