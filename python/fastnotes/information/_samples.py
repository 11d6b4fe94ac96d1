"""Samples as the estimators take them: numbers, each axis standardised, and labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import (
    as_array,
    as_integer,
    as_real_array,
    check_finite,
    describe,
    fail,
    fail_type,
)
from fastnotes.information._probabilities import Float64Array

Labels = NDArray[np.int64]


def as_samples(value: Any, where: str, name: str) -> Float64Array:
    """(n,) or (n, d), finite, as float64 (n, d)."""
    array = as_real_array(value, where, name, ndim=(1, 2))
    check_finite(array, where, name)
    if array.ndim == 2 and array.shape[1] == 0:
        fail(where, f"{name} with at least one column", describe(array))
    samples = array.astype(np.float64)
    return samples[:, None] if array.ndim == 1 else samples


def as_labels(value: Any, where: str, name: str) -> Labels:
    """(n,) or (n, d) of numbers or strings, as codes 0, 1, ... of distinct rows."""
    array = as_array(value, where, name)
    if array.dtype.kind not in "biufUS" or array.dtype.itemsize == 0:
        fail_type(where, f"{name} of numbers or strings", describe(array))
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
        fail(where, f"{name} of shape (n,) or (n, d)", describe(array))
    if array.dtype.kind == "f":
        check_finite(array, where, name)
    codes = np.zeros(len(array), np.int64)
    for column in np.atleast_2d(array.T):
        codes = combined(codes, np.unique(column, return_inverse=True)[1])
    return codes


def combined(first: Labels, second: NDArray[Any]) -> Labels:
    """Codes of distinct pairs."""
    count = int(second.max(initial=0)) + 1
    pairs = first * count + second.reshape(first.shape)
    return np.unique(pairs, return_inverse=True)[1].reshape(first.shape)


def check_lengths(where: str, least: int, **samples: NDArray[Any]) -> int:
    """Return the common number of samples, at least ``least``."""
    lengths = {name: len(array) for name, array in samples.items()}
    if len(set(lengths.values())) > 1:
        got = ", ".join(f"{n} of {name}" for name, n in lengths.items())
        fail(where, "as many samples of each", got)
    n = next(iter(lengths.values()))
    if n < least:
        fail(where, f"at least {least} samples", str(n))
    return n


def as_neighbours(value: Any, n: int, where: str) -> int:
    """Return n_neighbors, from 1 to n - 1."""
    return as_integer(value, where, "n_neighbors", low=1, high=n - 1)


def standardised(samples: Float64Array) -> Float64Array:
    """Each column with mean 0 and standard deviation 1; a constant one is 0."""
    largest = np.abs(samples).max(axis=0)
    scaled = samples / np.where(largest > 0, largest, 1.0)
    scaled -= scaled.mean(axis=0)
    varies = samples.min(axis=0) < samples.max(axis=0)
    deviation = np.sqrt(np.mean(scaled**2, axis=0))
    usable = varies & (deviation > 0)
    return np.where(usable, scaled / np.where(usable, deviation, 1.0), 0.0)
