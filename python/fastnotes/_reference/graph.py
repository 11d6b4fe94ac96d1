"""Graph operators written to be read: dense NumPy, one line per formula.

Every function takes an adjacency that `scipy.sparse` or NumPy can turn into a dense
array. Stored duplicates are summed, as SciPy does.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse

Dense: TypeAlias = npt.NDArray[np.float64]


def dense_adjacency(A: Any) -> Dense:
    """A as a dense float64 array."""
    if scipy.sparse.issparse(A):
        A = A.toarray()
    return np.asarray(A, dtype=np.float64)


def from_edges(
    edges: npt.NDArray[np.integer[Any]],
    n_nodes: int,
    weights: Any = None,
    directed: bool = False,
) -> Dense:
    """A[u, v] += w of every edge, and A[v, u] += w too; 1 at most without weights."""
    A = np.zeros((n_nodes, n_nodes))
    for e, (u, v) in enumerate(np.asarray(edges).T):
        w = 1.0 if weights is None else float(weights[e])
        for i, j in {(u, v)} if directed else {(u, v), (v, u)}:
            A[i, j] = 1.0 if weights is None else A[i, j] + w
    return A


def inverse_power(degree: Dense, power: float) -> Dense:
    """Degree ** -power, and 0 where the degree is 0."""
    result = np.zeros_like(degree)
    result[degree > 0] = degree[degree > 0] ** -power
    return result


def laplacian_matrix(
    A: Any, kind: str = "renormalized", isolated: str = "one"
) -> Dense:
    """The operator as a dense matrix; D is the diagonal of row sums.

    renormalized  D~^-1/2 A~ D~^-1/2, A~ = A with its diagonal raised to at least 1
    adjacency     D^-1/2 A D^-1/2
    laplacian     I - D^-1/2 A D^-1/2, with diagonal `isolated` where the degree is 0
    random_walk   D^-1 A
    """
    W = dense_adjacency(A)
    if kind == "renormalized":
        W = W.copy()
        np.fill_diagonal(W, np.maximum(np.diagonal(W), 1.0))
    degree = W.sum(axis=1)
    if kind == "random_walk":
        walk: Dense = inverse_power(degree, 1.0)[:, None] * W
        return walk
    s = inverse_power(degree, 0.5)
    normalized: Dense = s[:, None] * W * s[None, :]
    if kind != "laplacian":
        return normalized
    diagonal = np.where((degree == 0) & (isolated == "zero"), 0.0, 1.0)
    return np.diag(diagonal) - normalized


def laplacian_matmul(
    A: Any, X: Dense, kind: str = "renormalized", isolated: str = "one"
) -> Dense:
    """The operator times X."""
    Y: Dense = laplacian_matrix(A, kind, isolated) @ X
    return Y


def laplacian_rmatmul(
    A: Any, Y: Dense, kind: str = "renormalized", isolated: str = "one"
) -> Dense:
    """The transposed operator times Y, which is also the gradient by X."""
    X: Dense = laplacian_matrix(A, kind, isolated).T @ Y
    return X


def laplacian_weight_gradient(
    A: Any, X: Dense, dY: Dense, kind: str = "renormalized"
) -> Dense:
    """Gradient of sum(dY * (op(A) @ X)) by every entry of A, (n, n).

    Entry (i, j) changes the product directly and, through the degree of node i, every
    entry in row i (and for the symmetric kinds in column i) of the normalised matrix.
    Where renormalisation has raised a diagonal entry to 1 its gradient is 0. Rows of
    degree 0 have gradient 0.
    """
    W = dense_adjacency(A)
    raised = np.zeros(len(W), dtype=bool)
    if kind == "renormalized":
        W = W.copy()
        raised = np.diagonal(W) < 1.0
        np.fill_diagonal(W, np.maximum(np.diagonal(W), 1.0))
    degree = W.sum(axis=1)
    dM: Dense = dY @ X.T
    gradient: Dense
    if kind == "random_walk":
        inverse = inverse_power(degree, 1.0)
        through_degree = -(inverse**2) * (dM * W).sum(axis=1)
        gradient = inverse[:, None] * dM + through_degree[:, None]
        return gradient
    s = inverse_power(degree, 0.5)
    dN = -dM if kind == "laplacian" else dM
    dN_N = dN * (s[:, None] * W * s[None, :])
    through_degree = (
        -0.5 * inverse_power(degree, 1.0) * (dN_N.sum(axis=1) + dN_N.sum(axis=0))
    )
    gradient = s[:, None] * dN * s[None, :] + through_degree[:, None]
    gradient[raised, raised] = 0.0
    return gradient


def chebyshev_terms(L: Dense, lmax: float, degree: int) -> list[Dense]:
    """T_0(L~) to T_degree(L~) with L~ = 2 L / lmax - I, by T_k = 2 L~ T_k-1 - T_k-2."""
    scaled = 2 * L / lmax - np.eye(len(L))
    terms = [np.eye(len(L)), scaled]
    while len(terms) <= degree:
        terms.append(2 * scaled @ terms[-1] - terms[-2])
    return terms[: degree + 1]


def chebyshev_filter(L: Dense, X: Dense, theta: Dense, lmax: float = 2.0) -> Dense:
    """sum_k theta_k T_k(L~) X, or sum_k T_k(L~) X Theta_k (Defferrard et al. 2016)."""
    terms = chebyshev_terms(L, lmax, len(theta) - 1)
    if theta.ndim == 1:
        parts = [t * T @ X for t, T in zip(theta, terms, strict=True)]
    else:
        parts = [T @ X @ t for t, T in zip(theta, terms, strict=True)]
    return np.asarray(np.sum(parts, axis=0))


def chebyshev_filter_backward(
    dY: Dense, L: Dense, X: Dense, theta: Dense, lmax: float = 2.0
) -> tuple[Dense, Dense]:
    """Gradients of sum(dY * chebyshev_filter(L, X, theta)) by X and by theta."""
    back = [T.T @ dY for T in chebyshev_terms(L, lmax, len(theta) - 1)]
    if theta.ndim == 1:
        dX = np.sum([t * S for t, S in zip(theta, back, strict=True)], axis=0)
        return dX, np.array([np.vdot(S, X) for S in back])
    dX = np.sum([S @ t.T for t, S in zip(theta, back, strict=True)], axis=0)
    return dX, np.stack([X.T @ S for S in back])


def graph_convolution(A: Any, X: Dense, W: Dense) -> Dense:
    """D~^-1/2 A~ D~^-1/2 X W (Kipf and Welling 2017, eq. 8)."""
    Y: Dense = laplacian_matrix(A) @ X @ W
    return Y


def graph_convolution_backward(
    dY: Dense, A: Any, X: Dense, W: Dense
) -> tuple[Dense, Dense]:
    """Gradients of sum(dY * graph_convolution(A, X, W)) by X and by W."""
    dZ = laplacian_matrix(A).T @ dY
    return dZ @ W.T, X.T @ dZ
