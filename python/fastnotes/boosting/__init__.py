"""Boosted trees: binning, gradient histograms, splits, and the formulas behind them."""

from __future__ import annotations

from fastnotes.boosting.binning import BinMapper, BinnedMatrix
from fastnotes.boosting.formulas import leaf_weight, split_gain, structure_score
from fastnotes.boosting.histogram import build_histogram
from fastnotes.boosting.prediction import Predictor
from fastnotes.boosting.shapley import Explainer
from fastnotes.boosting.splitting import Split, find_best_split
from fastnotes.boosting.trees import TreeEnsemble

__all__ = [
    "BinMapper",
    "BinnedMatrix",
    "Explainer",
    "Predictor",
    "Split",
    "TreeEnsemble",
    "build_histogram",
    "find_best_split",
    "leaf_weight",
    "split_gain",
    "structure_score",
]
