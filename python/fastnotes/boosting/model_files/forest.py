"""From node tables as files have them to a checked TreeEnsemble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import fail
from fastnotes.boosting.trees import TreeEnsemble

_MOST_WORDS = 2**26
#: XGBoost takes no category from here on.
MOST_CATEGORIES = 2**24


@dataclass(eq=False)
class NodeTable:
    """Nodes of all trees one after another, with nothing checked but their lengths.

    Children count from the tree's own root. ``unused`` marks nodes that a file may keep
    without a parent.
    """

    sizes: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    default_left: NDArray[np.bool_]
    value: NDArray[np.float32]
    gain: NDArray[np.float32]
    cover: NDArray[np.float32]
    category_offsets: NDArray[np.int64]
    category_words: NDArray[np.uint32]
    unused: NDArray[np.bool_]

    def has_set(self) -> NDArray[np.bool_]:
        """Tell the nodes with a set that holds anything."""
        node = np.repeat(np.arange(len(self.left)), np.diff(self.category_offsets))
        found = np.zeros(len(self.left), np.bool_)
        found[node[self.category_words != 0]] = True
        return found

    def numeric_splits(self) -> NDArray[np.int64]:
        """Return the numbers of the inner nodes without such a set."""
        return np.flatnonzero((self.left >= 0) & ~self.has_set())


def build_forest(
    table: NodeTable,
    *,
    n_features: int,
    base_score: NDArray[np.float64],
    tree_output: NDArray[np.int64],
    where: str,
) -> TreeEnsemble:
    """Return the trees, their nodes renumbered only where they have to be.

    A child that lies before its parent, or an unused node, makes every tree number its
    nodes by levels. Cycles, shared children and lost nodes are errors.
    """
    inner = table.left >= 0
    start = np.repeat(_offsets(table.sizes)[:-1], table.sizes)
    _check_children(table, inner, start, where)
    node = np.arange(len(start))
    behind = np.minimum(start + table.left, start + table.right) > node
    if table.unused.any() or not behind[inner].all():
        n_used = np.count_nonzero(~table.unused)
        table = by_levels(table)
        if len(table.left) != n_used:
            fail(where, "nodes that hang on their root", "a cycle, or others")
        inner = table.left >= 0
    if (inner & ((table.feature < 0) | (table.feature >= n_features))).any():
        fail(where, f"columns from 0 to {n_features - 1}", "another")
    for name in ("gain", "cover"):
        if np.isnan(getattr(table, name)).any():
            fail(where, f"{name} of every node as a number", "NaN")
    categorical = np.diff(table.category_offsets) > 0
    return TreeEnsemble(
        n_features=n_features,
        base_score=base_score,
        tree_offsets=_offsets(table.sizes),
        tree_output=tree_output.astype(np.int32),
        feature=np.where(inner, table.feature, -1).astype(np.int32),
        threshold=np.where(inner & ~categorical, table.threshold, 0.0),
        left=table.left.astype(np.int32),
        right=table.right.astype(np.int32),
        default_left=table.default_left & inner,
        value=table.value,
        gain=np.where(inner, table.gain, np.float32(0)),
        cover=table.cover,
        category_offsets=table.category_offsets,
        category_words=table.category_words,
    ).check(where)


def join_tables(tables: list[NodeTable]) -> NodeTable:
    """Return the trees of all tables as one table."""

    def joined(name: str, empty: Any) -> Any:
        return np.concatenate([empty, *(getattr(table, name) for table in tables)])

    integers, single = np.zeros(0, np.int64), np.zeros(0, np.float32)
    flags = np.zeros(0, np.bool_)
    lengths = [np.diff(table.category_offsets) for table in tables]
    return NodeTable(
        sizes=joined("sizes", integers),
        left=joined("left", integers),
        right=joined("right", integers),
        feature=joined("feature", integers),
        threshold=joined("threshold", np.zeros(0)),
        default_left=joined("default_left", flags),
        value=joined("value", single),
        gain=joined("gain", single),
        cover=joined("cover", single),
        category_offsets=np.cumsum(
            np.concatenate([np.zeros(1, np.int64), *lengths]), dtype=np.int64
        ),
        category_words=joined("category_words", np.zeros(0, np.uint32)),
        unused=joined("unused", flags),
    )


def pack_sets(
    node: NDArray[np.int64], category: NDArray[np.int64], n_nodes: int, where: str
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Return offsets and words of the sets that hold ``category[i]`` at ``node[i]``."""
    n_words = np.zeros(n_nodes, np.int64)
    np.maximum.at(n_words, node, category // 32 + 1)
    offsets = _offsets(n_words)
    if offsets[-1] > _MOST_WORDS:
        fail(where, f"sets of categories of at most {4 * _MOST_WORDS} bytes", "more")
    words = np.zeros(offsets[-1], np.uint32)
    bits = np.left_shift(np.uint32(1), (category % 32).astype(np.uint32))
    np.bitwise_or.at(words, offsets[node] + category // 32, bits)
    return offsets, words


def unpack_set(words: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return the categories of one node's set, ascending."""
    return np.flatnonzero(
        np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
    )


def _offsets(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def _check_children(
    table: NodeTable, inner: NDArray[np.bool_], start: NDArray[np.int64], where: str
) -> None:
    size = np.repeat(table.sizes, table.sizes)
    for name in ("left", "right"):
        child = getattr(table, name)
        bad = np.where(inner, (child < 0) | (child >= size), child != -1)
        if bad.any():
            node = int(np.flatnonzero(bad)[0])
            tree = int(np.searchsorted(np.cumsum(table.sizes), node, side="right"))
            got = f"{child[node]} at node {node - start[node]} of tree {tree}"
            fail(where, f"{name} children within their tree", got)
    parents = np.zeros(len(table.left), np.int64)
    for child in (table.left, table.right):
        np.add.at(parents, (start + child)[inner], 1)
    roots = start == np.arange(len(start))
    if (parents > 1).any() or parents[roots].any():
        fail(where, "at most one parent for a node and none for a root", "more")
    if ((parents == 0) & ~roots & ~table.unused).any():
        fail(where, "nodes that hang on their root", "one without a parent")


def by_levels(table: NodeTable) -> NodeTable:
    """Return the nodes that hang on roots by levels, siblings side by side."""
    start = np.repeat(_offsets(table.sizes)[:-1], table.sizes)
    level = np.unique(start)
    levels = [np.zeros(0, np.int64)]
    while len(level):
        levels.append(level)
        parents = level[table.left[level] >= 0]
        pairs = [start[parents] + child[parents] for child in (table.left, table.right)]
        level = np.stack(pairs, axis=1).ravel()
    order = np.concatenate(levels)
    return _renumber(table, order[np.argsort(start[order], kind="stable")], start)


def _renumber(
    table: NodeTable, order: NDArray[np.int64], start: NDArray[np.int64]
) -> NodeTable:
    tree = np.repeat(np.arange(len(table.sizes)), table.sizes)[order]
    sizes = np.bincount(tree, minlength=len(table.sizes)).astype(np.int64)
    number = np.empty(len(start), np.int64)
    number[order] = np.arange(len(order)) - np.repeat(_offsets(sizes)[:-1], sizes)
    moved: dict[str, Any] = {
        name: getattr(table, name)[order]
        for name in ("feature", "threshold", "default_left", "value", "gain", "cover")
    }
    for name in ("left", "right"):
        child = getattr(table, name)[order]
        target = number[np.maximum(start[order] + child, 0)]
        moved[name] = np.where(child >= 0, target, -1)
    lengths = np.diff(table.category_offsets)[order]
    offsets = _offsets(lengths)
    shift = np.repeat(table.category_offsets[:-1][order] - offsets[:-1], lengths)
    words = table.category_words[shift + np.arange(offsets[-1])]
    return NodeTable(
        sizes=sizes,
        category_offsets=offsets,
        category_words=words,
        unused=table.unused[order],
        **moved,
    )
