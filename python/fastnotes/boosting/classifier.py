"""Boosted trees for classes, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight

from fastnotes._validation import fail, fail_type
from fastnotes.boosting._objective import as_weight
from fastnotes.boosting._parameter_docs import documented
from fastnotes.boosting.fitting import FitData
from fastnotes.boosting.model import BoostedModel
from fastnotes.boosting.objectives import Objective, resolve_objective
from fastnotes.boosting.parameters import check_parameters
from fastnotes.boosting.targets import encode_classes, find_classes


@documented(
    objective="""
    objective : str or callable, default="binary:logistic"
        XGBoost's "binary:logistic" ("logistic") and "multi:softprob" ("softmax"); the
        first becomes the second where there are more than two classes. A callable takes
        ``(codes, margins)``, margins of shape (n_rows,) or (n_rows, n_classes), and
        returns first and second derivatives; probabilities are the sigmoid or softmax
        of its margins.
""",
    own="""
    class_weight : dict, "balanced" or None, default=None
        Factors of the rows of each class.
    scale_pos_weight : float, default=1.0
        Factor of the rows of the second of two classes.
""",
)
class BoostedTreesClassifier(ClassifierMixin, BoostedModel):  # type: ignore[misc]
    """Boosted trees for classes.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        Labels in ascending order.
    n_classes_ : int
    {attributes}

    Notes
    -----
    The model is the same, byte for byte, for any ``n_jobs``. A value equal to a
    threshold goes left.

    References
    ----------
    Chen and Guestrin (2016), "XGBoost: a scalable tree boosting system".

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.boosting import BoostedTreesClassifier
    >>> X = np.arange(100.0)[:, None]
    >>> y = np.where(X[:, 0] < 50, "low", "high")
    >>> BoostedTreesClassifier(n_estimators=20).fit(X, y).predict([[10.0]]).tolist()
    ['low']
    """

    classes_: NDArray[Any]
    n_classes_: int

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
        objective: Any = "binary:logistic",
        class_weight: Any = None,
        scale_pos_weight: float = 1.0,
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
        self.class_weight = class_weight
        self.scale_pos_weight = scale_pos_weight
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
    ) -> BoostedTreesClassifier:
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
    ) -> NDArray[Any]:
        """Predict the most likely class.

        {predict_parameters}

        Returns
        -------
        array of shape (n_rows,) of labels; of float64 margins with ``output_margin``,
        of shape (n_rows, n_classes) where there are more than two
        """
        where = "boosting.BoostedTreesClassifier.predict"
        margins = self._margins(X, base_margin, iteration_range, where)
        return _flat(margins) if output_margin else self._as_labels(margins)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the margins, as ``predict`` does with ``output_margin``.

        Parameters
        ----------
        X : table of shape (n_rows, n_features)

        Returns
        -------
        float64 array of shape (n_rows,), or (n_rows, n_classes)
            Log-odds of the second of two classes; else what the softmax is taken of.
        """
        where = "boosting.BoostedTreesClassifier.decision_function"
        return _flat(self._margins(X, None, None, where))

    def predict_proba(
        self, X: Any, *, base_margin: Any = None, iteration_range: Any = None
    ) -> NDArray[np.float64]:
        """Predict the probability of each class.

        Parameters are those of ``predict``.

        Returns
        -------
        float64 array of shape (n_rows, n_classes)
            Columns as ``classes_``; rows add up to 1.
        """
        where = "boosting.BoostedTreesClassifier.predict_proba"
        return self._as_chances(self._margins(X, base_margin, iteration_range, where))

    def staged_predict(self, X: Any) -> Iterator[NDArray[Any]]:
        """Yield the predicted labels after each round, up to the best."""
        where = "boosting.BoostedTreesClassifier.staged_predict"
        for margins in self._staged_margins(X, where):
            yield self._as_labels(margins)

    def staged_predict_proba(self, X: Any) -> Iterator[NDArray[np.float64]]:
        """Yield the probabilities after each round, up to the best."""
        where = "boosting.BoostedTreesClassifier.staged_predict_proba"
        for margins in self._staged_margins(X, where):
            yield self._as_chances(margins)

    def _as_labels(self, margins: NDArray[np.float64]) -> NDArray[Any]:
        if margins.shape[1] == 1:
            codes = (margins[:, 0] > 0).astype(np.intp)
        else:
            codes = margins.argmax(axis=1)
        labels: NDArray[Any] = self.classes_[codes]
        return labels

    def _as_chances(self, margins: NDArray[np.float64]) -> NDArray[np.float64]:
        chances = self._linked_objective().link_inverse(margins.T)
        if len(chances) > 1:
            return np.ascontiguousarray(chances.T)
        if chances.size == 1:
            share = chances.item()
            return np.array([[1.0 - share, share]])
        both = np.empty((chances.shape[1], 2))
        both[:, 1] = chances[0]
        both[:, 0] = 1.0 - chances[0]
        return both

    def _learn_target(
        self, y: NDArray[Any], classes: NDArray[Any] | None, where: str
    ) -> NDArray[Any]:
        if classes is None:
            found, codes = find_classes(y, where)
            if len(found) < 2:
                fail(where, "y of at least 2 classes", "one class")
            self._restore_classes(found)
            return codes
        self._restore_classes(classes)
        return self._encode_target(y, where)

    def _encode_target(self, y: NDArray[Any], where: str) -> NDArray[Any]:
        return encode_classes(y, self.classes_, where)

    def _restore_classes(self, classes: NDArray[Any]) -> None:
        self.classes_ = classes
        self.n_classes_ = len(classes)

    def _row_weights(self, given: Any, y: NDArray[Any], where: str) -> Any:
        scale = check_parameters({"scale_pos_weight": self.scale_pos_weight}, where)
        factor = scale["scale_pos_weight"]
        if self.class_weight is None and factor == 1:
            return given
        own = as_weight(given, len(y), where)
        weight: NDArray[Any] = np.ones(len(y)) if own is None else own.astype(float)
        if self.class_weight is not None:
            weight = weight * self._class_weights(y, where)
        if factor != 1:
            if self.n_classes_ > 2:
                fail(where, "scale_pos_weight=1 with more than 2 classes", str(factor))
            weight = np.where(y == 1, weight * factor, weight)
        return weight

    def _class_weights(self, y: NDArray[Any], where: str) -> NDArray[np.float64]:
        """Factors of rows by ``class_weight``."""
        given, labels = self.class_weight, self.classes_.tolist()
        if isinstance(given, Mapping):
            # A fold may lack a class; a name that is spelt wrong leaves another bare.
            bare = [label for label in labels if label not in given]
            others = [label for label in given if label not in labels]
            if bare and others:
                fail(where, f"class_weight of {bare[0]!r}", f"one of {others[0]!r}")
        elif not (isinstance(given, str) and given == "balanced"):
            wanted = "class_weight as a dict by class, 'balanced' or None"
            fail_type(where, wanted, repr(given)[:40])
        factors: NDArray[np.float64] = compute_sample_weight(given, self.classes_[y])
        return factors

    def _level_statistic(self, y: NDArray[Any]) -> NDArray[Any]:
        if self.n_classes_ == 2 or not self._encoder.levels_:
            return y
        hits: NDArray[Any] = np.equal.outer(y, np.arange(self.n_classes_))
        return hits.astype(np.float32)

    def _make_objective(self, where: str) -> Objective:
        several = self.n_classes_ > 2
        given = self.objective
        if several and given in ("binary:logistic", "logistic"):
            given = "multi:softprob"
        n_outputs = self.n_classes_ if several or not callable(given) else 1
        objective = resolve_objective(given, n_classes=n_outputs, where=where)
        self._accept(objective, where)
        return objective

    def _linked_objective(self) -> Objective:
        """The objective, or for a custom one what turns its margins into chances."""
        if self._objective.name != "custom":
            return self._objective
        name = "multi:softprob" if self.n_classes_ > 2 else "binary:logistic"
        return resolve_objective(name, n_classes=self.n_classes_)

    def _accept(self, objective: Objective, where: str) -> None:
        if objective.name != "custom" and objective.link not in ("logit", "softmax"):
            fail(where, "an objective of classes", repr(objective.name))


def _flat(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Margins without the axis of outputs where there is one output."""
    return margins[:, 0] if margins.shape[1] == 1 else margins
