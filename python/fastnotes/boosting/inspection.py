"""Trees as text and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastnotes._validation import fail, fail_type
from fastnotes.boosting.model_files.forest import unpack_set
from fastnotes.boosting.trees import TreeEnsemble

#: Categories that a condition names before it counts the rest.
_NAMED = 6


def dump_trees(
    trees: TreeEnsemble,
    feature_names: Sequence[str] | None = None,
    *,
    categories: Sequence[Sequence[Any] | None] | None = None,
) -> str:
    """Return trees as text, a node a line.

    Parameters
    ----------
    trees : TreeEnsemble
    feature_names : sequence of str, optional
        Names of the columns; default f0, f1, ...
    categories : sequence over columns, optional
        Names of a column's levels by code, or None.

    Returns
    -------
    str
        At an inner node the condition under which a row goes to the first of the two
        nodes below it, where missing values go, the gain and the cover; at a leaf its
        value and cover.

    Raises
    ------
    ValueError
        If there is not a name for each column.
    """
    where = "boosting.dump_trees"
    names = column_names(trees, feature_names, where)
    lines = []
    for tree in range(trees.n_trees):
        of = f" of output {trees.tree_output[tree]}" if trees.n_outputs > 1 else ""
        lines.append(f"tree {tree}{of}")
        for node, depth in _walk(trees, tree):
            text = _node_text(trees, tree, node, names, categories)
            lines.append("  " * (depth + 1) + text)
    return "\n".join(lines)


def trees_to_dataframe(
    trees: TreeEnsemble,
    feature_names: Sequence[str] | None = None,
    *,
    categories: Sequence[Sequence[Any] | None] | None = None,
) -> Any:
    """Return the nodes of all trees as a pandas DataFrame with XGBoost's columns.

    Parameters
    ----------
    trees, feature_names, categories
        As for :func:`dump_trees`.

    Returns
    -------
    pandas.DataFrame
        A row per node: ``Tree``, ``Node``, ``ID``, ``Feature`` ("Leaf" at leaves),
        ``Split`` (a row goes to ``Yes`` if its value is <= it), ``Yes``, ``No``,
        ``Missing`` (IDs), ``Gain`` (the notes'; at a leaf its value), ``Cover``,
        ``Category`` (the levels that go to ``Yes``).

    Raises
    ------
    ImportError
        Without pandas.
    ValueError
        If there is not a name for each column.
    """
    where = "boosting.trees_to_dataframe"
    names = column_names(trees, feature_names, where)
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            f"[{where}] expected pandas to be installed, got none"
        ) from error
    sizes = np.diff(trees.tree_offsets)
    tree = np.repeat(np.arange(trees.n_trees), sizes)
    node = np.arange(trees.n_nodes) - np.repeat(trees.tree_offsets[:-1], sizes)
    leaf = trees.feature < 0
    plain = ~leaf & (np.diff(trees.category_offsets) == 0)
    identity = np.array([f"{t}-{i}" for t, i in zip(tree, node, strict=True)], object)
    start = np.repeat(trees.tree_offsets[:-1], sizes)

    def child(of: Any) -> Any:
        return np.where(leaf, np.nan, identity[np.where(leaf, 0, start + of)])

    default = np.where(trees.default_left, trees.left, trees.right)
    column = np.array([*names, "Leaf"], object)
    return pd.DataFrame(
        {
            "Tree": tree,
            "Node": node,
            "ID": identity,
            "Feature": column[trees.feature],
            "Split": np.where(plain, trees.threshold, np.nan),
            "Yes": child(trees.left),
            "No": child(trees.right),
            "Missing": child(default),
            "Gain": np.where(leaf, trees.value, trees.gain),
            "Cover": trees.cover,
            "Category": _category_column(trees, leaf | plain, categories),
        }
    )


def column_names(
    trees: TreeEnsemble, feature_names: Sequence[str] | None, where: str
) -> Sequence[str]:
    """Return a name for each column that the trees look at."""
    if not isinstance(trees, TreeEnsemble):
        fail_type(where, "a TreeEnsemble", type(trees).__name__)
    if feature_names is None:
        n_used = int(trees.feature.max(initial=-1)) + 1
        return [f"f{i}" for i in range(n_used)]
    if len(feature_names) != trees.n_features:
        got = str(len(feature_names))
        fail(where, f"feature_names of {trees.n_features} columns", got)
    return [str(name) for name in feature_names]


def condition(
    trees: TreeEnsemble,
    node: int,
    names: Sequence[str],
    categories: Sequence[Sequence[Any] | None] | None,
) -> tuple[str, str]:
    """Return the column and the relation under which a row goes left at a node."""
    feature = int(trees.feature[node])
    members = _members(trees, node, categories)
    if members is None:
        threshold = trees.threshold[node]
        if threshold == np.inf:
            return names[feature], "is known"
        return names[feature], f"<= {threshold:.6g}"
    shown = ", ".join(map(str, members[:_NAMED]))
    rest = len(members) - _NAMED
    more = f", {rest} more" if rest > 0 else ""
    return names[feature], f"in {{{shown}{more}}}"


def _members(
    trees: TreeEnsemble,
    node: int,
    categories: Sequence[Sequence[Any] | None] | None,
) -> list[Any] | None:
    """Return names (or codes) of a node's categories, None at a numeric one."""
    first, last = trees.category_offsets[node : node + 2]
    if first == last:
        return None
    codes: list[Any] = unpack_set(trees.category_words[first:last]).tolist()
    levels = None if categories is None else categories[int(trees.feature[node])]
    if levels is None:
        return codes
    return [levels[code] if code < len(levels) else code for code in codes]


def _category_column(trees: TreeEnsemble, without: Any, categories: Any) -> Any:
    column = np.full(trees.n_nodes, np.nan, object)
    for node in np.flatnonzero(~without):
        column[node] = _members(trees, int(node), categories)
    return column


def _walk(trees: TreeEnsemble, tree: int) -> Iterator[tuple[int, int]]:
    """Yield a tree's nodes and depths, a node before its left and right subtree."""
    start = int(trees.tree_offsets[tree])
    waiting = [(0, 0)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        if trees.feature[start + node] >= 0:
            waiting.append((int(trees.right[start + node]), depth + 1))
            waiting.append((int(trees.left[start + node]), depth + 1))


def _node_text(
    trees: TreeEnsemble,
    tree: int,
    node: int,
    names: Sequence[str],
    categories: Sequence[Sequence[Any] | None] | None,
) -> str:
    i = int(trees.tree_offsets[tree]) + node
    cover = f"cover {trees.cover[i]:.6g}"
    if trees.feature[i] < 0:
        return f"{node}: leaf {trees.value[i]:.6g}  ({cover})"
    text = " ".join(condition(trees, i, names, categories))
    first, second = int(trees.left[i]), int(trees.right[i])
    missing = first if trees.default_left[i] else second
    ways = f"yes {first}, no {second}, missing {missing}"
    return f"{node}: {text}  ({ways}; gain {trees.gain[i]:.6g}, {cover})"
