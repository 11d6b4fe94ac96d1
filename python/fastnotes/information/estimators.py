"""Mutual information and divergence from samples, without noise and without a seed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._memory import memory_of
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    as_array,
    as_integer,
    check_choice,
    describe,
    fail,
)
from fastnotes.information._estimates import (
    Estimate,
    basis_of,
    conditional_ksg1,
    gaussian,
    ksg1,
    ksg2,
    of_terms,
    plugin,
)
from fastnotes.information._neighbours import kth_neighbours
from fastnotes.information._probabilities import unit_of
from fastnotes.information._samples import (
    as_labels,
    as_neighbours,
    as_samples,
    check_lengths,
    standardised,
)

METHODS = ("ksg1", "ksg2", "mixed", "gaussian", "plugin")
CONDITIONAL_METHODS = ("ksg1", "gaussian", "plugin")


def mutual_information_from_samples(
    x: ArrayLike,
    y: ArrayLike,
    *,
    method: str = "ksg1",
    n_neighbors: int = 3,
    return_standard_error: bool = False,
    base: float | None = None,
    n_threads: int | None = None,
) -> Any:
    """I(X; Y) from N pairs.

    Parameters
    ----------
    x, y
        (N,) or (N, d), finite. For ``"plugin"`` labels: numbers or strings, a row of
        (N, d) being one label.
    method
        ============== =============================================================
        ``"ksg1"``     Kraskov, Stoegbauer and Grassberger's first: of the joint
                       distance to the k-th neighbour, counts within it on x and y
        ``"ksg2"``     their second: of the rectangle that the neighbours span
        ``"mixed"``    Gao and others' for data that are part discrete: with the tie
                       rule below the same as ``"ksg1"``
        ``"gaussian"`` - 1/2 sum log (1 - r^2) of the canonical correlations r
        ``"plugin"``   of the observed frequencies, less Miller and Madow's bias
        ============== =============================================================
    n_neighbors
        k, from 1 to N - 1, of the first three.
    return_standard_error
        Return an :class:`Estimate` of value and standard error.
    base
        As in :func:`entropy`.
    n_threads
        See :doc:`threads`; the result does not depend on it.

    Returns
    -------
    numpy.float64 or Estimate
        May be negative but for ``"gaussian"``: estimates scatter around a true 0.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If samples are not finite, not as many, fewer than 2, or k is out of range.

    Notes
    -----
    Each axis is standardised first, so that no choice of units matters; distances are
    the largest over the axes. A constant axis tells nothing and costs nothing.

    Values that repeat get no noise. Of a sample whose k-th neighbour coincides with it
    the samples count that coincide, in the joint space and on each side, and at other
    distances what is strictly nearer; ``"ksg2"`` does so too where its rectangle is
    flat. So discrete data get nearly the plug-in estimate.

    All but ``"gaussian"`` are means of one term for each sample, and the standard error
    is theirs: standard deviation over sqrt(N). It takes terms for independent, which
    neighbours are not quite, and knows nothing of bias. For ``"gaussian"`` it is the
    delta method's sqrt(sum r^2 / N).

    References
    ----------
    Kraskov, Stoegbauer, Grassberger, "Estimating mutual information", Physical Review E
    69 (2004). Gao, Kannan, Oh, Viswanath, "Estimating mutual information for
    discrete-continuous mixtures", NeurIPS 2017. Miller, "Note on the bias of
    information estimates", 1955.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.information import mutual_information_from_samples
    >>> x, noise = np.random.default_rng(0).standard_normal((2, 2000))
    >>> estimate = mutual_information_from_samples(x, x + noise)
    >>> bool(abs(estimate - np.log(2) / 2) < 0.05)
    True
    """
    where = "information.mutual_information_from_samples"
    check_choice(method, where, "method", METHODS)
    unit = unit_of(base, where)
    threads = resolve_n_threads(n_threads, where)
    with memory_of(where):
        if method == "plugin":
            codes = as_labels(x, where, "x"), as_labels(y, where, "y")
            check_lengths(where, 2, x=codes[0], y=codes[1])
            result = plugin(*codes)
        else:
            a, b = as_samples(x, where, "x"), as_samples(y, where, "y")
            n = check_lengths(where, 2, x=a, y=b)
            a, b = standardised(a), standardised(b)
            if method == "gaussian":
                result = gaussian(a, b)
            else:
                k = as_neighbours(n_neighbors, n, where)
                terms = ksg2 if method == "ksg2" else ksg1
                result = of_terms(terms(a, b, k, threads))
    return _answer(result, unit, return_standard_error)


def conditional_mutual_information_from_samples(
    x: ArrayLike,
    y: ArrayLike,
    z: ArrayLike,
    *,
    method: str = "ksg1",
    n_neighbors: int = 3,
    return_standard_error: bool = False,
    base: float | None = None,
    n_threads: int | None = None,
) -> Any:
    """I(X; Y | Z) from N triples.

    Parameters
    ----------
    x, y, z
        As ``x`` in :func:`mutual_information_from_samples`.
    method
        ``"ksg1"`` (Frenzel and Pompe), ``"gaussian"`` (of what a linear regression on z
        leaves) or ``"plugin"``.
    n_neighbors, return_standard_error, base, n_threads
        As in :func:`mutual_information_from_samples`.

    Returns
    -------
    numpy.float64 or Estimate
        As :func:`mutual_information_from_samples`.

    Raises
    ------
    TypeError, ValueError
        As :func:`mutual_information_from_samples`.

    References
    ----------
    Frenzel, Pompe, "Partial mutual information for coupling analysis of multivariate
    time series", Physical Review Letters 99 (2007).
    """
    where = "information.conditional_mutual_information_from_samples"
    check_choice(method, where, "method", CONDITIONAL_METHODS)
    unit = unit_of(base, where)
    threads = resolve_n_threads(n_threads, where)
    given = {"x": x, "y": y, "z": z}
    with memory_of(where):
        if method == "plugin":
            codes = {name: as_labels(v, where, name) for name, v in given.items()}
            check_lengths(where, 2, **codes)
            result = plugin(*codes.values())
        else:
            raw = {name: as_samples(v, where, name) for name, v in given.items()}
            n = check_lengths(where, 2, **raw)
            a, b, c = (standardised(each) for each in raw.values())
            if method == "gaussian":
                basis = basis_of(c)
                rest = [each - basis @ (basis.T @ each) for each in (a, b)]
                result = gaussian(*rest)
            else:
                k = as_neighbours(n_neighbors, n, where)
                result = of_terms(conditional_ksg1(a, b, c, k, threads))
    return _answer(result, unit, return_standard_error)


def pairwise_mutual_information(
    X: ArrayLike,
    *,
    method: str = "ksg1",
    n_neighbors: int = 3,
    base: float | None = None,
    n_threads: int | None = None,
) -> NDArray[np.float64]:
    """I of every two columns of (N, F): a symmetric (F, F) matrix.

    Parameters
    ----------
    X
        (N, F), finite; labels for ``"plugin"``.
    method, n_neighbors, base, n_threads
        As in :func:`mutual_information_from_samples`, whose values these are.

    Returns
    -------
    numpy.ndarray
        float64. The diagonal is nan, but for ``"plugin"``, where a column's information
        about itself is its entropy: for continuous data it has no bound.

    Raises
    ------
    TypeError, ValueError
        As :func:`mutual_information_from_samples`.
    """
    where = "information.pairwise_mutual_information"
    check_choice(method, where, "method", METHODS)
    unit = unit_of(base, where)
    threads = resolve_n_threads(n_threads, where)
    with memory_of(where):
        columns, k = _columns(X, method, n_neighbors, where)
        count = len(columns)
        matrix = np.full((count, count), np.nan)
        for i in range(count):
            for j in range(i if method == "plugin" else i + 1, count):
                a, b = columns[i], columns[j]
                if method == "plugin":
                    value = plugin(a, b).value
                elif method == "gaussian":
                    value = gaussian(a, b).value
                else:
                    terms = ksg2 if method == "ksg2" else ksg1
                    value = terms(a, b, k, threads).mean()
                matrix[i, j] = matrix[j, i] = value
    return matrix / unit


def kl_from_samples(
    x: ArrayLike,
    y: ArrayLike,
    *,
    n_neighbors: int = 3,
    base: float | None = None,
    n_threads: int | None = None,
) -> np.float64:
    """KL(p, q) from n samples x of p and m samples y of q.

    d mean(log(nu / rho)) + log(m / (n - 1)), with rho and nu the distances of each x to
    its k-th neighbour among the other x and among y.

    Parameters
    ----------
    x, y
        (n,) and (m,), or (n, d) and (m, d), finite; n > k, m >= k.
    n_neighbors
        k.
    base, n_threads
        As in :func:`mutual_information_from_samples`.

    Returns
    -------
    numpy.float64
        May be negative: estimates scatter around a true 0.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If samples are not finite, not of one dimension, or too few; if more than k of
        them coincide, as samples of a density do not: discrete data have
        :func:`kl_divergence` of their frequencies.

    Notes
    -----
    Each axis is divided by the standard deviation of x and y together, so that units do
    not matter.

    References
    ----------
    Wang, Kulkarni, Verdu, "Divergence estimation for multidimensional densities via
    k-nearest-neighbor distances", IEEE Transactions on Information Theory 55 (2009).

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.information import kl_from_samples
    >>> x, y = np.random.default_rng(0).standard_normal((2, 5000))
    >>> bool(abs(kl_from_samples(x + 1, y) - 0.5) < 0.05)
    True
    """
    where = "information.kl_from_samples"
    unit = unit_of(base, where)
    threads = resolve_n_threads(n_threads, where)
    with memory_of(where):
        a, b = as_samples(x, where, "x"), as_samples(y, where, "y")
        if a.shape[1] != b.shape[1]:
            got = f"{a.shape[1]} and {b.shape[1]}"
            fail(where, "x and y of as many dimensions", got)
        k = as_integer(n_neighbors, where, "n_neighbors", low=1)
        if len(a) <= k or len(b) < k:
            wanted = f"more than {k} samples of x and at least {k} of y"
            fail(where, wanted, f"{len(a)} and {len(b)}")
        together = standardised(np.concatenate([a, b]))
        a, b = together[: len(a)], together[len(a) :]
        rho, _ = kth_neighbours(a, k, threads)
        nu, _ = kth_neighbours(b, k, threads, queries=a)
    for name, distance in (("x", rho), ("y", nu)):
        if not distance.all():
            got = f"{name} that repeat at index {int(np.argmin(distance))} of x"
            fail(where, f"no more than {k} samples that coincide", got)
    ratio = float(np.mean(np.log(nu) - np.log(rho)))
    value: float = a.shape[1] * ratio + math.log(len(b) / (len(a) - 1))
    return np.float64(value / unit)  # type: ignore[no-any-return]


def _columns(
    X: ArrayLike, method: str, n_neighbors: int, where: str
) -> tuple[list[Any], int]:
    """The columns as the estimators take them, and k."""
    table = as_array(X, where, "X")
    if table.ndim != 2:
        fail(where, "X of shape (N, F)", describe(table))
    if method == "plugin":
        check_lengths(where, 2, X=table)
        return [as_labels(column, where, "X") for column in table.T], 0
    samples = as_samples(table, where, "X")
    n = check_lengths(where, 2, X=samples)
    k = 0 if method == "gaussian" else as_neighbours(n_neighbors, n, where)
    return list(standardised(samples).T[:, :, None].copy()), k


def _answer(result: Estimate, unit: float, with_error: bool) -> Any:
    value, error = (np.float64(each / unit) for each in result)
    return Estimate(value, error) if with_error else value
