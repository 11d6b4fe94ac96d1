"""Scores of features, with scikit-learn's signatures, for its SelectKBest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._memory import memory_of
from fastnotes._threads import resolve_n_jobs
from fastnotes._validation import as_array, as_integer, describe, fail, fail_type
from fastnotes.information._estimates import ksg1, plugin
from fastnotes.information._neighbours import count_inside, kth_neighbours, psi_of
from fastnotes.information._probabilities import Float64Array
from fastnotes.information._samples import (
    Labels,
    as_labels,
    as_neighbours,
    as_samples,
    check_lengths,
    standardised,
)


def mutual_info_regression(
    X: Any,
    y: ArrayLike,
    *,
    discrete_features: Any = "auto",
    n_neighbors: int = 3,
    copy: bool = True,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> NDArray[np.float64]:
    """I of each feature and a continuous target, as scikit-learn's of the same name.

    Parameters
    ----------
    X
        (N, F), real and finite; a SciPy sparse matrix if all features are discrete.
    y
        (N,), real and finite.
    discrete_features
        ``"auto"`` (no feature of a dense X, every one of a sparse X), a bool, a mask of
        F bools, or indices.
    n_neighbors
        k, from 1 to N - 1.
    copy, random_state
        Taken for scikit-learn's sake and without effect: X is never written, and no
        noise is drawn.
    n_jobs
        Threads: None means the default of :doc:`threads`. The result does not depend on
        it.

    Returns
    -------
    numpy.ndarray
        (F,), in nats, estimates below 0 as 0.

    Raises
    ------
    TypeError, ValueError
        For anything else.

    Notes
    -----
    Continuous features by ``"ksg1"`` of :func:`mutual_information_from_samples`, whose
    tie rule makes noise needless: values that do not repeat get scikit-learn's score, a
    constant feature gets exactly 0. Discrete ones by Ross's estimator, under the same
    rule.

    References
    ----------
    Kraskov, Stoegbauer, Grassberger, Physical Review E 69 (2004). Ross, "Mutual
    information between discrete and continuous data sets", PLoS ONE 9 (2014).

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.information import mutual_info_regression
    >>> X = np.random.default_rng(0).standard_normal((500, 3))
    >>> X[:, 2] = 1.0
    >>> int(mutual_info_regression(X, X[:, 1] ** 2).argmax())
    1
    """
    where = "information.mutual_info_regression"
    target = as_samples(y, where, "y")
    if target.shape[1] != 1:
        fail(where, "y of shape (N,)", describe(target))
    return _scores(X, target, discrete_features, n_neighbors, n_jobs, where)


def mutual_info_classif(
    X: Any,
    y: ArrayLike,
    *,
    discrete_features: Any = "auto",
    n_neighbors: int = 3,
    copy: bool = True,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> NDArray[np.float64]:
    """I of each feature and a class, as scikit-learn's of the same name.

    Parameters, returned value and errors are those of :func:`mutual_info_regression`,
    save that ``y`` holds N labels, numbers or strings. Continuous features by Ross's
    estimator, discrete ones by their frequencies.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.feature_selection import SelectKBest
    >>> from fastnotes.information import mutual_info_classif
    >>> X, y = load_iris(return_X_y=True)
    >>> SelectKBest(mutual_info_classif, k=2).fit(X, y).get_support(indices=True)
    array([2, 3])
    """
    where = "information.mutual_info_classif"
    target = as_array(y, where, "y")
    if target.ndim != 1:
        fail(where, "y of shape (N,)", describe(target))
    labels = as_labels(target, where, "y")
    return _scores(X, labels, discrete_features, n_neighbors, n_jobs, where)


def _scores(
    X: Any,
    target: Any,
    discrete_features: Any,
    n_neighbors: int,
    n_jobs: int | None,
    where: str,
) -> NDArray[np.float64]:
    threads = resolve_n_jobs(n_jobs, where)
    is_sparse = hasattr(X, "tocsc")
    table: Any = X.tocsc() if is_sparse else as_array(X, where, "X")
    if table.ndim != 2:
        fail(where, "X of shape (N, F)", f"shape {table.shape}")
    n, n_features = table.shape
    discrete = _mask(discrete_features, n_features, is_sparse, where)
    if is_sparse and not discrete.all():
        fail_type(where, "X as a dense array, for continuous features", "a sparse one")
    check_lengths(where, 2, X=np.empty(n), y=target)
    k = as_integer(n_neighbors, where, "n_neighbors", low=1)
    if target.ndim == 2:
        target = standardised(target)
        if not discrete.all():
            as_neighbours(k, n, where)
    scores = np.empty(n_features)
    with memory_of(where):
        columns = as_samples(table, where, "X") if not discrete.all() else table
        for i in range(n_features):
            if discrete[i]:
                column = table[:, [i]].toarray() if is_sparse else table[:, i]
                feature: Any = as_labels(column, where, "X")
            else:
                feature = standardised(columns[:, i : i + 1])
            scores[i] = _score(feature, target, k, threads)
    return np.maximum(scores, 0.0)


def _score(feature: Any, target: Any, k: int, n_threads: int) -> float:
    """Of labels, which have one axis, or numbers, which have two."""
    if feature.ndim == 2 and target.ndim == 2:
        return float(ksg1(feature, target, k, n_threads).mean())
    if feature.ndim == 2:
        return _ross(feature, target, k, n_threads)
    if target.ndim == 2:
        return _ross(target, feature, k, n_threads)
    return float(plugin(feature, target, corrected=False).value)


def _ross(x: Float64Array, labels: Labels, k: int, n_threads: int) -> float:
    """Of a number and a label; samples alone with their label are left out."""
    sizes = np.bincount(labels)[labels]
    x, labels, sizes = x[sizes > 1], labels[sizes > 1], sizes[sizes > 1]
    if len(x) == 0:
        return 0.0
    order = np.argsort(labels, kind="stable")
    x, sizes = x[order], sizes[order]
    radius, own = np.empty(len(x)), np.empty(len(x), np.int64)
    first = 0
    while first < len(x):
        mine = slice(first, first + int(sizes[first]))
        neighbours = min(k, int(sizes[first]) - 1)
        radius[mine], own[mine] = kth_neighbours(x[mine], neighbours, n_threads)
        first = mine.stop
    everyone = count_inside(x, radius, n_threads)
    terms = psi_of(own + 1) - psi_of(sizes) - psi_of(everyone + 1)
    return float(terms.mean() + psi_of(len(x)))


def _mask(
    value: Any, n_features: int, is_sparse: bool, where: str
) -> NDArray[np.bool_]:
    """Which features are discrete."""
    if isinstance(value, str):
        if value != "auto":
            fail(where, "discrete_features as 'auto', bools or indices", repr(value))
        value = is_sparse
    if isinstance(value, (bool, np.bool_)):
        return np.full(n_features, bool(value))
    given = as_array(value, where, "discrete_features")
    mask = np.zeros(n_features, bool)
    if given.dtype == np.bool_ and given.shape == mask.shape:
        return np.array(given, bool)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        wanted = f"discrete_features as {n_features} bools, or indices"
        fail(where, wanted, describe(given))
    if given.size:
        if given.min() < -n_features or given.max() >= n_features:
            got = f"{given.min()} to {given.max()}"
            fail(where, f"indices of {n_features} features", got)
        mask[given] = True
    return mask
