"""Losses with targets of their domain, for several tests."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastnotes.boosting import Objective, resolve_objective


class Case(NamedTuple):
    """An objective, the reference's name of its loss, and the loss's parameter."""

    objective: Objective
    loss: str
    parameter: float

    def targets(self, n_rows: int, seed: int = 0) -> np.ndarray[Any, Any]:
        """Random targets of the domain, exact in float32."""
        rng = np.random.default_rng(seed)
        drawn = {
            "poisson": lambda: rng.poisson(2.0, n_rows),
            "gamma": lambda: rng.gamma(2.0, size=n_rows) + 0.01,
            "tweedie": lambda: rng.gamma(2.0, size=n_rows) * (rng.random(n_rows) < 0.7),
            "logistic": lambda: rng.integers(0, 2, n_rows),
        }.get(self.loss, lambda: 3.0 * rng.standard_normal(n_rows))()
        y = np.asarray(drawn, np.float32)
        if self.objective.link == "log":
            y[0] = 1.0  # zeros alone have no log mean
        return y


def _case(name: str, loss: str, parameter: float = 0.0, **options: Any) -> Case:
    return Case(resolve_objective(name, **options), loss, parameter)


POINTWISE = {
    "squared": _case("squared_error", "squared"),
    "absolute": _case("absolute_error", "absolute"),
    "huber": _case("huber", "pseudo_huber", 0.7, huber_slope=0.7),
    "quantile": _case("quantile", "quantile", 0.3, quantile_alpha=0.3),
    "poisson": _case("poisson", "poisson", 0.7),
    "gamma": _case("gamma", "gamma"),
    "tweedie": _case("tweedie", "tweedie", 1.3, tweedie_variance_power=1.3),
    "logistic": _case("logistic", "logistic"),
}


def margins_of(n_outputs: int, n_rows: int, seed: int = 1) -> np.ndarray[Any, Any]:
    """Random margins, float64 of shape (n_outputs, n_rows)."""
    rng = np.random.default_rng(seed)
    return 2.0 * rng.standard_normal((n_outputs, n_rows))


def gradients_of(
    bound: Any, margins: np.ndarray[Any, Any], n_threads: int = 1
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """grad and hess in new arrays."""
    grad, hess = (np.full(margins.shape, np.nan, np.float32) for _ in range(2))
    bound.gradients(margins, grad, hess, n_threads)
    return grad, hess
