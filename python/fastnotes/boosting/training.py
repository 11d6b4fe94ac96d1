"""The rounds of a training: gradients, one tree for each output, scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes.boosting.callbacks import EarlyStopping, History, call_all
from fastnotes.boosting.growth import (
    MISSING_CODE,
    GrownTree,
    GrowthParameters,
    TreeGrower,
)
from fastnotes.boosting.progress import Progress
from fastnotes.boosting.sampling import RowSampler, sample_columns
from fastnotes.boosting.training_table import ColumnBins, TrainingTable
from fastnotes.boosting.trees import TreeEnsemble


@dataclass(eq=False)
class RowSet:
    """Rows that learn or are scored.

    Attributes
    ----------
    name : str
    bins : uint8 array of shape (n_rows, n_columns)
    target : what the objective has made of y, weights and groups
    margins : float64 array of shape (n_outputs, n_rows)
        Those of the rounds so far.
    """

    name: str
    bins: NDArray[np.uint8]
    target: Any
    margins: NDArray[np.float64]


@dataclass(frozen=True)
class Schedule:
    """What a training is to do; rounds count from the model's first."""

    first_round: int
    last_round: int
    growth: GrowthParameters
    subsample: float
    colsample_bytree: float
    early_stopping_rounds: int | None
    seed: int
    n_threads: int
    verbose: bool
    callbacks: Sequence[Any]


class Training:
    """One training: the trees so far, the margins they give, the scores.

    Attributes
    ----------
    trees : list of GrownTree
        One for each output and finished round.
    rounds_done : int
    history : dict of dict of list
    stopping : EarlyStopping or None
    """

    def __init__(
        self,
        table: TrainingTable,
        learning: RowSet,
        scored: Sequence[RowSet],
        objective: Any,
        metrics: Sequence[Any],
        schedule: Schedule,
        history: History,
    ) -> None:
        self.trees: list[GrownTree] = []
        self.rounds_done = 0
        self.history = history
        self.stopping: EarlyStopping | None = None
        if schedule.early_stopping_rounds is not None:
            self.stopping = EarlyStopping(
                schedule.early_stopping_rounds, metrics[-1].maximize
            )
        self._columns = table.columns
        self._learning, self._scored = learning, scored
        self._objective, self._metrics = objective, metrics
        self._schedule = schedule
        self._grower = TreeGrower(
            table.bins,
            table.columns.column_bins,
            categorical=table.columns.categorical,
            parameters=schedule.growth,
            n_threads=schedule.n_threads,
        )
        n_rows = len(table.bins)
        self._sampler = RowSampler(
            n_rows, schedule.subsample, schedule.seed, schedule.n_threads
        )
        shape = learning.margins.shape
        self._grad = np.empty(shape, np.float32)
        self._hess = np.empty(shape, np.float32)

    def run(self, model: Any) -> None:
        """Train until the last round, the best score's patience, or a callback's True.

        However it ends, the attributes tell of the finished rounds alone.
        """
        schedule = self._schedule
        callbacks = schedule.callbacks
        call_all(callbacks, "before_training", model)
        n_rounds = schedule.last_round - schedule.first_round
        progress = Progress(n_rounds, schedule.verbose)
        try:
            for round_ in range(schedule.first_round, schedule.last_round):
                self._grow(round_)
                stop = self._score(round_)
                self.rounds_done += 1
                stop |= call_all(
                    callbacks, "after_iteration", model, round_, self.history
                )
                progress.update(self.rounds_done, self._text)
                if stop:
                    break
        finally:
            self._drop_unfinished()
            progress.close(self.rounds_done, self._text)
        call_all(callbacks, "after_training", model)

    def ensemble(self, base_score: NDArray[np.float64]) -> TreeEnsemble:
        """Trees of the finished rounds, on the encoded table."""
        n = self.rounds_done * len(base_score)
        return assemble(self.trees[:n], self._columns, base_score)

    def _grow(self, round_: int) -> None:
        schedule, learning = self._schedule, self._learning
        grad, hess, margins = self._grad, self._hess, learning.margins
        self._objective.gradients(learning.target, margins, grad, hess)
        rows = self._sampler.draw(round_)
        n_outputs, n_columns = len(margins), learning.bins.shape[1]
        for k in range(n_outputs):
            number = round_ * n_outputs + k
            tree = self._grower.grow(
                grad[k],
                hess[k],
                rows=rows,
                columns=sample_columns(
                    n_columns, schedule.colsample_bytree, schedule.seed, number
                ),
                seed=schedule.seed,
                tree_index=number,
            )
            if self._objective.renews_leaves:
                tree = self._renewed(tree, rows, k)
            self.trees.append(tree)
            self._grower.add_leaf_values(margins[k], tree)
            for rows_scored in self._scored:
                if rows_scored.margins is not margins:
                    add_tree(tree, rows_scored, k, schedule.n_threads)

    def _renewed(
        self, tree: GrownTree, rows: NDArray[np.int32] | None, output: int
    ) -> GrownTree:
        """The tree with the leaf values that are best for a loss without curvature."""
        values = self._objective.renewed_leaves(
            self._learning.target, self._learning.margins, output, tree, rows
        )
        scaled = (values * self._schedule.growth.learning_rate).astype(np.float32)
        return replace(tree, value=scaled)

    def _score(self, round_: int) -> bool:
        """Add a round's scores to the history; True asks to stop."""
        score = None
        for rows in self._scored:
            scores = self.history[rows.name]
            for metric in self._metrics:
                score = metric(rows.target, rows.margins)
                scores[metric.name].append(score)
        if self.stopping is None or score is None:
            return False
        return self.stopping.update(round_, score)

    def _text(self) -> str:
        """Last metric, of the last scored rows or of those that learn."""
        metric = self._metrics[-1]
        if self._scored:
            rows = self._scored[-1]
            score = self.history[rows.name][metric.name][-1]
        else:
            rows = self._learning
            score = metric(rows.target, rows.margins)
        return f"{rows.name} {metric.name} {score:.6g}"

    def _drop_unfinished(self) -> None:
        n_outputs = len(self._learning.margins)
        del self.trees[self.rounds_done * n_outputs :]
        n_scores = self._schedule.first_round + self.rounds_done
        for scores in self.history.values():
            for series in scores.values():
                del series[n_scores:]


def add_tree(tree: GrownTree, rows: RowSet, output: int, n_threads: int) -> None:
    """Add what a tree gives rows that did not grow it."""
    native.boosting.add_tree_by_bins(
        rows.bins,
        MISSING_CODE,
        tree.feature,
        tree.bin,
        tree.default_left,
        tree.left,
        tree.right,
        tree.value,
        tree.is_categorical,
        tree.left_bins,
        rows.margins[output],
        n_threads,
    )


def assemble(
    trees: Sequence[GrownTree], columns: ColumnBins, base_score: NDArray[np.float64]
) -> TreeEnsemble:
    """Join grown trees, their bins turned into thresholds and categories."""
    n_outputs = len(base_score)

    def joined(name: str, dtype: Any) -> Any:
        parts = [getattr(tree, name) for tree in trees]
        return np.concatenate(parts) if parts else np.empty(0, dtype)

    feature, bins = joined("feature", np.int32), joined("bin", np.int32)
    left_bins = None
    if columns.categorical.any() and trees:
        left_bins = np.concatenate([tree.left_bins for tree in trees])
    splits = columns.decode(feature, np.maximum(bins, 0), left_bins)
    sizes = [len(tree.feature) for tree in trees]
    return TreeEnsemble(
        n_features=len(columns.column_bins),
        base_score=base_score,
        tree_offsets=np.cumsum([0, *sizes], dtype=np.int64),
        tree_output=np.arange(len(trees), dtype=np.int32) % np.int32(n_outputs),
        feature=feature,
        threshold=splits.threshold,
        left=joined("left", np.int32),
        right=joined("right", np.int32),
        default_left=joined("default_left", np.bool_),
        value=joined("value", np.float32),
        gain=joined("gain", np.float32),
        cover=joined("cover", np.float32),
        category_offsets=splits.category_offsets,
        category_words=splits.category_words,
    )
