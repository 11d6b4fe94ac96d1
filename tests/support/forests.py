"""Random tree ensembles whose siblings may lie anywhere behind their parent."""

from __future__ import annotations

import numpy as np

from fastnotes.boosting.trees import TreeEnsemble


def random_forest(
    rng, *, n_features=4, n_outputs=1, n_rounds=3, n_inner=6, categorical=(3,), base=0.0
) -> TreeEnsemble:
    """Trees of random shape over random splits; thresholds lie among small integers."""
    trees = [
        _random_tree(rng, n_features, n_inner, categorical)
        for _ in range(n_outputs * n_rounds)
    ]
    sets = [words for tree in trees for words in tree.pop("words")]

    def joined(name, dtype):
        return np.concatenate([np.asarray(tree[name], dtype) for tree in trees])

    sizes = [len(tree["feature"]) for tree in trees]
    lengths = [len(words) for words in sets]
    return TreeEnsemble(
        n_features=n_features,
        base_score=np.full(n_outputs, base),
        tree_offsets=np.cumsum([0, *sizes], dtype=np.int64),
        tree_output=np.tile(np.arange(n_outputs, dtype=np.int32), n_rounds),
        feature=joined("feature", np.int32),
        threshold=joined("threshold", np.float64),
        left=joined("left", np.int32),
        right=joined("right", np.int32),
        default_left=joined("default_left", np.bool_),
        value=joined("value", np.float32),
        gain=joined("gain", np.float32),
        cover=joined("cover", np.float32),
        category_offsets=np.cumsum([0, *lengths], dtype=np.int64),
        category_words=np.concatenate([np.zeros(0), *sets]).astype(np.uint32),
    ).check("tests")


def _random_tree(rng, n_features, n_inner, categorical):
    """Grow by turning random leaves into splits."""
    size = 2 * n_inner + 1
    tree = {
        "feature": np.full(size, -1),
        "threshold": np.zeros(size),
        "left": np.full(size, -1),
        "right": np.full(size, -1),
        "default_left": np.zeros(size, bool),
        "value": np.zeros(size),
        "gain": np.zeros(size),
        "cover": rng.integers(1, 50, size),
        "words": [np.zeros(0)] * size,
    }
    leaves = [0]
    for k in range(n_inner):
        node = leaves.pop(rng.integers(len(leaves)))
        feature = int(rng.integers(n_features))
        tree["feature"][node] = feature
        tree["default_left"][node] = rng.random() < 0.5
        tree["gain"][node] = rng.random() * 8
        tree["left"][node], tree["right"][node] = 2 * k + 1, 2 * k + 2
        if feature in categorical:
            n_words = int(rng.integers(1, 3))
            tree["words"][node] = rng.integers(0, 2**32, n_words)
        else:
            tree["threshold"][node] = rng.integers(-6, 7) / 2
        leaves += [2 * k + 1, 2 * k + 2]
    tree["value"][leaves] = rng.standard_normal(len(leaves))
    return _shuffled(rng, tree)


def _shuffled(rng, tree):
    """Number the nodes at random, parents before children but siblings anywhere."""
    order, waiting = [], [0]
    while waiting:
        node = waiting.pop(rng.integers(len(waiting)))
        order.append(node)
        if tree["feature"][node] >= 0:
            waiting += [tree["left"][node], tree["right"][node]]
    number = np.append(np.argsort(order), -1)  # a leaf's -1 stays
    moved = {name: [values[node] for node in order] for name, values in tree.items()}
    return moved | {side: number[moved[side]] for side in ("left", "right")}


def random_rows(rng, n_rows=40, n_features=4, categorical=(3,), missing=0.15):
    """float32 rows on and between the thresholds of ``random_forest``."""
    X = (rng.integers(-14, 15, (n_rows, n_features)) / 4).astype(np.float32)
    X[:, list(categorical)] = rng.integers(0, 80, (n_rows, len(categorical)))
    X[rng.random(X.shape) < missing] = np.nan
    return X
