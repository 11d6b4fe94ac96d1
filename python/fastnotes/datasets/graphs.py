"""Loaders of graphs, and a generator of power-law graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import as_integer, as_real, fail
from fastnotes.datasets._describe import documented
from fastnotes.datasets._files import DataHome, read_single_npz
from fastnotes.datasets._registry import REGISTRY
from fastnotes.datasets._results import GraphDataset

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_MAX_DRAWING_ROUNDS = 64


def symmetric_adjacency(edges: NDArray[Any], n_nodes: int) -> csr_array:
    """Return the float32 adjacency of ones for undirected links ``edges[:, k]``.

    A link listed twice, or in both directions, counts once.
    """
    from scipy.sparse import csr_array

    ends = np.concatenate([edges, edges[::-1]], axis=1).astype(np.int64)
    keys = np.unique(ends[0] * n_nodes + ends[1])
    rows, columns = np.divmod(keys, max(n_nodes, 1))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_nodes))])
    return csr_array(
        (
            np.ones(len(keys), np.float32),
            columns.astype(np.int32),
            indptr.astype(np.int32),
        ),
        shape=(n_nodes, n_nodes),
    )


def _read_graph(name: str, data_home: DataHome, *, features: bool) -> GraphDataset:
    from scipy.sparse import csr_array

    info = REGISTRY[name]
    keys = ["y", "edges", "train_idx", "val_idx", "test_idx"]
    feature_keys = ["x_data", "x_indices", "x_indptr", "x_shape"] if features else []
    arrays = read_single_npz(info, data_home, *keys, *feature_keys)
    y = arrays["y"].astype(np.int64)
    matrix = None
    if features:
        matrix = csr_array(
            (
                arrays["x_data"].astype(np.float32),
                arrays["x_indices"].astype(np.int32),
                arrays["x_indptr"].astype(np.int32),
            ),
            shape=tuple(arrays["x_shape"].tolist()),
        )
        matrix.sort_indices()
    return GraphDataset(
        info=info,
        adjacency=symmetric_adjacency(arrays["edges"], len(y)),
        X=matrix,
        y=y,
        train_idx=arrays["train_idx"].astype(np.int64),
        val_idx=arrays["val_idx"].astype(np.int64),
        test_idx=arrays["test_idx"].astype(np.int64),
    )


@documented("amazon_computers")
def load_amazon_computers(*, data_home: DataHome = None) -> GraphDataset:
    """Amazon Computers: products bought together, by product class.

    Returns
    -------
    GraphDataset
        13,752 nodes, 245,861 links, 767 binary features (35 % non-zero), 10 classes.
        The full graph, with its isolated nodes.
    """
    return _read_graph("amazon_computers", data_home, features=True)


@documented("coauthor_cs")
def load_coauthor_cs(*, data_home: DataHome = None) -> GraphDataset:
    """Coauthor CS: authors of computer science, by field.

    Returns
    -------
    GraphDataset
        18,333 nodes, 81,894 links, 6,805 keyword counts, 15 classes.
    """
    return _read_graph("coauthor_cs", data_home, features=True)


@documented("coauthor_physics")
def load_coauthor_physics(*, data_home: DataHome = None) -> GraphDataset:
    """Coauthor Physics: authors of physics, by field; the largest graph here.

    Returns
    -------
    GraphDataset
        34,493 nodes, 247,962 links, 8,415 keyword counts, 5 classes.
    """
    return _read_graph("coauthor_physics", data_home, features=True)


@documented("cora")
def load_cora(*, data_home: DataHome = None) -> GraphDataset:
    """Cora: papers that cite one another, by subject.

    Returns
    -------
    GraphDataset
        2,708 nodes, 5,278 links (5,429 in the source before duplicates and reversals
        are merged), 1,433 binary words, 7 classes; 140 / 500 / 1,000 nodes.
    """
    return _read_graph("cora", data_home, features=True)


@documented("cora_ml")
def load_cora_ml(*, data_home: DataHome = None) -> GraphDataset:
    """Cora-ML: machine-learning papers with real-valued (TF-IDF) features.

    Returns
    -------
    GraphDataset
        2,995 nodes, 8,158 links, 2,879 features, 7 classes.
    """
    return _read_graph("cora_ml", data_home, features=True)


@documented("pubmed_structure")
def load_pubmed_structure(*, data_home: DataHome = None) -> GraphDataset:
    """Pubmed citations without the features: for structure and speed.

    Returns
    -------
    GraphDataset
        19,717 nodes, 44,327 links of which 3 are self-loops, 3 classes; ``X`` is None.
    """
    return _read_graph("pubmed_structure", data_home, features=False)


def make_power_law_graph(
    n_nodes: int,
    mean_degree: float = 8.0,
    exponent: float = 2.5,
    *,
    random_state: int | None = 0,
) -> csr_array:
    """Generate an undirected graph whose degrees follow a power law.

    Not real data: a stand-in for speed where no graph is at hand. Both ends of each
    link are drawn with probability proportional to ``rank ** (-1 / (exponent - 1))``
    (Chung & Lu 2002), self-loops are dropped and repeats drawn again; the nodes are
    numbered at random.

    Parameters
    ----------
    n_nodes : int
        At least 2.
    mean_degree : float
        Mean number of neighbours, over 0 and at most ``(n_nodes - 1) / 2``.
    exponent : float
        The number of nodes of degree d falls as ``d ** -exponent``; over 2.
    random_state : int or None
        Seed; the same seed gives the same graph under one NumPy version.

    Returns
    -------
    csr_array of shape (n_nodes, n_nodes)
        float32 ones, symmetric, no self-loops, ``2 * round(n_nodes * mean_degree / 2)``
        entries (fewer only where the hubs are saturated).

    Raises
    ------
    TypeError
        An argument is no number, or a whole one is due.
    ValueError
        An argument is out of its range.
    """
    where = "datasets.make_power_law_graph"
    n_nodes = as_integer(n_nodes, where, "n_nodes", low=2)
    mean_degree = as_real(mean_degree, where, "mean_degree", high=(n_nodes - 1) / 2)
    exponent = as_real(exponent, where, "exponent")
    if mean_degree <= 0:
        fail(where, "mean_degree > 0", str(mean_degree))
    if exponent <= 2:
        fail(where, "exponent > 2", str(exponent))
    if random_state is not None:
        random_state = as_integer(random_state, where, "random_state", low=0)
    rng = np.random.default_rng(random_state)
    weights = np.arange(1, n_nodes + 1) ** (-1 / (exponent - 1))
    cumulative = np.cumsum(rng.permutation(weights))
    n_links = round(n_nodes * mean_degree / 2)
    links = np.empty(0, np.int64)  # u * n_nodes + v with u < v, in the order drawn
    for _ in range(_MAX_DRAWING_ROUNDS):
        draws = rng.random((2, n_links)) * cumulative[-1]
        ends = np.searchsorted(cumulative, draws, side="right").clip(max=n_nodes - 1)
        low, high = ends.min(axis=0), ends.max(axis=0)
        drawn = (low * n_nodes + high)[low < high]
        links = np.concatenate([links, drawn])
        _, first = np.unique(links, return_index=True)
        links = links[np.sort(first)][:n_links]
        if len(links) == n_links:
            break
    return symmetric_adjacency(np.stack(np.divmod(links, n_nodes)), n_nodes)
