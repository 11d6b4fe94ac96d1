"""Random models: trees of any shape, with missing directions and categories."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.boosting.trees import TreeEnsemble, concatenate

#: Categories of a categorical column; sets have one word or two.
N_CATEGORIES = 40


def random_tree(
    rng: np.random.Generator,
    n_features: int,
    n_leaves: int,
    *,
    max_depth: int = 1000,
    n_cuts: int = 30,
    categorical: tuple[int, ...] = (),
    output: int = 0,
) -> TreeEnsemble:
    """One tree, split at random leaves; ``n_cuts`` distinct thresholds per column."""
    left, right, depth = [-1], [-1], [0]
    leaves = [0]
    while leaves and len(left) < 2 * n_leaves - 1:
        node = leaves.pop(int(rng.integers(len(leaves))))
        if depth[node] >= max_depth:
            continue
        left[node], right[node] = len(left), len(left) + 1
        left += [-1, -1]
        right += [-1, -1]
        depth += [depth[node] + 1] * 2
        leaves += [left[node], right[node]]
    n = len(left)
    inner = np.array(left) >= 0
    feature = np.where(inner, rng.integers(0, max(n_features, 1), n), -1)
    by_set = inner & np.isin(feature, categorical)
    threshold = np.round(rng.integers(-n_cuts // 2, n_cuts // 2, n) / 8, 3)
    words = [
        rng.integers(0, 2**32, 1 + k % 2, np.uint32) for k in np.flatnonzero(by_set)
    ]
    sizes = np.zeros(n, np.int64)
    sizes[by_set] = [len(w) for w in words]
    cover = np.zeros(n)
    cover[~inner] = rng.random(int((~inner).sum())) * 10
    for node in range(n - 1, -1, -1):
        if inner[node]:
            cover[node] = cover[left[node]] + cover[right[node]]
    return TreeEnsemble(
        n_features=n_features,
        base_score=np.zeros(output + 1),
        tree_offsets=np.array([0, n], np.int64),
        tree_output=np.array([output], np.int32),
        feature=feature.astype(np.int32),
        threshold=np.where(inner & ~by_set, threshold, 0.0),
        left=np.array(left, np.int32),
        right=np.array(right, np.int32),
        default_left=rng.random(n) < 0.5,
        value=rng.standard_normal(n).astype(np.float32),
        gain=np.where(inner, rng.random(n), 0).astype(np.float32),
        cover=cover.astype(np.float32),
        category_offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        category_words=np.concatenate([np.zeros(0, np.uint32), *words]),
    )


def random_trees(
    n_trees: int = 10,
    n_features: int = 5,
    n_leaves: int = 16,
    *,
    n_outputs: int = 1,
    seed: int = 0,
    **options: Any,
) -> TreeEnsemble:
    """Several trees, of outputs in turn."""
    rng = np.random.default_rng(seed)
    parts = [
        random_tree(rng, n_features, n_leaves, output=t % n_outputs, **options)
        for t in range(n_trees)
    ]
    base_score = rng.standard_normal(n_outputs)
    if not parts:
        parts = [random_tree(rng, n_features, 1).select(0, 0)]
    return replace(concatenate(parts), base_score=base_score)


def random_rows(
    n_rows: int,
    n_features: int = 5,
    *,
    seed: int = 1,
    categorical: tuple[int, ...] = (),
    missing: float = 0.2,
    dtype: type = np.float64,
) -> NDArray[Any]:
    """Rows on and around the thresholds, some values missing or infinite."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-20, 20, (n_rows, n_features)) / 8
    noisy = rng.random(X.shape) < 0.5
    X[noisy] += rng.standard_normal(int(noisy.sum()))
    X[rng.random(X.shape) < 0.02] = np.inf
    X[rng.random(X.shape) < 0.02] = -np.inf
    for column in categorical:
        X[:, column] = rng.integers(-1, N_CATEGORIES + 30, n_rows)
    X[rng.random(X.shape) < missing] = np.nan
    return X.astype(dtype)


_FIELDS = ("feature", "threshold", "left", "value", "gain", "cover", "tree_output")


def assert_same_trees(one: Any, other: Any) -> None:
    """Two estimators have grown the same trees."""
    for name in _FIELDS:
        left, right = getattr(one.trees_, name), getattr(other.trees_, name)
        np.testing.assert_array_equal(left, right)
