"""Adjacencies from lists of edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._memory import memory_of
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    as_array,
    as_index_array,
    as_integer,
    as_real_array,
    describe,
    fail,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: Columns are 32-bit.
MOST_NODES = 2**31 - 1


def from_edges(
    edges: ArrayLike,
    n_nodes: int,
    weights: ArrayLike | None = None,
    *,
    directed: bool = False,
    n_threads: int | None = None,
) -> csr_array:
    """Return the adjacency of a list of edges, in any order.

    Parameters
    ----------
    edges
        (2, m) integers from 0 to ``n_nodes - 1``: edge e leads from ``edges[0, e]`` to
        ``edges[1, e]``.
    n_nodes
        Nodes, below 2**31.
    weights
        (m,) finite numbers, one for each edge: those of repeated edges add up. None:
        an edge is there or not, with weight 1 however often it is listed.
    directed
        False: an edge is stored in both directions, so list it once (with weights, an
        edge listed in both directions has the sum of both). A self-loop is one entry.
    n_threads
        Threads; None takes the default. The result is the same bytes for any count.

    Returns
    -------
    scipy.sparse.csr_array of shape (n_nodes, n_nodes)
        Rows sorted, no duplicates; entries that add up to 0 are kept. float32 for
        float32 weights, else float64.

    Raises
    ------
    TypeError
        For edges that are no integers, weights that are not real.
    ValueError
        For other shapes, a node out of range, a weight that is NaN or infinite.

    Notes
    -----
    Weights add up in float64 in the order of the list; without ``directed`` the result
    is symmetric to the bit. O(m): short lists take two counting sorts; entries of long
    ones are spread over buckets of rows, each sorted by its digits while it is in the
    cache. Scratch is about 8 bytes for each edge and each entry, 16 with weights.

    Examples
    --------
    >>> from fastnotes.graph import from_edges
    >>> A = from_edges([[0, 2, 0], [1, 1, 1]], 3)
    >>> A.toarray()
    array([[0., 1., 0.],
           [1., 0., 1.],
           [0., 1., 0.]])
    """
    from scipy.sparse import csr_array

    where = "graph.from_edges"
    count = as_integer(n_nodes, where, "n_nodes", low=0, high=MOST_NODES)
    ends = _as_ends(edges, where)
    values = None
    if weights is not None:
        values = as_real_array(weights, where, "weights", ndim=1)
        if len(values) != ends.shape[1]:
            fail(where, f"weights of shape ({ends.shape[1]},)", str(values.shape))
    threads = resolve_n_threads(n_threads, where)
    with memory_of(where):
        indptr, indices, data = native.graph.from_edges(
            ends, count, values, not directed, threads
        )
        if len(indices) <= np.iinfo(np.int32).max:  # SciPy keeps both alike
            indptr = indptr.astype(np.int32)
        A = csr_array((data, indices, indptr), shape=(count, count))
    A.has_canonical_format = True
    return A


def _as_ends(edges: Any, where: str) -> NDArray[np.integer[Any]]:
    """Both ends as they are if int32, else as int64."""
    array = as_array(edges, where, "edges")
    if array.dtype != np.int32 or not array.dtype.isnative or array.ndim != 2:
        array = as_index_array(edges, where, "edges", ndim=2)
    if array.shape[0] != 2:
        fail(where, "edges of shape (2, m)", describe(array))
    return np.require(array, requirements=("C", "A"))
