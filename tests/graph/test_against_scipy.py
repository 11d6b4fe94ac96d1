"""The same operators as SciPy's graph routines and products make them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse import csgraph

from fastnotes.graph import GraphOperator, laplacian_matmul, normalized_laplacian
from support.graphs import random_graph
from support.sweeps import DTYPES
from support.tolerances import REDUCTION


def loopless(n: int, *, weighted: bool, seed: int = 0) -> scipy.sparse.csr_array:
    """SciPy's Laplacian drops self-loops, ours counts them."""
    A = random_graph(n, weighted=weighted, seed=seed)
    A.setdiag(0)
    A.eliminate_zeros()
    return A


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_normed_laplacian(weighted, dtype):
    A = loopless(120, weighted=weighted)
    expected = csgraph.laplacian(A, normed=True)
    L = normalized_laplacian(A, isolated="zero")
    REDUCTION.assert_close(L.toarray(), expected.toarray())
    X = np.random.default_rng(0).standard_normal((120, 21)).astype(dtype)
    got = laplacian_matmul(A, X, kind="laplacian", isolated="zero")
    REDUCTION.assert_close(got, expected @ X.astype(float))


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_of_a_power_law_graph(dtype):
    rng = np.random.default_rng(0)
    hub = (np.minimum(rng.pareto(1.0, (2, 20_000)) * 3, 1999)).astype(int)
    A = scipy.sparse.coo_array((np.ones(20_000), hub), shape=(2000, 2000)).tocsr()
    X = rng.random((2000, 33)).astype(dtype)
    degree = np.asarray(A.sum(axis=1)).ravel()
    inverse = np.divide(1.0, degree, out=np.zeros(2000), where=degree > 0)
    walk = scipy.sparse.diags_array(inverse) @ A
    operator = GraphOperator(A, "random_walk")
    REDUCTION.assert_close(operator @ X, walk @ X.astype(float))
    REDUCTION.assert_close(operator.T @ X, walk.T @ X.astype(float))
