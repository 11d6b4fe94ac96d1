"""Boosted trees: the estimators, their parts, and the formulas behind them."""

from __future__ import annotations

from fastnotes.boosting.binning import BinMapper, BinnedMatrix
from fastnotes.boosting.callbacks import TrainingCallback
from fastnotes.boosting.classifier import BoostedTreesClassifier
from fastnotes.boosting.formulas import leaf_weight, split_gain, structure_score
from fastnotes.boosting.histogram import build_histogram
from fastnotes.boosting.inspection import dump_trees, trees_to_dataframe
from fastnotes.boosting.metrics import Metric, make_metric, resolve_metric
from fastnotes.boosting.model_files import SavedModel, read_model, write_model
from fastnotes.boosting.objectives import Objective, resolve_objective
from fastnotes.boosting.plots import plot_history, plot_importance, plot_tree
from fastnotes.boosting.prediction import Predictor
from fastnotes.boosting.ranker import BoostedTreesRanker
from fastnotes.boosting.regressor import BoostedTreesRegressor
from fastnotes.boosting.shapley import Explainer
from fastnotes.boosting.splitting import Split, find_best_split
from fastnotes.boosting.trees import TreeEnsemble

__all__ = [
    "BinMapper",
    "BinnedMatrix",
    "BoostedTreesClassifier",
    "BoostedTreesRanker",
    "BoostedTreesRegressor",
    "Explainer",
    "Metric",
    "Objective",
    "Predictor",
    "SavedModel",
    "Split",
    "TrainingCallback",
    "TreeEnsemble",
    "build_histogram",
    "dump_trees",
    "find_best_split",
    "leaf_weight",
    "make_metric",
    "plot_history",
    "plot_importance",
    "plot_tree",
    "read_model",
    "resolve_metric",
    "resolve_objective",
    "split_gain",
    "structure_score",
    "trees_to_dataframe",
    "write_model",
]
