"""LambdaRank: losses of lists, whose items are compared in pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._validation import as_real_array, check_finite
from fastnotes.boosting._objective import (
    BoundObjective,
    Margins,
    Objective,
    Targets,
    Weight,
    as_offsets,
    refuse_rows,
)

#: Largest label of the exponential gain 2^label - 1.
MAX_LABEL = 31

#: Pairs have an item among the first so many, unless said otherwise.
DEFAULT_TRUNCATION = 32


@dataclass(frozen=True)
class LambdaRank(Objective):
    """Pairs of a list, each weighted by what exchanging them would do to its NDCG.

    Ranks follow the present margins, equal ones in the order of rows. A pair counts if
    its labels differ and one of its items is among the first
    ``lambdarank_num_pair_per_sample``. Weights multiply the rows' derivatives; to
    weight lists, give all rows of a list the list's weight.

    Parameters
    ----------
    name : {"rank:ndcg", "rank:pairwise"}
        The second weights all pairs alike (RankNet).
    lambdarank_num_pair_per_sample : int, default=32
        The truncation level.
    ndcg_exp_gain : bool, default=True
        An item of label r is worth 2^r - 1, r an integer from 0 to 31; else r >= 0.
    lambdarank_normalization : bool, default=True
        Scale each list by log2(1 + s) / s, s the sum of all |g| of its pairs.
    lambdarank_score_normalization : bool, default=True
        Divide a pair's weight by 0.01 + the distance of its margins.

    References
    ----------
    Burges (2010), "From RankNet to LambdaRank to LambdaMART: an overview".
    """

    name: str = "rank:ndcg"  # type: ignore[misc]
    lambdarank_num_pair_per_sample: int = DEFAULT_TRUNCATION
    ndcg_exp_gain: bool = True
    lambdarank_normalization: bool = True
    lambdarank_score_normalization: bool = True

    needs_groups = True
    goes_by_row = False

    @property
    def default_metric(self) -> str:
        """NDCG to the truncation level."""
        return f"ndcg@{self.lambdarank_num_pair_per_sample}"

    def parameters(self) -> dict[str, Any]:
        """All but the name."""
        return {
            "lambdarank_num_pair_per_sample": self.lambdarank_num_pair_per_sample,
            "ndcg_exp_gain": self.ndcg_exp_gain,
            "lambdarank_normalization": self.lambdarank_normalization,
            "lambdarank_score_normalization": self.lambdarank_score_normalization,
        }

    def _convert(self, y: ArrayLike, where: str) -> NDArray[Any]:
        return as_gains(y, self.ndcg_exp_gain, where)

    def base_score(self, y: NDArray[Any], weight: Weight | None) -> NDArray[np.float64]:
        """0: a constant does not move ranks."""
        return np.zeros(1)

    def _join(
        self, targets: Targets, groups: ArrayLike | None, where: str
    ) -> BoundObjective:
        offsets = as_offsets(groups, len(targets.y), where)
        return _BoundLambdaRank(self, targets, offsets)


class _BoundLambdaRank(BoundObjective):
    objective: LambdaRank

    def __init__(
        self, objective: LambdaRank, targets: Targets, offsets: NDArray[np.int64]
    ) -> None:
        super().__init__(objective, targets)
        self.offsets = offsets
        self.discounts = discounts(offsets)
        truncation = objective.lambdarank_num_pair_per_sample
        ideal = list_gains(self.y, self.y, offsets, truncation, self.discounts)
        # A list of equal labels has no pairs, and one of zeros no ideal.
        self.inverse_ideal = np.divide(
            1.0, ideal, out=np.zeros(len(ideal)), where=ideal > 0.0
        )

    def _differentiate(
        self,
        margins: Margins,
        grad: NDArray[np.float32],
        hess: NDArray[np.float32],
        n_threads: int,
    ) -> int:
        rules = self.objective
        return native.boosting.lambdarank_gradients(
            self.y,
            self.offsets,
            self.inverse_ideal,
            self.discounts,
            self.weight,
            margins[0],
            grad[0],
            hess[0],
            rules.lambdarank_num_pair_per_sample,
            rules.name == "rank:ndcg",
            rules.lambdarank_score_normalization,
            rules.lambdarank_normalization,
            n_threads,
        )


def as_gains(y: ArrayLike, exponential: bool, where: str) -> NDArray[np.float64]:
    """Return what an item of each label is worth."""
    labels = as_real_array(y, where, "y", ndim=1).astype(np.float64)
    check_finite(labels, where, "y")
    if not exponential:
        refuse_rows(labels < 0.0, labels, where, "relevance y >= 0")
        return labels
    bad = (labels < 0.0) | (labels > MAX_LABEL) | (labels != np.rint(labels))
    refuse_rows(bad, labels, where, f"relevance y as integers from 0 to {MAX_LABEL}")
    return np.asarray(np.exp2(labels) - 1.0)


def discounts(offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return 1 / log2(rank + 2) for each rank of the longest list."""
    return np.asarray(1.0 / np.log2(np.arange(np.diff(offsets).max()) + 2.0))


def list_gains(
    gains: NDArray[np.float64],
    scores: NDArray[np.float64],
    offsets: NDArray[np.int64],
    truncation: int,
    weights_of_ranks: NDArray[np.float64],
    n_threads: int = 1,
) -> NDArray[np.float64]:
    """Return the discounted gain of each list, ordered by the scores."""
    return native.boosting.discounted_gain(
        gains, offsets, weights_of_ranks, scores, truncation, n_threads
    )
