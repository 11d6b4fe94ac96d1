"""Trees of a model in flat arrays: what growth makes and prediction reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import as_integer, describe, fail, fail_type


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """Decision trees whose leaves add up to margins.

    The nodes of all trees lie one after another; tree t has nodes ``tree_offsets[t]``
    to ``tree_offsets[t + 1] - 1``, its root first. ``left`` and ``right`` count from
    the tree's own root, and a child always lies behind its parent.

    At an inner node a row goes left if its value of column ``feature`` is at most
    ``threshold``; at a categorical node, if its category is in the node's set. NaN, and
    a negative category, goes where ``default_left`` says. A category beyond the end of
    the set goes right.

    The margin of a row for output k is ``base_score[k]`` plus the ``value`` of the leaf
    it reaches in each tree of that output, in float64 and in the order of the trees.

    Attributes
    ----------
    n_features : int
    base_score : float64 array of shape (n_outputs,)
        On the scale of margins.
    tree_offsets : int64 array of shape (n_trees + 1,)
    tree_output : int32 array of shape (n_trees,)
        Output that a tree adds to.
    feature : int32 array of shape (n_nodes,)
        Column of the split; -1 at a leaf.
    threshold : float64 array of shape (n_nodes,)
        0 at leaves and categorical nodes.
    left, right : int32 arrays of shape (n_nodes,)
        -1 at leaves.
    default_left : bool array of shape (n_nodes,)
    value : float32 array of shape (n_nodes,)
        What a leaf adds, learning rate included; at inner nodes what the node would
        have added as a leaf (0 where unknown).
    gain : float32 array of shape (n_nodes,)
        The notes' Gain of the split, with its 1/2 and - gamma; 0 at leaves.
    cover : float32 array of shape (n_nodes,)
        Sum of hessians of the training rows that reached the node.
    category_offsets : int64 array of shape (n_nodes + 1,)
        Node i's set is the words from ``category_offsets[i]`` to
        ``category_offsets[i + 1] - 1``; a node without words is not categorical.
    category_words : uint32 array
        Bit k % 32 of word k // 32 is set if category k goes left.
    """

    n_features: int
    base_score: NDArray[np.float64]
    tree_offsets: NDArray[np.int64]
    tree_output: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    default_left: NDArray[np.bool_]
    value: NDArray[np.float32]
    gain: NDArray[np.float32]
    cover: NDArray[np.float32]
    category_offsets: NDArray[np.int64]
    category_words: NDArray[np.uint32]

    @property
    def n_trees(self) -> int:
        """Number of trees, over all outputs."""
        return len(self.tree_output)

    @property
    def n_outputs(self) -> int:
        """Number of margins per row."""
        return len(self.base_score)

    @property
    def n_nodes(self) -> int:
        """Number of nodes, leaves included."""
        return len(self.feature)

    def select(self, first: int, last: int) -> TreeEnsemble:
        """Return trees first to last - 1 alone, with the same base score."""
        where = "boosting.TreeEnsemble.select"
        first = as_integer(first, where, "first", low=0, high=self.n_trees)
        last = as_integer(last, where, "last", low=first, high=self.n_trees)
        nodes = slice(int(self.tree_offsets[first]), int(self.tree_offsets[last]))
        offsets = self.category_offsets[nodes.start : nodes.stop + 1]
        words = self.category_words[offsets[0] : offsets[-1]]
        per_node = {name: getattr(self, name)[nodes] for name in _PER_NODE}
        return TreeEnsemble(
            n_features=self.n_features,
            base_score=self.base_score,
            tree_offsets=self.tree_offsets[first : last + 1] - nodes.start,
            tree_output=self.tree_output[first:last],
            category_offsets=offsets - offsets[0],
            category_words=words,
            **per_node,
        )

    def check(self, where: str) -> TreeEnsemble:
        """Return self if nothing in it could mislead a kernel; ValueError otherwise."""
        _check_arrays(self, where)
        _check_links(self, where)
        _check_values(self, where)
        return self


_PER_NODE = (
    "feature",
    "threshold",
    "left",
    "right",
    "default_left",
    "value",
    "gain",
    "cover",
)
_DTYPES: dict[str, Any] = {
    "base_score": np.float64,
    "tree_offsets": np.int64,
    "tree_output": np.int32,
    "feature": np.int32,
    "threshold": np.float64,
    "left": np.int32,
    "right": np.int32,
    "default_left": np.bool_,
    "value": np.float32,
    "gain": np.float32,
    "cover": np.float32,
    "category_offsets": np.int64,
    "category_words": np.uint32,
}


def concatenate(parts: Sequence[TreeEnsemble]) -> TreeEnsemble:
    """Return the trees of all parts in order; base score and columns of the first."""
    nodes = np.cumsum([0, *(part.n_nodes for part in parts)])
    words = np.cumsum([0, *(len(part.category_words) for part in parts)])

    def joined(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    def joined_offsets(name: str, starts: NDArray[np.int64]) -> Any:
        pieces = [
            getattr(part, name)[:-1] + start
            for part, start in zip(parts, starts, strict=False)
        ]
        return np.concatenate([*pieces, starts[-1:]])

    return TreeEnsemble(
        n_features=parts[0].n_features,
        base_score=parts[0].base_score,
        tree_offsets=joined_offsets("tree_offsets", nodes),
        tree_output=joined("tree_output"),
        category_offsets=joined_offsets("category_offsets", words),
        category_words=joined("category_words"),
        **{name: joined(name) for name in _PER_NODE},
    )


def _check_arrays(trees: TreeEnsemble, where: str) -> None:
    as_integer(trees.n_features, where, "n_features", low=0, high=2**31 - 1)
    for field in fields(trees):
        array = getattr(trees, field.name)
        if field.name not in _DTYPES:
            continue
        wanted = np.dtype(_DTYPES[field.name])
        if not isinstance(array, np.ndarray):
            fail_type(where, f"{field.name} as an array", type(array).__name__)
        if array.dtype != wanted or array.ndim != 1:
            fail(where, f"{field.name} of {wanted} and 1 dimension", describe(array))
        if not (array.flags.c_contiguous and array.flags.aligned):
            fail(where, f"{field.name} contiguous and aligned", "a strided array")
    n = trees.n_nodes
    for name in _PER_NODE:
        if len(getattr(trees, name)) != n:
            fail(where, f"{name} of shape ({n},)", str(getattr(trees, name).shape))
    if len(trees.base_score) == 0:
        fail(where, "at least one output", "none")
    _check_offsets(trees.tree_offsets, trees.n_trees, n, 1, where, "tree_offsets")
    n_words = len(trees.category_words)
    _check_offsets(trees.category_offsets, n, n_words, 0, where, "category_offsets")


def _check_offsets(
    offsets: NDArray[np.int64], n: int, total: int, least: int, where: str, name: str
) -> None:
    if (
        len(offsets) != n + 1
        or offsets[0] != 0
        or offsets[-1] != total
        or (np.diff(offsets) < least).any()
    ):
        fail(where, f"{name} ascending from 0 to {total}, {n + 1} of them", "others")


def _check_links(trees: TreeEnsemble, where: str) -> None:
    sizes = np.diff(trees.tree_offsets)
    start = np.repeat(trees.tree_offsets[:-1], sizes)
    position = np.arange(trees.n_nodes) - start
    inner = trees.feature >= 0
    if (trees.feature < -1).any() or (trees.feature >= trees.n_features).any():
        fail(where, f"features from -1 to {trees.n_features - 1}", "another")
    if ((trees.tree_output < 0) | (trees.tree_output >= trees.n_outputs)).any():
        fail(where, f"tree_output from 0 to {trees.n_outputs - 1}", "another")
    size = np.repeat(sizes, sizes)
    for name in ("left", "right"):
        child = getattr(trees, name)
        bad = np.where(inner, (child <= position) | (child >= size), child != -1)
        if bad.any():
            node = int(np.flatnonzero(bad)[0])
            expected = f"{name} child behind its parent and within its tree"
            fail(where, expected, f"{child[node]} at node {node}")
    parents = np.zeros(trees.n_nodes, np.int64)
    for child in (trees.left, trees.right):
        np.add.at(parents, start[inner] + child[inner], 1)
    if (parents != (position != 0)).any():
        fail(where, "one parent for every node but roots", "another number")


def _check_values(trees: TreeEnsemble, where: str) -> None:
    leaf = trees.feature < 0
    categorical = np.diff(trees.category_offsets) > 0
    if (leaf & categorical).any():
        fail(where, "categories at inner nodes alone", "some at a leaf")
    # +inf is an ordinary threshold: every value goes left, and only NaN right.
    if np.isnan(trees.threshold).any():
        fail(where, "thresholds that are numbers", "NaN")
    for name in ("base_score", "value"):
        if not np.isfinite(getattr(trees, name)).all():
            fail(where, f"{name} finite", "NaN or infinity")
