"""Graphs for the tests of the graph room."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from hypothesis import strategies as st

KINDS = ("renormalized", "adjacency", "laplacian", "random_walk")


def random_graph(
    n: int,
    *,
    weighted: bool = False,
    directed: bool = False,
    degree: float = 4.0,
    seed: int = 0,
) -> scipy.sparse.csr_array:
    """About `degree` entries a row, some self-loops, some isolated nodes."""
    rng = np.random.default_rng(seed)
    m = round(n * degree / 2)
    rows, columns = rng.integers(0, max(n, 1), (2, m))
    weights = rng.uniform(0.1, 3.0, m) if weighted else np.ones(m)
    triplets = (weights, (rows, columns))
    A = scipy.sparse.coo_array(triplets, shape=(n, n)).tocsr()
    if not weighted:
        A.data[:] = 1.0
    if not directed:
        A = A.maximum(A.T).tocsr()
    A.sort_indices()
    return A


#: Lengths of rows around the edges of rounds (8, 32) and runs (256).
ROW_LENGTHS = (0, 1, 7, 8, 9, 31, 32, 33, 255, 256, 257, 511, 512, 513, 700, 2, 0)


def hub_graph(
    *, weighted: bool = False, n: int = 777, seed: int = 0
) -> scipy.sparse.csr_array:
    """Directed, the rows of ROW_LENGTHS among short ones, unsorted columns."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 6, n)
    lengths[rng.choice(n, len(ROW_LENGTHS), replace=False)] = ROW_LENGTHS
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    columns = [rng.choice(n, length, replace=False) for length in lengths]
    indices = np.concatenate(columns).astype(np.int32)
    data = rng.uniform(0.1, 3.0, len(indices)) if weighted else np.ones(len(indices))
    return scipy.sparse.csr_array((data, indices, indptr), shape=(n, n))


def cycle(n: int) -> scipy.sparse.csr_array:
    """Cycle of n >= 3 nodes."""
    i = np.arange(n)
    return undirected(n, i, (i + 1) % n)


def path(n: int) -> scipy.sparse.csr_array:
    """Path of n nodes."""
    i = np.arange(n - 1)
    return undirected(n, i, i + 1)


def complete(n: int) -> scipy.sparse.csr_array:
    """Every pair of n nodes."""
    return scipy.sparse.csr_array(np.ones((n, n)) - np.eye(n))


def complete_bipartite(n_left: int, n_right: int) -> scipy.sparse.csr_array:
    """Every pair across two sides."""
    block = np.ones((n_left, n_right))
    zeros = [np.zeros((k, k)) for k in (n_left, n_right)]
    return scipy.sparse.csr_array(np.block([[zeros[0], block], [block.T, zeros[1]]]))


def undirected(n: int, source: Any, target: Any) -> scipy.sparse.csr_array:
    """Unit edges in both directions."""
    pairs = (np.concatenate([source, target]), np.concatenate([target, source]))
    return scipy.sparse.coo_array((np.ones(len(pairs[0])), pairs), shape=(n, n)).tocsr()


@st.composite
def graphs(draw: st.DrawFn, max_nodes: int = 12) -> scipy.sparse.coo_array:
    """Any small graph: directed, weighted, duplicates, loops, isolated nodes."""
    n = draw(st.integers(1, max_nodes))
    nodes = st.integers(0, n - 1)
    weights = st.one_of(st.just(1.0), st.floats(0.125, 8.0, width=32))
    entries = draw(st.lists(st.tuples(nodes, nodes, weights), max_size=4 * n))
    rows, columns, data = zip(*entries, strict=True) if entries else ((), (), ())
    indices = (np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64))
    return scipy.sparse.coo_array((np.array(data, dtype=float), indices), shape=(n, n))
