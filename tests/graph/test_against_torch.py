"""Products and autograd of torch's sparse matrices."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from fastnotes.graph import GraphOperator, renormalized_adjacency
from support.graphs import KINDS, random_graph
from support.tolerances import COMPOSITE, REDUCTION

torch = pytest.importorskip("torch")


def test_product_with_a_csr_tensor():
    A = random_graph(60, weighted=True, directed=True)
    X = np.random.default_rng(0).standard_normal((60, 18)).astype(np.float32)
    S = renormalized_adjacency(A)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # CSR is in beta state
        tensor = torch.sparse_csr_tensor(
            torch.from_numpy(S.indptr.astype(np.int64)),
            torch.from_numpy(S.indices.astype(np.int64)),
            torch.from_numpy(S.data.astype(np.float32)),
            size=S.shape,
        )
        expected = (tensor @ torch.from_numpy(X)).numpy()
    REDUCTION.assert_close(GraphOperator(A) @ X, expected)


def normalize(W, kind):
    """The operator in differentiable torch operations."""
    n = W.shape[0]
    if kind == "renormalized":
        diagonal = torch.diagonal(W)
        W = W + torch.diag(torch.clamp(diagonal, min=1.0) - diagonal)
    degree = W.sum(dim=1)
    if kind == "random_walk":
        return W / degree[:, None]
    root = degree.rsqrt()
    product = root[:, None] * W * root[None, :]
    return torch.eye(n, dtype=W.dtype) - product if kind == "laplacian" else product


@pytest.mark.parametrize("kind", KINDS)
def test_autograd_through_the_normalization(kind):
    rng = np.random.default_rng(1)
    A = random_graph(25, weighted=True, directed=True, degree=9.0, seed=2)
    A = (A + 0.5 * random_graph(25, degree=6.0, seed=3)).tocsr()
    empty = np.flatnonzero(np.diff(A.indptr) == 0)
    A[empty, (empty + 1) % 25] = 1.5  # torch has no rule for degree 0
    A = A.tocsr()
    X, dY = rng.standard_normal((2, 25, 4))
    W = torch.tensor(A.toarray(), requires_grad=True)
    features = torch.tensor(X, requires_grad=True)
    (normalize(W, kind) @ features).backward(torch.tensor(dY))
    dX, dweights = GraphOperator(A, kind).backward(dY, X, edge_weights=True)
    entries = A.tocoo()
    COMPOSITE.assert_close(dX, features.grad.numpy())
    COMPOSITE.assert_close(dweights, W.grad.numpy()[entries.row, entries.col])
