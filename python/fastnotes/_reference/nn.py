"""NumPy twins of the room ``nn``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

# Elementary functions: exp, log, log1p, expm1 and tanh are NumPy's own.


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), with exp only of what is not positive."""
    small: Array = np.exp(-np.abs(x))
    top: Array = np.where(x < 0, small, x.dtype.type(1))
    return top / (1 + small)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))."""
    rest: Array = np.log1p(np.exp(-np.abs(x)))
    return np.maximum(x, 0) + rest
