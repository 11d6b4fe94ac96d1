"""Finite differences, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.tolerances import GRADIENT

Array = NDArray[np.float64]

STEP = 1e-5


def assert_gradients(
    loss: Callable[..., float],
    inputs: Sequence[Array],
    gradients: Sequence[Array],
) -> None:
    """Every coordinate of every input: d loss / d input against central differences."""
    for which, (value, gradient) in enumerate(zip(inputs, gradients, strict=True)):
        assert gradient.shape == value.shape, f"gradient {which} has another shape"
        numeric = np.empty_like(value)
        for index in np.ndindex(value.shape):
            numeric[index] = _difference(loss, inputs, which, _one_hot(value, index))
        GRADIENT.assert_close(gradient, numeric)


def assert_directional(
    loss: Callable[..., float],
    inputs: Sequence[Array],
    gradients: Sequence[Array],
    seed: int = 0,
) -> None:
    """One random direction through all inputs: cheap at any size."""
    rng = np.random.default_rng(seed)
    for which, (value, gradient) in enumerate(zip(inputs, gradients, strict=True)):
        direction = rng.standard_normal(value.shape) / max(1.0, value.size**0.5)
        numeric = _difference(loss, inputs, which, direction)
        GRADIENT.assert_close(np.vdot(gradient, direction), np.asarray(numeric))


def _difference(
    loss: Callable[..., float], inputs: Sequence[Array], which: int, direction: Array
) -> float:
    def at(step: float) -> float:
        moved: list[Any] = list(inputs)
        moved[which] = inputs[which] + step * direction
        return loss(*moved)

    return (at(STEP) - at(-STEP)) / (2 * STEP)


def _one_hot(value: Array, index: tuple[int, ...]) -> Array:
    direction = np.zeros_like(value)
    direction[index] = 1.0
    return direction
