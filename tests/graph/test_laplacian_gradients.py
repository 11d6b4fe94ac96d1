"""Gradients by features and by edge weights, against differences and references."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from fastnotes._reference import graph as reference
from fastnotes.graph import GraphOperator
from support.gradcheck import assert_directional, assert_gradients
from support.graphs import KINDS, graphs, random_graph
from support.sweeps import AWKWARD_SIZES, DTYPES
from support.tolerances import COMPOSITE


def pair(n: int, width: int, dtype: type = np.float64):
    rng = np.random.default_rng(5)
    return rng.standard_normal((2, n, width)).astype(dtype)


def loss_of(A, dY, kind, isolated="one"):
    """sum(dY * (op(A with these stored values) @ X)) as a function of both."""

    def loss(weights, X):
        B = A.copy()
        B.data = weights
        return float(np.vdot(dY, GraphOperator(B, kind, isolated=isolated) @ X))

    return loss


@pytest.mark.parametrize("isolated", ["one", "zero"])
@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_finite_differences(kind, directed, isolated):
    A = random_graph(7, weighted=True, directed=directed, seed=3)
    assert A.diagonal().any()
    X, dY = pair(7, 3)
    operator = GraphOperator(A, kind, isolated=isolated)
    dX, dweights = operator.backward(dY, X, edge_weights=True)
    loss = loss_of(A, dY, kind, isolated)
    assert_gradients(loss, [A.data, X], [dweights, dX])


@pytest.mark.parametrize("kind", KINDS)
def test_finite_differences_from_unit_weights(kind):
    """An unweighted graph has a gradient by its weights too."""
    A = random_graph(8, directed=True, seed=4)
    A.setdiag(0)
    A.eliminate_zeros()  # a unit self-loop sits on the kink of max(loop, 1)
    X, dY = pair(8, 2)
    dX, dweights = GraphOperator(A, kind).backward(dY, X, edge_weights=True)
    assert_gradients(loss_of(A, dY, kind), [A.data, X], [dweights, dX])


@pytest.mark.parametrize("kind", KINDS)
def test_directional_derivative_of_a_larger_graph(kind):
    A = random_graph(400, weighted=True, directed=True, degree=8.0)
    X, dY = pair(400, 19)
    dX, dweights = GraphOperator(A, kind).backward(dY, X, edge_weights=True)
    assert_directional(loss_of(A, dY, kind), [A.data, X], [dweights, dX])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", AWKWARD_SIZES)
def test_matches_reference(width, kind, dtype):
    for weighted, directed in [(False, False), (True, False), (True, True)]:
        A = random_graph(21, weighted=weighted, directed=directed)
        X, dY = pair(21, width, dtype)
        dX, dweights = GraphOperator(A, kind).backward(dY, X, edge_weights=True)
        assert dX.dtype == dweights.dtype == dtype
        X64, dY64 = X.astype(float), dY.astype(float)
        COMPOSITE.assert_close(dX, reference.laplacian_rmatmul(A, dY64, kind))
        expected = reference.laplacian_weight_gradient(A, X64, dY64, kind)
        entries = A.tocoo()
        COMPOSITE.assert_close(dweights, expected[entries.row, entries.col])


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr"])
def test_alignment_with_the_stored_entries(form):
    A = random_graph(15, weighted=True, directed=True).asformat(form)
    X, dY = pair(15, 2)
    _, dweights = GraphOperator(A, "adjacency").backward(dY, X, edge_weights=True)
    expected = reference.laplacian_weight_gradient(A, X, dY, "adjacency")
    entries = A.tocoo()
    COMPOSITE.assert_close(dweights, expected[entries.row, entries.col])


def test_duplicates_share_the_gradient_of_their_sum():
    rows, columns = np.array([1, 0, 0, 1, 0]), np.array([0, 1, 1, 2, 1])
    weights = np.array([1.0, 0.5, 2.0, 1.5, 0.25])
    A = scipy.sparse.coo_array((weights, (rows, columns)), shape=(3, 3))
    X, dY = pair(3, 2)
    _, dweights = GraphOperator(A, "laplacian").backward(dY, X, edge_weights=True)
    expected = reference.laplacian_weight_gradient(A, X, dY, "laplacian")
    COMPOSITE.assert_close(dweights, expected[rows, columns])


def test_rows_of_degree_zero_have_no_gradient():
    A = scipy.sparse.coo_array(([0.0, 2.0], ([0, 1], [1, 0])), shape=(3, 3))
    X, dY = pair(3, 2)
    for kind in ("adjacency", "laplacian", "random_walk"):
        _, dweights = GraphOperator(A, kind).backward(dY, X, edge_weights=True)
        assert dweights[0] == 0


def test_a_raised_self_loop_has_no_gradient():
    A = scipy.sparse.csr_array(np.array([[0.5, 1.0], [1.0, 2.0]]))
    X, dY = pair(2, 2)
    _, dweights = GraphOperator(A).backward(dY, X, edge_weights=True)
    assert dweights[0] == 0
    assert dweights[3] != 0


def test_vectors():
    A = random_graph(9, weighted=True, directed=True)
    X, dY = pair(9, 1)
    operator = GraphOperator(A, "laplacian")
    dX, dweights = operator.backward(dY[:, 0], X[:, 0], edge_weights=True)
    both = operator.backward(dY, X, edge_weights=True)
    assert dX.tobytes() == both[0].tobytes()
    assert dweights.tobytes() == both[1].tobytes()
    assert operator.backward(dY[:, 0]).shape == (9,)


@given(graphs(), st.sampled_from(KINDS))
def test_any_graph(A, kind):
    X, dY = pair(A.shape[0], 2)
    dX, dweights = GraphOperator(A, kind).backward(dY, X, edge_weights=True)
    COMPOSITE.assert_close(dX, reference.laplacian_rmatmul(A, dY, kind))
    expected = reference.laplacian_weight_gradient(A, X, dY, kind)
    COMPOSITE.assert_close(dweights, expected[A.row, A.col])
