from __future__ import annotations

import sys

import numpy as np
import pytest

from fastnotes.boosting.inspection import dump_trees, trees_to_dataframe
from fastnotes.boosting.trees import TreeEnsemble, concatenate
from support.forests import random_forest


def two_trees():
    """A split of a number, below it one of categories; and a leaf alone."""
    return TreeEnsemble(
        n_features=2,
        base_score=np.zeros(1),
        tree_offsets=np.array([0, 5, 6]),
        tree_output=np.zeros(2, np.int32),
        feature=np.array([0, -1, 1, -1, -1, -1], np.int32),
        threshold=np.array([2.5, 0, 0, 0, 0, 0]),
        left=np.array([1, -1, 3, -1, -1, -1], np.int32),
        right=np.array([2, -1, 4, -1, -1, -1], np.int32),
        default_left=np.array([True, False, False, False, False, False]),
        value=np.array([0, 0.5, 0, -0.25, 0.125, 1], np.float32),
        gain=np.array([8, 0, 2, 0, 0, 0], np.float32),
        cover=np.array([12, 3, 9, 4, 5, 12], np.float32),
        category_offsets=np.array([0, 0, 0, 1, 1, 1, 1]),
        category_words=np.array([0b101], np.uint32),
    ).check("tests")


def test_dump():
    assert dump_trees(two_trees()).splitlines() == [
        "tree 0",
        "  0: f0 <= 2.5  (yes 1, no 2, missing 1; gain 8, cover 12)",
        "    1: leaf 0.5  (cover 3)",
        "    2: f1 in {0, 2}  (yes 3, no 4, missing 4; gain 2, cover 9)",
        "      3: leaf -0.25  (cover 4)",
        "      4: leaf 0.125  (cover 5)",
        "tree 1",
        "  0: leaf 1  (cover 12)",
    ]


def test_dump_with_names():
    text = dump_trees(two_trees(), ["age", "town"], categories=[None, ["A", "B"]])
    assert "age <= 2.5" in text
    assert "town in {A, 2}" in text  # a code without a name stays a code


def test_dump_of_long_sets_infinity_and_several_outputs():
    trees = two_trees()
    trees.threshold[0] = np.inf
    trees.category_words[0] = 2**20 - 1
    text = dump_trees(trees)
    assert "f0 is known" in text
    assert "f1 in {0, 1, 2, 3, 4, 5, 14 more}" in text
    several = random_forest(np.random.default_rng(0), n_outputs=2)
    assert "tree 3 of output 1" in dump_trees(several)


def test_dump_of_a_very_deep_tree():
    """A chain: no recursion in what walks it."""
    n = 3000
    chain = TreeEnsemble(
        n_features=1,
        base_score=np.zeros(1),
        tree_offsets=np.array([0, 2 * n + 1]),
        tree_output=np.zeros(1, np.int32),
        feature=np.tile(np.int32([0, -1]), n + 1)[:-1] * np.int32(1),
        threshold=np.zeros(2 * n + 1),
        left=np.full(2 * n + 1, -1, np.int32),
        right=np.full(2 * n + 1, -1, np.int32),
        default_left=np.zeros(2 * n + 1, np.bool_),
        value=np.zeros(2 * n + 1, np.float32),
        gain=np.zeros(2 * n + 1, np.float32),
        cover=np.zeros(2 * n + 1, np.float32),
        category_offsets=np.zeros(2 * n + 2, np.int64),
        category_words=np.zeros(0, np.uint32),
    )
    inner = np.arange(0, 2 * n, 2)
    chain.left[inner], chain.right[inner] = inner + 1, inner + 2
    chain.feature[-1] = -1
    assert len(dump_trees(chain.check("tests")).splitlines()) == 2 * n + 2


def test_data_frame():
    pytest.importorskip("pandas")
    frame = trees_to_dataframe(two_trees(), ["age", "town"])
    assert list(frame["ID"]) == ["0-0", "0-1", "0-2", "0-3", "0-4", "1-0"]
    assert list(frame["Feature"]) == ["age", "Leaf", "town", "Leaf", "Leaf", "Leaf"]
    inner = frame[frame["Feature"] != "Leaf"]
    assert list(inner["Yes"]) == ["0-1", "0-3"]
    assert list(inner["No"]) == ["0-2", "0-4"]
    assert list(inner["Missing"]) == ["0-1", "0-4"]
    assert list(frame["Gain"]) == [8, 0.5, 2, -0.25, 0.125, 1]
    assert frame["Split"].dropna().to_dict() == {0: 2.5}
    assert frame["Category"].dropna().to_dict() == {2: [0, 2]}
    assert frame["Yes"].isna().sum() == 4


def test_data_frame_has_the_columns_of_xgboost():
    pytest.importorskip("pandas")
    xgboost = pytest.importorskip("xgboost")
    from fastnotes.boosting.model_files import read_model

    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 3)).astype(np.float32)
    X[:, 2] = rng.integers(0, 9, 100)
    types = ["q", "q", "c"]
    data = xgboost.DMatrix(X, X[:, 2] % 2 + X[:, 0], feature_types=types,
                           enable_categorical=True)  # fmt: skip
    booster = xgboost.train({"max_depth": 3, "nthread": 1}, data, 3)
    theirs = booster.trees_to_dataframe()
    ours = trees_to_dataframe(read_model(bytes(booster.save_raw("json"))).trees)
    assert list(ours) == list(theirs)
    for name in ("Tree", "Node", "ID", "Feature", "Yes", "No", "Missing"):
        assert ours[name].fillna("").tolist() == theirs[name].fillna("").tolist()


def test_no_trees():
    none = two_trees().select(0, 0)
    assert dump_trees(none) == ""
    pytest.importorskip("pandas")
    assert len(trees_to_dataframe(none)) == 0


def test_bad_arguments():
    both = concatenate([two_trees(), two_trees()])
    with pytest.raises(ValueError, match="feature_names of 2 columns"):
        dump_trees(both, ["a"])
    with pytest.raises(TypeError, match="a TreeEnsemble"):
        dump_trees("model.json")


def test_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="expected pandas to be installed"):
        trees_to_dataframe(two_trees())
