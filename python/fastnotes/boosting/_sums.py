"""Sums whose bytes do not depend on the order of what is added."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 16


def order_free_sums(
    values: NDArray[Any], labels: NDArray[Any] | None = None, n_labels: int = 1
) -> NDArray[np.float64]:
    """Return the sum of the values of each label, one label for all without ``labels``.

    Values are taken apart into two integers on a common grid; sums of integers are
    exact in float64 as long as they stay below 2**53, in any order. What is finer than
    the grid is lost: about 2**-(102 - 2 log2 n) of the largest value, each.
    """
    values = np.asarray(values, np.float64)
    largest = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
    if largest == 0.0:
        return np.zeros(n_labels)
    bits = 52 - len(values).bit_length()
    exponent = math.frexp(largest)[1]  # largest < 2**exponent
    shift = min(bits - exponent, 1000)
    high_sums, low_sums = np.zeros(n_labels), np.zeros(n_labels)
    for first in range(0, len(values), _BLOCK):
        block = slice(first, first + _BLOCK)
        scaled = values[block] * math.ldexp(1.0, shift)
        high = np.rint(scaled)
        low = np.rint((scaled - high) * math.ldexp(1.0, bits))
        for integers, sums in ((high, high_sums), (low, low_sums)):
            if labels is None:
                sums += integers.sum()
            else:
                sums += np.bincount(labels[block], integers, n_labels)
    return np.ldexp(high_sums + np.ldexp(low_sums, -bits), -shift)


def weighted_mean(values: NDArray[Any], weight: NDArray[Any] | None) -> float:
    """Return the mean of the values, the same for any order of the rows."""
    if weight is None:
        return float(order_free_sums(values)[0] / len(values))
    weights = weight.astype(np.float64)
    return float(order_free_sums(values * weights)[0] / order_free_sums(weights)[0])
