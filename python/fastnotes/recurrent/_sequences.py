"""What estimators of sequences take in, checked once, and batches of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import as_real_array, fail, fail_type
from fastnotes.recurrent._arguments import as_lengths

Index = NDArray[np.int64]


class Batch(NamedTuple):
    """Sequences side by side: x (B, T, D) float32, zeros past the lengths (B,)."""

    x: NDArray[np.float32]
    lengths: Index

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(B, T), the steps that there are."""
        return np.arange(self.x.shape[1]) < self.lengths[:, None]


class Ragged(NamedTuple):
    """Sequences: for each, where it starts in one array of steps, and its length."""

    steps: NDArray[np.float32]
    starts: Index
    lengths: Index
    #: T of the array (B, T, D) that they came as; None: they came as a list.
    time: int | None

    def take(self, rows: Index) -> Ragged:
        """Some of them, on the same steps."""
        return self._replace(starts=self.starts[rows], lengths=self.lengths[rows])

    def steps_of(self, rows: Index) -> Index:
        """Places of their steps, sequence after sequence."""
        lengths = self.lengths[rows]
        before = np.cumsum(lengths) - lengths
        shift: Index = np.repeat(self.starts[rows] - before, lengths)
        return shift + np.arange(len(shift))

    def batch(self, rows: Index) -> Batch:
        """Some of them side by side, padded no further than they need."""
        lengths = self.lengths[rows]
        shape = len(rows), int(lengths.max(initial=0)), self.steps.shape[1]
        batch = Batch(np.zeros(shape, np.float32), lengths)
        batch.x[batch.valid] = self.steps[self.steps_of(rows)]
        return batch

    def shaped(self, values: NDArray[Any], fill: Any) -> Any:
        """One value a step, sequence after sequence, in the form that they came in."""
        if self.time is None:
            return np.split(values, np.cumsum(self.lengths)[:-1])
        shape = len(self.lengths), self.time, *values.shape[1:]
        out = np.full(shape, fill, values.dtype)
        out[np.arange(self.time) < self.lengths[:, None]] = values
        return out


def as_ragged(
    X: Any, lengths: Any, where: str, n_features: int | None = None
) -> Ragged:
    """Take a list of (T_i, D) arrays, or (B, T, D) with lengths.

    Raises
    ------
    TypeError
        For what is neither.
    ValueError
        For sequences that do not agree, or a NaN or infinity in a step that there is,
        naming it.
    """
    time = None
    if isinstance(X, np.ndarray) and X.dtype != object:
        x = as_real_array(X, where, "X", ndim=3)
        time = x.shape[1]
        ends = as_lengths(lengths, where, *x.shape[:2])
        if ends is None:
            ends = np.full(x.shape[0], time, np.int64)
        steps = x[np.arange(time) < ends[:, None]]
    elif is_list(X):
        if lengths is not None:
            fail(where, "lengths with one array (B, T, D) alone", "a list and lengths")
        arrays = [as_real_array(x, where, f"X[{b}]", ndim=2) for b, x in enumerate(X)]
        widths = {a.shape[1] for a in arrays}
        if len(widths) > 1:
            fail(where, "sequences with equally many features", f"{sorted(widths)}")
        ends = np.array([len(a) for a in arrays], np.int64)
        steps = np.concatenate(arrays) if arrays else np.empty((0, 0))
    else:
        fail_type(where, "X as a list of arrays, or (B, T, D)", type(X).__name__)
    if len(ends) == 0:
        fail(where, "at least one sequence", "none")
    if n_features is not None and steps.shape[1] != n_features:
        fail(where, f"X with {n_features} features", str(steps.shape[1]))
    with np.errstate(over="ignore"):  # to infinity, which is refused
        data = Ragged(
            steps.astype(np.float32, copy=False), np.cumsum(ends) - ends, ends, time
        )
    _check_finite(data, where)
    return data


def is_list(value: Any) -> bool:
    """Whether it is a list of things, or an array of objects."""
    return isinstance(value, Sequence | np.ndarray) and not isinstance(
        value, str | bytes
    )


def _check_finite(data: Ragged, where: str) -> None:
    wrong = ~np.isfinite(data.steps).all(axis=1)
    if wrong.any():
        at = int(np.argmax(wrong))
        b = int(np.searchsorted(np.cumsum(data.lengths), at, side="right"))
        step = f"sequence {b} at step {at - data.starts[b]}"
        fail(where, "X finite", f"a NaN or infinity in {step}")
