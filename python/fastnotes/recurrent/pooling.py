"""From the outputs of all steps to one vector a sequence, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import RealArray

POOLINGS = ("last", "mean", "max")
#: No pooling: every step of every sequence, one after another.
STEPS = "steps"

Array = RealArray


class Pooling:
    """One way to pool h (B, T, W), zeros past the lengths, to (B, W).

    ``last`` is the state after each sequence's last step (of the second direction,
    which runs backwards, after its first), ``mean`` and ``max`` are over its steps. A
    sequence without steps pools to zeros. ``steps`` gives (sum of the lengths, W).
    """

    def __init__(self, kind: str, n_directions: int) -> None:
        self.kind = kind
        self._n_directions = n_directions
        self._shape: tuple[int, ...] = ()

    def forward(
        self,
        h: Array,
        states: Any,
        lengths: NDArray[np.int64],
        valid: NDArray[np.bool_],
    ) -> Array:
        """Pool; ``states`` are the last ones, (layers * directions, B, H) each."""
        self._shape = h.shape
        if self.kind == STEPS:
            self._valid = valid
            return h[valid]
        if self.kind == "last":
            hidden = states[0] if isinstance(states, tuple) else states
            top = hidden[-self._n_directions :]
            return np.ascontiguousarray(np.concatenate(list(top), axis=1))
        if self.kind == "mean":
            scale = (1 / np.maximum(lengths, 1)).astype(h.dtype)[:, None]
            self._scale = np.where(valid, scale, h.dtype.type(0))[:, :, None]
            return np.asarray(h.sum(axis=1) * scale)
        if h.shape[1] == 0:
            return np.zeros((h.shape[0], h.shape[2]), h.dtype)
        masked = np.where(valid[:, :, None], h, h.dtype.type(-np.inf))
        self._at = masked.argmax(axis=1)[:, None]
        self._some = (lengths > 0)[:, None]
        pooled = np.take_along_axis(masked, self._at, axis=1)[:, 0]
        return np.where(self._some, pooled, h.dtype.type(0))

    def backward(self, dpooled: Array, states: Any) -> tuple[Array, Any]:
        """Gradients of h, and of the last states (None where they are not used)."""
        dh = np.zeros(self._shape, dpooled.dtype)
        if self.kind == STEPS:
            dh[self._valid] = dpooled
            return dh, None
        if self.kind == "last":
            parts = np.split(dpooled, self._n_directions, axis=1)
            hidden = states[0] if isinstance(states, tuple) else states
            dlast = np.zeros_like(hidden)
            dlast[-self._n_directions :] = parts
            if isinstance(states, tuple):
                return dh, (dlast, np.zeros_like(states[1]))
            return dh, dlast
        if self.kind == "mean":
            return self._scale * dpooled[:, None], None
        if dh.shape[1] > 0:
            values = np.where(self._some, dpooled, dpooled.dtype.type(0))[:, None]
            np.put_along_axis(dh, self._at, values, axis=1)
        return dh, None
