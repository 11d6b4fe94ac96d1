"""Boosted trees for numbers, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin

from fastnotes._validation import fail
from fastnotes.boosting._parameter_docs import documented
from fastnotes.boosting.fitting import FitData
from fastnotes.boosting.model import BoostedModel
from fastnotes.boosting.objectives import Objective, resolve_objective


@documented(
    objective="""
    objective : str or callable, default="reg:squarederror"
        XGBoost's names: "reg:squarederror" (1/2 (y - m)^2), "reg:absoluteerror",
        "reg:pseudohubererror", "reg:quantileerror", "count:poisson", "reg:gamma",
        "reg:tweedie", "reg:logistic"; or "squared_error", "absolute_error", "huber",
        "quantile", "poisson", "gamma", "tweedie". A callable takes
        ``(y_true, margins)`` and returns first and second derivatives.
    quantile_alpha : float or sequence of float, default=0.5
        Quantiles of "reg:quantileerror", each in (0, 1). Of several, ``predict`` gives
        a column each.
    huber_slope : float, default=1.0
        Where "reg:pseudohubererror" turns from squared to absolute.
    tweedie_variance_power : float, default=1.5
        Of "reg:tweedie", in (1, 2).
"""
)
class BoostedTreesRegressor(RegressorMixin, BoostedModel):  # type: ignore[misc]
    """Boosted trees for numbers.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    Notes
    -----
    The model is the same, byte for byte, for any ``n_jobs``. A value equal to a
    threshold goes left. The squared loss is 1/2 (y - m)^2, as in XGBoost; the notes'
    (y - m)^2 has twice its gradients and hessians.

    References
    ----------
    Chen and Guestrin (2016), "XGBoost: a scalable tree boosting system".

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.boosting import BoostedTreesRegressor
    >>> X = np.arange(100.0)[:, None]
    >>> model = BoostedTreesRegressor(n_estimators=20).fit(X, np.floor(X[:, 0] / 50))
    >>> model.predict([[10.0], [90.0]]).round(2).tolist()
    [0.0, 1.0]
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
        objective: Any = "reg:squarederror",
        quantile_alpha: Any = 0.5,
        huber_slope: float = 1.0,
        tweedie_variance_power: float = 1.5,
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
        self.quantile_alpha = quantile_alpha
        self.huber_slope = huber_slope
        self.tweedie_variance_power = tweedie_variance_power
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
        sample_weight: Any = None,
        base_margin: Any = None,
        eval_set: Any = None,
        sample_weight_eval_set: Any = None,
        base_margin_eval_set: Any = None,
        init_model: Any = None,
    ) -> BoostedTreesRegressor:
        """Grow the trees.

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
        """Predict numbers.

        {predict_parameters}

        Returns
        -------
        float64 array of shape (n_rows,), or (n_rows, n_quantiles)
        """
        where = "boosting.BoostedTreesRegressor.predict"
        margins = self._margins(X, base_margin, iteration_range, where)
        return self._as_predictions(margins, output_margin)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R^2, the share of the variance of ``y`` that is predicted.

        Several quantiles have none: score each by
        ``sklearn.metrics.mean_pinball_loss``.
        """
        where = "boosting.BoostedTreesRegressor.score"
        self._check_fitted(where)
        n_outputs = len(self.base_score_)
        if n_outputs > 1:
            wanted = "one quantile_alpha (of several, take sklearn's mean_pinball_loss)"
            fail(where, wanted, str(n_outputs))
        return float(super().score(X, y, sample_weight))

    def staged_predict(self, X: Any) -> Iterator[NDArray[np.float64]]:
        """Yield the predictions after each round, up to the best."""
        where = "boosting.BoostedTreesRegressor.staged_predict"
        for margins in self._staged_margins(X, where):
            yield self._as_predictions(margins.copy(), False)

    def _as_predictions(
        self, margins: NDArray[np.float64], raw: bool
    ) -> NDArray[np.float64]:
        if not raw and self._objective.link != "identity":
            margins = np.ascontiguousarray(self._objective.link_inverse(margins.T).T)
        return margins[:, 0] if margins.shape[1] == 1 else margins

    def _make_objective(self, where: str) -> Objective:
        objective = resolve_objective(
            self.objective,
            quantile_alpha=self.quantile_alpha,
            huber_slope=self.huber_slope,
            max_delta_step=self.max_delta_step,
            tweedie_variance_power=self.tweedie_variance_power,
            where=where,
        )
        self._accept(objective, where)
        return objective

    def _accept(self, objective: Objective, where: str) -> None:
        if objective.needs_groups or objective.link == "softmax":
            fail(where, "an objective of numbers", repr(objective.name))
