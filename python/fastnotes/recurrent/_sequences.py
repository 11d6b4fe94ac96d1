"""What estimators of sequences take in, padded and checked once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import as_real_array, fail, fail_type
from fastnotes.recurrent._arguments import as_lengths


class Batch(NamedTuple):
    """Sequences side by side: x (B, T, D) float32, zeros past the lengths (B,)."""

    x: NDArray[np.float32]
    lengths: NDArray[np.int64]

    def part(self, rows: NDArray[np.int64]) -> Batch:
        """Some of them, padded no further than they need."""
        lengths = self.lengths[rows]
        return Batch(self.x[rows, : lengths.max(initial=0)], lengths)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(B, T), the steps that there are."""
        return np.arange(self.x.shape[1]) < self.lengths[:, None]


def as_batch(X: Any, lengths: Any, where: str, n_features: int | None = None) -> Batch:
    """Take a list of (T_i, D) arrays, or (B, T, D) with lengths.

    Raises
    ------
    TypeError
        For what is neither.
    ValueError
        For sequences that do not agree, or a NaN or infinity in a step that there is,
        naming it.
    """
    if isinstance(X, np.ndarray) and X.dtype != object:
        x = as_real_array(X, where, "X", ndim=3)
        ends = as_lengths(lengths, where, *x.shape[:2])
        if ends is None:
            ends = np.full(x.shape[0], x.shape[1], np.int64)
    elif isinstance(X, Sequence | np.ndarray) and not isinstance(X, str | bytes):
        if lengths is not None:
            fail(where, "lengths with one array (B, T, D) alone", "a list and lengths")
        x, ends = _padded(X, where)
    else:
        fail_type(where, "X as a list of arrays, or (B, T, D)", type(X).__name__)
    if n_features is not None and x.shape[2] != n_features:
        fail(where, f"X with {n_features} features", str(x.shape[2]))
    batch = Batch(_single(x, where), ends)
    valid = batch.valid
    batch.x[~valid] = 0
    wrong = valid & ~np.isfinite(batch.x).all(axis=2)
    if wrong.any():
        b, t = (int(i) for i in np.argwhere(wrong)[0])
        fail(where, "X finite", f"a NaN or infinity in sequence {b} at step {t}")
    return batch


def _padded(X: Any, where: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    arrays = [as_real_array(x, where, f"X[{b}]", ndim=2) for b, x in enumerate(X)]
    if not arrays:
        fail(where, "at least one sequence", "none")
    widths = {a.shape[1] for a in arrays}
    if len(widths) > 1:
        fail(where, "sequences with equally many features", f"{sorted(widths)}")
    ends = np.array([len(a) for a in arrays], np.int64)
    x = np.zeros((len(arrays), int(ends.max()), widths.pop()), np.float64)
    for to, a in zip(x, arrays, strict=True):
        to[: len(a)] = a
    return x, ends


def _single(x: NDArray[Any], where: str) -> NDArray[np.float32]:
    """A float32 copy; what overflows becomes infinite, which is refused after."""
    if x.shape[0] == 0:
        fail(where, "at least one sequence", "none")
    with np.errstate(over="ignore"):
        return x.astype(np.float32)
