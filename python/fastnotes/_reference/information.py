"""Neighbours in the maximum norm and the estimators made of them, by brute force.

With psi the digamma function, N samples, rho_i the distance of sample i to its k-th
neighbour in all coordinates together, and n(i) numbers of other samples within it::

    KSG 1  psi(N) + mean(psi(m + 1) - psi(n_x + 1) - psi(n_y + 1)), n nearer than rho,
           m of them in all coordinates: k - 1 where no distance repeats
    KSG 2  psi(N) + mean(psi(m) - 1 / m - psi(n_x) - psi(n_y)), n no farther than the m
           points no farther than rho reach in x and in y

Where rho = 0, m and n count the samples that coincide, by the first formula; that also
serves in place of the second where the m points do not reach out in x or in y.
Source: Kraskov, Stoegbauer, Grassberger, Phys. Rev. E 69 (2004), equations 8 and 9;
Gao, Kannan, Oh, Viswanath, NeurIPS 2017, for samples that coincide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import psi

Float64Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def distances(points: Float64Array, queries: Float64Array | None = None) -> Any:
    """All of them; +inf of a point to itself."""
    if queries is not None:
        return np.abs(queries[:, None] - points[None]).max(axis=2)
    table = np.abs(points[:, None] - points[None]).max(axis=2)
    np.fill_diagonal(table, np.inf)
    return table


def kth_neighbours(
    points: Float64Array, k: int, queries: Float64Array | None = None
) -> tuple[Float64Array, Counts]:
    """Distance to the k-th neighbour, and how many are nearer."""
    table = np.sort(distances(points, queries), axis=1)
    return table[:, k - 1], (table < table[:, k - 1 : k]).sum(axis=1)


def count_inside(points: Float64Array, radius: Float64Array) -> Any:
    """Other points nearer than the radius; for 0, those that coincide."""
    table = distances(points)
    return ((table < radius[:, None]) | (table == 0)).sum(axis=1)


def ball_extents(
    points: Float64Array, radius: Float64Array
) -> tuple[Counts, Float64Array]:
    """Other points no farther than the radius, and how far they reach on each axis.

    None for a radius of 0.
    """
    within = (distances(points) <= radius[:, None]) & (radius[:, None] > 0)
    away = np.abs(points[:, None] - points[None]) * within[:, :, None]
    return within.sum(axis=1), away.max(axis=1)


def ksg1(
    x: Float64Array, y: Float64Array, k: int, z: Float64Array | None = None
) -> Any:
    """Terms whose mean is I(X; Y), or I(X; Y | Z) with z."""
    blocks = [x, y] if z is None else [np.hstack([x, z]), np.hstack([y, z])]
    joint = np.hstack([x, y] if z is None else [x, y, z])
    radius, _ = kth_neighbours(joint, k)
    inside = count_inside(joint, radius)
    terms = psi(inside + 1.0)
    for block in blocks:
        terms = terms - psi(count_inside(block, radius) + 1.0)
    known = len(x) - 1 if z is None else count_inside(z, radius)
    return terms + psi(known + 1.0)


def ksg2(x: Float64Array, y: Float64Array, k: int) -> Any:
    """Terms whose mean is I(X; Y)."""
    joint = np.hstack([x, y])
    radius, _ = kth_neighbours(joint, k)
    m, extents = ball_extents(joint, radius)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms, reaches = psi(m.astype(float)) - 1 / m, np.full(len(x), np.inf)
    for block, extent in zip((x, y), np.hsplit(extents, [x.shape[1]]), strict=True):
        reach = extent.max(axis=1)
        n = (distances(block) <= reach[:, None]).sum(axis=1)
        terms, reaches = terms - psi(n.astype(float)), np.minimum(reaches, reach)
    return np.where(reaches > 0, terms + psi(float(len(x))), ksg1(x, y, k))


def ross(x: Float64Array, labels: Counts, k: int) -> Any:
    """Terms whose mean is I(X; label) of one number x (Ross, PLoS ONE 9, 2014).

    psi(N) + psi(m_label + 1) - psi(N_label) - psi(m + 1): others nearer than the k-th
    neighbour of the same label, of that label and of all. Single samples are left out;
    k is at most the label's others.
    """
    sizes = np.bincount(labels)[labels]
    x, labels, sizes = x[sizes > 1], labels[sizes > 1], sizes[sizes > 1]
    radius, own = np.empty(len(x)), np.empty(len(x))
    for label in np.unique(labels):
        mine = labels == label
        column = x[mine, None]
        radius[mine], _ = kth_neighbours(column, min(k, len(column) - 1))
        own[mine] = count_inside(column, radius[mine])
    everyone = count_inside(x[:, None], radius)
    terms = psi(own + 1.0) - psi(sizes.astype(float)) - psi(everyone + 1.0)
    return terms + psi(float(len(x))) if len(x) else terms


def kl(x: Float64Array, y: Float64Array, k: int) -> float:
    """Return d mean(log(nu / rho)) + log(m / (n - 1)), of k-th neighbours' distances.

    Wang, Kulkarni, Verdu, IEEE Trans. Inf. Theory 55 (2009), equation 5.
    """
    rho, nu = kth_neighbours(x, k)[0], kth_neighbours(y, k, x)[0]
    return float(x.shape[1] * np.mean(np.log(nu / rho)) + np.log(len(y) / (len(x) - 1)))
