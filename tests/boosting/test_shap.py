from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnotes._reference import boosting_prediction as reference
from fastnotes.boosting import Explainer, Predictor
from support.sweeps import DTYPES, assert_same_bytes, same_bytes_for_threads
from support.tolerances import COMPOSITE
from support.trees import random_rows, random_tree, random_trees

CATEGORICAL = (1, 3)


def assert_sums(trees, X, background=None):
    """Local accuracy, symmetry, and interactions that add up; to rounding."""
    explainer = Explainer(trees, background)
    contributions = explainer.contributions(X)
    COMPOSITE.assert_close(contributions.sum(axis=-1), Predictor(trees).margins(X))
    pairs = explainer.interactions(X)
    COMPOSITE.assert_close(pairs.sum(axis=-1), contributions)
    assert_same_bytes(pairs, np.ascontiguousarray(pairs.swapaxes(-1, -2)))


SHAPES = {
    "no trees": {"n_trees": 0},
    "leaves alone": {"n_leaves": 1},
    "stumps": {"n_leaves": 2},
    "small": {"n_leaves": 8},
    "repeated columns": {"n_leaves": 40, "n_features": 2},
    "two outputs": {"n_outputs": 2, "n_leaves": 12},
    "one column": {"n_features": 1, "n_leaves": 12},
    "categories": {"categorical": CATEGORICAL, "n_leaves": 20},
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", SHAPES.values(), ids=SHAPES)
def test_equals_all_coalitions(options, dtype):
    options = {"n_trees": 3, "n_features": 5, **options}
    trees = random_trees(**options)
    categorical = options.get("categorical", ())
    X = random_rows(4, trees.n_features, categorical=categorical, dtype=dtype)
    background = random_rows(3, trees.n_features, seed=9, categorical=categorical)
    got = Explainer(trees).contributions(X)
    COMPOSITE.assert_close(got, reference.contributions(trees, X))
    got = Explainer(trees).interactions(X)
    COMPOSITE.assert_close(got, reference.interactions(trees, X))
    got = Explainer(trees, background).contributions(X)
    COMPOSITE.assert_close(got, reference.contributions(trees, X, background))
    assert_sums(trees, X)
    assert_sums(trees, X, background)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n_leaves=st.integers(1, 30),
    n_features=st.integers(1, 4),
)
def test_any_model(seed, n_leaves, n_features):
    trees = random_trees(2, n_features, n_leaves, seed=seed, categorical=(0,))
    X = random_rows(3, n_features, seed=seed, categorical=(0,))
    got = Explainer(trees).contributions(X)
    COMPOSITE.assert_close(got, reference.contributions(trees, X))


def test_a_stump_by_hand():
    tree = random_tree(np.random.default_rng(0), 2, 2)
    tree = replace(
        tree,
        feature=np.array([1, -1, -1], np.int32),
        threshold=np.array([0.5, 0, 0]),
        value=np.array([0, 1, 5], np.float32),
        cover=np.array([4, 3, 1], np.float32),
    )
    X = np.array([[9.0, 0.0], [9.0, 1.0]])
    explainer = Explainer(tree)
    assert explainer.base_values.tolist() == [2.0]
    assert explainer.contributions(X).tolist() == [[[0, -1, 2]], [[0, 3, 2]]]
    background = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 0.0], [0.0, np.nan]])
    explainer = Explainer(replace(tree, default_left=np.ones(3, bool)), background)
    assert explainer.contributions(X).tolist() == [[[0, -2, 3]], [[0, 2, 3]]]


@pytest.mark.parametrize("n_rows", [0, 1, 15, 16, 17, 255, 256, 257, 600])
def test_threads_and_batches(n_rows):
    trees = random_trees(8, 6, 40, n_outputs=2)
    X = random_rows(n_rows, 6)
    for background in (None, random_rows(3, 6)):
        whole = same_bytes_for_threads(
            lambda n, b=background: Explainer(trees, b, n).contributions(X)
        )
        assert whole.shape == (n_rows, 2, 7)
        part = Explainer(trees, background).contributions(X[n_rows // 3 :])
        assert_same_bytes(part, whole[n_rows // 3 :])
    same_bytes_for_threads(lambda n: Explainer(trees, None, n).interactions(X[:50]))


def test_large_and_deep_trees():
    trees = random_trees(2, 40, 600)
    X = random_rows(40, 40)
    assert_sums(trees, X)
    assert_sums(trees, X, random_rows(2, 40))


def test_a_path_of_many_columns():
    """Far beyond what coalitions can be listed for: the sums still hold."""
    n = 300
    node = np.arange(2 * n + 1, dtype=np.int32)
    inner = (node % 2 == 0) & (node < 2 * n)
    tree = replace(
        random_tree(np.random.default_rng(0), n, n + 1),
        feature=np.where(inner, node // 2, -1).astype(np.int32),
        threshold=np.zeros(len(node)),
        left=np.where(inner, node + 2, -1).astype(np.int32),
        right=np.where(inner, node + 1, -1).astype(np.int32),
        cover=np.where(inner, 2.0 * n - node, 1).astype(np.float32),
    )
    X = np.random.default_rng(0).standard_normal((5, n)) - 2
    explained = Explainer(tree).contributions(X)
    COMPOSITE.assert_close(explained.sum(axis=-1), Predictor(tree).margins(X))


def test_covers_of_zero():
    trees = random_trees(3, 4, 16)
    rng = np.random.default_rng(0)
    for cover in (
        np.zeros(trees.n_nodes, np.float32),
        np.where(rng.random(trees.n_nodes) < 0.5, trees.cover, 0).astype(np.float32),
    ):
        odd = replace(trees, cover=cover)
        X = random_rows(6, 4)
        got = Explainer(odd).contributions(X)
        COMPOSITE.assert_close(got, reference.contributions(odd, X))
        assert_sums(odd, X)


def test_unused_columns_get_nothing():
    trees = random_trees(5, 3, 20)
    wide = replace(trees, n_features=6)
    X = random_rows(10, 6)
    assert not Explainer(wide).contributions(X)[:, :, 3:6].any()
    assert not Explainer(wide).interactions(X)[:, :, 3:6].any()


def test_linear_in_trees():
    trees = random_trees(6, 4, 16)
    X = random_rows(10, 4)
    parts = [Explainer(trees.select(t, t + 1)).contributions(X) for t in range(6)]
    total = np.sum(parts, axis=0)
    total[:, :, -1] -= 5 * trees.base_score
    COMPOSITE.assert_close(Explainer(trees).contributions(X), total)


def test_pickle_and_copy():
    X = random_rows(10)
    for background in (None, random_rows(3)):
        explainer = Explainer(random_trees(), background)
        for twin in (pickle.loads(pickle.dumps(explainer)), copy.deepcopy(explainer)):
            assert_same_bytes(twin.contributions(X), explainer.contributions(X))


def test_refuses():
    trees = random_trees()
    explainer = Explainer(trees)
    for X, error in (
        (np.ones((2, 4)), ValueError),
        (np.ones(5), ValueError),
        (np.ones((2, 5), complex), TypeError),
    ):
        with pytest.raises(error, match=r"\[boosting\.Explainer\] expected X"):
            explainer.contributions(X)
        with pytest.raises(error, match=r"\[boosting\.Explainer\] expected X"):
            explainer.interactions(X)
        with pytest.raises(error, match="background"):
            Explainer(trees, X)
    with pytest.raises(ValueError, match="at least one row"):
        Explainer(trees, np.empty((0, 5)))
    for value in (-1, np.nan, np.inf):
        cover = trees.cover.copy()
        cover[3] = value
        with pytest.raises(ValueError, match="covers"):
            Explainer(replace(trees, cover=cover))
    with pytest.raises(ValueError, match=r"\[boosting\.Explainer\] .* left"):
        Explainer(replace(trees, left=np.zeros_like(trees.left)))
