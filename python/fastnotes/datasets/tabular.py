"""Loaders of tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.datasets._describe import documented
from fastnotes.datasets._files import Arrays, DataHome, read_single_npz
from fastnotes.datasets._registry import REGISTRY
from fastnotes.datasets._results import FloatArray, IndexArray, TabularDataset

_ELECTRICITY_COLUMNS = [
    "date",
    "day",
    "period",
    "nswprice",
    "nswdemand",
    "vicprice",
    "vicdemand",
    "transfer",
]
_MISSING_CATEGORY = -1
_COVTYPE_TRAIN = 11_340
_FLIGHTS_TRAIN = 2_500_000
_LATE_MINUTES = 15


def stack_columns(
    columns: Mapping[str, NDArray[Any]], categorical: Mapping[str, tuple[str, ...]]
) -> FloatArray:
    """Return float32 columns side by side; code -1 of a category becomes NaN."""
    X = np.stack(list(columns.values()), axis=1, dtype=np.float32, casting="same_kind")
    for number, name in enumerate(columns):
        if name in categorical:
            codes = X[:, number]
            codes[codes == _MISSING_CATEGORY] = np.nan
    return X


def _names(array: NDArray[Any]) -> tuple[str, ...]:
    return tuple(map(str, array.tolist()))


def _consecutive_parts(n_train: int, n_test: int) -> tuple[IndexArray, IndexArray]:
    return np.arange(n_train), np.arange(n_train, n_train + n_test)


@documented("bank_marketing")
def load_bank_marketing(*, data_home: DataHome = None) -> TabularDataset:
    """Bank marketing: which clients called by phone open a deposit.

    Returns
    -------
    TabularDataset
        41,188 rows, 20 columns, 10 of them categorical ("unknown" is NaN); `y` 1 for
        yes (11.27 %). ``pdays`` 999 means never contacted. Drop ``duration``, known
        only after the call, for a realistic task.
    """
    info = REGISTRY["bank_marketing"]
    arrays = read_single_npz(info, data_home, "y")
    categories = {
        key.removesuffix("_names"): _names(value)
        for key, value in arrays.items()
        if key.endswith("_names")
    }
    columns = {
        key: value
        for key, value in arrays.items()
        if key != "y" and not key.endswith("_names")
    }
    return TabularDataset(
        info=info,
        X=stack_columns(columns, categories),
        y=arrays["y"].astype(np.int64),
        feature_names=tuple(columns),
        categories=categories,
        target_names=("no", "yes"),
    )


@documented("bike_sharing")
def load_bike_sharing(*, data_home: DataHome = None) -> TabularDataset:
    """Bike sharing: bicycles rented per hour in 2011 and 2012.

    Returns
    -------
    TabularDataset
        17,379 rows, 13 columns (``day`` counts from 2011-01-01); `y` float32, the
        number of rentals (its parts by casual and registered users are left out).
    """
    info = REGISTRY["bike_sharing"]
    arrays = read_single_npz(info, data_home, "cnt", "casual", "registered")
    target = arrays.pop("cnt")
    columns = {
        key: value
        for key, value in arrays.items()
        if key not in ("casual", "registered")
    }
    return TabularDataset(
        info=info,
        X=stack_columns(columns, {}),
        y=target.astype(np.float32),
        feature_names=tuple(columns),
    )


@documented("california_housing")
def load_california_housing(*, data_home: DataHome = None) -> TabularDataset:
    """California housing: median house value of a district in 1990.

    Not scikit-learn's table of the same name: rooms and people are counts.

    Returns
    -------
    TabularDataset
        20,640 rows, 9 columns, the last categorical (``ocean_proximity``, 5 levels);
        207 NaN in ``total_bedrooms``; `y` float32 in dollars, capped at 500,001.
    """
    info = REGISTRY["california_housing"]
    category = "ocean_proximity"
    arrays = read_single_npz(
        info, data_home, "X", "y", "feature_names", category, f"{category}_names"
    )
    names = _names(arrays["feature_names"])
    columns = dict(zip(names, arrays["X"].T, strict=True))
    columns[category] = arrays[category]
    categories = {category: _names(arrays[f"{category}_names"])}
    return TabularDataset(
        info=info,
        X=stack_columns(columns, categories),
        y=arrays["y"],
        feature_names=tuple(columns),
        categories=categories,
    )


@documented("covtype_15k")
def load_covtype_15k(*, data_home: DataHome = None) -> TabularDataset:
    """Forest cover type, a balanced excerpt.

    Returns
    -------
    TabularDataset
        15,120 rows, 54 columns (10 numeric, 4 + 40 one-hot); `y` 0 to 6, the source's
        Cover_Type - 1, 2,160 rows of each.
    """
    info = REGISTRY["covtype_15k"]
    arrays = read_single_npz(info, data_home, "X", "y", "feature_names")
    n_rows = len(arrays["y"])
    train_idx, test_idx = _consecutive_parts(_COVTYPE_TRAIN, n_rows - _COVTYPE_TRAIN)
    return TabularDataset(
        info=info,
        X=arrays["X"].astype(np.float32),
        y=arrays["y"].astype(np.int64),
        feature_names=_names(arrays["feature_names"]),
        train_idx=train_idx,
        test_idx=test_idx,
    )


@documented("credit_default")
def load_credit_default(*, data_home: DataHome = None) -> TabularDataset:
    """Credit card clients of Taiwan: who defaults next month.

    Returns
    -------
    TabularDataset
        30,000 rows, 23 integer columns; `y` 1 for default (22.12 %).
    """
    info = REGISTRY["credit_default"]
    arrays = read_single_npz(info, data_home, "X", "y", "feature_names")
    return TabularDataset(
        info=info,
        X=arrays["X"].astype(np.float32),
        y=arrays["y"].astype(np.int64),
        feature_names=_names(arrays["feature_names"]),
    )


@documented("diamonds")
def load_diamonds(*, data_home: DataHome = None) -> TabularDataset:
    """Diamond prices.

    Returns
    -------
    TabularDataset
        53,940 rows, 9 columns; cut, color and clarity are categories whose codes are
        ordered (cut and clarity rise in quality, color D is the best and code 0);
        `y` float32, the price in dollars.
    """
    info = REGISTRY["diamonds"]
    ordered = ("cut", "color", "clarity")
    level_keys = [f"{name}_names" for name in ordered]
    arrays = read_single_npz(
        info, data_home, "X", "feature_names", "price", *ordered, *level_keys
    )
    names = _names(arrays["feature_names"])
    columns = dict(zip(names, arrays["X"].T, strict=True))
    columns |= {name: arrays[name] for name in ordered}
    categories = {name: _names(arrays[f"{name}_names"]) for name in ordered}
    return TabularDataset(
        info=info,
        X=stack_columns(columns, categories),
        y=arrays["price"].astype(np.float32),
        feature_names=tuple(columns),
        categories=categories,
    )


@documented("electricity")
def load_electricity(*, data_home: DataHome = None) -> TabularDataset:
    """Electricity market of New South Wales: when the price falls.

    Returns
    -------
    TabularDataset
        45,312 rows, 8 columns; `y` 1 = DOWN (26,075), 0 = UP (19,237). The source
        advises dropping ``date`` and ``nswprice``.
    """
    info = REGISTRY["electricity"]
    arrays = read_single_npz(info, data_home, "X", "y")
    return TabularDataset(
        info=info,
        X=arrays["X"],
        y=arrays["y"].astype(np.int64),
        feature_names=tuple(_ELECTRICITY_COLUMNS),
        target_names=("UP", "DOWN"),
    )


@documented("flights_3m")
def load_flights_3m(*, data_home: DataHome = None) -> TabularDataset:
    """US flights of early 2001: which are more than 15 minutes late.

    Returns
    -------
    TabularDataset
        3,000,000 rows in time order, 4 columns: ``minute`` since 2001-01-01 00:00,
        ``distance``, and the categories ``origin`` and ``destination`` (229 airports);
        `y` 1 for late (19.7 % of the first 2,500,000 rows, 21.4 % of the rest).
    """
    info = REGISTRY["flights_3m"]
    features = ("minute", "distance", "origin", "destination")
    arrays = read_single_npz(info, data_home, *features, "delay", "airport_codes")
    airports = _names(arrays["airport_codes"])
    categories = {"origin": airports, "destination": airports}
    n_rows = len(arrays["delay"])
    train_idx, test_idx = _consecutive_parts(_FLIGHTS_TRAIN, n_rows - _FLIGHTS_TRAIN)
    return TabularDataset(
        info=info,
        X=stack_columns({name: arrays[name] for name in features}, categories),
        y=(arrays["delay"] > _LATE_MINUTES).astype(np.int64),
        feature_names=features,
        categories=categories,
        train_idx=train_idx,
        test_idx=test_idx,
    )


@documented("higgs_7k")
def load_higgs_7k(*, data_home: DataHome = None) -> TabularDataset:
    """HIGGS excerpt of LightGBM's binary example.

    Returns
    -------
    TabularDataset
        7,000 + 500 rows, 28 columns rounded to 3 decimals; `y` 0 or 1; ``weight`` from
        the example's weight files.
    """
    return _read_two_tables("higgs_7k", data_home, weighted=True)


@documented("multiclass_7k")
def load_multiclass_7k(*, data_home: DataHome = None) -> TabularDataset:
    """LightGBM's multi-class example; probably machine-made.

    Returns
    -------
    TabularDataset
        7,000 + 500 rows, 28 columns; 5 balanced classes.
    """
    return _read_two_tables("multiclass_7k", data_home, weighted=False)


def _read_two_tables(
    name: str, data_home: DataHome, *, weighted: bool
) -> TabularDataset:
    info = REGISTRY[name]
    stems = ("X", "y", "weight") if weighted else ("X", "y")
    keys = [f"{stem}_{part}" for stem in stems for part in ("train", "test")]
    arrays = read_single_npz(info, data_home, *keys)
    joined = {stem: _joined(arrays, f"{stem}_train", f"{stem}_test") for stem in stems}
    train_idx, test_idx = _consecutive_parts(
        len(arrays["y_train"]), len(arrays["y_test"])
    )
    return TabularDataset(
        info=info,
        X=joined["X"],
        y=joined["y"].astype(np.int64),
        weight=joined.get("weight"),
        train_idx=train_idx,
        test_idx=test_idx,
    )


def _joined(arrays: Arrays, first: str, second: str) -> NDArray[Any]:
    return np.concatenate([arrays[first], arrays[second]])


@documented("lambdarank_3k")
def load_lambdarank_3k(*, data_home: DataHome = None) -> TabularDataset:
    """LightGBM's learning-to-rank example.

    Returns
    -------
    TabularDataset
        3,005 + 768 rows; `X` a float32 csr_array of 301 columns; `y` the relevance,
        0 to 4; ``query`` 0 to 250 (201 training, 50 test queries).
    """
    info = REGISTRY["lambdarank_3k"]
    keys = ("data", "indices", "indptr", "label", "group")
    wanted = [f"{part}_{key}" for part in ("train", "test") for key in keys]
    arrays = read_single_npz(info, data_home, *wanted, "n_features")
    groups = _joined(arrays, "train_group", "test_group")
    labels = _joined(arrays, "train_label", "test_label")
    train_idx, test_idx = _consecutive_parts(
        len(arrays["train_label"]), len(arrays["test_label"])
    )
    return TabularDataset(
        info=info,
        X=_joined_rows(arrays, _joined(arrays, "train_data", "test_data")),
        y=labels.astype(np.int64),
        query=np.repeat(np.arange(len(groups)), groups),
        train_idx=train_idx,
        test_idx=test_idx,
    )


@documented("agaricus")
def load_agaricus(*, data_home: DataHome = None) -> TabularDataset:
    """Mushrooms one-hot encoded: which are poisonous.

    Returns
    -------
    TabularDataset
        6,513 + 1,611 rows; `X` a float32 csr_array of ones, 127 columns; `y` as in
        XGBoost's demonstration.
    """
    info = REGISTRY["agaricus"]
    keys = ("indices", "indptr", "label")
    wanted = [f"{part}_{key}" for part in ("train", "test") for key in keys]
    arrays = read_single_npz(info, data_home, *wanted, "n_features")
    n_entries = len(arrays["train_indices"]) + len(arrays["test_indices"])
    labels = _joined(arrays, "train_label", "test_label")
    train_idx, test_idx = _consecutive_parts(
        len(arrays["train_label"]), len(arrays["test_label"])
    )
    return TabularDataset(
        info=info,
        X=_joined_rows(arrays, np.ones(n_entries, np.float32)),
        y=labels.astype(np.int64),
        train_idx=train_idx,
        test_idx=test_idx,
    )


def _joined_rows(arrays: Arrays, data: NDArray[np.float32]) -> Any:
    """Return the training rows over the test rows as one csr_array."""
    from scipy.sparse import csr_array

    first, second = arrays["train_indptr"], arrays["test_indptr"]
    indptr = np.concatenate([first, first[-1] + second[1:]])
    indices = _joined(arrays, "train_indices", "test_indices").astype(np.int32)
    [n_features] = arrays["n_features"].tolist()
    matrix = csr_array((data, indices, indptr), shape=(len(indptr) - 1, n_features))
    matrix.sort_indices()
    return matrix


@documented("mushroom")
def load_mushroom(*, data_home: DataHome = None) -> TabularDataset:
    """Mushrooms in their 22 nominal columns: which are edible.

    Returns
    -------
    TabularDataset
        8,124 rows; every column a category whose levels are the source's letters;
        2,480 NaN in ``stalk_root``; `y` 1 = edible (4,208).
    """
    info = REGISTRY["mushroom"]
    arrays = read_single_npz(info, data_home, "X_ascii", "feature_names", "y_edible")
    names = _names(arrays["feature_names"])
    columns, categories = {}, {}
    for name, letters in zip(names, arrays["X_ascii"].T, strict=True):
        levels = np.unique(letters[letters != ord("?")])
        codes = np.searchsorted(levels, letters)
        columns[name] = np.where(letters == ord("?"), _MISSING_CATEGORY, codes)
        categories[name] = tuple(map(chr, levels.tolist()))
    return TabularDataset(
        info=info,
        X=stack_columns(columns, categories),
        y=arrays["y_edible"].astype(np.int64),
        feature_names=names,
        categories=categories,
        target_names=("poisonous", "edible"),
    )
