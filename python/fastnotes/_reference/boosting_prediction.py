"""Prediction and Shapley values of trees in NumPy: short, slow, right by inspection."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.boosting.trees import TreeEnsemble

Array = NDArray[Any]


def goes_left(trees: TreeEnsemble, node: int, value: float) -> bool:
    """Where a value goes at an inner node."""
    first, last = trees.category_offsets[node : node + 2]
    if np.isnan(value) or (last > first and value < 0):
        return bool(trees.default_left[node])
    if last == first:
        return bool(value <= trees.threshold[node])
    if value >= 32 * int(last - first):
        return False
    category = int(value)
    word = int(trees.category_words[first + category // 32])
    return bool(word >> category % 32 & 1)


def leaf(trees: TreeEnsemble, tree: int, x: Array) -> int:
    """Number of the leaf that a row reaches, from the tree's root."""
    root, node = int(trees.tree_offsets[tree]), 0
    while trees.feature[root + node] >= 0:
        value = float(x[trees.feature[root + node]])
        child = trees.left if goes_left(trees, root + node, value) else trees.right
        node = int(child[root + node])
    return node


def leaf_ids(trees: TreeEnsemble, X: Array) -> Array:
    """Leaves of all rows in all trees."""
    ids = [[leaf(trees, t, x) for t in range(trees.n_trees)] for x in X]
    return np.array(ids, np.int32).reshape(len(X), trees.n_trees)


def margins(trees: TreeEnsemble, X: Array) -> Array:
    """Base score and leaf values, added in float64 in the order of the trees."""
    out = np.tile(trees.base_score, (len(X), 1))
    for row, leaves in enumerate(leaf_ids(trees, X)):
        for t, node in enumerate(leaves):
            value = trees.value[trees.tree_offsets[t] + node]
            out[row, trees.tree_output[t]] += np.float64(value)
    return out


def expectation(trees: TreeEnsemble, tree: int, x: Array, known: set[int]) -> float:
    """Value of a tree where only the columns of ``known`` are known.

    At a split on another column both children count, by their share of the cover; by
    halves where neither has any (Lundberg et al. 2018, algorithm 1).
    """
    root = int(trees.tree_offsets[tree])

    def below(node: int) -> float:
        at = root + node
        if trees.feature[at] < 0:
            return float(trees.value[at])
        left, right = int(trees.left[at]), int(trees.right[at])
        column = int(trees.feature[at])
        if column in known:
            return below(left if goes_left(trees, at, float(x[column])) else right)
        cover = float(trees.cover[root + left]), float(trees.cover[root + right])
        share = cover[0] / sum(cover) if sum(cover) > 0 else 0.5
        return share * below(left) + (1 - share) * below(right)

    return below(0)


def coalition_values(
    trees: TreeEnsemble, x: Array, background: Array | None, columns: list[int]
) -> dict[frozenset[int], Array]:
    """Margins when only the columns of a coalition are known, for every coalition.

    Without a background the rest is averaged over the trees' covers, with one over its
    rows.
    """
    values = {}
    for size in range(len(columns) + 1):
        for coalition in itertools.combinations(columns, size):
            known = set(coalition)
            if background is None:
                total = trees.base_score.copy()
                for t in range(trees.n_trees):
                    total[trees.tree_output[t]] += expectation(trees, t, x, known)
            else:
                mixed = background.copy()
                mixed[:, coalition] = x[list(coalition)]
                total = margins(trees, mixed).mean(axis=0)
            values[frozenset(coalition)] = total
    return values


def used_columns(trees: TreeEnsemble) -> list[int]:
    """Columns that a tree splits on; the others have no influence."""
    return sorted(int(c) for c in np.unique(trees.feature[trees.feature >= 0]))


def contributions(trees: TreeEnsemble, X: Array, background: Any = None) -> Array:
    """Shapley values by the sum over all coalitions; the last column is v(nobody)."""
    columns = used_columns(trees)
    n = len(columns)
    out = np.zeros((len(X), trees.n_outputs, trees.n_features + 1))
    for row, x in enumerate(X):
        values = coalition_values(trees, x, background, columns)
        out[row, :, -1] = values[frozenset()]
        for coalition, value in values.items():
            s = len(coalition)
            for i in set(columns) - coalition:
                weight = math.factorial(s) * math.factorial(n - s - 1)
                gain = values[coalition | {i}] - value
                out[row, :, i] += weight / math.factorial(n) * gain
    return out


def interactions(trees: TreeEnsemble, X: Array) -> Array:
    """Shapley interaction values by the sum over all coalitions.

    Off the diagonal half the interaction index of a pair; on it what is left of the
    column's Shapley value; the last diagonal entry is v(nobody).
    """
    columns = used_columns(trees)
    n, width = len(columns), trees.n_features + 1
    out = np.zeros((len(X), trees.n_outputs, width, width))
    for row, x in enumerate(X):
        values = coalition_values(trees, x, None, columns)
        for coalition, value in values.items():
            s = len(coalition)
            for i, j in itertools.permutations(set(columns) - coalition, 2):
                weight = math.factorial(s) * math.factorial(n - s - 2)
                both = values[coalition | {i, j}] + value
                both = both - values[coalition | {i}] - values[coalition | {j}]
                out[row, :, i, j] += weight / math.factorial(n - 1) / 2 * both
    diagonal = np.arange(width)
    out[:, :, diagonal, diagonal] = contributions(trees, X) - out.sum(axis=-1)
    return out
