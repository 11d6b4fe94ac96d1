"""A long text cut into streams that are read side by side, window by window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


class Window(NamedTuple):
    """(B, T) tokens, and for each the one that follows it; -1: none does."""

    inputs: Ids
    targets: Ids


class Streams:
    """Equally long streams of consecutive tokens, one below the other.

    Stream b continues where stream b - 1 ends, so that every token of ``ids`` but the
    first is a target once.

    Parameters
    ----------
    ids
        (n,) tokens, n >= 2.
    n_streams
        B, from 1 to n - 1.
    whole
        Take in the last tokens too where n - 1 is no multiple of B: the last stream
        then ends with targets -1. False leaves them out: fewer than B.
    """

    def __init__(self, ids: Ids, n_streams: int, *, whole: bool) -> None:
        n_targets = len(ids) - 1
        length = -(-n_targets // n_streams) if whole else n_targets // n_streams
        size = n_streams * length
        inputs, targets = ids[:-1], ids[1:]
        if size > n_targets:
            more = size - n_targets
            inputs, targets = (
                np.pad(inputs, (0, more)),
                np.pad(targets, (0, more), constant_values=-1),
            )
        self._inputs = inputs[:size].reshape(n_streams, length)
        self._targets = targets[:size].reshape(n_streams, length)
        self.n_targets = min(size, n_targets)

    def n_rows(self, n_steps: int) -> int:
        """Rows of all windows of ``n_steps``."""
        n_streams, length = self._inputs.shape
        return n_streams * -(-length // n_steps)

    def windows(self, n_steps: int) -> Iterator[Window]:
        """Yield windows of ``n_steps``, the last one of what is left."""
        for first in range(0, self._inputs.shape[1], n_steps):
            part = slice(first, first + n_steps)
            yield Window(
                np.ascontiguousarray(self._inputs[:, part]),
                np.ascontiguousarray(self._targets[:, part]),
            )
