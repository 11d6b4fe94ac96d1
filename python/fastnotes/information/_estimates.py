"""Estimators of mutual information, on samples checked and standardised."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastnotes.information._neighbours import (
    ball_extents,
    count_inside,
    count_on_lines,
    kth_neighbours,
    psi_of,
)
from fastnotes.information._probabilities import Float64Array
from fastnotes.information._samples import Labels, combined


class Estimate(NamedTuple):
    """An estimate and its standard error."""

    value: np.float64
    standard_error: np.float64


def ksg1(a: Float64Array, b: Float64Array, k: int, n_threads: int) -> Float64Array:
    """Terms of the mean; with the tie rule also those of Gao and others."""
    radius, inside = kth_neighbours(np.hstack([a, b]), k, n_threads)
    if a.shape[1] == b.shape[1] == 1:
        lines = np.concatenate([a.T, b.T])
        n_a, n_b = count_on_lines(lines, radius, n_threads)
    else:
        n_a, n_b = (count_inside(each, radius, n_threads) for each in (a, b))
    return psi_terms(inside, n_a, n_b) + psi_of(len(a))


def ksg2(a: Float64Array, b: Float64Array, k: int, n_threads: int) -> Float64Array:
    """Terms of the mean, of the rectangle around what is no farther than the radius."""
    joint = np.hstack([a, b])
    radius, _ = kth_neighbours(joint, k, n_threads)
    inside, extents = ball_extents(joint, radius, n_threads)
    reaches = [each.max(axis=1) for each in np.hsplit(extents, [a.shape[1]])]
    n_a, n_b = (
        count_inside(side, reach, n_threads, closed=True)
        for side, reach in zip((a, b), reaches, strict=True)
    )
    flat = np.minimum(*reaches) == 0
    with np.errstate(all="ignore"):
        terms = psi_of(inside) - 1 / inside - psi_of(n_a) - psi_of(n_b)
    terms += psi_of(len(a))
    return np.where(flat, ksg1(a, b, k, n_threads), terms) if flat.any() else terms


def conditional_ksg1(
    a: Float64Array, b: Float64Array, c: Float64Array, k: int, n_threads: int
) -> Float64Array:
    """Terms of the mean of I(A; B | C)."""
    radius, inside = kth_neighbours(np.hstack([a, b, c]), k, n_threads)
    blocks = np.hstack([a, c]), np.hstack([b, c]), c
    n_ac, n_bc, n_c = (count_inside(each, radius, n_threads) for each in blocks)
    return psi_terms(inside, n_ac, n_bc) + psi_of(n_c + 1)


def psi_terms(inside: Any, n_a: Any, n_b: Any) -> Float64Array:
    return psi_of(inside + 1) - psi_of(n_a + 1) - psi_of(n_b + 1)


def of_terms(terms: Float64Array) -> Estimate:
    return Estimate(terms.mean(), terms.std() / np.sqrt(len(terms)))


def basis_of(samples: Float64Array) -> Float64Array:
    """Orthonormal columns that span the standardised samples."""
    left, sizes, _ = np.linalg.svd(samples, full_matrices=False)
    smallest = sizes.max(initial=0) * max(samples.shape) * np.finfo(np.float64).eps
    return left[:, sizes > smallest]


def gaussian(a: Float64Array, b: Float64Array) -> Estimate:
    between = basis_of(a).T @ basis_of(b)
    r = np.linalg.svd(between, compute_uv=False) if between.size else np.zeros(0)
    r = np.where(r > 1 - 4 * np.finfo(np.float64).eps, 1.0, r)
    with np.errstate(divide="ignore"):
        value = 0.0 - np.log1p(-(r**2)).sum() / 2
    return Estimate(np.float64(value), np.sqrt((r**2).sum() / len(a)))


def plugin(
    x: Labels, y: Labels, z: Labels | None = None, *, corrected: bool = True
) -> Estimate:
    """Of frequencies; Miller and Madow add (labels - 1) / 2 N to each entropy."""
    if z is None:
        z = np.zeros_like(x)
    xz, yz = combined(x, z), combined(y, z)
    codes = combined(xz, y), z, xz, yz
    counts = [np.bincount(each) for each in codes]
    n_xyz, n_z, n_xz, n_yz = (
        count[code].astype(np.float64)
        for count, code in zip(counts, codes, strict=True)
    )
    terms = np.log(n_xyz * n_z) - np.log(n_xz * n_yz)
    seen = [np.count_nonzero(count) for count in counts]
    bias = (seen[0] + seen[1] - seen[2] - seen[3]) / (2 * len(x))
    value, error = of_terms(terms)
    return Estimate(value - bias if corrected else value, error)
