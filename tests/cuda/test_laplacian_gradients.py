"""Gradients on a CUDA device: against the reference and the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from fastnotes._reference import graph as reference
from fastnotes.graph import GraphOperator
from support.cuda import ArrayKind
from support.gradcheck import assert_gradients
from support.graphs import KINDS, hub_graph, random_graph
from support.sweeps import AWKWARD_SIZES, DTYPES, assert_same_bytes
from support.tolerances import COMPOSITE


def pair(n: int, width: int, dtype: type = np.float64):
    return np.random.default_rng(5).standard_normal((2, n, width)).astype(dtype)


def both(A, operator_kind: str, X, dY, **options):
    """(dX, dweights) of the device and of the CPU."""
    return tuple(
        GraphOperator(A, operator_kind, device=device, **options).backward(
            dY, X, edge_weights=True
        )
        for device in ("cuda", None)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operator_kind", KINDS)
@pytest.mark.parametrize("width", [*AWKWARD_SIZES, 4, 64, 65])
def test_matches_reference(width, operator_kind, dtype):
    for weighted, directed in [(False, False), (True, False), (True, True)]:
        A = random_graph(21, weighted=weighted, directed=directed)
        X, dY = pair(21, width, dtype)
        (dX, dweights), (dX_cpu, dweights_cpu) = both(A, operator_kind, X, dY)
        assert dX.dtype == dweights.dtype == dtype
        X64, dY64 = X.astype(float), dY.astype(float)
        expected = reference.laplacian_weight_gradient(A, X64, dY64, operator_kind)
        entries = A.tocoo()
        COMPOSITE.assert_close(dweights, expected[entries.row, entries.col])
        COMPOSITE.assert_close(dweights, dweights_cpu)
        COMPOSITE.assert_close(dX, dX_cpu)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("operator_kind", KINDS)
def test_rows_longer_than_a_run(operator_kind, weighted, dtype):
    A = hub_graph(weighted=weighted)
    for width in (3, 20):
        X, dY = pair(777, width, dtype)
        (_, dweights), (_, expected) = both(A, operator_kind, X, dY)
        COMPOSITE.assert_close(dweights, expected)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil"])
def test_alignment_with_the_stored_entries(form):
    A = hub_graph(weighted=True).asformat(form)
    X, dY = pair(777, 3)
    (_, dweights), (_, expected) = both(A, "adjacency", X, dY)
    COMPOSITE.assert_close(dweights, expected)


@pytest.mark.parametrize("isolated", ["one", "zero"])
@pytest.mark.parametrize("operator_kind", KINDS)
def test_finite_differences(operator_kind, isolated):
    A = random_graph(7, weighted=True, directed=True, seed=3)
    X, dY = pair(7, 3)

    def loss(weights, features):
        B = A.copy()
        B.data = weights
        operator = GraphOperator(B, operator_kind, isolated=isolated, device="cuda")
        return float(np.vdot(dY, operator @ features))

    (dX, dweights), _ = both(A, operator_kind, X, dY, isolated=isolated)
    assert_gradients(loss, [A.data, X], [dweights, dX])


def test_rows_of_degree_zero_and_raised_loops_have_no_gradient():
    X, dY = pair(3, 2)
    A = scipy.sparse.coo_array(([0.0, 2.0], ([0, 1], [1, 0])), shape=(3, 3))
    for operator_kind in ("adjacency", "laplacian", "random_walk"):
        (_, dweights), _ = both(A, operator_kind, X, dY)
        assert dweights[0] == 0
    loops = scipy.sparse.csr_array(np.array([[0.5, 1.0], [1.0, 2.0]]))
    (_, dweights), _ = both(loops, "renormalized", X[:2], dY[:2])
    assert dweights[0] == 0
    assert dweights[3] != 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_kind_of_array(kind: ArrayKind, dtype):
    A = random_graph(30, weighted=True, directed=True)
    X, dY = pair(30, 8, dtype)
    expected = GraphOperator(A).backward(dY, X, edge_weights=True)
    operator = GraphOperator(A, device="cuda")
    dX, dweights = operator.backward(kind.put(dY), kind.put(X), edge_weights=True)
    for got, wanted in ((dX, expected[0]), (dweights, expected[1])):
        assert isinstance(got, kind.type)
        COMPOSITE.assert_close(kind.get(got), wanted)
    assert_same_bytes(kind.get(operator.backward(kind.put(dY))), kind.get(dX))
    vectors = kind.put_all(dY[:, 0].copy(), X[:, 0].copy())
    assert operator.backward(*vectors, edge_weights=True)[0].shape == (30,)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_bytes_every_time(dtype):
    A = hub_graph(weighted=True)
    X, dY = pair(777, 37, dtype)
    operator = GraphOperator(A, device="cuda")
    first = operator.backward(dY, X, edge_weights=True)
    for _ in range(5):
        assert_same_bytes(operator.backward(dY, X, edge_weights=True), first)


def test_bytes_do_not_depend_on_alignment():
    torch = pytest.importorskip("torch")
    A = hub_graph(weighted=True)
    X, dY = pair(777, 36, np.float32)
    operator = GraphOperator(A, device="cuda")

    def shifted(array):
        buffer = torch.empty(array.size + 1, device="cuda")
        view = buffer[1:].reshape(array.shape)
        return view.copy_(torch.from_numpy(array))

    one = operator.backward(
        torch.from_numpy(dY).cuda(), torch.from_numpy(X).cuda(), edge_weights=True
    )
    other = operator.backward(shifted(dY), shifted(X), edge_weights=True)
    for a, b in zip(one, other, strict=True):
        assert_same_bytes(a.cpu().numpy(), b.cpu().numpy())


def test_another_stream():
    torch = pytest.importorskip("torch")
    A = hub_graph(weighted=True)
    X, dY = pair(777, 16, np.float32)
    operator = GraphOperator(A, device="cuda")
    expected = operator.backward(dY, X, edge_weights=True)
    sources = [torch.from_numpy(a).cuda() for a in (dY, X)]
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        late = [torch.zeros_like(a) for a in sources]
        torch.cuda._sleep(20_000_000)
        for target, source in zip(late, sources, strict=True):
            target.copy_(source)
        got = operator.backward(*late, edge_weights=True)
        for target in late:
            target.zero_()
    stream.synchronize()
    for a, b in zip(got, expected, strict=True):
        assert_same_bytes(a.cpu().numpy(), b)


@pytest.mark.parametrize(
    ("second", "error", "text"),
    [
        (None, ValueError, "X together with edge_weights=True, got None"),
        (np.ones((4, 3)), ValueError, "X like dY, float64 of shape"),
        (np.ones((4, 2), np.float32), ValueError, "X like dY, float64 of shape"),
        (np.ones(4), ValueError, "X like dY, float64 of shape"),
    ],
)
def test_wrong_features(kind: ArrayKind, second, error, text):
    operator = GraphOperator(random_graph(4), device="cuda")
    (X,) = kind.put_all(second)
    with pytest.raises(error, match=rf"GraphOperator.backward\] expected {text}"):
        operator.backward(kind.put(np.ones((4, 2))), X, edge_weights=True)
