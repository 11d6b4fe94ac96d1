"""Polynomials of Laplacians against dense eigenbases, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from fastnotes._core import native
from fastnotes._reference import graph as reference
from fastnotes.graph import (
    GraphOperator,
    chebyshev_filter,
    chebyshev_filter_backward,
    mesh_laplacian,
    normalized_laplacian,
)
from fastnotes.graph._scaled import scaled_laplacian
from support.gradcheck import assert_gradients
from support.graphs import (
    complete,
    complete_bipartite,
    cycle,
    graphs,
    path,
    random_graph,
)
from support.sweeps import AWKWARD_SIZES, DTYPES, assert_same_bytes
from support.tolerances import COMPOSITE, EXACT_FILTER, PUBLISHED, REDUCTION

DEGREES = range(6)
SHAPES = {"vector": None, "wide to narrow": (5, 3), "narrow to wide": (2, 4)}


def draws(*shape: int, seed: int = 0, dtype: type = np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def arguments(n: int, degree: int, which: str, dtype: type = np.float64):
    """X, theta, and a gradient of the result."""
    if SHAPES[which] is None:
        return draws(n, 3, dtype=dtype), draws(degree + 1, seed=1), draws(n, 3, seed=2)
    C, F = SHAPES[which]
    theta = draws(degree + 1, C, F, seed=1)
    return draws(n, C, dtype=dtype), theta, draws(n, F, seed=2)


# ------------------------------------------------------------------ values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("which", SHAPES)
@pytest.mark.parametrize("degree", DEGREES)
def test_matches_the_reference(degree, which, dtype):
    for weighted in (False, True):
        for directed in (False, True):
            A = random_graph(33, weighted=weighted, directed=directed, seed=degree)
            X, theta, dY = arguments(33, degree, which, dtype)
            L = reference.laplacian_matrix(A, "laplacian")
            got = chebyshev_filter(A, X, theta)
            assert got.dtype == dtype
            expected = reference.chebyshev_filter(L, X, theta)
            COMPOSITE.assert_close(got, expected)
            dX, dtheta = chebyshev_filter_backward(dY, A, X, theta)
            for one, other in zip(
                (dX, dtheta),
                reference.chebyshev_filter_backward(dY, L, X, theta),
                strict=True,
            ):
                assert one.dtype == dtype
                np.testing.assert_allclose(
                    one,
                    other,
                    rtol=0,
                    atol=COMPOSITE.rtol32 * np.abs(other).max()
                    if dtype == np.float32
                    else COMPOSITE.rtol64 * np.abs(other).max(),
                )


@pytest.mark.parametrize("n", AWKWARD_SIZES)
def test_any_number_of_nodes(n):
    A, x = random_graph(n, seed=n), draws(n)
    L = reference.laplacian_matrix(A, "laplacian")
    theta = [0.5, -1.0, 0.25, 2.0]
    got = chebyshev_filter(A, x, theta)
    COMPOSITE.assert_close(got, reference.chebyshev_filter(L, x, np.array(theta)))
    dX, dtheta = chebyshev_filter_backward(x, A, x, theta)
    assert (dX.shape, dtheta.shape) == ((n,), (4,))


def test_the_published_vector():
    expected = [-1.16421356, 1.5, -1.66421356]
    got = chebyshev_filter(path(3), [1.0, 2.0, -1.0], [0.5, -1.0, 0.25, 2.0])
    np.testing.assert_array_equal(got.round(8), expected)
    exact = [0.25 - 2**0.5, 1.5, -0.25 - 2**0.5]
    PUBLISHED.assert_close(got, exact)


@pytest.mark.parametrize("lmax", [2.0, 2.5, "lanczos"])
@pytest.mark.parametrize(
    "A",
    [cycle(12), path(9), complete(7), complete_bipartite(3, 5), random_graph(30)],
    ids=["cycle", "path", "complete", "bipartite", "random"],
)
def test_equals_the_filter_of_the_eigenbasis(A, lmax):
    L = reference.laplacian_matrix(A, "laplacian")
    values, U = np.linalg.eigh(L)
    X, theta = draws(len(L), 3), draws(9, seed=1) / 9
    bound = lmax
    if lmax == "lanczos":
        bound = scaled_laplacian(A, None, lmax, "one", 1, "graph.test")[0].lmax
        assert values[-1] * (1 - 1e-14) <= bound <= 2.0
    g = np.polynomial.chebyshev.chebval(2 * values / bound - 1, theta)
    EXACT_FILTER.assert_close(
        chebyshev_filter(A, X, theta, lmax=lmax), (U * g) @ U.T @ X
    )


@pytest.mark.parametrize("degree", [1, 2, 5])
def test_nodes_beyond_the_degree_get_exact_zeros(degree):
    n = 40
    A = random_graph(n, degree=2.0, seed=3)
    hops = scipy.sparse.csgraph.shortest_path(A, unweighted=True)
    x = np.zeros(n)
    x[5] = 1.0
    y = chebyshev_filter(A, x, draws(degree + 1))
    assert (y[hops[:, 5] > degree] == 0.0).all()
    assert y[5] != 0
    for shape in ((1, 4), (4, 1)):
        X = np.zeros((n, shape[0]))
        X[5] = 1.0
        Y = chebyshev_filter(A, X, draws(degree + 1, *shape))
        assert (Y[hops[:, 5] > degree] == 0.0).all()


@pytest.mark.parametrize(("isolated", "value"), [("one", 1.0), ("zero", 0.0)])
def test_isolated_nodes(isolated, value):
    A = scipy.sparse.csr_array((3, 3))
    theta = [1.0, 2.0, 4.0]  # at L~ = 2 value / lmax - 1
    at = value - 1
    expected = 1 + 2 * at + 4 * (2 * at**2 - 1)
    got = chebyshev_filter(A, np.ones(3), theta, isolated=isolated)
    np.testing.assert_array_equal(got, expected)


# ------------------------------------------------------------------ operators


@pytest.mark.parametrize("which", SHAPES)
def test_ready_operators_give_the_same_bytes(which):
    A = random_graph(50, weighted=True)
    X, theta, dY = arguments(50, 3, which)
    operator = GraphOperator(A, "laplacian")
    expected = chebyshev_filter(A, X, theta)
    for _ in range(2):
        assert_same_bytes(chebyshev_filter(operator, X, theta), expected)
    assert_same_bytes(
        chebyshev_filter_backward(dY, operator, X, theta),
        chebyshev_filter_backward(dY, A, X, theta),
    )


@pytest.mark.parametrize("lmax", [2.0, "lanczos"])
@pytest.mark.parametrize("which", SHAPES)
def test_a_matrix_in_place_of_the_laplacian(which, lmax):
    A = random_graph(50, weighted=True)
    L = normalized_laplacian(A)
    X, theta, dY = arguments(50, 3, which)
    got = chebyshev_filter(None, X, theta, laplacian=L, lmax=lmax)
    REDUCTION.assert_close(got, chebyshev_filter(A, X, theta, lmax=lmax))
    mine = chebyshev_filter_backward(dY, None, X, theta, laplacian=L, lmax=lmax)
    theirs = chebyshev_filter_backward(dY, A, X, theta, lmax=lmax)
    for one, other in zip(mine, theirs, strict=True):
        COMPOSITE.assert_close(one, other)


def test_bounds_of_matrices():
    rng = np.random.default_rng(0)
    for n in (1, 2, 30, 100):
        B = rng.standard_normal((n, n))
        for L in (B + B.T, B @ B.T, np.diag(rng.uniform(size=n))):
            largest = np.linalg.eigvalsh(L)[-1]
            if largest <= 0:
                continue
            matrix = scipy.sparse.csr_array(L)
            bound = scaled_laplacian(None, matrix, "lanczos", "one", 1, "graph.t")[0]
            assert largest <= bound.lmax * (1 + 1e-12)
            assert bound.lmax <= largest * 1.01 + 1e-9 or n < 3


def test_columns_need_not_be_sorted():
    A = random_graph(40, weighted=True)
    B = A.copy()
    for row in range(40):
        entries = slice(A.indptr[row], A.indptr[row + 1])
        B.indices[entries] = A.indices[entries][::-1]
        B.data[entries] = A.data[entries][::-1]
    B.has_sorted_indices = False
    X, theta, dY = arguments(40, 3, "vector")
    for lmax in (2.0, "lanczos"):
        got = chebyshev_filter(B, X, theta, lmax=lmax)
        COMPOSITE.assert_close(got, chebyshev_filter(A, X, theta, lmax=lmax))
        for one, other in zip(
            chebyshev_filter_backward(dY, B, X, theta, lmax=lmax),
            chebyshev_filter_backward(dY, A, X, theta, lmax=lmax),
            strict=True,
        ):
            COMPOSITE.assert_close(one, other)


def test_zero_matrices_have_a_bound():
    nothing = scipy.sparse.csr_array((4, 4))
    for options in (
        {"isolated": "zero", "A": nothing},
        {"A": None, "laplacian": nothing},
    ):
        A = options.pop("A")
        y = chebyshev_filter(A, np.ones(4), [1.0, 1.0], lmax="lanczos", **options)
        np.testing.assert_array_equal(y, 0.0)


# ------------------------------------------------------------------ bits and laws


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("which", SHAPES)
def test_threads_do_not_change_a_bit(which, dtype):
    A = random_graph(3000, weighted=True, degree=12.0)
    X, theta, dY = arguments(3000, 2, which, dtype)
    results = [
        (
            chebyshev_filter(A, X, theta, n_threads=t),
            *chebyshev_filter_backward(dY, A, X, theta, n_threads=t),
        )
        for t in (1, 2, 7)
    ]
    for other in results[1:]:
        assert_same_bytes(other, results[0])


def test_threads_do_not_change_a_bound():
    A = random_graph(1500, weighted=True, degree=12.0)
    bounds = {
        scaled_laplacian(A, None, "lanczos", "one", t, "graph.test")[0].lmax
        for t in (1, 2)
    }
    assert len(bounds) == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("F", [1, 5, 64, 70, 130])
def test_packing_does_not_change_a_bit_of_an_epilogue(F, dtype):
    A = random_graph(200, directed=True, degree=12.0)
    factors = GraphOperator(A, "laplacian")._prepared(np.dtype(dtype), False)
    X, added, before = draws(3, 200, F, dtype=dtype)
    results = []
    for scratch in (None, np.empty(X.size, dtype)):
        out = before.copy()
        native.graph.laplacian_matmul(
            *factors, X, out, scratch, 2, 2.0, 0.75, added, out
        )
        results.append(out)
    assert_same_bytes(results[1], results[0])
    expected = 2.0 * (GraphOperator(A, "laplacian") @ X) + 0.75 * added - before
    COMPOSITE.assert_close(results[0], expected)


@given(graphs(), st.integers(0, 4), st.data())
def test_laws(A, degree, data):
    n = A.shape[0]
    X, theta = draws(n, 2), draws(degree + 1, seed=degree)
    Y = chebyshev_filter(A, X, theta)
    # Linear in theta and X; columns do not see each other.
    REDUCTION.assert_close(chebyshev_filter(A, X, 2 * theta), 2 * Y)
    assert_same_bytes(
        chebyshev_filter(A, X[:, 1], theta), np.ascontiguousarray(Y[:, 1])
    )
    # Renaming nodes renames results.
    order = np.array(data.draw(st.permutations(range(n))), dtype=int)
    B = A.tocsr()[order][:, order]
    COMPOSITE.assert_close(chebyshev_filter(B, X[order], theta), Y[order])
    # <f(L) X, Y> = <X, f(L)^T Y>
    dX, _ = chebyshev_filter_backward(Y, A, X, theta)
    COMPOSITE.assert_close(np.vdot(dX, X), np.vdot(Y, Y))
    # One theta for all columns is a diagonal of matrices.
    diagonal = theta[:, None, None] * np.eye(2)
    COMPOSITE.assert_close(chebyshev_filter(A, X, diagonal), Y)


# ------------------------------------------------------------------ gradients


@pytest.mark.parametrize("which", SHAPES)
@pytest.mark.parametrize("degree", [0, 1, 2, 4])
def test_finite_differences(degree, which):
    A = random_graph(6, weighted=True, directed=True, seed=2)
    X, theta, dY = arguments(6, degree, which)

    def loss(X, theta):
        return float(np.vdot(dY, chebyshev_filter(A, X, theta, lmax=2.2)))

    gradients = chebyshev_filter_backward(dY, A, X, theta, lmax=2.2)
    assert_gradients(loss, [X, theta], gradients)


# ------------------------------------------------------------------ bad input

GRAPH = random_graph(4, degree=6.0)
MATRIX = normalized_laplacian(GRAPH)


@pytest.mark.parametrize(
    ("A", "X", "theta", "options", "error", "words"),
    [
        (None, np.ones(4), [1.0], {}, ValueError, "A or laplacian, got neither"),
        (GRAPH, np.ones(4), [1.0], {"laplacian": MATRIX}, ValueError, "got both"),
        (GRAPH, np.ones(3), [1.0], {}, ValueError, "X of 4 rows"),
        (GRAPH, np.ones(4), [], {}, ValueError, "at least one coefficient"),
        (GRAPH, np.ones(4), [[1.0]], {}, ValueError, "theta with 1 or 3 dimension"),
        (GRAPH, np.ones((4, 2)), np.ones((2, 3, 1)), {}, ValueError, "X of C columns"),
        (GRAPH, np.ones(4), np.ones((2, 1, 1)), {}, ValueError, "X of C columns"),
        (GRAPH, np.ones(4), ["a"], {}, TypeError, "theta of real numbers"),
        (GRAPH, np.ones(4), [1.0], {"lmax": 0}, ValueError, "lmax > 0"),
        (GRAPH, np.ones(4), [1.0], {"lmax": "two"}, ValueError, "lmax as a number or"),
        (GRAPH, np.ones(4), [1.0], {"lmax": None}, TypeError, "lmax as a number or"),
        (GRAPH, np.ones(4), [1.0], {"isolated": "two"}, ValueError, "isolated as one"),
        (-GRAPH, np.ones(4), [1.0], {}, ValueError, "finite weights >= 0"),
        (GraphOperator(GRAPH), np.ones(4), [1.0], {}, ValueError, "kind 'laplacian'"),
        (
            random_graph(4, directed=True),
            np.ones(4),
            [1.0],
            {"lmax": "lanczos"},
            ValueError,
            "an undirected graph",
        ),
        (
            None,
            np.ones(4),
            [1.0],
            {"laplacian": random_graph(4, directed=True)},
            ValueError,
            "a symmetric laplacian",
        ),
        (
            None,
            np.ones(4),
            [1.0],
            {"laplacian": 5 * MATRIX},
            ValueError,
            "lmax of at least the largest diagonal entry 5",
        ),
        (
            None,
            np.ones(4),
            [1.0],
            {"laplacian": np.nan * MATRIX},
            ValueError,
            "a finite laplacian",
        ),
    ],
)
def test_bad_input(A, X, theta, options, error, words):
    with pytest.raises(error, match=rf"^\[graph.chebyshev_filter\] expected .*{words}"):
        chebyshev_filter(A, X, theta, **options)
    name = "graph.chebyshev_filter_backward"
    with pytest.raises(error, match=rf"^\[{name}\] expected .*{words}"):
        chebyshev_filter_backward(np.ones(np.shape(X)), A, X, theta, **options)


@pytest.mark.parametrize("dY", [np.ones((4, 3)), np.ones(4), np.ones((5, 2))])
def test_bad_gradients(dY):
    with pytest.raises(ValueError, match=r"dY of shape \(4, 2\)"):
        chebyshev_filter_backward(dY, GRAPH, np.ones((4, 2)), [1.0, 2.0])


def test_against_torch():
    torch = pytest.importorskip("torch")
    A = random_graph(40, weighted=True)
    X, theta, dY = arguments(40, 4, "wide to narrow")
    L = torch.from_numpy(normalized_laplacian(A).toarray())
    x, w = (torch.from_numpy(a).requires_grad_() for a in (X, theta))
    before, term = x, (L - torch.eye(40)) @ x
    y = before @ w[0] + term @ w[1]
    for k in range(2, 5):
        before, term = term, 2 * (L - torch.eye(40)) @ term - before
        y = y + term @ w[k]
    y.backward(torch.from_numpy(dY))
    COMPOSITE.assert_close(chebyshev_filter(A, X, theta), y.detach().numpy())
    dX, dtheta = chebyshev_filter_backward(dY, A, X, theta)
    COMPOSITE.assert_close(dX, x.grad.numpy())
    COMPOSITE.assert_close(dtheta, w.grad.numpy())


def test_meshes_enter_as_matrices():
    octahedron = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]
    faces = [[a, b, c] for a in (0, 1) for b in (2, 3) for c in (4, 5)]
    L = mesh_laplacian(octahedron, faces).normalized()
    with pytest.raises(ValueError, match="lmax of at least the largest diagonal"):
        chebyshev_filter(None, np.ones(6), [0.0, 1.0], laplacian=L)
    y = chebyshev_filter(None, np.ones(6), [0, 1], laplacian=L, lmax="lanczos")
    REDUCTION.assert_close(y, -np.ones(6))  # constants: eigenvalue 0, L~ = -1
