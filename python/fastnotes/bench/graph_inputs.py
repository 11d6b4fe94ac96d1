"""Generated graphs of known size and skew, for timing where no data set is at hand.

Each is a SciPy CSR array of ones with int32 indices, symmetric and without self-loops,
and depends on its seed alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy.sparse

Indices = npt.NDArray[np.integer]


def chung_lu(
    n_nodes: int, n_entries: int, *, exponent: float = 0.5, seed: int = 0
) -> scipy.sparse.csr_array:
    """Endpoints drawn with probability proportional to rank ** -exponent.

    Repeated edges count once, so the stored entries are a little fewer than asked.
    """
    rng = np.random.default_rng(seed)
    cumulative = np.cumsum(np.arange(1, n_nodes + 1, dtype=np.float64) ** -exponent)
    names = rng.permutation(n_nodes).astype(np.int32)
    uniform = rng.random((2, n_entries // 2)) * cumulative[-1]
    ranks = np.searchsorted(cumulative, uniform, side="right").clip(max=n_nodes - 1)
    return _symmetric(names[ranks[0]], names[ranks[1]], n_nodes)


def rmat(
    scale: int,
    n_entries: int,
    *,
    probabilities: tuple[float, float, float, float] = (0.57, 0.19, 0.19, 0.05),
    seed: int = 0,
) -> scipy.sparse.csr_array:
    """Recursive-matrix graph of 2 ** scale nodes with permuted names.

    Source: Chakrabarti, Zhan and Faloutsos, "R-MAT", SDM 2004.
    """
    rng = np.random.default_rng(seed)
    n_nodes, n_edges = 1 << scale, n_entries // 2
    source = np.zeros(n_edges, dtype=np.int32)
    target = np.zeros(n_edges, dtype=np.int32)
    first, second, third = np.cumsum(probabilities)[:3]
    for _ in range(scale):
        draw = rng.random(n_edges)
        source = 2 * source + (draw >= second)
        target = 2 * target + (((draw >= first) & (draw < second)) | (draw >= third))
    names = rng.permutation(n_nodes).astype(np.int32)
    return _symmetric(names[source], names[target], n_nodes)


def grid(side: int) -> scipy.sparse.csr_array:
    """Square grid of side * side nodes in row order, four neighbours each."""
    nodes = np.arange(side * side, dtype=np.int32).reshape(side, side)
    source = np.concatenate([nodes[:, :-1].ravel(), nodes[:-1].ravel()])
    target = np.concatenate([nodes[:, 1:].ravel(), nodes[1:].ravel()])
    return _symmetric(source, target, side * side)


def _symmetric(
    source: Indices, target: Indices, n_nodes: int
) -> scipy.sparse.csr_array:
    """Both directions of every edge, once; self-loops dropped."""
    proper = source != target
    source, target = source[proper], target[proper]
    pairs = (np.concatenate([source, target]), np.concatenate([target, source]))
    ones = np.ones(len(pairs[0]), dtype=np.float32)
    A = scipy.sparse.coo_array((ones, pairs), shape=(n_nodes, n_nodes)).tocsr()
    A.sum_duplicates()
    A.data[:] = 1.0
    return A


GRAPHS: dict[str, Callable[[], scipy.sparse.csr_array]] = {
    "cora_like": lambda: chung_lu(2_708, 10_700, seed=1),
    "pubmed_like": lambda: chung_lu(19_717, 89_000, seed=2),
    "grid_1m": lambda: grid(1_000),
    "reddit_like": lambda: chung_lu(200_000, 20_200_000, seed=3),
    "rmat_1m": lambda: rmat(20, 16_600_000, seed=4),
}
