"""Losses of single rows: of a number, of a count, of a class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._validation import RealArray, as_integer, as_real_array, fail
from fastnotes.boosting._objective import (
    BoundObjective,
    Margins,
    Objective,
    Targets,
    Weight,
    as_classes,
    check_sum,
    refuse_rows,
)
from fastnotes.boosting._sums import order_free_sums, weighted_mean
from fastnotes.evidence import softmax
from fastnotes.nn import exp, sigmoid

#: Shares of classes stay this far from 0 and 1, so that their log-odds are finite.
_SMALLEST_SHARE = 1e-7

_NEWTON_STEPS = 100


class PointwiseLoss(Objective):
    """A loss of one target and one margin, or of one margin for each parameter."""

    kernel: ClassVar[str]

    @property
    def kernel_parameters(self) -> NDArray[np.float64]:
        """The loss's parameter for each output."""
        return np.zeros(1)

    @property
    def n_outputs(self) -> int:
        """Margins per row."""
        return len(self.kernel_parameters)

    def _join(
        self, targets: Targets, groups: ArrayLike | None, where: str
    ) -> BoundObjective:
        return _BoundPointwise(self, targets)


class _BoundPointwise(BoundObjective):
    objective: PointwiseLoss

    def __init__(self, objective: PointwiseLoss, targets: Targets) -> None:
        super().__init__(objective, targets)
        self.parameters = objective.kernel_parameters

    def _differentiate(
        self,
        margins: Margins,
        grad: NDArray[np.float32],
        hess: NDArray[np.float32],
        n_threads: int,
    ) -> int:
        return native.boosting.pointwise_gradients(
            self.objective.kernel,
            self.y,
            self.weight,
            margins,
            self.parameters,
            grad,
            hess,
            n_threads,
        )


# ---------------------------------------------------------------- numbers


@dataclass(frozen=True)
class SquaredError(PointwiseLoss):
    """1/2 (y - m)^2: g = m - y, h = 1."""

    name = "reg:squarederror"
    kernel = "squared"
    default_metric = "rmse"

    def base_score(self, y: RealArray, weight: Weight | None) -> NDArray[np.float64]:
        """The mean."""
        return np.array([weighted_mean(y, weight)])


class _QuantileLike(PointwiseLoss):
    """Losses with a kink, least at a quantile: a Newton step says nothing there."""

    def base_score(self, y: RealArray, weight: Weight | None) -> NDArray[np.float64]:
        """The quantiles of the targets."""
        return np.array([_quantile(y, weight, alpha) for alpha in self.alphas])


@dataclass(frozen=True)
class AbsoluteError(_QuantileLike):
    """|y - m|: g = sign(m - y), h = 1; leaves are medians of residuals."""

    name = "reg:absoluteerror"
    kernel = "absolute"
    default_metric = "mae"

    @property
    def alphas(self) -> tuple[float, ...]:
        """The median's."""
        return (0.5,)


@dataclass(frozen=True)
class QuantileError(_QuantileLike):
    """The pinball loss: alpha |z| below y, (1 - alpha) |z| above it, for each alpha.

    Parameters
    ----------
    quantile_alpha : float or sequence of floats, default=0.5
        Strictly between 0 and 1; each is an output.
    """

    quantile_alpha: tuple[float, ...] = (0.5,)

    name = "reg:quantileerror"
    kernel = "quantile"
    default_metric = "quantile"

    @property
    def alphas(self) -> tuple[float, ...]:
        """One for each output."""
        return self.quantile_alpha

    @property
    def kernel_parameters(self) -> NDArray[np.float64]:
        """The alphas."""
        return np.array(self.quantile_alpha)

    def parameters(self) -> dict[str, Any]:
        """The alphas."""
        return {"quantile_alpha": list(self.quantile_alpha)}


@dataclass(frozen=True)
class PseudoHuber(PointwiseLoss):
    """d^2 (sqrt(1 + (z/d)^2) - 1), z = m - y: squared near 0, absolute far away.

    Parameters
    ----------
    huber_slope : float, default=1.0
        d > 0, where the one turns into the other.
    """

    huber_slope: float = 1.0

    name = "reg:pseudohubererror"
    kernel = "pseudo_huber"
    default_metric = "mphe"

    @property
    def kernel_parameters(self) -> NDArray[np.float64]:
        """The slope."""
        return np.array([self.huber_slope])

    def parameters(self) -> dict[str, Any]:
        """The slope."""
        return {"huber_slope": self.huber_slope}

    def base_score(self, y: RealArray, weight: Weight | None) -> NDArray[np.float64]:
        """The root of the sum of gradients, by Newton steps within a bracket."""
        values = y.astype(np.float64)
        weights = 1.0 if weight is None else weight.astype(np.float64)
        low, high = float(values.min()), float(values.max())
        m = _quantile(y, weight, 0.5)
        for _ in range(_NEWTON_STEPS):
            r = np.clip((m - values) / self.huber_slope, -1e100, 1e100)
            root = np.sqrt(1.0 + r * r)
            g = self.huber_slope * order_free_sums(weights * (r / root))[0]
            h = order_free_sums(weights / (root * root * root))[0]
            low, high = (low, m) if g > 0.0 else (m, high)
            step = m - g / h if h > 0.0 else math.inf
            after = step if low <= step <= high else 0.5 * (low + high)
            if abs(after - m) <= 1e-12 * (self.huber_slope + abs(m)):
                return np.array([after])
            m = after
        return np.array([m])


# ---------------------------------------------------------------- counts and amounts


class _LogLink(PointwiseLoss):
    """Losses of a mean exp(m)."""

    link = "log"

    def base_score(self, y: RealArray, weight: Weight | None) -> NDArray[np.float64]:
        """The log of the mean."""
        return np.array([math.log(weighted_mean(y, weight))])

    def link_inverse(self, margins: Margins) -> Margins:
        """Means."""
        return np.asarray(exp(margins), np.float64)

    def check_targets(
        self,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        where: str = "boosting.Objective",
    ) -> Targets:
        """Check that targets are not negative, and not all 0."""
        targets = super().check_targets(y, sample_weight, where)
        check_sum(targets.y, targets.weight, where)
        return targets

    def _convert(self, y: ArrayLike, where: str) -> NDArray[Any]:
        targets = super()._convert(y, where)
        refuse_rows(targets < 0.0, targets, where, f"y >= 0 for {self.name}")
        return targets


@dataclass(frozen=True)
class Poisson(_LogLink):
    """exp(m) - y m: g = exp(m) - y, h = exp(m + max_delta_step).

    Parameters
    ----------
    max_delta_step : float, default=0.7
        Raises h, so that steps shrink where exp would run away.
    """

    max_delta_step: float = 0.7

    name = "count:poisson"
    kernel = "poisson"
    default_metric = "poisson-nloglik"
    default_max_delta_step = 0.7

    @property
    def kernel_parameters(self) -> NDArray[np.float64]:
        """The step."""
        return np.array([self.max_delta_step])

    def parameters(self) -> dict[str, Any]:
        """The step."""
        return {"max_delta_step": self.max_delta_step}


@dataclass(frozen=True)
class Gamma(_LogLink):
    """y exp(-m) + m: g = 1 - y exp(-m), h = y exp(-m)."""

    name = "reg:gamma"
    kernel = "gamma"
    default_metric = "gamma-nloglik"

    def _convert(self, y: ArrayLike, where: str) -> NDArray[Any]:
        targets = super()._convert(y, where)
        refuse_rows(targets <= 0.0, targets, where, f"y > 0 for {self.name}")
        return targets


@dataclass(frozen=True)
class Tweedie(_LogLink):
    """exp((2 - p) m) / (2 - p) - y exp((1 - p) m) / (1 - p), and its derivatives.

    Parameters
    ----------
    tweedie_variance_power : float, default=1.5
        p, strictly between 1 (Poisson) and 2 (gamma).
    """

    tweedie_variance_power: float = 1.5

    name = "reg:tweedie"
    kernel = "tweedie"

    @property
    def default_metric(self) -> str:
        """The loss itself."""
        return f"tweedie-nloglik@{self.tweedie_variance_power:g}"

    @property
    def kernel_parameters(self) -> NDArray[np.float64]:
        """The power."""
        return np.array([self.tweedie_variance_power])

    def parameters(self) -> dict[str, Any]:
        """The power."""
        return {"tweedie_variance_power": self.tweedie_variance_power}


# ---------------------------------------------------------------- classes


@dataclass(frozen=True)
class Logistic(PointwiseLoss):
    """log(1 + exp(m)) - y m: g = p - y, h = p (1 - p), p = 1 / (1 + exp(-m)).

    Targets may lie anywhere from 0 to 1. ``name`` is "binary:logistic" or
    "reg:logistic", which differ in their metric alone.
    """

    name: str = "binary:logistic"  # type: ignore[misc]

    kernel = "logistic"
    link = "logit"

    @property
    def default_metric(self) -> str:
        """Log loss of classes, root mean square of shares."""
        return "logloss" if self.name == "binary:logistic" else "rmse"

    def _convert(self, y: ArrayLike, where: str) -> NDArray[Any]:
        targets = super()._convert(y, where)
        outside = (targets < 0.0) | (targets > 1.0)
        refuse_rows(outside, targets, where, f"y from 0 to 1 for {self.name}")
        return targets

    def base_score(self, y: RealArray, weight: Weight | None) -> NDArray[np.float64]:
        """The log-odds of the mean, which is kept a little away from 0 and 1."""
        share = weighted_mean(y, weight)
        share = min(max(share, _SMALLEST_SHARE), 1.0 - _SMALLEST_SHARE)
        return np.array([math.log(share / (1.0 - share))])

    def link_inverse(self, margins: Margins) -> Margins:
        """Probabilities of class 1."""
        return np.asarray(sigmoid(margins), np.float64)


@dataclass(frozen=True)
class Softmax(Objective):
    """log sum_k exp(m_k) - m_y: g = p - [y = k], h = K / (K - 1) p (1 - p).

    K trees step at once, each seeing its own class alone. Where the K classes are
    equally likely, and always for two, g / h is the Newton step of the whole second
    derivative diag(p) - p p' of a row. XGBoost's h is 2 p (1 - p).

    Parameters
    ----------
    n_classes : int
        At least 2; targets are the codes 0 .. n_classes - 1.
    name : {"multi:softprob", "multi:softmax"}
        Two names of one loss.
    """

    n_classes: int
    name: str = "multi:softprob"  # type: ignore[misc]

    link = "softmax"
    default_metric = "mlogloss"

    @property
    def n_outputs(self) -> int:
        """One for each class."""
        return self.n_classes

    def parameters(self) -> dict[str, Any]:
        """The number of classes."""
        return {"num_class": self.n_classes}

    def _convert(self, y: ArrayLike, where: str) -> NDArray[Any]:
        return as_classes(as_real_array(y, where, "y", ndim=1), self.n_classes, where)

    def base_score(
        self, y: NDArray[np.int32], weight: Weight | None
    ) -> NDArray[np.float64]:
        """Log shares of the classes, centred."""
        weights = np.ones(len(y)) if weight is None else weight
        sums = order_free_sums(weights, y, self.n_classes)
        log_shares = np.log(np.maximum(sums / sums.sum(), _SMALLEST_SHARE))
        return np.asarray(log_shares - log_shares.mean())

    def link_inverse(self, margins: Margins) -> Margins:
        """Probabilities, which sum to 1 over the outputs."""
        return np.asarray(softmax(margins, axis=0), np.float64)

    def _join(
        self, targets: Targets, groups: ArrayLike | None, where: str
    ) -> BoundObjective:
        return _BoundSoftmax(self, targets)


class _BoundSoftmax(BoundObjective):
    def _differentiate(
        self,
        margins: Margins,
        grad: NDArray[np.float32],
        hess: NDArray[np.float32],
        n_threads: int,
    ) -> int:
        return native.boosting.softmax_gradients(
            self.y, self.weight, margins, grad, hess, n_threads
        )


def _quantile(y: RealArray, weight: Weight | None, alpha: float) -> float:
    """Return the weighted quantile that leaves get, of the targets themselves."""
    value = np.zeros(1)
    native.boosting.leaf_quantiles(y, weight, None, None, None, alpha, value, 1)
    return float(value[0])


def check_n_classes(n_classes: Any, where: str) -> int:
    """Return the number of classes; softmax needs two."""
    if n_classes is None:
        fail(where, "n_classes for a softmax", "None")
    return as_integer(n_classes, where, "n_classes", low=2)
