"""From numeric columns to bin codes of one byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state

from fastnotes._core import native
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_integer,
    as_real_array,
    check_finite,
    check_shape,
    fail,
)

_MAX_SEED = 2**63 - 1


@dataclass(frozen=True, eq=False)
class BinnedMatrix:
    """Bin codes of a table and the thresholds they stand for.

    Attributes
    ----------
    bins : uint8 array of shape (n_rows, n_columns)
        Code b means ``thresholds[b - 1] < value <= thresholds[b]`` of its column, with
        no bound where there is no threshold. Code ``n_bins - 1`` means missing.
    thresholds : list of arrays
        The strictly increasing thresholds of each column, at most ``n_bins - 2``.
    n_bins : int
        Number of codes, the one for missing included.
    """

    bins: NDArray[np.uint8]
    thresholds: list[RealArray]
    n_bins: int

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_rows, n_columns)``."""
        n_rows, n_columns = self.bins.shape
        return n_rows, n_columns


class BinMapper(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Map every column to at most ``max_bin`` bins and one code for missing.

    A column of at most ``max_bin`` distinct values gets a bin for each, cut at the
    midpoints. Any other column gets bins of equal mass: a value that alone has 1 /
    ``max_bin`` of the mass keeps a bin of its own, the rest is shared out greedily.
    Every threshold satisfies left <= threshold < right for the neighbouring values left
    and right, in the dtype of X, so ``value <= threshold`` sends each to its side.

    Parameters
    ----------
    max_bin : int, default=255
        Bins per column, from 2 to 255. The codes are ``0 .. max_bin - 1``, and
        ``max_bin`` for missing.
    subsample : int or None, default=200_000
        With more rows than this, thresholds come from a sample of one row out of each
        of this many equal strata. None uses every row. A value that the sample misses
        shares a bin with a neighbour.
    random_state : int, RandomState, Generator or None, default=0
        Seed of the sample.
    n_threads : int or None, default=None
        Threads; None means the process's default. The result does not depend on it.

    Attributes
    ----------
    thresholds_ : list of arrays, one per column
        float32 if X was float32, else float64.
    column_bins_ : int32 array of shape (n_columns,)
        Bins of each column, the code for missing not counted: one more than it has
        thresholds.
    n_bins_ : int
        ``max_bin + 1``.
    n_features_in_ : int

    Notes
    -----
    NaN means missing. -inf and inf are ordinary values, the smallest and the largest.
    -0.0 equals 0.0. A constant column has one bin; a column of NaN alone has no
    thresholds. float32 and float64 arrays of the same values get the same codes.
    Memory order makes no difference.

    Integer weights mean repeated rows: the thresholds are those of
    ``np.repeat(X, sample_weight, axis=0)``, where the sum of the weights is what
    ``subsample`` is compared with. With other weights more than ``subsample`` rows of
    positive weight are sampled, by strata of equal weight. Constant weights that are no
    integers make no difference.

    Examples
    --------
    >>> from fastnotes.boosting import BinMapper
    >>> binned = BinMapper().fit_transform([[1.0], [2.0], [4.0], [float("nan")]])
    >>> binned.bins.ravel().tolist(), binned.thresholds[0].tolist()
    ([0, 1, 2, 255], [1.5, 3.0])
    """

    def __init__(
        self,
        max_bin: int = 255,
        *,
        subsample: int | None = 200_000,
        random_state: Any = 0,
        n_threads: int | None = None,
    ) -> None:
        self.max_bin = max_bin
        self.subsample = subsample
        self.random_state = random_state
        self.n_threads = n_threads

    def fit(
        self, X: ArrayLike, y: Any = None, *, sample_weight: ArrayLike | None = None
    ) -> BinMapper:
        """Find the thresholds of every column.

        Parameters
        ----------
        X : array of shape (n_rows, n_columns)
            Real numbers, NaN = missing. float32 stays float32, the rest becomes
            float64.
        y : ignored
        sample_weight : array of shape (n_rows,), optional
            Not negative. A row counts by its weight, and one of weight 0 not at all.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If X, the weights or a parameter are of the wrong kind.
        ValueError
            If X is not two-dimensional or has no row or no column, if a weight is
            negative or not finite or none is positive, or if a parameter is out of
            range.
        """
        where = "boosting.BinMapper.fit"
        self._fit(as_real_array(X, where, "X", ndim=2), sample_weight, where)
        return self

    def transform(self, X: ArrayLike) -> BinnedMatrix:
        """Assign bins.

        Parameters
        ----------
        X : array of shape (n_rows, n_columns)
            As for ``fit``; zero rows are allowed.

        Returns
        -------
        BinnedMatrix
            Its thresholds are those of the mapper.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before ``fit``.
        TypeError
            If X is not real.
        ValueError
            If X is not two-dimensional or its number of columns is not that of ``fit``.
        """
        where = "boosting.BinMapper.transform"
        if not hasattr(self, "thresholds_"):
            raise NotFittedError(
                f"[{where}] expected a fitted BinMapper, got one before fit"
            )
        values = as_real_array(X, where, "X", ndim=2)
        if values.shape[1] != self.n_features_in_:
            fail(where, f"X with {self.n_features_in_} columns", str(values.shape[1]))
        return self._transform(values, where)

    def fit_transform(
        self, X: ArrayLike, y: Any = None, *, sample_weight: ArrayLike | None = None
    ) -> BinnedMatrix:
        """Fit, then assign bins to the same rows; X is converted once."""
        where = "boosting.BinMapper.fit_transform"
        values = as_real_array(X, where, "X", ndim=2)
        self._fit(values, sample_weight, where)
        return self._transform(values, where)

    def _fit(self, values: RealArray, sample_weight: Any, where: str) -> None:
        n_rows, n_columns = values.shape
        sampling = check_sampling(self.max_bin, self.subsample, where)
        if n_rows == 0 or n_columns == 0:
            fail(where, "X with at least one row and one column", str(values.shape))
        table, counts = native.boosting.fit_thresholds(
            values,
            as_cut_weights(sample_weight, n_rows, where),
            *sampling,
            as_seed(self.random_state, where),
            resolve_n_threads(self.n_threads, where),
        )
        self.thresholds_ = [
            cuts[:count].copy() for cuts, count in zip(table, counts, strict=True)
        ]
        self.column_bins_ = (counts + 1).astype(np.int32)
        self.n_bins_ = sampling[0] + 1
        self.n_features_in_ = n_columns

    def _transform(self, values: RealArray, where: str) -> BinnedMatrix:
        bins = native.boosting.assign_bins(
            values,
            threshold_table(
                np.concatenate(self.thresholds_),
                np.cumsum([0, *map(len, self.thresholds_)]),
                values.dtype,
            ),
            self.n_bins_,
            resolve_n_threads(self.n_threads, where),
        )
        return BinnedMatrix(bins, list(self.thresholds_), self.n_bins_)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that NaN is allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def threshold_table(
    cuts: RealArray, offsets: NDArray[np.int64], dtype: np.dtype[Any]
) -> RealArray:
    """Return thresholds as rows of equal length, inf behind, for values of ``dtype``.

    Column c has ``cuts[offsets[c]:offsets[c + 1]]``.
    """
    counts = np.diff(offsets)
    table = np.full((len(counts), counts.max(initial=0)), np.inf, dtype)
    table[np.arange(table.shape[1]) < counts[:, None]] = round_cuts(cuts, dtype)
    return table


def round_cuts(cuts: RealArray, dtype: np.dtype[Any]) -> RealArray:
    """Return the largest ``dtype`` numbers not above: no value changes side."""
    if cuts.dtype == dtype:
        return cuts
    with np.errstate(over="ignore", under="ignore"):
        rounded = cuts.astype(dtype)
        below = np.nextafter(rounded, np.array(-np.inf, dtype))
    return np.where(rounded > cuts, below, rounded)


def check_sampling(max_bin: Any, subsample: Any, where: str) -> tuple[int, int]:
    """Return max_bin, and how many rows thresholds may be fitted on."""
    bins = as_integer(max_bin, where, "max_bin", low=2, high=255)
    if subsample is None:
        return bins, _MAX_SEED
    return bins, as_integer(subsample, where, "subsample", low=1, high=_MAX_SEED)


def as_cut_weights(
    sample_weight: Any, n_rows: int, where: str
) -> NDArray[np.float64] | None:
    """Return weights as the kernels take them; None if they make no difference."""
    if sample_weight is None:
        return None
    weights = as_real_array(sample_weight, where, "sample_weight", ndim=1)
    check_shape(weights, where, "sample_weight", (n_rows,), "(n_rows,)")
    check_finite(weights, where, "sample_weight")
    least, most = weights.min(), weights.max()
    if least < 0:
        fail(where, "sample_weight >= 0", str(least))
    if most == 0:
        fail(where, "sample_weight with a positive entry", "zeros")
    if least == most and (most == 1 or most % 1 != 0):
        return None
    return weights.astype(np.float64, copy=False)


def as_seed(random_state: Any, where: str) -> int:
    """Return 63 bits from a random state; an int stands for itself."""
    if random_state is None or hasattr(random_state, "randint"):
        generator = check_random_state(random_state)
        return int(generator.randint(0, _MAX_SEED, dtype=np.int64))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(0, _MAX_SEED))
    return as_integer(random_state, where, "random_state", low=0, high=_MAX_SEED)
