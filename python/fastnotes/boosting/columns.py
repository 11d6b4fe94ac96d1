"""Columns of a user's table, whatever holds it: NumPy, pandas, polars, Arrow."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import RealArray, fail, fail_type, refuse_mask

_LARGEST_DIRECT = 2**20  # integers below need no sorting to be counted

#: What to do with a column that holds no numbers.
_TEXT = " (text and categories: name the column in categorical_features)"
_TIME = " (make numbers of times and durations)"


class Factor(NamedTuple):
    """A column as values and, for each row, the number of its value; -1 is missing.

    Values may not all occur. ``declared`` says that the column's type lists them, in an
    order to keep.
    """

    values: Sequence[Any]
    codes: NDArray[np.integer[Any]]
    declared: bool = False


class Columns(ABC):
    """What a table is to the encoder."""

    shape: tuple[int, int]
    names: list[str] | None = None
    array: NDArray[Any] | None = None  # where the table is one array

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.factors: dict[int, Factor] = {}

    @abstractmethod
    def has_category_dtype(self, c: int) -> bool:
        """Whether the column's own type says that it is categorical."""

    @abstractmethod
    def is_single(self, c: int) -> bool:
        """Whether the column holds float32."""

    @abstractmethod
    def numbers(self, c: int, where: str) -> NDArray[Any]:
        """Return real numbers, NaN where missing; TypeError if there are others."""

    @abstractmethod
    def make_factor(self, c: int, where: str) -> Factor:
        """Return the column as categories."""

    def factor(self, c: int, where: str) -> Factor:
        """Return the column as categories, made once."""
        if c not in self.factors:
            self.factors[c] = self.make_factor(c, where)
        return self.factors[c]

    def matrix(self, dtype: Any, numeric: list[int], where: str) -> RealArray:
        """Return the numeric columns in a C-contiguous matrix of all columns.

        It may be the user's own memory.
        """
        matrix = np.empty(self.shape, dtype)
        for c in numeric:
            matrix[:, c] = self.numbers(c, where)
        return matrix


def label(columns: Columns, c: int) -> str:
    """Return how messages call a column."""
    return repr(columns.names[c]) if columns.names is not None else str(c)


def open_columns(X: Any, where: str) -> Columns:
    """Return the columns of a dense table of any supported kind."""
    if _is_frame(X, "polars"):
        return _PolarsColumns(X)
    if hasattr(X, "to_pandas") and hasattr(X, "schema"):  # an Arrow table
        X = X.to_pandas()
    if _is_frame(X, "pandas"):
        return _PandasColumns(X)
    return _ArrayColumns(as_table(X, where))


def _is_frame(X: Any, library: str) -> bool:
    module = sys.modules.get(library)
    return module is not None and isinstance(X, module.DataFrame)


def as_table(X: Any, where: str) -> NDArray[Any]:
    """Return a two-dimensional array of any dtype but complex."""
    refuse_mask(X, where, "X")
    try:
        array = np.asarray(X)
        if array.dtype.kind in "US" and isinstance(X, (list, tuple)):
            array = np.asarray(X, dtype=object)  # numbers beside text stay numbers
    except ValueError:
        fail(where, "X as a rectangular array", "a ragged sequence")
    if array.dtype.kind == "c":
        fail(where, "X of real numbers", f"{array.dtype}: Complex data not supported")
    if array.ndim == 0 and array.dtype.kind in "OUS":
        fail_type(where, "X as an array or a data frame", _kind_of(X))
    if array.ndim != 2:
        fail(
            where,
            "X with 2 dimensions",
            f"{array.ndim}: Reshape your data with .reshape(1, -1) if it is one row, "
            "with .reshape(-1, 1) if it is one column",
        )
    return array


def number_factor(values: NDArray[Any]) -> Factor:
    """Return categories that are numbers."""
    if values.dtype.kind == "b":
        return Factor(range(2), values.astype(np.int8))
    known = (
        ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), bool)
    )
    present = values[known]
    if len(present) and present.min() >= 0 and present.max() < _LARGEST_DIRECT:
        whole = present.astype(np.int32)
        if (whole == present).all():
            codes = np.full(len(values), -1, np.int32)
            codes[known] = whole
            return Factor(range(int(whole.max()) + 1), codes)
    distinct, inverse = np.unique(present, return_inverse=True)
    codes = np.full(len(values), -1, np.int64)
    codes[known] = inverse.ravel()
    return Factor(distinct.tolist(), codes)


def object_factor(values: NDArray[Any], name: str, where: str) -> Factor:
    """Return categories that are Python objects; None, NaN and NA are missing."""
    number: dict[Any, int] = {}
    codes = np.full(len(values), -1, np.int64)
    try:
        for i, value in enumerate(values.tolist()):
            if not is_missing(value):
                codes[i] = number.setdefault(value, len(number))
    except TypeError:
        kind = type(value).__name__
        fail_type(where, f"column {name} of values that can be hashed", kind)
    return Factor(list(number), codes)


def is_missing(value: Any) -> bool:
    """Whether it is None, NaN, NaT or NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.generic)) and bool(value != value)


def object_numbers(values: NDArray[Any], name: str, where: str) -> NDArray[np.float64]:
    """Return an object column's numbers as float64; text is refused, not parsed."""
    items = [np.nan if type(v).__name__ == "NAType" else v for v in values.tolist()]
    for item in items:
        if isinstance(item, (str, bytes)):
            fail_type(where, f"column {name} of numbers{_TEXT}", f"text {item!r}")
    try:
        return np.array(items, dtype=object).astype(np.float64)
    except (TypeError, ValueError) as error:
        fail_type(where, f"column {name} of numbers", str(error))


def _kind_of(X: Any) -> str:
    kind = type(X).__name__
    return f"a {kind}: collect() it first" if kind == "LazyFrame" else kind


def refuse_kind(name: str, dtype: Any, where: str) -> NoReturn:
    """Refuse a column that is not of numbers, and say what to do."""
    if getattr(dtype, "kind", "") == "f":
        hint = " of at most 64 bits"
    else:
        times = ("date", "time", "duration", "period")
        hint = _TIME if str(dtype).lower().startswith(times) else _TEXT
    fail_type(where, f"column {name} of numbers{hint}", str(dtype))


class _ArrayColumns(Columns):
    array: NDArray[Any]

    def __init__(self, array: NDArray[Any]) -> None:
        super().__init__((array.shape[0], array.shape[1]))
        self.array = array

    def has_category_dtype(self, c: int) -> bool:
        return False

    def is_single(self, c: int) -> bool:
        return bool(self.array.dtype.newbyteorder("=") == np.float32)

    def numbers(self, c: int, where: str) -> NDArray[Any]:
        return _array_numbers(self.array[:, c], str(c), where)

    def matrix(self, dtype: Any, numeric: list[int], where: str) -> RealArray:
        if self.array.dtype.kind not in "fiub" or self.array.dtype.itemsize > 8:
            return super().matrix(dtype, numeric, where)
        return np.require(self.array, dtype=dtype, requirements=("C", "A"))

    def make_factor(self, c: int, where: str) -> Factor:
        values = self.array[:, c]
        if values.dtype.kind in "fiub":
            return number_factor(values)
        return object_factor(values, str(c), where)


def _array_numbers(values: NDArray[Any], name: str, where: str) -> NDArray[Any]:
    if values.dtype.kind == "O":
        return object_numbers(values, name, where)
    if values.dtype.kind not in "fiub" or values.dtype.itemsize > 8:
        refuse_kind(name, values.dtype, where)
    return values


class _PandasColumns(Columns):
    names: list[str]

    def __init__(self, frame: Any) -> None:
        self.pandas = sys.modules["pandas"]
        super().__init__(frame.shape)
        self.frame = frame
        self.names = [str(name) for name in frame.columns]

    def has_category_dtype(self, c: int) -> bool:
        return isinstance(self.frame.dtypes.iloc[c], self.pandas.CategoricalDtype)

    def is_single(self, c: int) -> bool:
        return bool(self.frame.dtypes.iloc[c] == np.float32)

    def numbers(self, c: int, where: str) -> NDArray[Any]:
        series = self.frame.iloc[:, c]
        dtype = series.dtype
        if isinstance(dtype, self.pandas.SparseDtype):
            return np.asarray(series.sparse.to_dense())
        if isinstance(dtype, np.dtype):
            return _array_numbers(series.to_numpy(), repr(self.names[c]), where)
        if getattr(dtype, "kind", "O") not in "fiub":
            refuse_kind(repr(self.names[c]), dtype, where)
        numbers: NDArray[Any] = series.to_numpy(np.float64, na_value=np.nan)
        return numbers

    def make_factor(self, c: int, where: str) -> Factor:
        series = self.frame.iloc[:, c]
        if self.has_category_dtype(c):
            codes = series.cat.codes.to_numpy()
            return Factor(series.cat.categories.tolist(), codes, declared=True)
        if isinstance(series.dtype, np.dtype) and series.dtype.kind in "fiub":
            return number_factor(series.to_numpy())
        try:
            codes, values = self.pandas.factorize(series)
        except TypeError:
            name = self.names[c]
            fail_type(where, f"column {name!r} of values that can be hashed", "others")
        return Factor(values.tolist(), codes)


class _PolarsColumns(Columns):
    names: list[str]

    def __init__(self, frame: Any) -> None:
        self.polars = sys.modules["polars"]
        super().__init__(frame.shape)
        self.frame = frame
        self.names = list(frame.columns)

    def has_category_dtype(self, c: int) -> bool:
        dtype = self.frame.dtypes[c]
        return dtype in (self.polars.Categorical, self.polars.Enum)

    def is_single(self, c: int) -> bool:
        return bool(self.frame.dtypes[c] == self.polars.Float32)

    def numbers(self, c: int, where: str) -> NDArray[Any]:
        series = self.frame.to_series(c)
        pl = self.polars
        if not series.dtype.is_numeric() and series.dtype not in (pl.Boolean, pl.Null):
            refuse_kind(repr(self.names[c]), series.dtype, where)
        if series.dtype != pl.Float32:
            series = series.cast(pl.Float64)
        numbers: NDArray[Any] = series.to_numpy()
        return numbers

    def make_factor(self, c: int, where: str) -> Factor:
        pl = self.polars
        series = self.frame.to_series(c)
        if series.dtype == pl.Enum:
            levels = list(series.dtype.categories)
            codes = series.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
            return Factor(levels, codes, declared=True)
        if series.dtype.is_numeric() or series.dtype == pl.Boolean:
            return number_factor(self.numbers(c, where))
        if series.dtype == pl.Categorical:
            series = series.cast(pl.String)
        levels = series.drop_nulls().unique(maintain_order=True)
        place = pl.DataFrame({"value": levels, "code": np.arange(len(levels))})
        joined = series.to_frame("value").join(
            place, on="value", how="left", maintain_order="left"
        )
        codes = joined["code"].fill_null(-1).to_numpy()
        return Factor(levels.to_list(), codes)
