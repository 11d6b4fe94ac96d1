"""Lists of edges as CSR, against a dense loop, SciPy, and their own laws."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from fastnotes._reference import graph as reference
from fastnotes.graph import from_edges, laplacian_matmul
from support.sweeps import AWKWARD_SIZES, DTYPES, assert_same_bytes
from support.tolerances import REDUCTION

#: Several buckets, of rows and of threads; more than a short list.
LARGE = 300_000


def random_edges(n: int, m: int, seed: int = 0):
    return np.random.default_rng(seed).integers(0, max(n, 1), (2, m if n else 0))


def parts(A: scipy.sparse.csr_array):
    return A.indptr, A.indices, A.data


# ------------------------------------------------------------------ values


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("n", AWKWARD_SIZES)
def test_matches_the_reference(n, directed):
    edges = random_edges(n, 3 * n, seed=n)
    weights = np.random.default_rng(n).standard_normal(edges.shape[1])
    A = from_edges(edges, n, directed=directed)
    np.testing.assert_array_equal(
        A.toarray(), reference.from_edges(edges, n, None, directed)
    )
    A = from_edges(edges, n, weights, directed=directed)
    expected = reference.from_edges(edges, n, weights, directed)
    REDUCTION.assert_close(A.toarray(), expected)


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize(("n", "m"), [(70_000, LARGE), (50_000, 90_000)])
def test_matches_scipy(n, m, directed):
    edges = random_edges(n, m)
    edges[0, : m // 4] = 7  # one row longer than a bucket
    weights = np.random.default_rng(1).uniform(0.5, 2.0, m)
    rows, columns = edges
    data = weights
    if not directed:
        loops = rows == columns
        rows, columns = (
            np.concatenate([rows, columns[~loops]]),
            np.concatenate([columns, rows[~loops]]),
        )
        data = np.concatenate([weights, weights[~loops]])
    expected = scipy.sparse.coo_array((data, (rows, columns)), shape=(n, n)).tocsr()
    expected.sum_duplicates()
    got = from_edges(edges, n, weights, directed=directed)
    np.testing.assert_array_equal(got.indptr, expected.indptr)
    np.testing.assert_array_equal(got.indices, expected.indices)
    REDUCTION.assert_close(got.data, expected.data)


def test_known_small_ones():
    A = from_edges([[3, 0, 3, 1], [0, 3, 0, 1]], 4, [1.0, 2.0, 4.0, 8.0])
    assert A.toarray().tolist() == [
        [0, 0, 0, 7],
        [0, 8, 0, 0],
        [0, 0, 0, 0],
        [7, 0, 0, 0],
    ]
    B = from_edges([[3, 0, 3, 1], [0, 3, 0, 1]], 4, directed=True)
    assert B.toarray().tolist() == [
        [0, 0, 0, 1],
        [0, 1, 0, 0],
        [0, 0, 0, 0],
        [1, 0, 0, 0],
    ]


def test_entries_that_cancel_are_kept():
    A = from_edges([[0, 0], [1, 1]], 2, [1.0, -1.0])
    assert (A.nnz, A.data.tolist()) == (2, [0.0, 0.0])


@pytest.mark.parametrize("n_nodes", [0, 1, 5])
def test_no_edges(n_nodes):
    for edges in (np.empty((2, 0), np.int32), [[], []]):
        A = from_edges(edges, n_nodes)
        assert (A.shape, A.nnz) == ((n_nodes, n_nodes), 0)


def test_nodes_at_the_far_end():
    """Column 2**21 - 2 of a graph of that many nodes: many digits, few edges."""
    n = 2**21 - 1
    A = from_edges([[n - 1, 0], [n - 2, n - 1]], n)
    assert A.indptr.dtype == A.indices.dtype == np.int32
    rows, columns = A.nonzero()
    assert rows.tolist() == [0, n - 2, n - 1, n - 1]
    assert columns.tolist() == [n - 1, n - 1, 0, n - 2]


# ------------------------------------------------------------------ bits and laws


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("directed", [False, True])
def test_threads_do_not_change_a_bit(directed, weighted):
    n = 80_000
    edges = random_edges(n, LARGE, seed=3)
    weights = np.random.default_rng(0).standard_normal(LARGE).astype(np.float32)
    results = [
        parts(
            from_edges(
                edges,
                n,
                weights if weighted else None,
                directed=directed,
                n_threads=n_threads,
            )
        )
        for n_threads in (1, 2, 7)
    ]
    for other in results[1:]:
        assert_same_bytes(other, results[0])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("directed", [False, True])
def test_short_and_long_lists_have_one_order_of_sums(directed, weighted):
    """The nodes decide which way is taken; the entries are the same to the byte."""
    edges = random_edges(500, 4000, seed=3)
    weights = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    options = {"weights": weights if weighted else None, "directed": directed}
    short = from_edges(edges, 500, **options)
    for n in (70_000, 2**20):
        long = from_edges(edges, n, **options)
        assert_same_bytes((long.indices, long.data), (short.indices, short.data))
        np.testing.assert_array_equal(long.indptr[:501], short.indptr)
        assert (long.indptr[501:] == short.nnz).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype):
    edges = random_edges(20, 60)
    weights = np.random.default_rng(0).uniform(size=60).astype(dtype)
    A = from_edges(edges, 20, weights)
    assert A.dtype == dtype
    assert A.has_canonical_format
    assert_same_bytes(
        parts(A),
        parts(from_edges(edges.astype(np.int32), 20, weights.tolist()))
        if dtype == np.float64
        else parts(from_edges(edges.astype(np.int32), 20, weights)),
    )


@given(st.data())
def test_laws(data):
    n = data.draw(st.integers(1, 9))
    node = st.integers(0, n - 1)
    pairs = data.draw(st.lists(st.tuples(node, node), max_size=30))
    edges = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    weights = np.array(
        data.draw(
            st.lists(
                st.floats(-4, 4, width=16), min_size=len(pairs), max_size=len(pairs)
            )
        )
    )
    A = from_edges(edges, n, weights)
    A.check_format(full_check=True)
    # Symmetric to the bit, and the direction of an edge does not matter.
    assert_same_bytes(A.toarray(), np.ascontiguousarray(A.toarray().T))
    assert_same_bytes(parts(from_edges(edges[::-1], n, weights)), parts(A))
    # Both directions listed by hand are the directed graph of both.
    proper = edges[0] != edges[1]
    both = np.concatenate([edges, edges[::-1, proper]], axis=1)
    doubled = from_edges(both, n, np.append(weights, weights[proper]), directed=True)
    REDUCTION.assert_close(doubled.toarray(), A.toarray())
    # The transpose of a directed graph is the list turned round.
    forward = from_edges(edges, n, weights, directed=True)
    back = from_edges(edges[::-1], n, weights, directed=True)
    assert_same_bytes(back.toarray(), np.ascontiguousarray(forward.toarray().T))
    # Listing edges again changes nothing without weights.
    assert_same_bytes(
        parts(from_edges(np.tile(edges, 2), n)), parts(from_edges(edges, n))
    )


def test_the_result_is_a_graph_of_this_room():
    A = from_edges(random_edges(30, 90), 30)
    assert laplacian_matmul(A, np.ones(30)).shape == (30,)


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([[0, 1]], 2), ValueError, r"edges of shape \(2, m\)"),
        (([[0, 1], [1, 0], [0, 0]], 2), ValueError, r"edges of shape \(2, m\)"),
        (([0, 1], 2), ValueError, r"edges with 2 dimension"),
        (([[0.0, 1.0], [1.0, 0.0]], 2), TypeError, "edges of integers"),
        (([[0, 2], [1, 0]], 2), ValueError, r"n_nodes - 1 = 1, got edges\[0, 1\] = 2"),
        (([[0, 1], [0, -1]], 2), ValueError, r"got edges\[1, 1\] = -1"),
        (([[0, 2**40], [0, 1]], 2), ValueError, "= 1099511627776"),
        (([[0], [0]], 0), ValueError, "nodes from 0"),
        (([[0], [0]], 2**31), ValueError, "n_nodes from 0 to 2147483647"),
        (([[0], [0]], -1), ValueError, "n_nodes from 0"),
        (([[0], [0]], 2.0), TypeError, "n_nodes as an integer"),
        (([[0], [0]], 2, [1.0, 2.0]), ValueError, r"weights of shape \(1,\)"),
        (([[0], [0]], 2, [np.nan]), ValueError, r"finite weights, got weights\[0\]"),
        (([[0], [0]], 2, [-np.inf]), ValueError, "finite weights"),
        (([[0], [0]], 2, ["a"]), TypeError, "weights of real numbers"),
        ((np.array([[2**63], [0]], np.uint64), 2), ValueError, r"below 2\*\*63"),
    ],
)
def test_bad_input(arguments, error, words):
    with pytest.raises(error, match=rf"^\[graph.from_edges\] expected .*{words}"):
        from_edges(*arguments)


@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_the_first_fault_is_named_whatever_the_threads(n_threads):
    edges = random_edges(100, LARGE)
    for n_nodes, m in ((100, 130_000), (100, LARGE)):
        edges[0, [m - 9, 120_001]] = n_nodes
        with pytest.raises(ValueError, match=r"edges\[0, 120001\] = 100"):
            from_edges(edges[:, :m], n_nodes, n_threads=n_threads)
