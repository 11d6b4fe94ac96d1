"""From the name of an objective, or a function, to an `Objective`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._validation import (
    as_integer,
    as_real,
    as_real_array,
    check_choice,
    fail,
    fail_type,
)
from fastnotes.boosting import losses
from fastnotes.boosting._objective import (
    BoundObjective,
    Margins,
    Objective,
    Targets,
    Weight,
    takes_weight,
)
from fastnotes.boosting.ranking import DEFAULT_TRUNCATION, LambdaRank

__all__ = ["BoundObjective", "CustomObjective", "Objective", "resolve_objective"]

#: Hessians of custom losses are at least this.
SMALLEST_HESSIAN = 1e-16

_ALIASES = {
    "squared_error": "reg:squarederror",
    "absolute_error": "reg:absoluteerror",
    "huber": "reg:pseudohubererror",
    "quantile": "reg:quantileerror",
    "poisson": "count:poisson",
    "gamma": "reg:gamma",
    "tweedie": "reg:tweedie",
    "logistic": "binary:logistic",
    "softmax": "multi:softprob",
    "ndcg": "rank:ndcg",
    "pairwise": "rank:pairwise",
}
_NAMES = (
    "reg:squarederror",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "count:poisson",
    "reg:gamma",
    "reg:tweedie",
    "binary:logistic",
    "reg:logistic",
    "multi:softprob",
    "multi:softmax",
    "rank:ndcg",
    "rank:pairwise",
)


def resolve_objective(
    objective: Any,
    *,
    n_classes: int | None = None,
    quantile_alpha: float | ArrayLike = 0.5,
    huber_slope: float = 1.0,
    max_delta_step: float | None = None,
    tweedie_variance_power: float = 1.5,
    lambdarank_num_pair_per_sample: int | None = None,
    ndcg_exp_gain: bool = True,
    lambdarank_normalization: bool = True,
    lambdarank_score_normalization: bool = True,
    where: str = "boosting.resolve_objective",
) -> Objective:
    """Return the objective of a name, or of a function.

    Parameters
    ----------
    objective : str, callable or Objective
        XGBoost's names, or "squared_error", "absolute_error", "huber", "quantile",
        "poisson", "gamma", "tweedie", "logistic", "softmax", "ndcg", "pairwise". A
        callable is a `CustomObjective`.
    n_classes : int, optional
        Outputs of a softmax, where it is needed, or of a callable, where None is 1.
    quantile_alpha : float or sequence of floats, default=0.5
        Each strictly between 0 and 1; several are several outputs.
    huber_slope : float, default=1.0
        > 0.
    max_delta_step : float, optional
        For Poisson; None is 0.7.
    tweedie_variance_power : float, default=1.5
        Strictly between 1 and 2.
    lambdarank_num_pair_per_sample : int, optional
        Truncation level of the ranking objectives; None is 32.
    ndcg_exp_gain, lambdarank_normalization, lambdarank_score_normalization : bool
        See `LambdaRank`.
    where : str
        ``"boosting.Class.method"``, for messages.

    Returns
    -------
    Objective

    Raises
    ------
    TypeError, ValueError
        If the name is unknown, or a parameter that it uses is not as described.
    """
    if isinstance(objective, Objective):
        return objective
    if callable(objective):
        n_outputs = 1 if n_classes is None else n_classes
        n_outputs = as_integer(n_outputs, where, "n_classes", low=1)
        return CustomObjective(objective, n_outputs)
    name = check_choice(
        _ALIASES.get(objective, objective) if isinstance(objective, str) else objective,
        where,
        "objective",
        _NAMES,
    )
    if name.startswith("rank:"):
        level = lambdarank_num_pair_per_sample
        return LambdaRank(
            name,
            DEFAULT_TRUNCATION
            if level is None
            else as_integer(level, where, "lambdarank_num_pair_per_sample", low=1),
            _flag(ndcg_exp_gain, where, "ndcg_exp_gain"),
            _flag(lambdarank_normalization, where, "lambdarank_normalization"),
            _flag(
                lambdarank_score_normalization, where, "lambdarank_score_normalization"
            ),
        )
    if name.startswith("multi:"):
        return losses.Softmax(losses.check_n_classes(n_classes, where), name)
    if name in ("binary:logistic", "reg:logistic"):
        return losses.Logistic(name)
    if name == "reg:quantileerror":
        return losses.QuantileError(_alphas(quantile_alpha, where))
    if name == "reg:pseudohubererror":
        return losses.PseudoHuber(_positive(huber_slope, where, "huber_slope"))
    if name == "count:poisson":
        step = 0.7 if max_delta_step is None else max_delta_step
        return losses.Poisson(as_real(step, where, "max_delta_step", low=0.0, high=10))
    if name == "reg:tweedie":
        power = as_real(tweedie_variance_power, where, "tweedie_variance_power")
        if not 1.0 < power < 2.0:
            fail(where, "tweedie_variance_power between 1 and 2", str(power))
        return losses.Tweedie(power)
    plain = (losses.SquaredError, losses.AbsoluteError, losses.Gamma)
    return next(kind() for kind in plain if kind.name == name)


def _flag(value: Any, where: str, name: str) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        fail_type(where, f"{name} as a bool", type(value).__name__)
    return bool(value)


def _positive(value: Any, where: str, name: str) -> float:
    number = as_real(value, where, name)
    if number <= 0.0:
        fail(where, f"{name} > 0", str(number))
    return number


def _alphas(value: Any, where: str) -> tuple[float, ...]:
    alphas = as_real_array(value, where, "quantile_alpha", ndim=(0, 1)).ravel()
    if len(alphas) == 0:
        fail(where, "at least one quantile_alpha", "none")
    for alpha in alphas:
        if not 0.0 < alpha < 1.0:
            fail(where, "quantile_alpha between 0 and 1", str(alpha))
    return tuple(float(alpha) for alpha in alphas)


# ---------------------------------------------------------------- custom losses


@dataclass(frozen=True)
class CustomObjective(Objective):
    """A loss given by a function that returns its derivatives.

    Parameters
    ----------
    function : callable
        ``function(y, margins) -> (grad, hess)``, or with a third parameter named
        ``sample_weight``. ``margins`` is a read-only array of shape ``(n_rows,)``, or
        ``(n_rows, n_outputs)`` if there are several; grad and hess are of that shape.
        A function that takes ``sample_weight`` is given it (None without weights) and
        is to multiply by it; for any other that is done here.
    n_outputs : int, default=1

    Notes
    -----
    NaN or infinity in grad or hess is a ValueError that names the row. A hessian that
    is zero or negative is taken as 1e-16: such a row pulls with its gradient and lends
    no curvature, so leaves of such rows are left to ``reg_lambda`` and
    ``min_child_weight``. If no row of an output has a positive hessian, nothing could
    be grown, and that is a ValueError too.
    """

    function: Callable[..., Any]
    outputs: int = 1

    name = "custom"
    default_metric = "rmse"
    goes_by_row = False

    @property
    def n_outputs(self) -> int:
        """Margins per row."""
        return self.outputs

    def base_score(self, y: NDArray[Any], weight: Weight | None) -> NDArray[np.float64]:
        """0: the least loss of a function is not known."""
        return np.zeros(self.outputs)

    def _join(
        self, targets: Targets, groups: ArrayLike | None, where: str
    ) -> BoundObjective:
        return _BoundCustom(self, targets)


class _BoundCustom(BoundObjective):
    objective: CustomObjective

    def __init__(self, objective: CustomObjective, targets: Targets) -> None:
        super().__init__(objective, targets)
        self.takes_weight = takes_weight(objective.function)

    def _differentiate(
        self,
        margins: Margins,
        grad: NDArray[np.float32],
        hess: NDArray[np.float32],
        n_threads: int,
    ) -> int:
        shown = margins[0] if self.objective.outputs == 1 else margins.T
        shown = shown.view()
        shown.flags.writeable = False
        more = (self.weight,) if self.takes_weight else ()
        result = self.objective.function(self.y, shown, *more)
        g, h = _pair(result, shown.shape)
        grad[...] = _single(g)
        hess[...] = np.maximum(_single(h), np.float32(SMALLEST_HESSIAN))
        if self.weight is not None and not self.takes_weight:
            grad *= self.weight
            hess *= self.weight
        bad = ~(np.isfinite(grad) & np.isfinite(hess))
        if bad.any():
            return int(np.argmax(bad))
        flat = ~(np.atleast_2d(h.T) > 0.0).any(axis=1)
        if flat.any():
            expected = "a positive hessian in at least one row of every output"
            fail("boosting.Objective.gradients", expected, "none in a custom loss")
        return -1


def _pair(result: Any, shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    where = "boosting.Objective.gradients"
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        fail_type(where, "(grad, hess) from a custom loss", type(result).__name__)
    arrays = []
    for name, value in zip(("grad", "hess"), result, strict=True):
        array = as_real_array(value, where, name)
        if array.shape != shape:
            fail(where, f"{name} of shape {shape} from a custom loss", str(array.shape))
        arrays.append(array)
    return arrays[0], arrays[1]


def _single(array: NDArray[Any]) -> NDArray[np.float32]:
    """(n_rows,) or (n_rows, n_outputs) as (n_outputs, n_rows); too large is inf."""
    with np.errstate(over="ignore"):
        return np.atleast_2d(array.T).astype(np.float32)
