"""Binning, histograms and splits as other libraries and NumPy do them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.bench import peers
from fastnotes.bench.case import Inputs, Run

MAX_BIN = 255
N_BINS = 256

Cuts = list[NDArray[Any]]

# ---------------------------------------------------------------- binning
#
# Answers are the cuts of each column where a library shows them, else bin numbers.


def lightgbm_binning(inputs: Inputs, n_threads: int) -> Run:
    """``lightgbm.Dataset.construct`` with its defaults and 255 bins."""
    lightgbm = peers.load("lightgbm")
    X = inputs["X"]
    options = {"max_bin": MAX_BIN, "num_threads": n_threads, "verbosity": -1}
    return lambda: lightgbm.Dataset(X, params=options).construct()


def lightgbm_bins(dataset: Any) -> NDArray[Any]:
    """Return the number of bins of each column."""
    columns = range(dataset.num_feature())
    return np.array([dataset.feature_num_bin(column) for column in columns])


def xgboost_binning(inputs: Inputs, n_threads: int) -> Run:
    """``xgboost.QuantileDMatrix`` with 255 bins."""
    xgboost = peers.load("xgboost")
    X = inputs["X"]
    return lambda: xgboost.QuantileDMatrix(X, max_bin=MAX_BIN, nthread=n_threads)


def xgboost_cuts(matrix: Any) -> Cuts:
    """Inner cuts: without the ends below and above all values."""
    starts, values = matrix.get_quantile_cut()
    return [values[a + 1 : b - 1] for a, b in itertools.pairwise(starts)]


def sklearn_binning(inputs: Inputs, n_threads: int) -> Run:
    """scikit-learn's own binning, which takes float64."""
    binning = peers.load("sklearn.ensemble._hist_gradient_boosting.binning")
    X = inputs["X"].astype(np.float64)

    def run() -> Any:
        mapper = binning._BinMapper(n_bins=N_BINS, random_state=0, n_threads=n_threads)
        return mapper, mapper.fit_transform(X)

    return run


def sklearn_cuts(raw: Any) -> Cuts:
    """Return the fitted thresholds."""
    return list(raw[0].bin_thresholds_)


def bins_used(answer: Any) -> NDArray[Any]:
    """Bins of each column, from cuts or as given."""
    if isinstance(answer, np.ndarray):
        return answer
    return np.array([len(cuts) + 1 for cuts in answer])


def bins_possible(X: NDArray[Any]) -> NDArray[Any]:
    """Distinct values of each column, at most 255; a sample says enough."""
    step = max(1, len(X) // 100_000)
    numbers = []
    for column in X[::step].T:
        finite = column[~np.isnan(column)]
        numbers.append(min(MAX_BIN, max(1, len(np.unique(finite)))))
    return np.array(numbers)


# ---------------------------------------------------------------- histograms


def exact_histogram(inputs: Inputs) -> NDArray[Any]:
    """Sums in float64, (n_columns, 256, 2)."""
    rows = slice(None) if inputs["rows"] is None else inputs["rows"]
    bins = inputs["bins"][rows]
    out = np.empty((bins.shape[1], N_BINS, 2))
    for part, name in enumerate(("grad", "hess")):
        weights = inputs[name][rows].astype(np.float64)
        for column, codes in enumerate(bins.T):
            out[column, :, part] = np.bincount(codes, weights, minlength=N_BINS)
    return out


def bin_counts(bins: NDArray[Any]) -> NDArray[Any]:
    """Rows in each bin, (n_columns, 256)."""
    return np.stack([np.bincount(codes, minlength=N_BINS) for codes in bins.T])


def numpy_histogram(inputs: Inputs, n_threads: int) -> Run:
    """One ``bincount`` per column and sum."""
    del n_threads
    return lambda: exact_histogram(inputs)


def pairs_histogram(inputs: Inputs, n_threads: int) -> Run:
    """Float64 (gradient, hessian) pairs added row by row, compiled beside ours."""
    from fastnotes._core import native

    bins, grad, hess = inputs["bins"], inputs["grad"], inputs["hess"]
    rows = inputs["rows"]
    pairs = native.bench.histogram_f64_pairs
    return lambda: pairs(bins, grad, hess, rows, n_threads)


def sklearn_histogram(inputs: Inputs, n_threads: int) -> Run:
    """scikit-learn's histogram builder on its column-major codes."""
    module = peers.load("sklearn.ensemble._hist_gradient_boosting.histogram")
    bins = np.asfortranarray(inputs["bins"])
    rows = inputs["rows"]
    rows = np.arange(len(bins)) if rows is None else rows
    rows = rows.astype(np.uint32)
    builder = module.HistogramBuilder(
        bins, N_BINS, inputs["grad"], inputs["hess"], False, n_threads
    )
    return lambda: builder.compute_histograms_brute(rows)


def sklearn_sums(raw: Any) -> NDArray[Any]:
    """(n_columns, 256, 2) from its records."""
    cells = np.asarray(raw)
    return np.stack([cells["sum_gradients"], cells["sum_hessians"]], axis=2)


# ---------------------------------------------------------------- splits


def numpy_split(inputs: Inputs, n_threads: int) -> Run:
    """Gains of every cut and missing direction from cumulative sums, lambda 1."""
    del n_threads
    histogram = inputs["histogram"]

    def run() -> NDArray[Any]:
        values, missing = histogram[:, :-1], histogram[:, -1:]
        total = histogram.sum(axis=1, keepdims=True)
        right_missing = np.cumsum(values, axis=1)
        left = np.stack([right_missing, right_missing + missing])
        right = total - left
        gain = np.square(left[..., 0]) / (left[..., 1] + 1)
        gain += np.square(right[..., 0]) / (right[..., 1] + 1)
        gain -= np.square(total[..., 0]) / (total[..., 1] + 1)
        gain[(left[..., 1] < 1) | (right[..., 1] < 1)] = -np.inf
        best = np.unravel_index(np.argmax(gain), gain.shape)
        return np.array([gain[best] / 2, *left[best]])

    return run
