"""Boosted trees: binning, gradient histograms, splits, formulas, and model files."""

from __future__ import annotations

from fastnotes.boosting.binning import BinMapper, BinnedMatrix
from fastnotes.boosting.formulas import leaf_weight, split_gain, structure_score
from fastnotes.boosting.histogram import build_histogram
from fastnotes.boosting.inspection import dump_trees, trees_to_dataframe
from fastnotes.boosting.model_files import SavedModel, read_model, write_model
from fastnotes.boosting.plots import plot_history, plot_importance, plot_tree
from fastnotes.boosting.splitting import Split, find_best_split

__all__ = [
    "BinMapper",
    "BinnedMatrix",
    "SavedModel",
    "Split",
    "build_histogram",
    "dump_trees",
    "find_best_split",
    "leaf_weight",
    "plot_history",
    "plot_importance",
    "plot_tree",
    "read_model",
    "split_gain",
    "structure_score",
    "trees_to_dataframe",
    "write_model",
]
