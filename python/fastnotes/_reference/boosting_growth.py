"""Growth of a whole tree in NumPy: every split of every node, sums in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._reference.boosting import soft_threshold
from fastnotes.boosting.growth import MISSING_CODE, GrownTree, GrowthParameters

Array = NDArray[Any]
Bounds = tuple[float, float]


@dataclass
class _Candidate:
    """A split of a node, with what its children become."""

    gain: float
    feature: int
    bin: int
    default_left: bool
    goes_left: Array  # by code, missing included
    is_categorical: bool
    bounds: tuple[Bounds, Bounds]


@dataclass
class _Node:
    rows: Array  # all rows that reach it
    depth: int
    bounds: Bounds
    path: frozenset[int]
    G: float
    H: float
    split: _Candidate | None = None
    children: tuple[int, int] | None = field(default=None)


class _Grower:
    """Data and rules of one tree."""

    def __init__(
        self,
        bins: Array,
        column_bins: Array,
        grad: Array,
        hess: Array,
        parameters: GrowthParameters,
        categorical: Array | None,
        rows: Array | None,
        columns: Callable[[int, int], Array] | Array | None,
    ) -> None:
        n_rows, n_columns = bins.shape
        self.bins, self.column_bins = bins, column_bins
        self.grad, self.hess = grad.astype(np.float64), hess.astype(np.float64)
        self.p = parameters
        nothing = np.zeros(n_columns, bool)
        self.categorical = nothing if categorical is None else categorical
        self.monotone = np.zeros(n_columns, int)
        if parameters.monotone is not None:
            self.monotone[:] = parameters.monotone
        self.sampled = np.zeros(n_rows, bool)
        self.sampled[slice(None) if rows is None else rows] = True
        self.columns = columns
        self.nodes: list[_Node] = []

    def weight(self, G: float, H: float, bounds: Bounds) -> float:
        """-G / (H + lambda) within the step and the monotone bounds."""
        if H + self.p.reg_lambda <= 0:
            return 0.0
        w = -float(soft_threshold(G, self.p.reg_alpha)) / (H + self.p.reg_lambda)
        step = self.p.max_delta_step
        if step > 0:
            w = min(max(w, -step), step)
        return min(max(w, bounds[0]), bounds[1])

    def score(self, G: float, H: float, w: float) -> float:
        """What weight w takes from the objective; 1/2 G^2 / (H + lambda) at w*."""
        lam, alpha = self.p.reg_lambda, self.p.reg_alpha
        return -(G * w + 0.5 * (H + lam) * w * w + alpha * abs(w))

    def allowed(self, node: int) -> Array:
        """Columns that this node may split on."""
        columns = self.columns
        if callable(columns):
            columns = columns(self.nodes[node].depth, node)
        mask = np.ones(self.bins.shape[1], bool) if columns is None else columns.copy()
        path = self.nodes[node].path
        if self.p.interaction is not None and path:
            sets = [set(s) for s in self.p.interaction if path <= set(s)]
            reachable = set(path).union(*sets)
            mask &= np.isin(np.arange(len(mask)), sorted(reachable))
        return mask

    def add_node(
        self, rows: Array, depth: int, bounds: Bounds, path: frozenset[int]
    ) -> int:
        used = rows[self.sampled[rows]]
        G, H = float(self.grad[used].sum()), float(self.hess[used].sum())
        self.nodes.append(_Node(rows, depth, bounds, path, G, H))
        number = len(self.nodes) - 1
        if self.p.max_depth == 0 or depth < self.p.max_depth:
            self.nodes[number].split = self.best_split(number, used)
        return number

    def best_split(self, number: int, used: Array) -> _Candidate | None:
        """Every column, partition and missing direction in turn; the first best."""
        best: _Candidate | None = None
        node = self.nodes[number]
        if node.H + self.p.reg_lambda <= 0:
            return None
        for c in np.flatnonzero(self.allowed(number)).tolist():
            sums = np.zeros((256, 3))  # G, H and rows of every code
            values = (self.grad[used], self.hess[used], np.ones(len(used)))
            np.add.at(sums, self.bins[used, c], np.stack(values, axis=1))
            for b, known_left in self.partitions(c, sums):
                for default_left in (False, True):
                    goes_left = known_left.copy()
                    goes_left[MISSING_CODE] = default_left
                    found = self.candidate(node, c, b, sums, goes_left)
                    if found and found.gain > (best.gain if best else 0.0):
                        best = found
        return best

    def partitions(self, c: int, sums: Array) -> Iterator[tuple[int, Array]]:
        """(bin, codes that go left) of every way to part a column's known codes."""
        n = int(self.column_bins[c])
        codes = np.arange(256)
        if not self.categorical[c]:
            for b in range(n):
                yield b, codes <= b
        elif n < self.p.max_cat_to_onehot:
            for k in range(n):
                yield -1, codes == k
        else:
            present = np.flatnonzero(sums[:n, 2] > 0)
            statistic = sums[present, 0] / (sums[present, 1] + self.p.cat_smooth)
            order = present[np.argsort(statistic, kind="stable")]
            most = self.p.max_cat_threshold
            for k in range(1, len(order) + 1):
                if min(k, len(order) - k) <= most:
                    yield -1, np.isin(codes, order[:k])

    def candidate(
        self, node: _Node, c: int, b: int, sums: Array, goes_left: Array
    ) -> _Candidate | None:
        """The split if it is admissible."""
        counts = sums[:, 2]
        G_left, H_left = sums[goes_left, :2].sum(axis=0)
        G_right, H_right = sums[~goes_left, :2].sum(axis=0)
        least = min(H_left, H_right)
        if least < self.p.min_child_weight or least + self.p.reg_lambda <= 0:
            return None
        if not (counts[goes_left].any() and counts[~goes_left].any()):
            return None
        w_left = self.weight(G_left, H_left, node.bounds)
        w_right = self.weight(G_right, H_right, node.bounds)
        direction = self.monotone[c]
        if direction * (w_right - w_left) < 0:
            return None
        gain = (
            self.score(G_left, H_left, w_left)
            + self.score(G_right, H_right, w_right)
            - self.score(node.G, node.H, self.weight(node.G, node.H, node.bounds))
            - self.p.gamma
        )
        low, high = node.bounds
        middle = 0.5 * (w_left + w_right)
        bounds: tuple[Bounds, Bounds] = (node.bounds, node.bounds)
        if direction > 0:
            bounds = ((low, middle), (middle, high))
        elif direction < 0:
            bounds = ((middle, high), (low, middle))
        categorical = bool(self.categorical[c])
        default_left = bool(goes_left[MISSING_CODE])
        return _Candidate(gain, c, b, default_left, goes_left, categorical, bounds)

    def expand(self, number: int) -> None:
        """Make the children of a node that has a split."""
        node = self.nodes[number]
        split = node.split
        assert split is not None  # noqa: S101
        goes = split.goes_left[self.bins[node.rows, split.feature]]
        path = node.path | {int(split.feature)}
        children = [
            self.add_node(node.rows[side], node.depth + 1, bounds, path)
            for side, bounds in zip((goes, ~goes), split.bounds, strict=True)
        ]
        node.children = (children[0], children[1])

    def grow(self) -> None:
        """Split until nothing gains, or the leaves are used up."""
        everything = np.arange(len(self.bins))
        self.add_node(everything, 0, (-np.inf, np.inf), frozenset())
        open_leaves = [0]
        n_leaves = 1
        while open_leaves:
            open_leaves = [i for i in open_leaves if self.nodes[i].split]
            if not open_leaves or n_leaves == self.p.max_leaves:
                return
            best = open_leaves[0]  # the first made is the least deep
            if self.p.grow_policy == "lossguide":
                best = max(open_leaves, key=lambda i: (self.nodes[i].split.gain, -i))  # type: ignore[union-attr]
            open_leaves.remove(best)
            self.expand(best)
            open_leaves += self.nodes[best].children or ()
            n_leaves += 1


def grow_tree(
    bins: Array,
    column_bins: Array,
    grad: Array,
    hess: Array,
    parameters: GrowthParameters,
    *,
    categorical: Array | None = None,
    rows: Array | None = None,
    columns: Callable[[int, int], Array] | Array | None = None,
) -> GrownTree:
    """Grow one tree as Chen and Guestrin (2016), algorithm 1, over all bins.

    A leaf's weight is -G / (H + lambda), within ``max_delta_step`` and the bounds that
    monotone columns above it leave; a split gains what the objective loses by it, with
    the weights of both children and of the parent, less gamma. Equal gains: the lower
    column, then the lower bin (category; place in the order), then missing to the
    right. Children of a monotone split are parted by the mean of their weights.
    Depth-wise growth takes the first made leaf, best-first the one of largest gain;
    equal ones: the first made.

    ``columns`` is a mask, or gives one for (depth, node).
    """
    g = _Grower(bins, column_bins, grad, hess, parameters, categorical, rows, columns)
    g.grow()
    n = len(g.nodes)
    split = [node.split if node.children else None for node in g.nodes]
    value = [g.weight(v.G, v.H, v.bounds) * parameters.learning_rate for v in g.nodes]
    left_bins = np.zeros((n, 8), np.uint32)
    leaf_of_row = np.zeros(len(bins), np.int32)
    for i, node in enumerate(g.nodes):
        s = split[i]
        if s is None:
            leaf_of_row[node.rows] = i
        elif s.is_categorical:
            for code in np.flatnonzero(s.goes_left[:MISSING_CODE]):
                left_bins[i, code // 32] |= np.uint32(1 << (code % 32))
    return GrownTree(
        feature=np.array([s.feature if s else -1 for s in split], np.int32),
        bin=np.array([s.bin if s else -1 for s in split], np.int32),
        default_left=np.array([bool(s and s.default_left) for s in split]),
        left=np.array([v.children[0] if v.children else -1 for v in g.nodes], np.int32),
        right=np.array(
            [v.children[1] if v.children else -1 for v in g.nodes], np.int32
        ),
        value=np.array(value, np.float32),
        gain=np.array([s.gain if s else 0.0 for s in split], np.float32),
        cover=np.array([v.H for v in g.nodes], np.float32),
        is_categorical=np.array([bool(s and s.is_categorical) for s in split]),
        left_bins=left_bins,
        leaf_of_row=leaf_of_row,
    )
