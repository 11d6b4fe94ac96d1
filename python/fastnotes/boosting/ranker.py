"""Boosted trees for the order of lists, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import fail
from fastnotes.boosting._parameter_docs import documented
from fastnotes.boosting.fitting import FitData
from fastnotes.boosting.model import BoostedModel
from fastnotes.boosting.objectives import Objective, resolve_objective


@documented(
    objective="""
    objective : str or callable, default="rank:ndcg"
        "rank:ndcg" ("ndcg"): LambdaRank; "rank:pairwise": all pairs alike.
    lambdarank_num_pair_per_sample : int or None, default=None
        Pairs have an item among the first so many; None: 32.
    ndcg_exp_gain : bool, default=True
        Relevance r is worth 2^r - 1, r an integer from 0 to 31; else r itself.
    lambdarank_normalization : bool, default=True
        Let lists count alike, however many pairs they have.
    lambdarank_score_normalization : bool, default=True
        Let pairs of near margins count more.
""",
)
class BoostedTreesRanker(BoostedModel):
    """Boosted trees for the order of lists.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    Notes
    -----
    The model is the same, byte for byte, for any ``n_jobs``. A value equal to a
    threshold goes left.

    References
    ----------
    Burges (2010), "From RankNet to LambdaRank to LambdaMART: an overview".

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.boosting import BoostedTreesRanker
    >>> X = np.arange(40.0)[:, None] % 10
    >>> model = BoostedTreesRanker(n_estimators=20, min_child_weight=0)
    >>> model = model.fit(X, X[:, 0] >= 5, qid=np.arange(40) // 10)
    >>> np.argsort(-model.predict([[1.0], [8.0]])).tolist()
    [1, 0]
    """

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        learning_rate: float = 0.3,
        max_depth: int | None = 6,
        max_leaves: int | None = 0,
        grow_policy: str = "depthwise",
        max_bin: int = 255,
        reg_lambda: float = 1.0,
        reg_alpha: float = 0.0,
        gamma: float = 0.0,
        min_child_weight: float = 1.0,
        max_delta_step: float | None = None,
        subsample: float = 1.0,
        colsample_bytree: float = 1.0,
        colsample_bylevel: float = 1.0,
        colsample_bynode: float = 1.0,
        objective: Any = "rank:ndcg",
        lambdarank_num_pair_per_sample: int | None = None,
        ndcg_exp_gain: bool = True,
        lambdarank_normalization: bool = True,
        lambdarank_score_normalization: bool = True,
        base_score: float | None = None,
        missing: float = np.nan,
        absent: str = "zero",
        categorical_features: Any = None,
        unseen: str = "missing",
        max_cat_to_onehot: int = 4,
        monotone_constraints: Any = None,
        interaction_constraints: Any = None,
        importance_type: str = "gain",
        eval_metric: Any = None,
        early_stopping_rounds: int | None = None,
        warm_start: bool = False,
        callbacks: Any = None,
        random_state: Any = 0,
        n_jobs: int | None = None,
        verbose: bool | int = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.max_leaves = max_leaves
        self.grow_policy = grow_policy
        self.max_bin = max_bin
        self.reg_lambda = reg_lambda
        self.reg_alpha = reg_alpha
        self.gamma = gamma
        self.min_child_weight = min_child_weight
        self.max_delta_step = max_delta_step
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.colsample_bylevel = colsample_bylevel
        self.colsample_bynode = colsample_bynode
        self.objective = objective
        self.lambdarank_num_pair_per_sample = lambdarank_num_pair_per_sample
        self.ndcg_exp_gain = ndcg_exp_gain
        self.lambdarank_normalization = lambdarank_normalization
        self.lambdarank_score_normalization = lambdarank_score_normalization
        self.base_score = base_score
        self.missing = missing
        self.absent = absent
        self.categorical_features = categorical_features
        self.unseen = unseen
        self.max_cat_to_onehot = max_cat_to_onehot
        self.monotone_constraints = monotone_constraints
        self.interaction_constraints = interaction_constraints
        self.importance_type = importance_type
        self.eval_metric = eval_metric
        self.early_stopping_rounds = early_stopping_rounds
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        qid: Any = None,
        sample_weight: Any = None,
        base_margin: Any = None,
        eval_set: Any = None,
        sample_weight_eval_set: Any = None,
        base_margin_eval_set: Any = None,
        eval_qid: Any = None,
        init_model: Any = None,
    ) -> BoostedTreesRanker:
        """Grow the trees.

        ``qid``, an integer array of shape (n_rows,), tells the list of each row, in any
        order; None makes all rows one list. ``eval_qid`` has such an array for each set
        in ``eval_set``. To weight lists, give all rows of a list its weight.

        {fit_parameters}
        """
        data = FitData(
            X,
            y,
            sample_weight,
            base_margin,
            eval_set,
            sample_weight_eval_set,
            base_margin_eval_set,
            qid,
            eval_qid,
        )
        return self._fit(data, init_model)

    def predict(
        self,
        X: Any,
        *,
        output_margin: bool = False,
        base_margin: Any = None,
        iteration_range: Any = None,
    ) -> NDArray[np.float64]:
        """Predict scores; the larger, the further ahead in a list.

        {predict_parameters}

        Returns
        -------
        float64 array of shape (n_rows,)
        """
        where = "boosting.BoostedTreesRanker.predict"
        return self._margins(X, base_margin, iteration_range, where)[:, 0]

    def staged_predict(self, X: Any) -> Iterator[NDArray[np.float64]]:
        """Yield the scores after each round, up to the best."""
        where = "boosting.BoostedTreesRanker.staged_predict"
        for margins in self._staged_margins(X, where):
            yield margins[:, 0].copy()

    def _make_objective(self, where: str) -> Objective:
        objective = resolve_objective(
            self.objective,
            lambdarank_num_pair_per_sample=self.lambdarank_num_pair_per_sample,
            ndcg_exp_gain=self.ndcg_exp_gain,
            lambdarank_normalization=self.lambdarank_normalization,
            lambdarank_score_normalization=self.lambdarank_score_normalization,
            where=where,
        )
        self._accept(objective, where)
        return objective

    def _accept(self, objective: Objective, where: str) -> None:
        if objective.name != "custom" and not objective.needs_groups:
            fail(where, "an objective of lists", repr(objective.name))

    def __sklearn_tags__(self) -> Any:
        """Relevance is not negative."""
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags
