"""Rows and columns drawn for a round, by Philox."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native

#: Philox purpose of a tree's columns.
COLUMNS_PURPOSE = 0x626F6F05


class RowSampler:
    """Rows of each round; its memory is reused, so a sample lives for one round."""

    def __init__(self, n_rows: int, chance: float, seed: int, n_threads: int) -> None:
        self._chance, self._seed, self._n_threads = chance, seed, n_threads
        self._rows = np.empty(n_rows if chance < 1 else 0, np.int32)

    def draw(self, round_: int) -> NDArray[np.int32] | None:
        """Ascending rows, each kept with the same chance; None means all."""
        if self._chance >= 1:
            return None
        n = native.boosting.sample_rows(
            self._chance, self._seed, round_, self._rows, self._n_threads
        )
        return self._rows[:n]


def sample_columns(
    n_columns: int, share: float, seed: int, trees: range
) -> NDArray[np.bool_] | None:
    """Masks of max(1, floor(share * n)) columns, one a tree; None means all.

    Drawn without return: those with the smallest words of the Philox blocks (column,
    tree, purpose).
    """
    if share >= 1:
        return None
    counter = np.zeros((len(trees), n_columns, 4), np.uint32)
    counter[..., 0] = np.arange(n_columns)
    counter[..., 1] = np.reshape(trees, (-1, 1))
    counter[..., 2] = COLUMNS_PURPOSE
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)
    words = native.runtime.philox4x32(counter.reshape(-1, 4), key)[:, 0]
    order = np.argsort(words.reshape(len(trees), -1), axis=1, kind="stable")
    masks = np.zeros(order.shape, bool)
    np.put_along_axis(masks, order[:, : max(1, int(share * n_columns))], True, axis=1)
    return masks
