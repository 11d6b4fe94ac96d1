"""Metrics of margins against targets, for evaluation and early stopping."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from fastnotes._core import native
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_real,
    as_real_array,
    check_finite,
    fail,
    fail_type,
)
from fastnotes.boosting import _list_metrics, _rank_metrics
from fastnotes.boosting._metric_data import BoundMetric, Data
from fastnotes.boosting._objective import (
    Margins,
    Objective,
    Weight,
    as_classes,
    as_offsets,
    as_weight,
    refuse_rows,
    takes_weight,
)

_WHERE = "boosting.Metric"

#: Margins without bounds give what the formula gives, quietly.
_ieee = np.errstate(all="ignore")

#: Probabilities and means stay this far from 0, as in XGBoost.
_SMALLEST = 1e-16

Binder = Callable[[Data, float | None], BoundMetric]


@dataclass(frozen=True)
class Metric:
    """A number that says how good margins are.

    Attributes
    ----------
    name : str
        As in ``evals_result_``.
    maximize : bool
        Whether larger is better.
    objective : Objective
        Its link turns margins into predictions.
    """

    name: str
    maximize: bool
    objective: Objective
    binder: Binder
    parameter: float | None = None

    def bind(
        self,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        *,
        where: str = _WHERE,
    ) -> BoundMetric:
        """Check and convert the data once, for all rounds.

        Parameters
        ----------
        y : array of shape (n_rows,)
        sample_weight : array of shape (n_rows,), optional
        groups : int64 array of shape (n_lists + 1,), optional
            Row offsets of lists, for the metrics of lists; None is one list.
        where : str
            ``"boosting.Class.method"``, for messages.

        Returns
        -------
        callable
            ``(margins, n_threads) -> float`` for float64 margins of shape
            ``(n_outputs, n_rows)``; the same bytes for any ``n_threads``.

        Raises
        ------
        TypeError, ValueError
            If the data are not of the metric's kind or domain.
        """
        targets = as_real_array(y, where, "y", ndim=1)
        check_finite(targets, where, "y")
        n_rows = len(targets)
        if n_rows == 0:
            fail(where, "at least one row", "none")
        weight = as_weight(sample_weight, n_rows, where)
        offsets = as_offsets(groups, n_rows, where)
        data = Data(self.objective, targets, weight, offsets, where)
        bound: BoundMetric = _ieee(self.binder)(data, self.parameter)
        return _ieee(bound)

    def __call__(
        self,
        y: ArrayLike,
        margins: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> float:
        """Evaluate once; margins of one output may be one-dimensional."""
        bound = self.bind(y, sample_weight, groups)
        values = as_real_array(margins, _WHERE, "margins", ndim=(1, 2))
        table = np.ascontiguousarray(np.atleast_2d(values), np.float64)
        shape = (self.objective.n_outputs, np.shape(y)[0])
        if table.shape != shape:
            expected = f"margins of shape (n_outputs, n_rows) = {shape}"
            fail(_WHERE, expected, str(table.shape))
        return bound(table, resolve_n_threads(n_threads, _WHERE))


def resolve_metric(
    metric: Any, objective: Objective, *, where: str = "boosting.resolve_metric"
) -> Metric:
    """Return the metric of a name, or of a function.

    Parameters
    ----------
    metric : str, callable, or the result of `make_metric`
        XGBoost's names: "rmse", "mae", "mape", "mphe", "quantile", "logloss",
        "error[@threshold]", "auc", "aucpr", "mlogloss", "merror", "poisson-nloglik",
        "gamma-nloglik", "gamma-deviance", "tweedie-nloglik@power", "ndcg[@k][-]",
        "map[@k][-]". A callable is minimised: see `make_metric` for others.
    objective : Objective
        What the margins are for.
    where : str
        ``"boosting.Class.method"``, for messages.

    Returns
    -------
    Metric

    Raises
    ------
    TypeError, ValueError
        If the name is unknown, or the metric has no meaning for the objective.
    """
    if isinstance(metric, CustomMetric):
        return Metric(metric.name, metric.maximize, objective, metric.bind)
    if isinstance(metric, Metric):
        return metric
    if callable(metric):
        return resolve_metric(make_metric(metric), objective, where=where)
    if not isinstance(metric, str):
        fail_type(where, "metric as a string or a callable", type(metric).__name__)
    stem, at, text = metric.partition("@")
    minus = (text or stem).endswith("-")
    known = _METRICS.get(stem.removesuffix("-"))
    if known is None or (minus and not known.of_lists):
        fail(where, f"metric as one of {', '.join(_METRICS)}", repr(metric))
    if known.needs is not None and objective.link != known.needs:
        expected = f"an objective whose outputs {metric!r} can judge"
        fail(where, expected, repr(objective.name))
    parameter = known.parameter(text.removesuffix("-"), at == "@", metric, where)
    binder = functools.partial(known.binder, empty=0.0) if minus else known.binder
    return Metric(metric, known.maximize, objective, binder, parameter)


# ---------------------------------------------------------------- custom metrics


@dataclass(frozen=True)
class CustomMetric:
    """A function with its direction: what `make_metric` returns."""

    function: Callable[..., Any]
    name: str
    maximize: bool

    def bind(self, data: Data, parameter: float | None) -> BoundMetric:
        """Join the function to data."""
        keywords = {}
        if data.weight is not None:
            if not takes_weight(self.function):
                fail(data.where, f"metric {self.name!r} to take sample_weight", "none")
            keywords["sample_weight"] = data.weight

        def evaluate(margins: Margins, n_threads: int) -> float:
            predictions = data.predict(margins)
            shown = predictions[0] if len(predictions) == 1 else predictions.T
            value = self.function(data.y, shown, **keywords)
            return as_real(value, data.where, f"value of metric {self.name!r}")

        return evaluate


def make_metric(
    function: Callable[..., Any], *, name: str | None = None, maximize: bool = False
) -> CustomMetric:
    """Give a function a name and a direction.

    Parameters
    ----------
    function : callable
        ``function(y_true, y_pred) -> float``, with ``sample_weight=`` as a third
        parameter if it is to be used with weights. ``y_pred`` holds means or
        probabilities, of shape ``(n_rows,)`` or ``(n_rows, n_outputs)``.
    name : str, optional
        None takes the function's own.
    maximize : bool, default=False
        Whether larger is better.

    Examples
    --------
    >>> from sklearn.metrics import r2_score
    >>> from fastnotes.boosting import make_metric
    >>> make_metric(r2_score, maximize=True).name
    'r2_score'
    """
    where = "boosting.make_metric"
    if not callable(function):
        fail_type(where, "function as a callable", type(function).__name__)
    if not isinstance(maximize, (bool, np.bool_)):
        fail_type(where, "maximize as a bool", type(maximize).__name__)
    known = getattr(function, "__name__", type(function).__name__)
    return CustomMetric(function, known if name is None else str(name), bool(maximize))


# ---------------------------------------------------------------- sums of losses


def _kernel_mean(
    data: Data, loss: str, parameters: NDArray[np.float64]
) -> Callable[[Margins, int], float]:
    """Weighted mean of a pointwise loss, averaged over outputs."""

    def mean(margins: Margins, n_threads: int) -> float:
        sums = native.boosting.pointwise_loss(
            loss, data.y, data.weight, margins, parameters, n_threads
        )
        return float(sums.mean() / data.total)

    return mean


def _of_predictions(
    loss: str, finish: Callable[[float], float] = float, default: float = 0.0
) -> Binder:
    """A loss of the predictions themselves."""

    def bind(data: Data, parameter: float | None) -> BoundMetric:
        value = default if parameter is None else parameter
        mean = _kernel_mean(data, loss, np.full(data.objective.n_outputs, value))
        return lambda margins, n_threads: finish(mean(data.predict(margins), n_threads))

    return bind


def _mean(values: NDArray[Any], weight: Weight | None) -> float:
    """Weighted mean; NumPy's sums are one thread's, BLAS's products may not be."""
    if weight is None:
        return float(values.mean(dtype=np.float64))
    weights = weight.astype(np.float64)
    return float((values * weights).sum() / weights.sum())


def _rmse(mean: float) -> float:
    return float(np.sqrt(2.0 * mean))


def _mphe(data: Data, parameter: float | None) -> BoundMetric:
    slope = data.objective.parameters().get("huber_slope", 1.0)
    return _of_predictions("pseudo_huber")(data, slope)


def _quantile(data: Data, parameter: float | None) -> BoundMetric:
    alphas = np.atleast_1d(data.objective.parameters().get("quantile_alpha", 0.5))
    if parameter is not None:
        alphas = np.full(data.objective.n_outputs, parameter)
    if len(alphas) != data.objective.n_outputs:
        fail(data.where, "quantile@alpha for this objective", "'quantile'")
    mean = _kernel_mean(data, "quantile", alphas.astype(np.float64))
    return lambda margins, n_threads: mean(data.predict(margins), n_threads)


def _mape(data: Data, parameter: float | None) -> BoundMetric:
    refuse_rows(data.y == 0.0, data.y, data.where, "y other than 0 for 'mape'")
    weight = data.weight

    def evaluate(margins: Margins, n_threads: int) -> float:
        errors = np.abs((data.y - data.predict(margins)) / data.y).mean(axis=0)
        return _mean(errors, weight)

    return evaluate


def _of_log_mean(
    loss: str, constant: Callable[[RealArray], Any], factor: float = 1.0
) -> Binder:
    """A loss of the log of the mean, and what of it depends on targets alone."""

    def bind(data: Data, parameter: float | None) -> BoundMetric:
        least = np.finfo(np.float64).tiny if loss == "gamma" else 0.0
        bad = data.y < least
        refuse_rows(bad, data.y, data.where, f"y {'>' if least else '>='} 0 for {loss}")
        value = 0.0 if parameter is None else parameter
        mean = _kernel_mean(data, loss, np.full(data.objective.n_outputs, value))
        terms = np.zeros(len(data.y)) + constant(data.y.astype(np.float64))
        shift = _mean(terms, data.weight)

        def evaluate(margins: Margins, n_threads: int) -> float:
            if data.objective.link != "log":
                margins = np.log(np.maximum(data.predict(margins), _SMALLEST))
            return factor * (mean(margins, n_threads) + shift)

        return evaluate

    return bind


def _tweedie(data: Data, parameter: float | None) -> BoundMetric:
    return _of_log_mean("tweedie", lambda y: 0.0)(data, parameter)


# ---------------------------------------------------------------- classes


def _logloss(data: Data, parameter: float | None) -> BoundMetric:
    _check_shares(data)
    mean = _kernel_mean(data, "logistic", np.zeros(1))

    def evaluate(margins: Margins, n_threads: int) -> float:
        if data.objective.link != "logit":
            p = np.clip(data.predict(margins), _SMALLEST, 1.0 - 1e-16)
            margins = np.log(p) - np.log1p(-p)
        return mean(margins, n_threads)

    return evaluate


def _error(data: Data, parameter: float | None) -> BoundMetric:
    _check_shares(data)
    threshold = 0.5 if parameter is None else parameter

    def evaluate(margins: Margins, n_threads: int) -> float:
        above = data.predict(margins)[0] > threshold
        return _mean(np.where(above, 1.0 - data.y, data.y), data.weight)

    return evaluate


def _check_shares(data: Data) -> None:
    if data.objective.n_outputs != 1:
        fail(data.where, "an objective of one output", f"{data.objective.n_outputs}")
    outside = (data.y < 0.0) | (data.y > 1.0)
    refuse_rows(outside, data.y, data.where, "y from 0 to 1")


def _classes(data: Data) -> NDArray[np.int32]:
    return as_classes(data.y, data.objective.n_outputs, data.where)


def _mlogloss(data: Data, parameter: float | None) -> BoundMetric:
    codes, total = _classes(data), data.total

    def evaluate(margins: Margins, n_threads: int) -> float:
        loss = native.boosting.softmax_loss(codes, data.weight, margins, n_threads)
        return loss / total

    return evaluate


def _merror(data: Data, parameter: float | None) -> BoundMetric:
    codes = _classes(data)

    def evaluate(margins: Margins, n_threads: int) -> float:
        wrong = margins.argmax(axis=0) != codes
        return _mean(wrong, data.weight)

    return evaluate


def _of_scores(
    score: Callable[[NDArray[Any], NDArray[Any], Weight | None], float],
) -> Binder:
    """A metric of how scores rank class 1; of several classes, each against the rest.

    Classes then count by their weight.
    """

    def bind(data: Data, parameter: float | None) -> BoundMetric:
        n_outputs = data.objective.n_outputs
        if n_outputs == 1:
            other = (data.y != 0.0) & (data.y != 1.0)
            refuse_rows(other, data.y, data.where, "y as 0 or 1")
            is_class = [data.y == 1.0]
        else:
            is_class = [_classes(data) == k for k in range(n_outputs)]
        shares = [_mean(each, data.weight) for each in is_class]
        if min(shares) == 0.0 or max(shares) == 1.0:
            fail(data.where, "rows of every class for a ranking metric", "none of one")

        def evaluate(margins: Margins, n_threads: int) -> float:
            # Monotone in each margin alone, but for the normalisation of a softmax.
            scores = margins if n_outputs == 1 else data.predict(margins)
            values = [
                score(each, scores[k], data.weight) for k, each in enumerate(is_class)
            ]
            return float(np.multiply(values, shares).sum() / sum(shares))

        return evaluate

    return bind


# ---------------------------------------------------------------- lists


def _ndcg(data: Data, parameter: float | None, empty: float = 1.0) -> BoundMetric:
    exponential = data.objective.parameters().get("ndcg_exp_gain", True)
    bound = _list_metrics.Ndcg(data, parameter, exponential, empty)
    return bound.evaluate


def _map(data: Data, parameter: float | None, empty: float = 1.0) -> BoundMetric:
    bound = _list_metrics.MeanAveragePrecision(data, parameter, empty)
    return bound.evaluate


# ---------------------------------------------------------------- names


@dataclass(frozen=True)
class _Known:
    binder: Callable[..., BoundMetric]
    maximize: bool = False
    at: str = "none"  # what may follow "@": none, a real, a count
    required: bool = False
    low: float = 0.0
    high: float = 1.0
    needs: str | None = None  # link of the objective

    @property
    def of_lists(self) -> bool:
        return self.at == "count"

    def parameter(
        self, text: str, given: bool, metric: str, where: str
    ) -> float | None:
        """Parse what follows the "@"."""
        if not given and not self.required:
            return None
        try:
            value = int(text) if self.of_lists else float(text)
        except ValueError:
            value = -1.0
        if self.of_lists and value >= 1:
            return value
        if self.at == "real" and self.low < value < self.high:
            return value
        wanted = {
            "none": "no '@' in this metric",
            "real": f"a number between {self.low:g} and {self.high:g} behind '@'",
            "count": "a number of ranks >= 1 behind '@'",
        }
        return fail(where, wanted[self.at], repr(metric))


_METRICS = {
    "rmse": _Known(_of_predictions("squared", _rmse)),
    "mae": _Known(_of_predictions("absolute")),
    "mape": _Known(_mape),
    "mphe": _Known(_mphe),
    "quantile": _Known(_quantile, at="real"),
    "logloss": _Known(_logloss),
    "error": _Known(_error, at="real"),
    "auc": _Known(_of_scores(_rank_metrics.auc), maximize=True),
    "aucpr": _Known(_of_scores(_rank_metrics.average_precision), maximize=True),
    "mlogloss": _Known(_mlogloss, needs="softmax"),
    "merror": _Known(_merror, needs="softmax"),
    "poisson-nloglik": _Known(_of_log_mean("poisson", lambda y: gammaln(y + 1.0))),
    "gamma-nloglik": _Known(_of_log_mean("gamma", lambda y: 0.0)),
    "gamma-deviance": _Known(_of_log_mean("gamma", lambda y: -np.log(y) - 1.0, 2.0)),
    "tweedie-nloglik": _Known(_tweedie, at="real", required=True, low=1.0, high=2.0),
    "ndcg": _Known(_ndcg, maximize=True, at="count"),
    "map": _Known(_map, maximize=True, at="count"),
}
