"""Every set has the shapes, splits and counts that its source states."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes import datasets
from fastnotes.datasets._registry import REGISTRY

# name: rows, columns, training and test rows (None: no split), categories,
# class counts in the order of the codes (None: a regression target)
TABULAR = {
    "agaricus": (8124, 127, 6513, 1611, 0, [4208, 3916]),
    "bank_marketing": (41188, 20, None, None, 10, [36548, 4640]),
    "bike_sharing": (17379, 13, None, None, 0, None),
    "california_housing": (20640, 9, None, None, 1, None),
    "covtype_15k": (15120, 54, 11340, 3780, 0, [2160] * 7),
    "credit_default": (30000, 23, None, None, 0, [23364, 6636]),
    "diamonds": (53940, 9, None, None, 3, None),
    "electricity": (45312, 8, None, None, 0, [19237, 26075]),
    "flights_3m": (3000000, 4, 2500000, 500000, 2, [2400945, 599055]),
    "higgs_7k": (7500, 28, 7000, 500, 0, [3512, 3988]),
    "lambdarank_3k": (3773, 301, 3005, 768, 0, [851, 1467, 1110, 266, 79]),
    "multiclass_7k": (7500, 28, 7000, 500, 0, [1500, 1500, 1500, 1500, 1500]),
    "mushroom": (8124, 22, None, None, 22, [3916, 4208]),
}
# name: sequences of training, validation and test, channels, classes, steps in all
SEQUENCES = {
    "basic_motions": (40, None, 40, 6, 4, 8000),
    "ecg200": (100, None, 100, 1, 2, 19200),
    "gunpoint": (50, None, 150, 1, 2, 30000),
    "italy_power_demand": (67, None, 1029, 1, 2, 26304),
    "osu_leaf": (200, None, 242, 1, 6, 188734),
    "japanese_vowels": (270, None, 370, 12, 9, 9961),
    "jsb_chorales": (229, 76, 77, 88, 0, 23134),
    "musedata": (524, 135, 124, 88, 0, 392296),
    "piano_midi": (87, 12, 25, 88, 0, 103487),
}
# name: nodes, links, features (None: without), classes, sizes of the split
GRAPHS = {
    "amazon_computers": (13752, 245861, 767, 10, (200, 300, 13252)),
    "coauthor_cs": (18333, 81894, 6805, 15, (300, 450, 17583)),
    "coauthor_physics": (34493, 247962, 8415, 5, (100, 150, 34243)),
    "cora": (2708, 5278, 1433, 7, (140, 500, 1000)),
    "cora_ml": (2995, 8158, 2879, 7, (140, 210, 2645)),
    "pubmed_structure": (19717, 44327, None, 3, (60, 500, 1000)),
}


def load(name, data_home):
    return getattr(datasets, f"load_{name}")(data_home=data_home)


def test_every_file_set_is_covered():
    others = {"mnist", "omniglot28", "frey_faces", "tiny_shakespeare", "flixster"}
    elsewhere = {"nycflights13", "penn_treebank"}
    covered = {*TABULAR, *SEQUENCES, *GRAPHS, *others, *elsewhere}
    assert covered == {name for name, info in REGISTRY.items() if info.files}


@pytest.mark.parametrize("name", TABULAR)
def test_tabular(name, data_home):
    n_rows, n_columns, n_train, n_test, n_categories, counts = TABULAR[name]
    data = load(name, data_home)
    assert data.name == name
    assert data.X.shape == (n_rows, n_columns)
    assert data.X.dtype == np.float32
    assert data.y.shape == (n_rows,)
    assert len(data.categories) == n_categories
    assert len(data.feature_names) in (0, n_columns)
    if counts is None:
        assert data.y.dtype == np.float32
    else:
        assert data.y.dtype == np.int64
        assert np.bincount(data.y).tolist() == counts
    if n_train is None:
        assert data.train_idx is None
        with pytest.raises(ValueError, match=f"standard split, got {name}"):
            data.train_test()
    else:
        X_train, X_test, y_train, y_test = data.train_test()
        assert (X_train.shape[0], X_test.shape[0]) == (n_train, n_test)
        assert (len(y_train), len(y_test)) == (n_train, n_test)
        assert np.intersect1d(data.train_idx, data.test_idx).size == 0


@pytest.mark.parametrize("name", [n for n in TABULAR if TABULAR[n][4]])
def test_categories_are_codes_into_their_names(name, data_home):
    data = load(name, data_home)
    for column, levels in zip(
        data.categorical_columns, data.categories.values(), strict=True
    ):
        codes = data.X[:, column]
        known = codes[~np.isnan(codes)]
        assert np.array_equal(known, np.floor(known))
        assert known.min() >= 0
        assert known.max() <= len(levels) - 1
        assert len(set(levels)) == len(levels)


def test_missing_values_stand_where_the_sources_say(data_home):
    def n_missing(name, column):
        data = load(name, data_home)
        return int(np.isnan(data.X[:, data.feature_names.index(column)]).sum())

    assert n_missing("california_housing", "total_bedrooms") == 207
    assert n_missing("mushroom", "stalk_root") == 2480


def test_bike_rentals_add_up(data_home):
    assert load("bike_sharing", data_home).y.sum(dtype=np.float64) == 3292679


def test_integers_of_wide_range_stay_exact(data_home):
    data = load("credit_default", data_home)
    assert round(float(data.X[:, 0].mean(dtype=np.float64))) == 167484


def test_share_of_late_flights(data_home):
    _, _, y_train, y_test = load("flights_3m", data_home).train_test()
    assert round(float(y_train.mean()), 3) == 0.197
    assert round(float(y_test.mean()), 3) == 0.214


def test_ranking_queries_are_runs(data_home):
    data = load("lambdarank_3k", data_home)
    assert (np.diff(data.query) >= 0).all()
    assert np.unique(data.query[data.train_idx]).size == 201
    assert np.unique(data.query[data.test_idx]).size == 50


def test_higgs_has_weights(data_home):
    assert load("higgs_7k", data_home).weight.shape == (7500,)


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences(name, data_home):
    n_train, n_valid, n_test, n_channels, n_classes, n_steps = SEQUENCES[name]
    data = load(name, data_home)
    parts = [part for part in (data.train, data.valid, data.test) if part is not None]
    sizes = [n for n in (n_train, n_valid, n_test) if n is not None]
    assert [len(part) for part in parts] == sizes
    assert sum(len(part.steps) for part in parts) == n_steps
    assert len(data.class_names) == n_classes
    for part in parts:
        assert part.steps.shape[1] == n_channels
        assert part.steps.flags.c_contiguous
        assert part.offsets[-1] == len(part.steps)
        assert (part.lengths > 0).all()
        if n_classes:
            assert part.steps.dtype == np.float32
            assert np.unique(part.y).tolist() == list(range(n_classes))
        else:
            assert part.y is None
            assert np.unique(part.steps).tolist() == [0, 1]


def test_japanese_vowels_lengths(data_home):
    data = load("japanese_vowels", data_home)
    lengths = np.concatenate([data.train.lengths, data.test.lengths])
    assert (lengths.min(), lengths.max()) == (7, 29)
    x, lengths = data.train.padded()
    assert x.shape[0] == 270
    assert x.shape[2] == 12
    assert np.array_equal(x[3, : lengths[3]], data.train[3])


def nearest_neighbour_accuracy(data):
    train, test = (part.padded()[0][:, :, 0] for part in (data.train, data.test))
    squares = (train**2).sum(axis=1)
    nearest = (squares - 2 * test @ train.T).argmin(axis=1)
    return (data.train.y[nearest] == data.test.y).mean()


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("ecg200", 0.880),
        ("gunpoint", 0.913),
        ("italy_power_demand", 0.955),
        ("osu_leaf", 0.521),
    ],
)
def test_euclidean_neighbours_reach_the_archive_accuracy(name, published, data_home):
    accuracy = nearest_neighbour_accuracy(load(name, data_home))
    assert round(float(accuracy), 3) == published


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs(name, data_home):
    n_nodes, n_links, n_features, n_classes, sizes = GRAPHS[name]
    data = load(name, data_home)
    adjacency = data.adjacency
    assert adjacency.shape == (n_nodes, n_nodes)
    assert adjacency.dtype == np.float32
    n_loops = int((adjacency.diagonal() != 0).sum())
    assert n_loops == (3 if name == "pubmed_structure" else 0)
    assert adjacency.nnz == 2 * n_links - n_loops
    assert (adjacency != adjacency.T).nnz == 0
    assert (adjacency.data == 1).all()
    assert adjacency.has_canonical_format
    assert np.unique(data.y).tolist() == list(range(n_classes))
    indices = (data.train_idx, data.val_idx, data.test_idx)
    assert tuple(len(part) for part in indices) == sizes
    assert np.unique(np.concatenate(indices)).size == sum(sizes)
    if n_features is None:
        assert data.X is None
    else:
        assert data.X.shape == (n_nodes, n_features)
        assert data.X.dtype == np.float32


def test_cora_training_nodes_are_balanced(data_home):
    data = load("cora", data_home)
    assert np.bincount(data.y[data.train_idx]).tolist() == [20] * 7
    largest = np.bincount(data.y[data.test_idx]).max() / len(data.test_idx)
    assert largest == 0.319


def test_mnist(data_home):
    data = load("mnist", data_home)
    assert data.images.shape == (70000, 28, 28)
    assert data.images.dtype == np.uint8
    assert (len(data.train_idx), len(data.test_idx)) == (60000, 10000)
    assert np.bincount(data.y[:60000])[:3].tolist() == [5923, 6742, 5958]
    training = data.images[:60000]
    assert round(float(training.mean(dtype=np.float64)) / 255, 4) == 0.1307
    assert round(float(training.std(dtype=np.float64)) / 255, 4) == 0.3081


def test_omniglot(data_home):
    data = load("omniglot28", data_home)
    assert data.images.shape == (32460, 28, 28)
    assert (len(data.train_idx), len(data.test_idx)) == (24345, 8070)
    assert np.unique(data.y).size == 1623
    assert (np.bincount(data.y) == 20).all()
    assert len(data.attribute_names["alphabet"]) == 50
    assert data.attributes["drawer"].max() == 19
    assert round(float(data.images.mean()), 3) == 0.081


def test_frey_faces(data_home):
    images = load("frey_faces", data_home).images
    assert images.shape == (1965, 28, 20)
    assert (images.min(), images.max()) == (8, 238)


def test_tiny_shakespeare(data_home):
    data = load("tiny_shakespeare", data_home)
    assert len(data.text) == len(data.codes) == 1115394
    assert len(data.vocabulary) == 65
    assert (
        "".join(data.vocabulary[code] for code in data.codes[:100]) == data.text[:100]
    )
    assert (len(data.train), len(data.test)) == (1003854, 111540)


def test_flixster(data_home):
    data = load("flixster", data_home)
    assert (len(data.train_ratings), len(data.test_ratings)) == (23556, 2617)
    matrix = data.train_matrix()
    assert matrix.shape == (3000, 3000)
    assert matrix.nnz == 23556
    assert (matrix.data.min(), matrix.data.max()) == (0.5, 5)
    assert (data.user_graph.nnz, data.item_graph.nnz) == (59354, 50918)
    error = data.test_ratings - data.train_ratings.mean(dtype=np.float64)
    assert round(float(np.sqrt((error**2).mean())), 3) == 1.073
