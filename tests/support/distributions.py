"""Probabilities for the tests of the information room, and sums of 50 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
from hypothesis import strategies as st
from numpy.typing import DTypeLike, NDArray

TABLE = ((0.1, 0.2), (0.3, 0.4))


def random_distributions(
    shape: tuple[int, ...],
    dtype: DTypeLike = np.float64,
    *,
    seed: int = 0,
    spread: float = 1.0,
) -> NDArray[Any]:
    """Distributions along the last axis whose logarithms have a standard deviation."""
    weights = np.exp(spread * np.random.default_rng(seed).standard_normal(shape))
    return (weights / weights.sum(-1, keepdims=True)).astype(dtype)


def exact_sum(f: Callable[..., Any], *arrays: NDArray[Any]) -> float:
    """Sum of f over the arrays, at 50 digits, each divided by its sum."""
    with mpmath.workdps(50):
        columns = [[mpmath.mpf(float(x)) for x in array] for array in arrays]
        shares = [[x / mpmath.fsum(column) for x in column] for column in columns]
        return float(mpmath.fsum(f(*row) for row in zip(*shares, strict=True)))


@st.composite
def distributions(draw: Any, count: int) -> list[NDArray[Any]]:
    """``count`` distributions over the same few outcomes; some probabilities are 0."""
    n = draw(st.integers(1, 6))
    return [_weights(draw, n) for _ in range(count)]


@st.composite
def joint_tables(draw: Any, ndim: int) -> NDArray[Any]:
    """A joint distribution of ``ndim`` variables."""
    shape = tuple(draw(st.integers(1, 4)) for _ in range(ndim))
    return _weights(draw, int(np.prod(shape))).reshape(shape)


def _weights(draw: Any, n: int) -> NDArray[Any]:
    weight = st.one_of(st.just(0.0), st.floats(2**-20, 1, width=32))
    weights = np.array(draw(st.lists(weight, min_size=n, max_size=n)))
    weights[draw(st.integers(0, n - 1))] += 0.5
    return weights / weights.sum()
