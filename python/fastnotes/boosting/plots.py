"""Pictures of a model: importances, a tree, the history of training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnotes._plots import GRID, INK, LINES, QUIET, draw_curves, new_axes, plain
from fastnotes._validation import as_integer, as_real, fail, fail_type
from fastnotes.boosting.inspection import column_names, condition
from fastnotes.boosting.trees import TreeEnsemble

_POSITIVE, _NEGATIVE = LINES[:2]
#: Size of a leaf's place and of a level, in inches.
_LEAF_WIDTH, _LEVEL_HEIGHT = 1.5, 1.5
_LONGEST_NAME = 28
#: Characters in a line of a box, and its font.
_LINE, _FONT = 18, 8.5


def plot_importance(
    importances: Mapping[str, float],
    *,
    max_features: int | None = 20,
    xlabel: str = "importance",
    ax: Any = None,
) -> Any:
    """Draw importances as bars, the largest on top.

    Parameters
    ----------
    importances : mapping from column name to importance
    max_features : int or None, default=20
        Columns to show; None shows all.
    xlabel : str
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError, ValueError
        If there is nothing to draw, or something that is not a finite number.
    """
    where = "boosting.plot_importance"
    if not isinstance(importances, Mapping):
        fail_type(where, "importances as a mapping", type(importances).__name__)
    values = {str(k): as_real(v, where, str(k)) for k, v in importances.items()}
    if not values:
        fail(where, "importances of at least one column", "none")
    ranked = sorted(values.items(), key=lambda item: -item[1])
    if max_features is not None:
        ranked = ranked[: as_integer(max_features, where, "max_features", low=1)]
    if ax is None:
        ax = new_axes(where, (6.4, 1.0 + 0.3 * len(ranked)))
    places = np.arange(len(ranked))[::-1]
    bars = ax.barh(places, [v for _, v in ranked], height=0.66, color=_POSITIVE)
    ax.bar_label(
        bars, [f"{v:.3g}" for _, v in ranked], padding=4, color=QUIET, fontsize=8
    )
    ax.set_yticks(places, [_short(name) for name, _ in ranked])
    ax.set_ylim(-0.6, len(ranked) - 0.4)
    ax.margins(x=0.12)
    if not any(value for _, value in ranked):
        ax.set_xlim(0, 1)
    ax.set_xlabel(xlabel)
    ax.grid(axis="x", color=GRID)
    plain(ax, ("top", "right", "left"))
    ax.tick_params(axis="y", length=0)
    if len(ranked) < len(values):
        title = f"{len(ranked)} of {len(values)} columns"
        ax.set_title(title, fontsize=9, color=QUIET, loc="right")
    return ax


def plot_tree(
    trees: TreeEnsemble,
    tree: int = 0,
    *,
    feature_names: Sequence[str] | None = None,
    categories: Sequence[Sequence[Any] | None] | None = None,
    max_depth: int | None = 3,
    ax: Any = None,
) -> Any:
    """Draw one tree.

    A row for which the condition in a box holds goes down to the left; the heavier
    line is the way of missing values. A leaf's colour is the sign of its value, and the
    deeper the larger.

    Parameters
    ----------
    trees : TreeEnsemble
    tree : int, default=0
    feature_names : sequence of str, optional
        Names of the columns; default f0, f1, ...
    categories : sequence over columns, optional
        Names of a column's levels by code, or None.
    max_depth : int or None, default=3
        Levels of splits to draw; what lies below is only counted. None draws all.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure as large as the tree needs.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        If there is no such tree or not a name for each column.
    """
    where = "boosting.plot_tree"
    names = [_short(name) for name in column_names(trees, feature_names, where)]
    tree = as_integer(tree, where, "tree", low=0, high=trees.n_trees - 1)
    if max_depth is not None:
        max_depth = as_integer(max_depth, where, "max_depth", low=0)
    boxes = _layout(trees, tree, max_depth)
    n_leaves = 1 + max(box.x for box in boxes.values())
    depth = max(box.depth for box in boxes.values())
    if ax is None:
        width = max(4.0, _LEAF_WIDTH * n_leaves)
        ax = new_axes(where, (width, max(1.6, _LEVEL_HEIGHT * (depth + 1))))
    ax.set_xlim(-0.6, n_leaves - 0.4)
    ax.set_ylim(-depth - 0.5, 0.5)
    ax.set_axis_off()
    size = _font_size(ax, n_leaves)
    leaves = [i for i in boxes if trees.feature[i] < 0]
    largest = float(np.abs(trees.value[leaves]).max(initial=0.0)) or 1.0
    for box in boxes.values():
        _draw_edges(ax, trees, box, boxes, size)
    for box in boxes.values():
        text, face, edge = _appearance(trees, box, names, categories, largest)
        ax.text(
            box.x,
            -box.depth,
            text,
            ha="center",
            va="center",
            fontsize=size,
            color=INK,
            linespacing=1.35,
            bbox={"boxstyle": "round,pad=0.45", "fc": face, "ec": edge, "lw": 1.0},
            zorder=3,
        )
    return ax


def plot_history(
    evals_result: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    metric: str | None = None,
    best_round: int | None = None,
    ax: Any = None,
) -> Any:
    """Draw a metric of every evaluation set against the rounds.

    Parameters
    ----------
    evals_result : mapping from set to mapping from metric to values by round
        As ``evals_result_``.
    metric : str, optional
        Which metric; default the last one, which early stopping watches.
    best_round : int, optional
        Round to mark, as ``best_iteration``.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        If no set has the metric, or there is no such round.
    """
    where = "boosting.plot_history"
    metric, curves = _curves(evals_result, metric, where)
    return draw_curves(
        curves, where, unit="round", best=best_round, ylabel=metric, ax=ax
    )


def _curves(
    evals_result: Any, metric: str | None, where: str
) -> tuple[str, dict[str, list[float]]]:
    if not isinstance(evals_result, Mapping):
        fail_type(where, "evals_result as a mapping", type(evals_result).__name__)
    names = {name: None for per_set in evals_result.values() for name in per_set}
    if not names:
        fail(where, "evals_result with a metric", "none")
    if metric is None:
        metric = list(names)[-1]
    curves = {
        str(name): [float(value) for value in per_set[metric]]
        for name, per_set in evals_result.items()
        if metric in per_set and len(per_set[metric])
    }
    if not curves:
        known = ", ".join(map(repr, names))
        fail(where, f"a metric with values, of {known}", repr(metric))
    return metric, curves


@dataclass
class _Box:
    """A drawn node: its number in the ensemble, place, and drawn children."""

    node: int
    x: float
    depth: int
    children: tuple[int, ...]
    n_hidden: int = 0


def _layout(trees: TreeEnsemble, tree: int, max_depth: int | None) -> dict[int, _Box]:
    """Place nodes: what has no children drawn side by side, parents in the middle."""
    start = int(trees.tree_offsets[tree])
    boxes: dict[int, _Box] = {}
    n_ends = 0
    waiting = [(start, 0)]
    while waiting:
        node, depth = waiting.pop()
        pair = (start + int(trees.left[node]), start + int(trees.right[node]))
        inner = trees.feature[node] >= 0
        if inner and (max_depth is None or depth < max_depth):
            boxes[node] = _Box(node, 0.0, depth, pair)
            waiting += [(child, depth + 1) for child in reversed(pair)]
            continue
        hidden = sum(1 for _ in _below(trees, start, node)) if inner else 0
        boxes[node] = _Box(node, float(n_ends), depth, (), hidden)
        n_ends += 1
    # A child has a larger number than its parent.
    for node in sorted(boxes, reverse=True):
        if boxes[node].children:
            boxes[node].x = sum(boxes[c].x for c in boxes[node].children) / 2
    return boxes


def _below(trees: TreeEnsemble, start: int, node: int) -> Iterator[int]:
    waiting = [node]
    while waiting:
        i = waiting.pop()
        yield i
        if trees.feature[i] >= 0:
            waiting += [start + int(trees.left[i]), start + int(trees.right[i])]


def _draw_edges(
    ax: Any, trees: TreeEnsemble, box: _Box, boxes: dict[int, _Box], size: float
) -> None:
    for side, child in enumerate(box.children):
        to = boxes[child]
        takes_missing = trees.default_left[box.node] == (side == 0)
        ax.plot(
            [box.x, to.x],
            [-box.depth, -to.depth],
            color="#9a9a9a",
            lw=2.2 if takes_missing else 0.9,
            solid_capstyle="round",
            zorder=1,
        )
        if box.depth == 0:
            words = ["no" if side else "yes"] + ["missing"] * bool(takes_missing)
            ax.text(
                (box.x + to.x) / 2,
                -(box.depth + to.depth) / 2,
                ", ".join(words),
                ha="center",
                va="center",
                fontsize=size,
                color=QUIET,
                bbox={"fc": "white", "ec": "none", "pad": 1.5},
                zorder=2,
            )


def _appearance(
    trees: TreeEnsemble,
    box: _Box,
    names: Sequence[str],
    categories: Any,
    largest: float,
) -> tuple[str, str, str]:
    """Return text, face and edge colour of a box."""
    node = box.node
    cover = f"cover {trees.cover[node]:.4g}"
    if box.n_hidden:
        return f"{box.n_hidden} nodes\n{cover}", "#f7f7f7", "#c4c4c4"
    if box.children:
        text = _broken(*condition(trees, node, names, categories))
        return f"{text}\ngain {trees.gain[node]:.4g}\n{cover}", "white", "#9a9a9a"
    value = float(trees.value[node])
    if value == 0:
        return f"0\n{cover}", "white", "#9a9a9a"
    colour = _POSITIVE if value > 0 else _NEGATIVE
    strength = 0.1 + 0.5 * abs(value) / largest
    return f"{value:+.4g}\n{cover}", _tint(colour, strength), colour


def _tint(colour: str, strength: float) -> str:
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    mixed = [round(255 + (part - 255) * strength) for part in parts]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _broken(name: str, relation: str) -> str:
    """Break a long condition before its relation, and a set between members."""
    relation = relation.replace("<=", "\N{LESS-THAN OR EQUAL TO}")
    if len(name) + len(relation) < _LINE:
        return f"{name} {relation}"
    lines = [name, ""]
    for word in relation.split(", "):
        if lines[-1] and len(lines[-1]) + len(word) > _LINE:
            lines[-1] += ","
            lines.append(word)
        else:
            lines[-1] += f", {word}" if lines[-1] else word
    return "\n".join(lines)


def _font_size(ax: Any, n_leaves: float) -> float:
    """Return a size at which neighbouring boxes stay apart."""
    inches = ax.get_window_extent().width / ax.figure.dpi
    return float(np.clip(_FONT * inches / (_LEAF_WIDTH * n_leaves), 3.0, _FONT))


def _short(name: str) -> str:
    if len(name) <= _LONGEST_NAME:
        return name
    return name[: _LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"
