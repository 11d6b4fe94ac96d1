"""The rounds of a training: gradients, one tree for each output, scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._callbacks import call_all
from fastnotes._progress import Progress
from fastnotes.boosting._metric_data import BoundMetric
from fastnotes.boosting.callbacks import EarlyStopping, History
from fastnotes.boosting.growth import (
    GrownTree,
    GrowthParameters,
    TreeGrower,
)
from fastnotes.boosting.metrics import Metric
from fastnotes.boosting.objectives import BoundObjective
from fastnotes.boosting.sampling import RowSampler, sample_columns
from fastnotes.boosting.sparse_growth import SparseTreeGrower
from fastnotes.boosting.sparse_table import SparseBins, SparseTrainingTable
from fastnotes.boosting.table import TableEncoder
from fastnotes.boosting.training_table import ColumnBins, TrainingTable
from fastnotes.boosting.trees import TreeEnsemble, concatenate

_NO_ROWS = np.empty(0, np.int32)
_MOST_LEAVES = 2**20  # leaves of rows that lie about at once, but for those of one tree


class Start(NamedTuple):
    """A model that a training goes on with."""

    trees: TreeEnsemble
    n_rounds: int
    round_offsets: NDArray[np.int64]
    encoder: TableEncoder
    names: NDArray[Any] | None
    classes: NDArray[Any] | None
    objective: str


@dataclass(eq=False)
class RowSet:
    """Rows that learn or are scored.

    Attributes
    ----------
    name : str
    add_tree : callable or None
        Adds a tree's values to margins of shape (n_rows,); None where the margins are
        those of the rows that learn, to which the grower adds.
    metrics : list of BoundMetric
    margins : float64 array of shape (n_outputs, n_rows)
        Those of the rounds so far.
    """

    name: str
    add_tree: Callable[[NDArray[np.float64], GrownTree], None] | None
    metrics: list[BoundMetric]
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
    start : Start or None
    history : dict of dict of list
    stopping : EarlyStopping or None
    """

    def __init__(
        self,
        table: TrainingTable | SparseTrainingTable,
        objective: BoundObjective,
        learning: RowSet,
        scored: Sequence[RowSet],
        metrics: Sequence[Metric],
        schedule: Schedule,
        start: Start | None,
    ) -> None:
        self.trees: list[GrownTree] = []
        self.rounds_done = 0
        self.start = start
        self.history: History = {
            rows.name: {metric.name: [] for metric in metrics} for rows in scored
        }
        self.stopping: EarlyStopping | None = None
        if schedule.early_stopping_rounds is not None:
            self.stopping = EarlyStopping(
                schedule.early_stopping_rounds, metrics[-1].maximize
            )
        self._objective = objective
        self._columns = table.columns
        self._learning, self._scored = learning, scored
        self._metrics = metrics
        self._schedule = schedule
        self._grower = _grower(table, schedule)
        self._sampler = RowSampler(
            self._grower.shape[0], schedule.subsample, schedule.seed, schedule.n_threads
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
        """Trees of the start and of the finished rounds, on the encoded table."""
        n = self.rounds_done * len(base_score)
        grown = assemble(self.trees[:n], self._columns, base_score)
        return grown if self.start is None else concatenate([self.start.trees, grown])

    @property
    def n_rounds(self) -> int:
        """Rounds of the model so far, those of the start included."""
        return self._schedule.first_round + self.rounds_done

    def round_offsets(self, n_outputs: int) -> NDArray[np.int64]:
        """Where the trees of each round begin, and the last ones end."""
        before = np.zeros(1, np.int64)
        if self.start is not None:
            before = self.start.round_offsets
        added = np.arange(1, self.rounds_done + 1, dtype=np.int64) * n_outputs
        return np.concatenate([before, before[-1] + added])

    def _grow(self, round_: int) -> None:
        learning = self._learning
        self._objective.gradients(
            learning.margins, self._grad, self._hess, self._schedule.n_threads
        )
        rows = self._sampler.draw(round_)
        n_outputs, n_rows = learning.margins.shape
        at_once = max(1, _MOST_LEAVES // max(1, n_rows))
        for first in range(0, n_outputs, at_once):
            last = min(first + at_once, n_outputs)
            self._grow_outputs(round_, rows, first, last)

    def _grow_outputs(
        self, round_: int, rows: NDArray[np.int32] | None, first: int, last: int
    ) -> None:
        """Grow the trees of outputs [first, last) and add what they say."""
        schedule, margins = self._schedule, self._learning.margins
        number = round_ * len(margins)
        grown = self._grower.grow_round(
            self._grad[first:last],
            self._hess[first:last],
            rows=rows,
            columns=sample_columns(
                self._grower.shape[1],
                schedule.colsample_bytree,
                schedule.seed,
                range(number + first, number + last),
            ),
            seed=schedule.seed,
            first_tree_index=number + first,
        )
        renews = self._objective.objective.renews_leaves
        for k, tree in enumerate(grown, first):
            if renews:
                tree.value = self._renewed(tree, rows, k)
            self._grower.add_leaf_values(margins[k], tree)
            for scored in self._scored:
                if scored.add_tree is not None:
                    scored.add_tree(scored.margins[k], tree)
            tree.leaf_of_row = _NO_ROWS  # all trees' would outgrow the table
            self.trees.append(tree)

    def _renewed(
        self, tree: GrownTree, rows: NDArray[np.int32] | None, output: int
    ) -> NDArray[np.float32]:
        """The leaf values that are best for a loss without curvature."""
        rate = self._schedule.growth.learning_rate
        values = tree.value.astype(np.float64) / (rate if rate > 0 else 1)
        self._objective.renew_leaves(
            output,
            self._learning.margins[output],
            tree.leaf_of_row,
            values,
            rows=rows,
            n_threads=self._schedule.n_threads,
        )
        value = (values * rate).astype(np.float32)
        monotone = self._schedule.growth.monotone
        return value if monotone is None else within_bounds(tree, value, monotone)

    def _score(self, round_: int) -> bool:
        """Add a round's scores to the history; True asks to stop."""
        score = None
        for rows in self._scored:
            scores = self.history[rows.name]
            for metric, bound in zip(self._metrics, rows.metrics, strict=True):
                score = bound(rows.margins, self._schedule.n_threads)
                scores[metric.name].append(score)
        if self.stopping is None or score is None:
            return False
        return self.stopping.update(round_, score)

    def _text(self) -> str:
        """Last metric, of the last scored rows or of those that learn."""
        rows = self._scored[-1] if self._scored else self._learning
        name = self._metrics[-1].name
        if self._scored:
            score = self.history[rows.name][name][-1]
        else:
            score = rows.metrics[-1](rows.margins, self._schedule.n_threads)
        return f"{rows.name} {name} {score:.6g}"

    def _drop_unfinished(self) -> None:
        del self.trees[self.rounds_done * len(self._learning.margins) :]
        for scores in self.history.values():
            for series in scores.values():
                del series[self.rounds_done :]


def _grower(
    table: TrainingTable | SparseTrainingTable, schedule: Schedule
) -> TreeGrower:
    """The grower of a dense or a sparse table."""
    columns = table.columns
    options: dict[str, Any] = {
        "categorical": columns.categorical,
        "parameters": schedule.growth,
        "n_threads": schedule.n_threads,
    }
    if isinstance(table.bins, SparseBins):
        return SparseTreeGrower(table.bins, columns.column_bins, **options)
    return TreeGrower(table.bins, columns.column_bins, counts=table.counts, **options)


def within_bounds(
    tree: GrownTree, value: NDArray[np.float32], monotone: Sequence[int]
) -> NDArray[np.float32]:
    """Values moved to where the monotone splits above them, as grown, allow them.

    A monotone split parts what its two sides may say at the mean of its children's
    values, as in growth.
    """
    low = np.full(len(value), -np.inf)
    high = np.full(len(value), np.inf)
    for node in np.flatnonzero(tree.feature >= 0):
        left, right = int(tree.left[node]), int(tree.right[node])
        low[[left, right]], high[[left, right]] = low[node], high[node]
        sign = monotone[tree.feature[node]]
        if sign:
            below, above = (left, right) if sign > 0 else (right, left)
            middle = 0.5 * (float(tree.value[left]) + float(tree.value[right]))
            high[below] = min(high[below], middle)
            low[above] = max(low[above], middle)
    return np.clip(value, low, high).astype(np.float32)


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
    default_left = joined("default_left", np.bool_)
    splits = columns.decode(feature, np.maximum(bins, 0), left_bins, default_left)
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
        default_left=default_left,
        value=joined("value", np.float32),
        gain=joined("gain", np.float32),
        cover=joined("cover", np.float32),
        category_offsets=splits.category_offsets,
        category_words=splits.category_words,
    )
