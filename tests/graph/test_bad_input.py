"""Everything that is refused, and that nothing is written or read out of bounds."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from fastnotes.graph import (
    GraphOperator,
    laplacian_matmul,
    normalized_laplacian,
    renormalized_adjacency,
)
from support.graphs import random_graph

X = np.ones((4, 2))


def tampered(form: str = "csr", **arrays):
    """A sparse matrix whose arrays were replaced behind SciPy's back."""
    A = random_graph(4, weighted=True, degree=6.0).asformat(form)
    for name, value in arrays.items():
        A.__dict__[name] = value if name == "coords" else np.asarray(value)
    return A


def with_weight(value: float):
    A = random_graph(4, weighted=True, degree=6.0)
    A.data[2] = value
    return A


HOSTILE = {
    "column too large": tampered(indptr=[0, 1, 1, 1, 1], indices=[4], data=[1.0]),
    "column negative": tampered(indptr=[0, 1, 1, 1, 1], indices=[-1], data=[1.0]),
    "column huge": tampered(
        indptr=np.array([0, 1, 1, 1, 1]), indices=np.array([2**40]), data=[1.0]
    ),
    "indptr decreasing": tampered(
        indptr=[0, 3, 1, 2, 3], indices=[0, 1, 2], data=[1.0] * 3
    ),
    "indptr beyond the entries": tampered(
        indptr=[0, 1, 2, 3, 1000], indices=[0, 1, 2], data=[1.0] * 3
    ),
    "indptr not from 0": tampered(
        indptr=[1, 1, 2, 3, 3], indices=[0, 1, 2], data=[1.0] * 3
    ),
    "indptr negative": tampered(
        indptr=[0, -1, 0, 0, 0], indices=[0, 1, 2], data=[1.0] * 3
    ),
    "indptr ends negative": tampered(
        indptr=[0, 0, 0, 0, -1], indices=[0, 1, 2], data=[1.0] * 3
    ),
    "indptr too short": tampered(indptr=[0, 1], indices=[0], data=[1.0]),
    "indptr empty": tampered(indptr=np.zeros(0, np.int32), indices=[0], data=[1.0]),
    "indptr too long": tampered(indptr=[0] * 9, indices=[0], data=[1.0]),
    "data too short": tampered(indptr=[0, 1, 2, 3, 3], indices=[0, 1, 2], data=[1.0]),
    "csc row too large": tampered(
        "csc", indptr=[0, 1, 1, 1, 1], indices=[4], data=[1.0]
    ),
    "csc indptr decreasing": tampered(
        "csc", indptr=[0, 3, 1, 2, 3], indices=[0, 1, 2], data=[1.0] * 3
    ),
    "coo row too large": tampered(
        "coo", coords=(np.array([4]), np.array([0])), data=[1.0]
    ),
    "coo column negative": tampered(
        "coo", coords=(np.array([0]), np.array([-1])), data=[1.0]
    ),
    "coo of different lengths": tampered(
        "coo", coords=(np.array([0, 1]), np.array([0])), data=[1.0]
    ),
    "negative weight": with_weight(-1.0),
    "nan weight": with_weight(np.nan),
    "infinite weight": with_weight(np.inf),
    "row sum overflows": with_weight(1e308) + with_weight(1e308),
    "row sum without an inverse": scipy.sparse.diags_array([5e-324] * 4).tocsr(),
    "not square": scipy.sparse.csr_array((3, 4)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_adjacency_is_a_value_error(name):
    A = HOSTILE[name]
    kind = "random_walk" if name == "row sum without an inverse" else "renormalized"
    if kind == "random_walk":
        with pytest.raises(ValueError, match=r"\[graph.GraphOperator\] expected"):
            GraphOperator(A, kind)
        return
    out = np.full((4, 2), 7.0)
    with pytest.raises(ValueError, match=r"\[graph.laplacian_matmul\] expected .*got"):
        laplacian_matmul(A, X, out=out)
    assert (out == 7.0).all()
    with pytest.raises(ValueError, match=r"\[graph.GraphOperator\] expected .*got"):
        GraphOperator(A)
    with pytest.raises(ValueError, match=r"\[graph.normalized_laplacian\] expected"):
        normalized_laplacian(A)
    with pytest.raises(ValueError, match=r"\[graph.renormalized_adjacency\] expected"):
        renormalized_adjacency(A)


@pytest.mark.parametrize(
    "A",
    [
        np.eye(4),
        [[0, 1], [1, 0]],
        None,
        "graph",
        random_graph(4).astype(complex),
        tampered(indices=[0.5, 1.5, 2.5]),
        tampered(data=np.array(["a"] * 12)),
    ],
    ids=["dense", "list", "None", "str", "complex", "float indices", "text"],
)
def test_wrong_type_of_adjacency(A):
    with pytest.raises(TypeError, match=r"\[graph.GraphOperator\] expected .*got"):
        GraphOperator(A)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"kind": "Laplacian"}, ValueError, "kind as one of"),
        ({"kind": 1}, TypeError, "kind as a string"),
        ({"isolated": "two"}, ValueError, "isolated as one of"),
        ({"n_threads": 0}, ValueError, "n_threads"),
        ({"n_threads": 1.5}, TypeError, "n_threads"),
    ],
)
def test_wrong_options(arguments, error, text):
    with pytest.raises(error, match=rf"\[graph.laplacian_matmul\] expected {text}"):
        laplacian_matmul(random_graph(4), X, **arguments)


def test_reorder_is_reserved():
    with pytest.raises(ValueError, match="expected reorder=None, got 'rcm'"):
        GraphOperator(random_graph(4), reorder="rcm")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (np.ones((3, 2)), ValueError),
        (np.ones((5, 2)), ValueError),
        (np.ones((4, 2, 1)), ValueError),
        (np.float64(1.0), ValueError),
        ([[1.0], [2.0, 3.0], [1.0], [1.0]], ValueError),
        (np.ones((4, 2), dtype=complex), TypeError),
        (np.ones((4, 2), dtype=object), TypeError),
        (np.full((4, 2), "a"), TypeError),
        (scipy.sparse.csr_array(np.ones((4, 2))), TypeError),
    ],
)
def test_wrong_features(value, error):
    operator = GraphOperator(random_graph(4))
    for call in (operator.matmul, operator.rmatmul, operator.backward):
        with pytest.raises(error, match=rf"\[graph.GraphOperator.{call.__name__}\]"):
            call(value)
    with pytest.raises(error, match=r"\[graph.laplacian_matmul\]"):
        laplacian_matmul(random_graph(4), value)


@pytest.mark.parametrize(
    "value",
    [
        np.asfortranarray(np.arange(8.0).reshape(4, 2)),
        np.arange(16.0).reshape(4, 4)[:, ::2] / 2,
        np.arange(8.0).reshape(4, 2).astype(">f8"),
        np.arange(8).reshape(4, 2),
        np.arange(8).reshape(4, 2).tolist(),
        np.broadcast_to(np.arange(2.0), (4, 2)),
    ],
    ids=["fortran", "strided", "big-endian", "int", "list", "zero stride"],
)
def test_unusual_but_valid_features_are_converted(value):
    operator = GraphOperator(random_graph(4, degree=6.0))
    expected = operator @ np.array(value, dtype=np.float64, order="C")
    assert (operator @ value).tobytes() == expected.tobytes()


def test_read_only_inputs_are_fine():
    A = random_graph(4, weighted=True, degree=6.0)
    for array in (A.data, A.indices, A.indptr):
        array.flags.writeable = False
    x = np.ones((4, 2))
    x.flags.writeable = False
    assert laplacian_matmul(A, x).shape == (4, 2)


@pytest.mark.parametrize(
    ("out", "error"),
    [
        (np.empty((4, 3)), ValueError),
        (np.empty((4, 2), dtype=np.float32), ValueError),
        (np.empty((2, 4)).T, ValueError),
        (np.empty((4, 4))[:, ::2], ValueError),
        ([[0.0, 0.0]] * 4, TypeError),
        (X, ValueError),
    ],
)
def test_wrong_out(out, error):
    operator = GraphOperator(random_graph(4))
    with pytest.raises(error, match=r"expected out"):
        operator.matmul(X, out=out)


def test_read_only_out():
    out = np.empty((4, 2))
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out writable"):
        GraphOperator(random_graph(4)).matmul(X, out=out)


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (None, "X together with edge_weights=True"),
        (np.ones((4, 3)), "X like dY"),
        (np.ones((4, 2), dtype=np.float32), "X like dY"),
        (np.ones(4), "X like dY"),
    ],
)
def test_wrong_features_in_backward(features, text):
    operator = GraphOperator(random_graph(4))
    with pytest.raises(ValueError, match=text):
        operator.backward(X, features, edge_weights=True)


def test_numpy_times_operator_is_refused():
    operator = GraphOperator(random_graph(4))
    with pytest.raises(TypeError):
        X.T @ operator
    with pytest.raises(TypeError):
        X.T @ operator.T


def test_spare_room_behind_the_entries_is_allowed():
    A = tampered(
        indptr=[0, 1, 1, 2, 2], indices=[1, 2, 99, -5], data=[1.0, 2.0, np.nan, -1.0]
    )
    assert GraphOperator(A).n_entries == 2
    x = np.ones((4, 1))
    dweights = GraphOperator(A).backward(x, x, edge_weights=True)[1]
    assert dweights.shape == (2,)
