"""What a model file says, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastnotes.boosting.trees import TreeEnsemble

#: Names of the levels of one column in the order of their codes; None: no names.
Levels = tuple[str | int | float, ...] | None


@dataclass(frozen=True, eq=False)
class SavedModel:
    """Trees and what else a file of XGBoost or LightGBM keeps.

    Attributes
    ----------
    trees : TreeEnsemble
    objective : str
        By XGBoost's name; of a LightGBM model, the one with the same predictions.
    objective_parameters : dict of str
        As they stand in the file, e.g. ``{"quantile_alpha": "[1E-1,9E-1]"}``.
    n_classes : int
        2 for binary objectives, 0 where there are no classes.
    round_offsets : int64 array of shape (n_rounds + 1,), or None
        Round r made trees ``round_offsets[r]`` to ``round_offsets[r + 1] - 1``. None:
        every round made one tree for each output.
    feature_names, feature_types : tuple of str, or None
        Types in XGBoost's letters: "float", "int", "i" (indicator), "q" (quantity),
        "c" (categorical).
    categories : tuple over columns, or None
        For each column the names of its levels, in the order of their codes, or None.
    best_iteration : int or None
        Round that early stopping found best, from 0. ``trees`` has the later ones too.
    attributes : dict of str
        The model's own notes.
    missing : float
        A value that means missing beside NaN: 0 for a LightGBM model with
        ``zero_as_missing``, else NaN.
    gamma : float
        What was subtracted from every gain in ``trees``. No file keeps it: 0 after
        reading, so that the gains are before gamma.
    source : str
        Who wrote the file, e.g. "xgboost 3.2.0 dart".
    """

    trees: TreeEnsemble
    objective: str = "reg:squarederror"
    objective_parameters: Mapping[str, str] = field(default_factory=dict)
    n_classes: int = 0
    round_offsets: NDArray[np.int64] | None = None
    feature_names: tuple[str, ...] | None = None
    feature_types: tuple[str, ...] | None = None
    categories: tuple[Levels, ...] | None = None
    best_iteration: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    missing: float = float("nan")
    gamma: float = 0.0
    source: str = "fastnotes"
