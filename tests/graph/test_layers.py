"""Graph layers against dense formulas, differences and themselves."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from fastnotes._reference import graph as reference
from fastnotes.graph import ChebyshevConvolution, GraphConvolution, GraphOperator
from fastnotes.graph.layers import GraphLayer
from support.gradcheck import assert_gradients
from support.graphs import random_graph
from support.sweeps import DTYPES, assert_same_bytes
from support.tolerances import COMPOSITE

LAYERS = {
    "convolution": GraphConvolution,
    "chebyshev": lambda C, F, **options: ChebyshevConvolution(C, F, 3, **options),
}
WIDTHS = [(5, 2), (2, 5), (3, 3)]


def features(n: int, C: int, seed: int = 0, density: float = 0.4):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, C)) * (rng.random((n, C)) < density)


def expected_outputs(name: str, A, X, layer: GraphLayer):
    weight = layer.parameters["weight"].astype(float)
    bias = layer.parameters.get("bias", np.zeros(1)).astype(float)
    if name == "convolution":
        return reference.graph_convolution(A, X, weight) + bias
    L = reference.laplacian_matrix(A, "laplacian")
    return reference.chebyshev_filter(L, X, weight) + bias


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("name", LAYERS)
def test_forward_matches_the_reference(name, widths, dtype):
    C, F = widths
    A = random_graph(30, weighted=True)
    X = features(30, C)
    layer = LAYERS[name](C, F, bias=True, dtype=dtype)
    layer.parameters["bias"] += 0.5
    expected = expected_outputs(name, A, X, layer)
    kind = "renormalized" if name == "convolution" else "laplacian"
    for graph in (A, GraphOperator(A, kind)):
        for given in (X, scipy.sparse.csr_array(X), scipy.sparse.coo_matrix(X)):
            y = layer.forward(graph, given)
            assert y.dtype == dtype
            np.testing.assert_allclose(
                y, expected, rtol=0, atol=1e-5 if dtype == np.float32 else 1e-13
            )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("name", LAYERS)
def test_backward_matches_the_reference(name, widths, dtype):
    C, F = widths
    A = random_graph(30, weighted=True, directed=True)
    X, dY = features(30, C), features(30, F, seed=1)
    layer = LAYERS[name](C, F, dtype=dtype)
    weight = layer.parameters["weight"].astype(float)
    if name == "convolution":
        expected = reference.graph_convolution_backward(dY, A, X, weight)
    else:
        L = reference.laplacian_matrix(A, "laplacian")
        expected = reference.chebyshev_filter_backward(dY, L, X, weight)
    layer.forward(A, X, training=True)
    got = layer.backward(dY), layer.gradients["weight"]
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == dtype
        np.testing.assert_allclose(
            one, other, rtol=0, atol=1e-4 if dtype == np.float32 else 1e-12
        )


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("name", LAYERS)
def test_finite_differences(name, widths, sparse):
    C, F = widths
    A = random_graph(7, weighted=True, directed=True, seed=2)
    X, dY = features(7, C), features(7, F, seed=1, density=1.0)
    layer = LAYERS[name](C, F, bias=True, dtype=np.float64)

    def loss(X, weight, bias):
        layer.parameters["weight"][...] = weight
        layer.parameters["bias"][...] = bias
        return float(np.vdot(dY, layer.forward(A, X)))

    weight, bias = (layer.parameters[n].copy() for n in ("weight", "bias"))
    layer.forward(A, scipy.sparse.csr_array(X) if sparse else X, training=True)
    dX = layer.backward(dY)
    gradients = [layer.gradients["weight"], layer.gradients["bias"]]
    if sparse:
        assert dX is None
        assert_gradients(lambda w, b: loss(X, w, b), [weight, bias], gradients)
    else:
        assert_gradients(loss, [X, weight, bias], [dX, *gradients])


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_dropout(name, sparse):
    A, X = random_graph(200), np.ones((200, 50))
    layer = LAYERS[name](50, 4, dropout=0.25, dtype=np.float64)
    given = scipy.sparse.csr_array(X) if sparse else X
    plain = layer.forward(A, given)
    first = layer.forward(A, given, training=True)
    x = layer._trace.x.values
    assert set(np.unique(x)) == {0.0, 1 / 0.75}
    assert abs((x == 0).mean() - 0.25) < 0.02
    COMPOSITE.assert_close(first, expected_outputs(name, A, x.reshape(X.shape), layer))
    dX = layer.backward(np.ones((200, 4)))
    if not sparse:
        assert ((dX == 0) >= (x == 0)).all()
    second = layer.forward(A, given, training=True)
    assert not np.array_equal(first, second)
    assert_same_bytes(layer.forward(A, given), plain)
    again = LAYERS[name](50, 4, dropout=0.25, dtype=np.float64)
    assert_same_bytes(again.forward(A, given, training=True), first)
    other = LAYERS[name](50, 4, dropout=0.25, dtype=np.float64, layer=1)
    assert not np.array_equal(other.parameters["weight"], layer.parameters["weight"])


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_threads_do_not_change_a_bit(name, sparse):
    A, X = random_graph(3000, degree=8.0), features(3000, 40, density=0.2)
    dY = features(3000, 16, seed=1)
    results = []
    for n_threads in (1, 2, 7):
        layer = LAYERS[name](40, 16, dropout=0.5, n_threads=n_threads)
        given = scipy.sparse.csr_array(X) if sparse else X
        y = layer.forward(A, given, training=True)
        dX = layer.backward(dY)
        results.append((y, dX, layer.gradients["weight"]))
    for other in results[1:]:
        assert_same_bytes(other, results[0])


def test_first_weights_are_glorots():
    layer = GraphConvolution(300, 200)
    weight = layer.parameters["weight"]
    limit = np.sqrt(6 / 500)
    assert np.abs(weight).max() <= limit
    assert abs(weight.std() / (limit / 3**0.5) - 1) < 0.02
    assert "bias" not in layer.parameters


def test_against_torch():
    torch = pytest.importorskip("torch")
    A, X = random_graph(25, weighted=True), features(25, 6)
    layer = GraphConvolution(6, 3, dtype=np.float64)
    dY = features(25, 3, seed=4, density=1.0)
    layer.forward(A, X, training=True)
    dX = layer.backward(dY)
    op = torch.from_numpy(reference.laplacian_matrix(A))
    x = torch.from_numpy(X).requires_grad_()
    w = torch.from_numpy(layer.parameters["weight"].copy()).requires_grad_()
    (op @ (x @ w)).backward(torch.from_numpy(dY))
    COMPOSITE.assert_close(dX, x.grad.numpy())
    COMPOSITE.assert_close(layer.gradients["weight"], w.grad.numpy())


GRAPH = random_graph(4, degree=6.0)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    ("graph", "X", "error", "words"),
    [
        (GRAPH, np.ones((4, 2)), ValueError, r"X of shape \(4, 3\)"),
        (GRAPH, np.ones((5, 3)), ValueError, r"X of shape \(4, 3\)"),
        (GRAPH, np.ones(4), ValueError, "X with 2 dimension"),
        (GRAPH, scipy.sparse.csr_array((5, 3)), ValueError, r"X of shape \(4, 3\)"),
        (GRAPH, scipy.sparse.csr_array(1j * np.eye(4, 3)), TypeError, "X of real"),
        (GRAPH, [["a"] * 3] * 4, TypeError, "X of real numbers"),
        (np.eye(4), np.ones((4, 3)), TypeError, "A as a SciPy sparse"),
    ],
)
def test_bad_input(name, graph, X, error, words):
    layer = LAYERS[name](3, 2)
    with pytest.raises(error, match=rf"^\[graph.\w+.forward\] expected .*{words}"):
        layer.forward(graph, X)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"dropout": 1.0}, ValueError, "dropout below 1"),
        ({"dropout": -0.1}, ValueError, "dropout from 0.0"),
        ({"dtype": np.int32}, ValueError, "dtype float32 or float64"),
        ({"random_state": -1}, ValueError, "random_state from 0"),
        ({"layer": 256}, ValueError, "layer from 0 to 255"),
        ({"n_threads": 0}, ValueError, "n_threads"),
    ],
)
@pytest.mark.parametrize("name", LAYERS)
def test_bad_settings(name, options, error, words):
    with pytest.raises(error, match=rf"^\[graph.\w+\] expected .*{words}"):
        LAYERS[name](3, 2, **options)


def test_backward_needs_a_pass_and_a_fitting_gradient():
    layer = GraphConvolution(3, 2)
    with pytest.raises(ValueError, match="a forward pass with training=True before"):
        layer.backward(np.ones((4, 2)))
    layer.forward(GRAPH, np.ones((4, 3)), training=True)
    with pytest.raises(ValueError, match=r"dY of shape \(4, 2\)"):
        layer.backward(np.ones((4, 3)))
    with pytest.raises(ValueError, match="kind 'laplacian'"):
        ChebyshevConvolution(3, 2, 1).forward(GraphOperator(GRAPH), np.ones((4, 3)))
    with pytest.raises(ValueError, match="degree >= 0|degree from 0"):
        ChebyshevConvolution(3, 2, -1)


def test_tampered_sparse_features_are_refused():
    X = scipy.sparse.csr_array(np.ones((4, 3)))
    X.indices = X.indices.copy()
    X.indices[5] = 7
    with pytest.raises(ValueError, match="indices from 0 to 2"):
        GraphConvolution(3, 2).forward(GRAPH, X)
