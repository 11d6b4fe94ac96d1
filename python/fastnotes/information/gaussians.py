"""Gaussians: entropy, divergence and mutual information in closed form, in nats.

Covariances are (..., d, d), or a number for one dimension.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._validation import (
    RealArray,
    as_integer,
    as_real_array,
    check_finite,
    describe,
    fail,
)
from fastnotes.information._probabilities import (
    Float64Array,
    check_batch,
    finish,
    first_index,
    gap,
)

_LOG_2_PI_E = float(np.log(2 * np.pi) + 1)


def gaussian_entropy(covariance: ArrayLike) -> Any:
    """Half of log det (2 pi e covariance).

    Parameters
    ----------
    covariance
        (..., d, d), symmetric positive definite, or a variance > 0.

    Returns
    -------
    scalar or numpy.ndarray
        (...). Below 0 for narrow densities.

    Raises
    ------
    TypeError, ValueError
        If ``covariance`` is not that.

    Examples
    --------
    >>> from fastnotes.information import gaussian_entropy
    >>> round(float(gaussian_entropy(1.0)), 12)
    1.418938533205
    """
    where = "information.gaussian_entropy"
    matrices, dtype = _covariances(covariance, where, "covariance")
    factor = _cholesky(matrices, where, "covariance")
    d = matrices.shape[-1]
    return finish(d * _LOG_2_PI_E / 2 + _half_log_det(factor), dtype)


def gaussian_kl(
    mean_p: ArrayLike,
    covariance_p: ArrayLike,
    mean_q: ArrayLike,
    covariance_q: ArrayLike,
) -> Any:
    """KL between Gaussians: half of tr(Q^-1 P) - d + distance^2 + log det Q / det P.

    Parameters
    ----------
    mean_p, mean_q
        (..., d), finite, or numbers where the covariances are.
    covariance_p, covariance_q
        (..., d, d), symmetric positive definite, or variances > 0.

    Returns
    -------
    scalar or numpy.ndarray
        (...), >= 0: the eigenvalues l of Q^-1 P enter as l - 1 - log l, none of which
        is negative.

    Raises
    ------
    TypeError, ValueError
        If an argument is not that, or the shapes do not broadcast.

    Examples
    --------
    >>> from fastnotes.information import gaussian_kl
    >>> float(gaussian_kl(1.0, 1.0, 0.0, 1.0))
    0.5
    """
    where = "information.gaussian_kl"
    p, dtype_p = _covariances(covariance_p, where, "covariance_p")
    q, dtype_q = _covariances(covariance_q, where, "covariance_q")
    d = p.shape[-1]
    if q.shape[-1] != d:
        fail(where, f"covariance_q of shape (..., {d}, {d})", str(q.shape))
    means = [
        _mean(mean, d, where, name)
        for name, mean in (("mean_p", mean_p), ("mean_q", mean_q))
    ]
    dtype = np.result_type(dtype_p, dtype_q, *means)
    _cholesky(p, where, "covariance_p")
    factor = _cholesky(q, where, "covariance_q")
    check_batch(where, p[..., 0], q[..., 0], *means)
    shift = np.subtract(*means, dtype=np.float64)[..., None]
    half = np.linalg.solve(factor, p)
    whitened = np.linalg.solve(factor, np.swapaxes(half, -1, -2))
    ratios = np.linalg.eigvalsh((whitened + np.swapaxes(whitened, -1, -2)) / 2)
    with np.errstate(all="ignore"):  # a ratio below 0 is one of 0 but for rounding
        spread = gap(np.ones_like(ratios), np.maximum(ratios, 0.0)).sum(axis=-1)
        distance = (np.linalg.solve(factor, shift) ** 2).sum(axis=(-2, -1))
    return finish((spread + distance) / 2, dtype)


def gaussian_mutual_information(covariance: ArrayLike, n_first: int = 1) -> Any:
    """I between the first coordinates of a Gaussian and the rest.

    Parameters
    ----------
    covariance
        (..., d, d), symmetric positive definite.
    n_first
        How many coordinates belong to the first variable, from 1 to d - 1.

    Returns
    -------
    scalar or numpy.ndarray
        - 1/2 sum log (1 - r^2) over the canonical correlations r, which for two
        coordinates is the correlation.

    Raises
    ------
    TypeError, ValueError
        If an argument is not that.

    Examples
    --------
    >>> from fastnotes.information import gaussian_mutual_information
    >>> round(float(gaussian_mutual_information([[1.0, 0.9], [0.9, 1.0]])), 12)
    0.830365603411
    """
    where = "information.gaussian_mutual_information"
    matrices, dtype = _covariances(covariance, where, "covariance")
    d = matrices.shape[-1]
    if d < 2:
        fail(where, "covariance of at least 2 coordinates", f"{d}")
    k = as_integer(n_first, where, "n_first", low=1, high=d - 1)
    _cholesky(matrices, where, "covariance")
    first = np.linalg.cholesky(matrices[..., :k, :k])
    rest = np.linalg.cholesky(matrices[..., k:, k:])
    half = np.linalg.solve(first, matrices[..., :k, k:])
    whitened = np.linalg.solve(rest, np.swapaxes(half, -1, -2))
    correlations = np.linalg.svd(whitened, compute_uv=False)
    with np.errstate(divide="ignore"):
        terms = np.log1p(-(np.minimum(correlations, 1.0) ** 2))
    return finish(0.0 - terms.sum(axis=-1) / 2, dtype)


def _covariances(
    value: ArrayLike, where: str, name: str
) -> tuple[Float64Array, np.dtype[Any]]:
    array = as_real_array(value, where, name)
    if array.ndim == 0:
        array = array.reshape(1, 1)
    if array.ndim == 1 or array.shape[-1] != array.shape[-2] or array.shape[-1] == 0:
        fail(where, f"{name} of shape (..., d, d), or a variance", describe(array))
    check_finite(array, where, name)
    matrices = array.astype(np.float64)
    turned = np.swapaxes(matrices, -1, -2)
    size = np.abs(matrices).max(axis=(-2, -1), keepdims=True, initial=0.0)
    apart = np.abs(matrices - turned) > np.sqrt(np.finfo(array.dtype).eps) * size
    if apart.any():
        fail(where, f"{name} symmetric", f"asymmetry at index {first_index(apart)}")
    return (matrices + turned) / 2, array.dtype


def _mean(value: ArrayLike, d: int, where: str, name: str) -> RealArray:
    array = as_real_array(value, where, name)
    if array.ndim == 0 and d == 1:
        array = array.reshape(1)
    if array.ndim == 0 or array.shape[-1] != d:
        fail(where, f"{name} of shape (..., {d})", describe(array))
    check_finite(array, where, name)
    return array


def _cholesky(matrices: Float64Array, where: str, name: str) -> Float64Array:
    try:
        factor = np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        fail(where, f"{name} positive definite", "a matrix that is not")
    return np.asarray(factor, np.float64)


def _half_log_det(factor: Float64Array) -> Any:
    diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
    return np.log(diagonal).sum(axis=-1)
