"""What the training of boosted trees calls after every round."""

from __future__ import annotations

import math
from typing import Any

#: Scores of every round: ``history[set name][metric name]``.
History = dict[str, dict[str, list[float]]]


class TrainingCallback:
    """Base of callbacks, with XGBoost's method names; override what is needed.

    Any object with some of these methods will do. ``model`` is the estimator in
    training: ``model.trees_`` and its predictions are those of the finished rounds.
    """

    def before_training(self, model: Any) -> Any:
        """Run once before the first round."""
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: History) -> bool:
        """Run after round ``epoch``, counted from 0; True stops the training.

        ``evals_log`` is the estimator's ``evals_result_`` so far.
        """
        return False

    def after_training(self, model: Any) -> Any:
        """Run once after the last round, also when the training stopped early."""
        return model


class EarlyStopping:
    """The best round so far, and whether ``patience`` rounds have not bettered it."""

    def __init__(self, patience: int, maximize: bool) -> None:
        self.best_round: int | None = None
        self.best_score = math.nan
        self._patience = patience
        self._sign = -1.0 if maximize else 1.0

    def update(self, round_: int, score: float) -> bool:
        """Take the score of a round; True asks to stop. A NaN is never better."""
        better = self._sign * score < self._sign * self.best_score
        known = not math.isnan(score) and math.isnan(self.best_score)
        if self.best_round is None or better or known:
            self.best_round, self.best_score = round_, score
        return round_ - self.best_round >= self._patience
