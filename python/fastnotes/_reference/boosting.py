"""Boosted-tree kernels in NumPy: short, slow, and right by inspection."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: |gradient| or |hessian| becomes an integer of at most this many bits.
QUANTIZED_BITS = 15

#: Philox purpose of the rows that thresholds are fitted on.
SAMPLE_PURPOSE = 0x626F6F01


class Split(NamedTuple):
    """Best split of a histogram: the fields of ``fastnotes.boosting.Split``."""

    feature: int
    bin: int
    gain: float
    default_left: bool
    G_left: float
    H_left: float
    G_right: float
    H_right: float


def philox4x32(key: tuple[int, int], counter: Array) -> Array:
    """Philox4x32-10 of counters (n, 4): Salmon et al. (2011)."""
    mask = np.uint64(0xFFFFFFFF)
    c0, c1, c2, c3 = (counter[:, i].astype(np.uint64) for i in range(4))
    k0, k1 = key
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c0
        p1 = np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            p1 & mask,
            (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            p0 & mask,
        )
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def sample_rows(n_rows: int, subsample: int, seed: int) -> Array:
    """One row from each of ``subsample`` equal strata; every row if there are fewer."""
    if n_rows <= subsample:
        return np.arange(n_rows)
    stratum = np.arange(subsample).astype(object)  # products beyond 64 bits
    first = stratum * n_rows // subsample
    size = (stratum + 1) * n_rows // subsample - first
    counter = np.zeros((subsample, 4), np.uint64)
    counter[:, 0] = stratum
    counter[:, 2] = SAMPLE_PURPOSE
    draw = philox4x32((seed & 0xFFFFFFFF, seed >> 32), counter)[:, 0]
    rows: Array = (first + draw.astype(object) * size // 2**32).astype(np.int64)
    return rows


def row_masses(sample_weight: Array) -> tuple[Array, int]:
    """Weights as integers, and how many rows they mean.

    Integers of sum at most 2^53 stay and mean repeated rows. Others become multiples of
    a power of two, at least 1 where positive, and mean one row each.
    """
    weight = np.asarray(sample_weight, np.float64)
    if (weight % 1 == 0).all() and weight.sum() <= 2**53:
        return weight.astype(np.int64), int(weight.sum())
    exponent = 53 - (len(weight) - 1).bit_length() - int(np.frexp(weight.max())[1])
    masses = np.maximum(np.rint(np.ldexp(weight, exponent)), 1).astype(np.int64)
    return np.where(weight > 0, masses, 0), int((weight > 0).sum())


def select_rows(
    n_rows: int, sample_weight: Array | None, subsample: int, seed: int
) -> tuple[Array, Array]:
    """Rows to fit thresholds on, and how often each counts."""
    if sample_weight is None:
        rows = sample_rows(n_rows, subsample, seed)
        return rows, np.ones(len(rows), np.int64)
    masses, n_meant = row_masses(sample_weight)
    if n_meant > subsample:
        drawn = sample_rows(int(masses.sum()), subsample, seed)
        row = np.searchsorted(np.cumsum(masses), drawn, side="right")
        masses = np.bincount(row, minlength=n_rows)
    rows = np.flatnonzero(masses)
    return rows, masses[rows]


def midpoint(left: Any, right: Any, dtype: Any) -> Any:
    """Threshold with left <= threshold < right: the midpoint, rounded towards left."""
    with np.errstate(invalid="ignore", over="ignore"):
        middle = 0.5 * np.float64(left) + 0.5 * np.float64(right)
    if not middle < right:
        middle = np.nextafter(np.float64(right), -np.inf)
    middle = max(middle, np.float64(left))
    return round_down(np.array([middle]), dtype)[0]


def round_down(values: Array, dtype: Any) -> Array:
    """float64 values as the largest ``dtype`` value not above each."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = values.astype(dtype)
        below = np.nextafter(rounded, np.array(-np.inf, dtype))
    return np.where(rounded > values, below, rounded)


def column_thresholds(values: Array, masses: Array, max_bin: int) -> Array:
    """Thresholds of one column: at most ``max_bin - 1``, strictly increasing."""
    known = ~np.isnan(values)
    distinct, place = np.unique(values[known] + 0.0, return_inverse=True)  # -0.0 is 0.0
    if len(distinct) <= max_bin:
        after = list(range(len(distinct) - 1))
    else:
        counts = np.zeros(len(distinct), np.int64)
        np.add.at(counts, place.ravel(), masses[known])
        after = equal_mass_cuts(counts, max_bin)
    cuts = [midpoint(distinct[i], distinct[i + 1], values.dtype) for i in after]
    return np.array(cuts, values.dtype)


def equal_mass_cuts(counts: Array, max_bin: int) -> list[int]:
    """Indices i of sorted distinct values after which a bin ends.

    A value with at least an equal share of the mass has a bin of its own. The rest is
    shared greedily: a bin ends where its mass is nearest to (mass left) / (bins left),
    the smaller bin where both are as near.
    """
    heavy = counts * max_bin >= counts.sum()
    mass_left = counts[~heavy].sum()
    bins_left = max_bin - heavy.sum()
    cuts: list[int] = []
    mass = 0
    for i in range(len(counts) - 1):
        if len(cuts) == max_bin - 1:
            break
        if heavy[i]:
            ends = True
        else:
            mass += counts[i]
            ends = bins_left > 0 and (
                heavy[i + 1] or (2 * mass + counts[i + 1]) * bins_left >= 2 * mass_left
            )
            if ends:
                mass_left -= mass
                bins_left -= 1
        if ends:
            cuts.append(i)
            mass = 0
    return cuts


def fit_thresholds(
    X: Array,
    max_bin: int,
    subsample: int,
    seed: int,
    sample_weight: Array | None = None,
) -> list[Array]:
    """Thresholds of every column; rows of weight 0 do not exist."""
    rows, masses = select_rows(len(X), sample_weight, subsample, seed)
    return [column_thresholds(X[rows, c], masses, max_bin) for c in range(X.shape[1])]


def assign_bins(X: Array, thresholds: list[Array], n_bins: int) -> Array:
    """Code = number of thresholds below the value; n_bins - 1 for NaN."""
    bins = np.empty(X.shape, np.uint8)
    for c, cuts in enumerate(thresholds):
        codes = np.searchsorted(cuts, X[:, c], side="left")
        bins[:, c] = np.where(np.isnan(X[:, c]), n_bins - 1, codes)
    return bins


def quantization_exponent(values: Array) -> int:
    """Return e such that max|value| 2^e lies in [2^14, 2^15)."""
    largest = np.max(np.abs(values), initial=0.0)
    return QUANTIZED_BITS - int(np.frexp(np.float64(largest))[1])


def build_histogram(
    bins: Array, grad: Array, hess: Array, rows: Array | None, n_bins: int
) -> Array:
    """Sums of quantised gradients and hessians; equals the kernel byte for byte."""
    rows = np.arange(len(bins)) if rows is None else np.asarray(rows, np.int64)
    out = np.zeros((bins.shape[1], n_bins, 2))
    for k, values in enumerate((grad, hess)):
        exponent = quantization_exponent(values)
        integers = np.rint(np.ldexp(values[rows].astype(np.float64), exponent))
        for c in range(bins.shape[1]):
            sums = np.bincount(bins[rows, c], weights=integers, minlength=n_bins)
            out[c, :, k] = np.ldexp(sums, -exponent)
    return out


def exact_histogram(
    bins: Array, grad: Array, hess: Array, rows: Array | None, n_bins: int
) -> Array:
    """The same sums of the values themselves, in float64."""
    rows = np.arange(len(bins)) if rows is None else np.asarray(rows, np.int64)
    out = np.zeros((bins.shape[1], n_bins, 2))
    for row in rows:
        for c in range(bins.shape[1]):
            out[c, bins[row, c]] += grad[row], hess[row]
    return out


def soft_threshold(G: Any, reg_alpha: float) -> Any:
    """G moved towards 0 by alpha."""
    return np.copysign(np.maximum(np.abs(G) - reg_alpha, 0.0), G)


def leaf_weight(G: Any, H: Any, reg_lambda: float = 1.0, reg_alpha: float = 0.0) -> Any:
    """-G / (H + lambda)."""
    return -soft_threshold(G, reg_alpha) / (H + reg_lambda)


def structure_score(
    G: Array, H: Array, reg_lambda: float = 1.0, gamma: float = 0.0
) -> float:
    """-1/2 sum G^2 / (H + lambda) + gamma T."""
    return float(-0.5 * np.sum(G**2 / (H + reg_lambda)) + gamma * np.size(G))


def split_gain(
    G_left: Any,
    H_left: Any,
    G_right: Any,
    H_right: Any,
    reg_lambda: float = 1.0,
    gamma: float = 0.0,
    reg_alpha: float = 0.0,
) -> Any:
    """1/2 [GL^2/(HL+lambda) + GR^2/(HR+lambda) - G^2/(H+lambda)] - gamma."""

    def score(G: Any, H: Any) -> Any:
        return soft_threshold(G, reg_alpha) ** 2 / (H + reg_lambda)

    both = score(G_left + G_right, H_left + H_right)
    return 0.5 * (score(G_left, H_left) + score(G_right, H_right) - both) - gamma


def find_best_split(
    histogram: Array,
    reg_lambda: float = 1.0,
    gamma: float = 0.0,
    min_child_weight: float = 1.0,
    reg_alpha: float = 0.0,
) -> Split | None:
    """Every column, bin and missing direction in turn; the first best one wins."""
    best: Split | None = None
    for feature, column in enumerate(histogram):
        missing = column[-1]
        known = np.cumsum(column[:-1], axis=0)
        total = known[-1] + missing
        if not total[1] + reg_lambda > 0:
            continue
        for b in range(len(known)):
            for default_left in (False, True):
                if default_left and b == len(known) - 1:
                    continue  # nothing is left for the right side
                left = known[b] + missing if default_left else known[b]
                right = total - left
                if min(left[1], right[1]) < min_child_weight:
                    continue
                if not min(left[1], right[1]) + reg_lambda > 0:
                    continue
                gain = _gain(left, right, total, reg_lambda, gamma, reg_alpha)
                if gain > (best.gain if best else 0.0):
                    best = Split(feature, b, gain, default_left, *left, *right)
    return best


def _gain(
    left: Array, right: Array, total: Array, lam: float, gamma: float, alpha: float
) -> float:
    sides = (left, right, total)
    scores = [soft_threshold(G, alpha) ** 2 / (H + lam) for G, H in sides]
    return float(0.5 * (scores[0] + scores[1] - scores[2]) - gamma)


def count_equal_rows(codes: Array, tags: Array, most: int) -> Array:
    """How many equal rows each row stands for: the first for up to ``most`` of them.

    0 where an earlier row stands for it.
    """
    counts = np.zeros(len(codes), np.uint8)
    first: dict[bytes, int] = {}
    for row, octets in enumerate(np.hstack([codes, tags])):
        key = octets.tobytes()
        if key not in first or counts[first[key]] == most:
            first[key] = row
        counts[first[key]] += 1
    return counts
