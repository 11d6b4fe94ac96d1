"""Products of the four operators against dense references and exact spectra."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from fastnotes._core import native
from fastnotes._reference import graph as reference
from fastnotes.graph import (
    GraphOperator,
    laplacian_matmul,
    normalized_laplacian,
    renormalized_adjacency,
)
from support.graphs import (
    KINDS,
    complete,
    complete_bipartite,
    cycle,
    graphs,
    path,
    random_graph,
)
from support.sweeps import (
    AWKWARD_SIZES,
    DTYPES,
    THREADS,
    assert_same_bytes,
    same_bytes_for_threads,
)
from support.tolerances import PUBLISHED, REDUCTION

WEIGHTED_DIRECTED = [(False, False), (False, True), (True, False), (True, True)]


def features(n: int, *shape: int, dtype: type = np.float64, seed: int = 1):
    return np.random.default_rng(seed).standard_normal((n, *shape)).astype(dtype)


# ------------------------------------------------------------------ against reference


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", AWKWARD_SIZES)
def test_matches_reference_for_any_number_of_nodes(n, kind, dtype):
    for weighted, directed in WEIGHTED_DIRECTED:
        A = random_graph(n, weighted=weighted, directed=directed, seed=n)
        X = features(n, 5, dtype=dtype)
        operator = GraphOperator(A, kind)
        expected = reference.laplacian_matrix(A, kind)
        assert (operator @ X).dtype == dtype
        REDUCTION.assert_close(operator @ X, expected @ X.astype(float))
        REDUCTION.assert_close(operator.T @ X, expected.T @ X.astype(float))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_columns", [*AWKWARD_SIZES, 63, 64, 65, 128, 200])
def test_matches_reference_for_any_number_of_columns(n_columns, dtype):
    for weighted, directed in WEIGHTED_DIRECTED:
        A = random_graph(40, weighted=weighted, directed=directed)
        X = features(40, n_columns, dtype=dtype)
        got = laplacian_matmul(A, X, kind="laplacian")
        expected = reference.laplacian_matmul(A, X.astype(float), "laplacian")
        REDUCTION.assert_close(got, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_single_columns(kind, dtype):
    A = random_graph(33, weighted=True, directed=True)
    x = features(33, dtype=dtype)
    operator = GraphOperator(A, kind)
    assert_same_bytes(operator @ x, (operator @ x[:, None])[:, 0])
    assert_same_bytes(operator.rmatmul(x), operator.T.matmul(x[:, None])[:, 0])


# ------------------------------------------------------------------ bits


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_threads_do_not_change_a_bit(weighted, kind, dtype):
    A = random_graph(5000, weighted=weighted, directed=True, degree=12.0)
    X = features(5000, 17, dtype=dtype)

    def run(n_threads: int):
        operator = GraphOperator(A, kind, n_threads=n_threads)
        return operator @ X, *operator.backward(X, X, edge_weights=True)

    same_bytes_for_threads(run)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_column_does_not_depend_on_the_other_columns(weighted, dtype):
    A = random_graph(300, weighted=weighted, directed=True, degree=20.0)
    X = features(300, 70, dtype=dtype)
    operator = GraphOperator(A, "laplacian")
    whole = operator @ X
    for first, last in [(0, 1), (3, 20), (5, 69), (64, 70)]:
        part = operator @ X[:, first:last]
        assert_same_bytes(part, np.ascontiguousarray(whole[:, first:last]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_packing_the_features_does_not_change_a_bit(kind, weighted, dtype):
    A = random_graph(200, weighted=weighted, directed=True, degree=12.0)
    operator = GraphOperator(A, kind)
    for n_columns in (1, 15, 16, 64, 70, 130):
        X = features(200, n_columns, dtype=dtype)
        packed = np.empty_like(X)
        scratch = np.empty(X.size, dtype=dtype)
        factors = operator._prepared(X.dtype, False)
        native.graph.laplacian_matmul(*factors, X, packed, scratch, 2)
        assert_same_bytes(packed, operator @ X)


def test_large_features_are_packed():
    """The public call packs these, and single columns of them are read in place."""
    A = random_graph(70_000, degree=26.0)
    X = features(70_000, 130, dtype=np.float32)
    operator = GraphOperator(A, "laplacian")
    first, second = operator @ X, operator @ X
    assert len(operator._spare_scratch) == 1
    assert_same_bytes(first, second)
    part = operator @ X[:, 60:70]
    assert_same_bytes(np.ascontiguousarray(first[:, 60:70]), part)


def test_a_row_does_not_depend_on_the_other_rows():
    A = random_graph(50, weighted=True, directed=True)
    B = scipy.sparse.block_diag([A, random_graph(400, weighted=True)], format="csr")
    X = features(450, 20, dtype=np.float32)
    assert_same_bytes(laplacian_matmul(A, X[:50]), laplacian_matmul(B, X)[:50])


# ------------------------------------------------------------------ exact values


def spectrum(A) -> np.ndarray:
    return np.linalg.eigvalsh(GraphOperator(A, "laplacian") @ np.eye(A.shape[0]))


@pytest.mark.parametrize("n", [3, 4, 7, 16, 33])
def test_spectrum_of_cycles(n):
    expected = np.sort(1 - np.cos(2 * np.pi * np.arange(n) / n))
    REDUCTION.assert_close(spectrum(cycle(n)), expected)


@pytest.mark.parametrize("n", [2, 3, 8, 17, 31])
def test_spectrum_of_paths(n):
    expected = 1 - np.cos(np.pi * np.arange(n) / (n - 1))
    REDUCTION.assert_close(spectrum(path(n)), expected)


@pytest.mark.parametrize("n", [2, 3, 9, 20])
def test_spectrum_of_complete_graphs(n):
    expected = np.array([0.0] + [n / (n - 1)] * (n - 1))
    REDUCTION.assert_close(spectrum(complete(n)), expected)


def test_bipartite_graphs_reach_two():
    expected = np.array([0.0] + [1.0] * 7 + [2.0])
    REDUCTION.assert_close(spectrum(complete_bipartite(4, 5)), expected)


def test_path_of_three_nodes():
    identity = np.eye(3)
    edge = 0.5**0.5
    laplacian = [[1, -edge, 0], [-edge, 1, -edge], [0, -edge, 1]]
    PUBLISHED.assert_close(
        laplacian_matmul(path(3), identity, kind="laplacian"), laplacian
    )
    renormalized = laplacian_matmul(path(3), identity)
    off = 1 / 6**0.5  # 0.40825
    PUBLISHED.assert_close(
        renormalized, [[1 / 2, off, 0], [off, 1 / 3, off], [0, off, 1 / 2]]
    )
    PUBLISHED.assert_close(np.linalg.eigvalsh(renormalized), [-1 / 6, 1 / 2, 1])


# ------------------------------------------------------------------ policies


@pytest.mark.parametrize(("isolated", "diagonal"), [("one", 1.0), ("zero", 0.0)])
def test_isolated_nodes_follow_the_policy(isolated, diagonal):
    A = scipy.sparse.csr_array(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0.0]]))
    X = features(3, 4)
    got = laplacian_matmul(A, X, kind="laplacian", isolated=isolated)
    assert_same_bytes(got[2], diagonal * X[2])
    for kind, expected in [("adjacency", 0), ("random_walk", 0), ("renormalized", 1)]:
        got = laplacian_matmul(A, X, kind=kind, isolated=isolated)
        assert_same_bytes(
            got[2], expected * abs(X[2]) * np.sign(X[2] if expected else 1)
        )


def test_directed_degrees_are_row_sums():
    A = scipy.sparse.csr_array(np.array([[0, 2.0, 2.0], [1.0, 0, 0], [0, 0, 0]]))
    got = laplacian_matmul(A, np.eye(3), kind="adjacency")
    # Degrees 4, 1, 0: the last node sends nothing, so it is heard by nobody.
    PUBLISHED.assert_close(got, [[0, 1, 0], [0.5, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize(
    ("loop", "raised"), [(0.0, 1.0), (0.25, 1.0), (1.0, 1.0), (3.0, 3.0)]
)
def test_renormalizing_raises_the_diagonal_to_at_least_one(loop, raised):
    A = scipy.sparse.csr_array(np.array([[loop, 1.0], [1.0, 0.0]]))
    got = laplacian_matmul(A, np.eye(2))
    off = 1 / np.sqrt(2 * (raised + 1))
    PUBLISHED.assert_close(got, [[raised / (raised + 1), off], [off, 0.5]])


def test_self_loops_count_in_the_degree():
    A = scipy.sparse.csr_array(np.array([[1.0, 1.0], [1.0, 0.0]]))
    PUBLISHED.assert_close(
        laplacian_matmul(A, np.eye(2), kind="random_walk"), [[0.5, 0.5], [1.0, 0.0]]
    )


def test_an_explicit_zero_is_an_edge_of_weight_zero():
    A = random_graph(20, weighted=True)
    A.data[::3] = 0.0
    B = A.copy()
    B.eliminate_zeros()
    X = features(20, 3)
    for kind in KINDS:
        REDUCTION.assert_close(
            laplacian_matmul(A, X, kind=kind), laplacian_matmul(B, X, kind=kind)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_duplicates_add_up_and_order_is_free(kind):
    A = random_graph(30, weighted=True, directed=True)
    coo = A.tocoo()
    order = np.random.default_rng(0).permutation(2 * A.nnz)
    rows, columns = np.tile(coo.row, 2)[order], np.tile(coo.col, 2)[order]
    split = np.concatenate([0.25 * coo.data, 0.75 * coo.data])[order]
    doubled = scipy.sparse.coo_array((split, (rows, columns)), shape=A.shape)
    by_row = np.argsort(rows, kind="stable")
    unsorted = scipy.sparse.csr_array(
        (split[by_row], columns[by_row], 2 * A.indptr), shape=A.shape
    )
    before = unsorted.indices.copy(), unsorted.data.copy()
    X = features(30, 6)
    expected = laplacian_matmul(A, X, kind=kind)
    REDUCTION.assert_close(laplacian_matmul(doubled, X, kind=kind), expected)
    REDUCTION.assert_close(laplacian_matmul(unsorted, X, kind=kind), expected)
    assert_same_bytes((unsorted.indices, unsorted.data), before)


@pytest.mark.parametrize("container", ["array", "matrix"])
@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"])
def test_every_sparse_format(form, container):
    A = random_graph(24, weighted=True, directed=True)
    make = getattr(scipy.sparse, f"{form}_{container}")
    X = features(24, 3)
    got = laplacian_matmul(make(A), X, kind="laplacian")
    REDUCTION.assert_close(got, laplacian_matmul(A, X, kind="laplacian"))


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize(
    "dtype", [bool, np.int8, np.uint16, np.int64, np.float16, np.float32, ">f8"]
)
def test_every_value_and_index_dtype(index, dtype):
    A = random_graph(24, directed=True)
    B = A.copy()
    B.data = A.data.astype(dtype)
    B.indices, B.indptr = A.indices.astype(index), A.indptr.astype(index)
    X = features(24, 3)
    assert_same_bytes(laplacian_matmul(B, X), laplacian_matmul(A, X))


def test_weights_far_from_one():
    A = random_graph(20, weighted=True)
    X = features(20, 3, dtype=np.float32)
    expected = laplacian_matmul(A, X, kind="laplacian")
    for factor in (1e-250, 1e250):
        got = laplacian_matmul(A * factor, X, kind="laplacian")
        REDUCTION.assert_close(got, expected)


def test_nan_reaches_only_neighbours():
    X = features(6, 2)
    X[0] = np.nan
    got = laplacian_matmul(path(6), X, kind="adjacency")
    assert np.isnan(got[1]).all()
    assert np.isfinite(got[2:]).all()


# ------------------------------------------------------------------ calling


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_is_filled_and_returned(dtype):
    A = random_graph(30)
    X = features(30, 9, dtype=dtype)
    out = np.full((30, 9), np.nan, dtype=dtype)
    operator = GraphOperator(A)
    assert operator.matmul(X, out=out) is out
    assert_same_bytes(out, operator @ X)
    assert operator.rmatmul(X, out=out) is out
    assert laplacian_matmul(A, X, out=out) is out
    assert operator.T.matmul(X, out=out) is out


def test_results_without_out_are_fresh():
    operator = GraphOperator(random_graph(30))
    first = operator @ np.ones(30)
    kept = first.copy()
    second = operator @ np.zeros(30)
    assert not np.may_share_memory(first, second)
    assert_same_bytes(first, kept)


@pytest.mark.parametrize("n_threads", THREADS)
def test_large_results_are_complete(n_threads):
    """Results beyond the caches are stored differently; every place is written."""
    n, width = 70_000, 100
    A = random_graph(n, degree=3.0)
    X = features(n, width, dtype=np.float32)
    buffer = np.empty(n * width + 16, dtype=np.float32)
    operator = GraphOperator(A, n_threads=n_threads)
    expected = scipy.sparse.csr_array(renormalized_adjacency(A)) @ X[:, :3]
    for offset in (0, 1, 4):
        out = buffer[offset : offset + n * width].reshape(n, width)
        out.fill(np.nan)
        operator.matmul(X, out=out)
        REDUCTION.assert_close(out[:, :3], expected)
        assert np.isfinite(out).all()


def test_operator_keeps_its_own_copy():
    A = random_graph(20, weighted=True)
    X = features(20, 2)
    operator = GraphOperator(A)
    expected = operator @ X
    A.data[:] = 7.0
    A.indices[:] = 0
    assert_same_bytes(operator @ X, expected)


def test_pickle_and_repr():
    operator = GraphOperator(random_graph(20, weighted=True), "laplacian")
    X = features(20, 2)
    again = pickle.loads(pickle.dumps(operator))
    assert_same_bytes(again.T @ X, operator.T @ X)
    assert "20 nodes" in repr(operator)
    assert repr(operator.T).endswith(".T")
    assert operator.T.T is operator
    assert operator.shape == operator.T.shape == (20, 20)


@pytest.mark.parametrize("container", ["csr_array", "csr_matrix", "coo_array"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_materialized_operators(container, dtype):
    A = random_graph(40, weighted=True, directed=True)
    B = getattr(scipy.sparse, container)(A.astype(dtype))
    for isolated in ("one", "zero"):
        L = normalized_laplacian(B, isolated=isolated)
        expected = reference.laplacian_matrix(A.astype(dtype), "laplacian", isolated)
        REDUCTION.assert_close(L.toarray(), expected)
        assert isinstance(L, scipy.sparse.csr_array) == container.endswith("array")
        assert L.dtype == dtype
        assert L.has_canonical_format
        assert L.has_sorted_indices
    renormalized = renormalized_adjacency(B)
    expected = reference.laplacian_matrix(A.astype(dtype), "renormalized")
    REDUCTION.assert_close(renormalized.toarray(), expected)
    assert (renormalized.diagonal() > 0).all()


@pytest.mark.parametrize("n", [0, 1])
def test_materialized_operators_of_tiny_graphs(n):
    A = scipy.sparse.csr_array((n, n))
    assert normalized_laplacian(A).toarray().tolist() == np.eye(n).tolist()
    assert normalized_laplacian(A, isolated="zero").toarray().sum() == 0
    assert renormalized_adjacency(A).toarray().tolist() == np.eye(n).tolist()


# ------------------------------------------------------------------ invariants


@given(graphs(), st.sampled_from(KINDS), st.integers(0, 9))
def test_matches_reference_on_any_graph(A, kind, seed):
    X = features(A.shape[0], 3, seed=seed)
    operator = GraphOperator(A, kind)
    expected = reference.laplacian_matrix(A, kind)
    REDUCTION.assert_close(operator @ X, expected @ X)
    REDUCTION.assert_close(operator.T @ X, expected.T @ X)


@given(graphs(), st.sampled_from(KINDS), st.randoms(use_true_random=False))
def test_permutation_equivariance(A, kind, random):
    n = A.shape[0]
    order = np.array(random.sample(range(n), n), dtype=np.int64)
    place = np.argsort(order)
    renamed = scipy.sparse.coo_array((A.data, (place[A.row], place[A.col])), (n, n))
    X = features(n, 3)
    got = laplacian_matmul(renamed, X[order], kind=kind)
    REDUCTION.assert_close(got, laplacian_matmul(A, X, kind=kind)[order])


@given(graphs(), st.sampled_from(KINDS), st.sampled_from(["one", "zero"]))
def test_transpose_is_the_adjoint(A, kind, isolated):
    operator = GraphOperator(A, kind, isolated=isolated)
    x, y = features(A.shape[0], 2, seed=2), features(A.shape[0], 2, seed=3)
    REDUCTION.assert_close(np.vdot(operator @ x, y), np.vdot(x, operator.T @ y))


@given(graphs())
def test_random_walk_rows_sum_to_one_or_nothing(A):
    degree = np.asarray(A.sum(axis=1)).ravel()
    got = laplacian_matmul(A, np.ones(A.shape[0]), kind="random_walk")
    REDUCTION.assert_close(got, np.where(degree > 0, 1.0, 0.0))


@given(graphs())
def test_laplacian_kills_the_root_of_the_degrees(A):
    A = (A + A.T).tocoo()
    root = np.sqrt(np.asarray(A.sum(axis=1)).ravel())
    got = laplacian_matmul(A, root, kind="laplacian")
    REDUCTION.assert_close(got, np.zeros_like(root))
