"""The graph Fourier transform and exact filters."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from fastnotes.graph import (
    chebyshev_filter,
    fourier_basis,
    graph_fourier_transform,
    inverse_graph_fourier_transform,
    normalized_laplacian,
    spectral_filter,
)
from support.graphs import complete, complete_bipartite, cycle, path, random_graph
from support.sweeps import DTYPES, same_bytes_for_threads
from support.tolerances import COMPOSITE, EXACT_FILTER, REDUCTION


def draws(*shape: int, dtype: type = np.float64):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


SPECTRA = {
    "cycle": (cycle(9), np.sort(1 - np.cos(2 * np.pi * np.arange(9) / 9))),
    "path": (path(8), 1 - np.cos(np.pi * np.arange(8) / 7)),
    "complete": (complete(6), np.array([0.0] + [6 / 5] * 5)),
    "bipartite": (complete_bipartite(2, 5), np.array([0.0] + [1.0] * 5 + [2.0])),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_exact_spectra(name):
    A, expected = SPECTRA[name]
    values, U = fourier_basis(A)
    REDUCTION.assert_close(values, expected)
    REDUCTION.assert_close(U.T @ U, np.eye(len(U)))
    REDUCTION.assert_close((U * values) @ U.T, normalized_laplacian(A).toarray())
    assert (U[np.abs(U).argmax(axis=0), np.arange(len(U))] > 0).all()


@pytest.mark.parametrize("isolated", ["one", "zero"])
def test_the_smallest_eigenvalues_alone(isolated):
    for n in (150, 530):  # dense and iterated
        A = random_graph(n, weighted=True, degree=8.0)
        values = fourier_basis(A, isolated=isolated).eigenvalues
        some, V = fourier_basis(A, n_components=5, isolated=isolated)
        COMPOSITE.assert_close(some, values[:5])
        assert V.shape == (n, 5)
        L = normalized_laplacian(A, isolated=isolated)
        COMPOSITE.assert_close(L @ V, V * some)


def test_the_smallest_eigenvalues_of_no_edges():
    nothing = scipy.sparse.csr_array((530, 530))
    for isolated, value in (("one", 1.0), ("zero", 0.0)):
        found = fourier_basis(nothing, n_components=3, isolated=isolated)
        COMPOSITE.assert_close(found.eigenvalues, np.full(3, value))


@pytest.mark.parametrize("dtype", DTYPES)
def test_there_and_back(dtype):
    U = fourier_basis(random_graph(60)).U.astype(dtype)
    for x in (draws(60, dtype=dtype), draws(60, 5, dtype=dtype)):
        x_hat = graph_fourier_transform(U, x)
        assert x_hat.dtype == dtype
        COMPOSITE.assert_close(x_hat, U.T @ x)
        np.testing.assert_allclose(
            inverse_graph_fourier_transform(U, x_hat), x, atol=1e-4, rtol=0
        )


def test_threads_do_not_change_a_bit():
    U, x = draws(300, 300), draws(300, 7)
    same_bytes_for_threads(lambda t: graph_fourier_transform(U, x, n_threads=t))
    same_bytes_for_threads(lambda t: inverse_graph_fourier_transform(U, x, n_threads=t))


@pytest.mark.parametrize("dtype", DTYPES)
def test_filters(dtype):
    A = random_graph(40, weighted=True)
    values, U = np.linalg.eigh(normalized_laplacian(A).toarray())
    for x in (draws(40, dtype=dtype), draws(40, 3, dtype=dtype)):
        got = spectral_filter(A, x, lambda w: np.exp(-3 * w))
        assert got.dtype == dtype
        EXACT_FILTER.assert_close(got, (U * np.exp(-3 * values)) @ U.T @ x)


def test_polynomials_are_chebyshev_filters():
    A, x = random_graph(40), draws(40, 3)
    theta = [0.5, -1.0, 0.25, 2.0]
    exact = spectral_filter(
        A, x, lambda w: np.polynomial.chebyshev.chebval(w - 1, theta)
    )
    EXACT_FILTER.assert_close(chebyshev_filter(A, x, theta), exact)


def test_partial_bases_are_low_pass_filters():
    A, x = random_graph(40, degree=8.0), draws(40, 2)
    got = spectral_filter(A, x, np.ones_like, n_components=5)
    U = fourier_basis(A).U[:, :5]
    COMPOSITE.assert_close(got, U @ (U.T @ x))


def test_matrices_in_place_of_the_laplacian():
    A = random_graph(30)
    L = 3 * normalized_laplacian(A)
    values = fourier_basis(None, laplacian=L).eigenvalues
    REDUCTION.assert_close(values, 3 * fourier_basis(A).eigenvalues)


GRAPH = random_graph(5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fourier_basis(None), ValueError, "A or laplacian, got neither"),
        (lambda: fourier_basis(np.eye(3)), TypeError, "A as a SciPy sparse"),
        (lambda: fourier_basis(GRAPH, n_components=5), ValueError, "from 1 to 4"),
        (lambda: fourier_basis(GRAPH, n_components=0), ValueError, "from 1 to 4"),
        (
            lambda: fourier_basis(random_graph(9, directed=True)),
            ValueError,
            "a symmetric laplacian",
        ),
        (lambda: graph_fourier_transform(np.eye(3), np.ones(4)), ValueError, "3 rows"),
        (lambda: graph_fourier_transform(np.ones(3), np.ones(3)), ValueError, "U with"),
        (
            lambda: inverse_graph_fourier_transform(np.ones((4, 2)), np.ones(4)),
            ValueError,
            "x_hat of 2 rows",
        ),
        (lambda: spectral_filter(GRAPH, np.ones(5), 3), TypeError, "g as a function"),
        (
            lambda: spectral_filter(GRAPH, np.ones(5), lambda w: w[:2]),
            ValueError,
            r"factors of shape \(5,\)",
        ),
        (lambda: spectral_filter(GRAPH, np.ones(4), np.exp), ValueError, "x of 5 rows"),
        (
            lambda: spectral_filter(GRAPH, np.ones(5), lambda w: ["a"] * 5),
            TypeError,
            "g's factors of real",
        ),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=rf"^\[graph\.\w+\] expected .*{words}"):
        call()


def test_no_nodes():
    values, U = fourier_basis(scipy.sparse.csr_array((0, 0)))
    assert (values.shape, U.shape) == ((0,), (0, 0))
