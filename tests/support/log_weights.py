"""Log-weights for the tests of the evidence room."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from support.tolerances import DISTANT, NORMALISED

#: Spread of log-weights in nats: from harmless to dominated by one.
SPREADS = (0.0, 1.0, 30.0)

#: Shapes with the reduced axis, around vectors, steps, blocks and strips.
SHAPES = (
    ((1,), 0),
    ((8,), 0),
    ((257,), 0),
    ((5000,), 0),
    ((50, 100), 0),
    ((50, 100), 1),
    ((3, 33, 5), 1),
    ((2, 3, 31, 4), -2),
    ((300, 3), 0),
    ((5000, 7), 0),
    ((7, 5000), 1),
    ((17, 1100), 0),
)


def random_log_weights(
    shape: tuple[int, ...],
    dtype: DTypeLike = np.float64,
    *,
    spread: float = 3.0,
    offset: float = 0.0,
    seed: int = 0,
) -> NDArray[Any]:
    """Normal log-weights around ``offset``, rounded to ``dtype``."""
    rng = np.random.default_rng(seed)
    return (offset + spread * rng.standard_normal(shape)).astype(dtype)


def with_edge_values(log_w: NDArray[Any], seed: int = 0) -> NDArray[Any]:
    """Sprinkle -inf, +inf and NaN over the array, each into some groups only."""
    rng = np.random.default_rng(seed)
    edges = np.array([-np.inf, np.inf, np.nan], log_w.dtype)
    choice = rng.integers(3, size=log_w.shape)
    often = rng.random(log_w.shape[-1]) < 0.5
    rare = rng.random(log_w.shape) < 0.15
    return np.where(rare & often, edges[choice], log_w)


def assert_weights_close(got: NDArray[Any], expected: NDArray[Any]) -> None:
    """All weights relatively, and those that matter (above 1e-3) more closely."""
    DISTANT.assert_close(got, expected)
    heavy = ~(expected < 1e-3)
    NORMALISED.assert_close(got[heavy], expected[heavy])
