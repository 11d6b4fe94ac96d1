"""An upper bound of the spectrum of a symmetric matrix, from its products alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes.nn.gemm import matmul

Float64Array = NDArray[np.float64]

#: Philox purpose of the start.
START_PURPOSE = 0x67720000
_MOST_STEPS = 80
#: Residual over the bound that is good enough.
_ENOUGH = 1e-4


def largest_eigenvalue(
    multiply: Callable[[Float64Array], Float64Array],
    n: int,
    at_most: float,
    n_threads: int,
) -> float:
    """Return an upper bound of the largest eigenvalue, at most ``at_most``.

    Lanczos with full reorthogonalisation from a start drawn by Philox. The bound is
    the largest Ritz value and the norm of its residual, within which of it an
    eigenvalue lies: the largest one, unless the start has no part in its direction.

    Source: Zhou and Li, "Bounding the spectrum of large Hermitian matrices", Linear
    Algebra and its Applications 435 (2011).
    """
    if n == 0:
        return at_most
    start = np.empty(n)
    native.runtime.fill_normal(0, START_PURPOSE, 0, start)
    basis = [start / _norm(start)]
    diagonal: list[float] = []
    beside: list[float] = []
    bound = at_most
    for step in range(min(n, _MOST_STEPS)):
        w = multiply(basis[-1])
        diagonal.append(float((w * basis[-1]).sum()))
        for _ in range(2):  # once more takes away what rounding has left
            w = _without(w, basis, n_threads)
        beside.append(_norm(w))
        T = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
        values, vectors = np.linalg.eigh(T)
        residual = beside[-1] * abs(float(vectors[-1, -1]))
        rounding = 1e-14 * (step + 1) * float(np.abs(values).max())
        bound = min(at_most, float(values[-1]) + residual + rounding)
        if residual <= _ENOUGH * abs(bound):
            break
        basis.append(w / beside[-1])
    return bound if bound > 0 else at_most  # of the zero matrix: any bound


def _norm(x: Float64Array) -> float:
    # NumPy's own sum: BLAS has as many threads, and orders, as it likes.
    return float(np.sqrt((x * x).sum()))


def _without(
    w: Float64Array, basis: list[Float64Array], n_threads: int
) -> Float64Array:
    V = np.stack(basis)
    column = w.reshape(-1, 1)
    parts = matmul(V, column, n_threads=n_threads)
    return w - matmul(V, parts, transpose_a=True, n_threads=n_threads)[:, 0]
