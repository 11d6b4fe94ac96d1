"""From a user's table to the matrix of numbers that binning and prediction read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import validation

from fastnotes._validation import (
    RealArray,
    as_integer,
    as_real,
    check_choice,
    fail,
    fail_type,
)
from fastnotes.boosting.categories import Levels, encode_levels, fit_levels
from fastnotes.boosting.columns import Columns, label, open_columns

_EXACT_IN_SINGLE = 2**24


class TableEncoder:
    """Turn tables into C-contiguous float32 or float64 matrices.

    Numeric columns stay what they are; categorical columns become codes 0, 1, ...;
    missing entries become NaN.

    Parameters
    ----------
    categorical_features : None, "from_dtype", or sequence of names or numbers
        None: no column is categorical. "from_dtype": the columns of a data frame whose
        dtype is categorical.
    missing : float, default=nan
        A number that means missing, beside NaN, None and NA.
    absent : {"zero", "missing"}, default="zero"
        What an entry means that a sparse matrix does not store.
    unseen : {"missing", "error"}, default="missing"
        What a category becomes that ``fit`` did not see.

    Attributes
    ----------
    levels_ : dict of int to Levels
        Categories of each categorical column, by column number.
    n_features_in_ : int
    feature_names_in_ : array of str
        If the table of ``fit`` had names that are all strings.

    Notes
    -----
    A C-contiguous float32 or float64 array without categorical columns, or whose
    categories are their own codes, is returned as it is, unless ``missing`` has to be
    replaced. float32 columns stay float32 if all numeric columns are; the rest becomes
    float64. Text is an error in a column that is not categorical.
    """

    def __init__(
        self,
        *,
        categorical_features: Any = None,
        missing: float | None = np.nan,
        absent: str = "zero",
        unseen: str = "missing",
    ) -> None:
        self.categorical_features = categorical_features
        self.missing = missing
        self.absent = absent
        self.unseen = unseen

    def fit_encode(
        self, X: Any, *, owner: Any = None, where: str = "boosting.TableEncoder.fit"
    ) -> Any:
        """Learn names and categories of a table and return its matrix.

        Parameters
        ----------
        X : array, data frame, Arrow table or sparse matrix of shape (n_rows, n_columns)
        owner : estimator, optional
            Gets ``n_features_in_`` and ``feature_names_in_``, and gives messages its
            name; the encoder itself by default.
        where : str
            The call that messages name.

        Returns
        -------
        float32 or float64 array of shape (n_rows, n_columns), or csc_array
            Sparse input becomes CSC, with sorted and distinct rows in every column.
        """
        check_choice(self.absent, where, "absent", ("zero", "missing"))
        check_choice(self.unseen, where, "unseen", ("missing", "error"))
        self._missing = _as_missing(self.missing, where)
        owner = self if owner is None else owner
        if sparse.issparse(X):
            if self.categorical_features is not None:
                fail_type(where, "categorical_features=None with a sparse X", "others")
            matrix = as_csc(X, where)
            self._start(matrix, owner, where)
            self.levels_: dict[int, Levels] = {}
            return matrix
        columns = open_columns(X, where)
        self._start(columns, owner, where, X)
        listed = _categorical(self.categorical_features, columns, where)
        self.levels_ = {
            c: fit_levels(
                columns.factor(c, where), self._missing, label(columns, c), where
            )
            for c in listed
        }
        return self._encode(columns, where)

    def restore(
        self,
        levels: dict[int, Levels],
        n_features: int,
        names: Sequence[str] | None,
        where: str,
    ) -> None:
        """Take over what another encoder has learnt."""
        check_choice(self.absent, where, "absent", ("zero", "missing"))
        check_choice(self.unseen, where, "unseen", ("missing", "error"))
        self._missing = _as_missing(self.missing, where)
        self.levels_ = levels
        self.n_features_in_ = n_features
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)

    @property
    def missing_number(self) -> float:
        """What means missing beside NaN; NaN where nothing does."""
        return self._missing

    def encode(
        self, X: Any, *, owner: Any = None, where: str = "boosting.TableEncoder.encode"
    ) -> Any:
        """Return the matrix of a table with the columns of ``fit``.

        Parameters and result are those of ``fit_encode``.
        """
        owner = self if owner is None else owner
        if (
            type(X) is np.ndarray
            and X.ndim == 2
            and X.dtype.char in "fd"
            and X.dtype.isnative
            and X.flags.c_contiguous
            and X.flags.aligned
            and X.shape[1] == self.n_features_in_
            and not self.levels_
            and np.isnan(self._missing)
            and not hasattr(owner, "feature_names_in_")
        ):
            return X
        if sparse.issparse(X):
            matrix = as_csc(X, where)
            self._check_sparse(matrix, owner, where)
            return matrix
        columns = open_columns(X, where)
        self._check(columns, owner, X)
        return self._encode(columns, where)

    def encode_blocks(
        self,
        X: Any,
        block_rows: int,
        *,
        owner: Any = None,
        where: str = "boosting.TableEncoder.encode",
    ) -> Iterator[tuple[int, RealArray]]:
        """Yield (first row, dense matrix) of consecutive blocks of rows.

        Absent entries of a sparse matrix become 0 or NaN as ``absent`` says, so a block
        is what ``encode`` gives for the same rows in dense form.
        """
        if not sparse.issparse(X):
            matrix = self.encode(X, owner=owner, where=where)
            for first in range(0, len(matrix), block_rows):
                yield first, matrix[first : first + block_rows]
            return
        rows = as_csr(X, where)
        self._check_sparse(rows, self if owner is None else owner, where)
        fill = np.nan if self.absent == "missing" else 0.0
        for first in range(0, rows.shape[0], block_rows):
            part = rows[first : first + block_rows]
            block = np.full(part.shape, fill, part.dtype)
            row = np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
            block[row, part.indices] = part.data
            yield first, self._replace_missing(block, None)

    def _start(self, columns: Any, owner: Any, where: str, X: Any = None) -> None:
        for count, what in zip(columns.shape, ("sample(s)", "feature(s)"), strict=True):
            if count == 0:
                fail(
                    where,
                    "X with at least one row and one column",
                    f"0 {what} (shape={columns.shape}) while a minimum of 1 is "
                    "required.",
                )
        _check_names(owner, X, reset=True)
        self.n_features_in_ = owner.n_features_in_ = columns.shape[1]
        if owner is not self and hasattr(owner, "feature_names_in_"):
            self.feature_names_in_ = owner.feature_names_in_

    def _check(self, columns: Any, owner: Any, X: Any = None) -> None:
        _check_names(owner, X, reset=False)
        if columns.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {columns.shape[1]} features, but {type(owner).__name__} is "
                f"expecting {self.n_features_in_} features as input."
            )

    def _check_sparse(self, matrix: Any, owner: Any, where: str) -> None:
        self._check(matrix, owner)
        if self.levels_:
            fail_type(where, "a dense X, as some columns are categorical", "a sparse X")

    def _encode(self, columns: Columns, where: str) -> RealArray:
        codes = {
            c: encode_levels(
                levels,
                columns.factor(c, where),
                self._missing,
                self.unseen,
                label(columns, c),
                where,
            )
            for c, levels in self.levels_.items()
        }
        numeric = [c for c in range(columns.shape[1]) if c not in codes]
        self._refuse_categories(columns, numeric, where)
        dtype = self._dtype(columns, numeric)
        matrix = columns.matrix(dtype, numeric, where)
        matrix = self._replace_missing(matrix, columns.array)
        for c, column in codes.items():
            if not np.array_equal(matrix[:, c], column, equal_nan=True):
                matrix = _own(matrix, columns.array)
                matrix[:, c] = column
        return matrix

    def _refuse_categories(
        self, columns: Columns, numeric: list[int], where: str
    ) -> None:
        for c in numeric:
            if columns.has_category_dtype(c):
                fail_type(
                    where,
                    f"column {label(columns, c)} of numbers, or its name in "
                    "categorical_features, or categorical_features='from_dtype'",
                    "a categorical dtype",
                )

    def _dtype(self, columns: Columns, numeric: list[int]) -> Any:
        """Return float32 if that holds every number and code exactly."""
        few = all(len(x.values) < _EXACT_IN_SINGLE for x in self.levels_.values())
        single = few and all(columns.is_single(c) for c in numeric)
        return np.float32 if single else np.float64

    def _replace_missing(
        self, matrix: RealArray, source: NDArray[Any] | None
    ) -> RealArray:
        """Return the matrix with NaN for ``missing``; a copy if it is the user's."""
        if np.isnan(self._missing):
            return matrix
        equal = matrix == self._missing
        if not equal.any():
            return matrix
        matrix = _own(matrix, source)
        matrix[equal] = np.nan
        return matrix


def _own(matrix: RealArray, source: NDArray[Any] | None) -> RealArray:
    """Return the matrix, or a copy of it if it is the user's memory."""
    shared = source is not None and np.may_share_memory(matrix, source)
    return matrix.copy() if shared else matrix


def as_csc(X: Any, where: str) -> Any:
    """Return a csc_array of float32 or float64 with sorted, distinct rows."""
    return _canonical(X, "csc", where)


def as_csr(X: Any, where: str) -> Any:
    """Return a csr_array of float32 or float64 with sorted, distinct columns."""
    return _canonical(X, "csr", where)


def _canonical(X: Any, kind: str, where: str) -> Any:
    if X.dtype.kind == "c":
        fail(where, "X of real numbers", f"{X.dtype}: Complex data not supported")
    if X.ndim != 2:
        fail(where, "a sparse X with 2 dimensions", f"{X.ndim}: Reshape your data")
    if X.dtype.kind not in "fiub" or X.dtype.itemsize > 8:
        fail_type(where, "a sparse X of numbers", str(X.dtype))
    dtype = np.float32 if X.dtype == np.float32 else np.float64
    try:
        # SciPy's conversions trust the indices.
        _check_indices(X)
        if X.format not in ("csr", "csc", "coo"):
            X = X.tocsr()
            _check_indices(X)
        matrix = getattr(sparse, f"{kind}_array")(X, dtype=dtype)
    except (ValueError, IndexError) as error:
        fail(where, "a sparse X whose indices are in order and in range", str(error))
    if not matrix.has_canonical_format:
        if np.may_share_memory(matrix.data, getattr(X, "data", matrix.data)):
            matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix


def _check_indices(X: Any) -> None:
    if hasattr(X, "check_format"):
        X.check_format(full_check=True)
    elif X.format == "coo" and X.nnz:
        for index, size in zip((X.row, X.col), X.shape, strict=True):
            if index.min() < 0 or index.max() >= size or len(index) != len(X.data):
                raise ValueError(f"an index outside 0 .. {size - 1}")


def _as_missing(value: Any, where: str) -> float:
    if value is None or (isinstance(value, (float, np.floating)) and np.isnan(value)):
        return float("nan")
    return as_real(value, where, "missing")


def _check_names(owner: Any, X: Any, *, reset: bool) -> None:
    """Learn or check the names of columns, in scikit-learn's words."""
    if reset and X is None:
        if hasattr(owner, "feature_names_in_"):
            del owner.feature_names_in_
        return
    check = getattr(validation, "_check_feature_names", None)
    if check is not None:
        check(owner, X, reset=reset)
    else:  # scikit-learn < 1.6
        type(owner)._check_feature_names(owner, X, reset=reset)


def _categorical(listed: Any, columns: Columns, where: str) -> list[int]:
    """Return the numbers of the categorical columns, ascending."""
    n_columns = columns.shape[1]
    if listed is None:
        return []
    if isinstance(listed, str):
        if listed != "from_dtype":
            wanted = "categorical_features as 'from_dtype' or as a list of columns"
            fail(where, wanted, repr(listed))
        return [c for c in range(n_columns) if columns.has_category_dtype(c)]
    items = np.asarray(listed, dtype=object)
    if items.ndim != 1:
        fail(where, "categorical_features as a flat list", f"{items.ndim} dimensions")
    if len(items) and all(isinstance(item, (bool, np.bool_)) for item in items):
        if len(items) != n_columns:
            fail(where, f"a categorical_features mask of {n_columns}", str(len(items)))
        return [c for c, chosen in enumerate(items) if chosen]
    return sorted({_column_number(item, columns, where) for item in items})


def _column_number(item: Any, columns: Columns, where: str) -> int:
    if not isinstance(item, str):
        name = "a column of categorical_features"
        return as_integer(item, where, name, low=0, high=columns.shape[1] - 1)
    if columns.names is None:
        fail(where, "categorical_features by number for a table without names", item)
    if item not in columns.names:
        fail(where, "categorical_features that X has", repr(item))
    return columns.names.index(item)
