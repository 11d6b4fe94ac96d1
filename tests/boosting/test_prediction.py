from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnotes._core import native
from fastnotes._reference import boosting_prediction as reference
from fastnotes.boosting import Predictor, TreeEnsemble
from support.sweeps import (
    AWKWARD_SIZES,
    DTYPES,
    assert_same_bytes,
    same_bytes_for_threads,
)
from support.trees import random_rows, random_tree, random_trees

CATEGORICAL = (1, 3)


def assert_equals_reference(trees, X):
    margins = same_bytes_for_threads(lambda n: Predictor(trees, n).margins(X))
    assert_same_bytes(margins, reference.margins(trees, X))
    leaves = same_bytes_for_threads(lambda n: Predictor(trees, n).leaf_ids(X))
    assert_same_bytes(leaves, reference.leaf_ids(trees, X))
    predictor = Predictor(trees)
    for x, expected in zip(X[:9], margins, strict=False):
        assert_same_bytes(predictor.margins_row(x), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_rows", AWKWARD_SIZES)
def test_equals_reference(n_rows, dtype):
    trees = random_trees(11, categorical=CATEGORICAL)
    assert_equals_reference(
        trees, random_rows(n_rows, categorical=CATEGORICAL, dtype=dtype)
    )


SHAPES = {
    "no trees": {"n_trees": 0},
    "leaves alone": {"n_trees": 3, "n_leaves": 1},
    "stumps": {"n_trees": 20, "n_leaves": 2},
    "depth 3": {"n_leaves": 8, "max_depth": 3},
    "depth 6": {"n_leaves": 64, "max_depth": 6},
    "depth 8": {"n_leaves": 256, "max_depth": 8},
    "255 leaves": {"n_leaves": 255},
    "256 leaves": {"n_leaves": 256, "n_trees": 3},
    "257 leaves": {"n_leaves": 257, "n_trees": 3},
    "1000 leaves among small ones": {"n_leaves": 1000, "n_trees": 2},
    "many cuts": {"n_leaves": 200, "n_cuts": 4000, "n_features": 2},
    "seven outputs": {"n_trees": 30, "n_outputs": 7},
    "one column": {"n_features": 1},
}


@pytest.mark.parametrize("categorical", [(), CATEGORICAL], ids=["numbers", "sets"])
@pytest.mark.parametrize("options", SHAPES.values(), ids=SHAPES)
def test_shapes(options, categorical):
    options = {"n_trees": 10, "n_features": 5, "n_leaves": 16, **options}
    trees = random_trees(**options, categorical=categorical)
    X = random_rows(300, options["n_features"], missing=0.1)
    for column in categorical:
        if column < X.shape[1]:
            X[:, column] = random_rows(300, categorical=(column,))[:, column]
    assert_equals_reference(trees, X)


def chain(depth):
    """A tree whose every right child is a leaf."""
    node = np.arange(2 * depth + 1, dtype=np.int32)
    inner = (node % 2 == 0) & (node < 2 * depth)
    rng = np.random.default_rng(0)
    n = len(node)
    return TreeEnsemble(
        n_features=3,
        base_score=np.zeros(1),
        tree_offsets=np.array([0, n]),
        tree_output=np.zeros(1, np.int32),
        feature=np.where(inner, node // 2 % 3, -1).astype(np.int32),
        threshold=np.where(inner, 1 - node / n, 0.0),
        left=np.where(inner, node + 2, -1).astype(np.int32),
        right=np.where(inner, node + 1, -1).astype(np.int32),
        default_left=np.ones(n, bool),
        value=rng.standard_normal(n).astype(np.float32),
        gain=np.zeros(n, np.float32),
        cover=np.ones(n, np.float32),
        category_offsets=np.zeros(n + 1, np.int64),
        category_words=np.zeros(0, np.uint32),
    )


@pytest.mark.parametrize("depth", [1, 7, 9, 100, 254, 255, 256, 5000])
def test_chains(depth):
    X = np.random.default_rng(0).random((70, 3))
    X[0] = 0
    X[1, 1] = np.nan
    assert_equals_reference(chain(depth), X)


def test_thresholds_between_float32_numbers():
    """A float64 threshold means the same for float32 rows, though it is not one."""
    tree = random_tree(np.random.default_rng(0), 1, 2)
    x = np.float32(0.1)
    near = [np.nextafter(x, -np.inf), x, np.nextafter(x, np.inf)]
    rows = np.array(near * 30, np.float32)[:, None]
    for threshold in (0.1, float(x), np.inf, -np.inf, 1e300, -1e300, 1e-310):
        cut = np.where(tree.feature >= 0, threshold, 0.0)
        moved = replace(tree, threshold=cut)
        assert_equals_reference(moved, rows)
        assert_same_bytes(
            Predictor(moved).margins(rows), Predictor(moved).margins(rows.astype(float))
        )


def test_extremes_are_ordinary_and_nan_is_missing():
    tree = random_tree(np.random.default_rng(0), 1, 2)
    X = np.array([[-np.inf], [np.inf], [np.nan], [-0.0], [0.0]] * 20)
    for default_left in (True, False):
        for threshold in (-np.inf, 0.0, np.inf):
            edge = replace(
                tree,
                threshold=np.where(tree.feature >= 0, threshold, 0.0),
                default_left=np.full(tree.n_nodes, default_left),
            )
            assert_equals_reference(edge, X)


def test_category_numbers():
    trees = random_trees(5, 2, 8, categorical=(0, 1))
    values = [0, 31, 32, 63, 64, 1e9, 1e19, np.inf, -1, -0.5, -np.inf, np.nan, 3.7]
    X = np.array([[a, b] for a in values for b in values])
    assert_equals_reference(trees, X)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n_trees=st.integers(0, 12),
    n_leaves=st.integers(1, 300),
    n_features=st.integers(1, 6),
    n_cuts=st.sampled_from([4, 100, 3000]),
    n_outputs=st.integers(1, 3),
)
def test_any_model(seed, n_trees, n_leaves, n_features, n_cuts, n_outputs):
    categorical = tuple(range(0, n_features, 3))
    trees = random_trees(
        n_trees,
        n_features,
        n_leaves,
        n_outputs=n_outputs,
        seed=seed,
        n_cuts=n_cuts,
        categorical=categorical,
    )
    X = random_rows(75, n_features, seed=seed, categorical=categorical)
    assert_same_bytes(Predictor(trees).margins(X), reference.margins(trees, X))
    assert_same_bytes(Predictor(trees).leaf_ids(X), reference.leaf_ids(trees, X))


def test_a_row_does_not_depend_on_its_batch():
    trees = random_trees(20, n_leaves=64)
    X = random_rows(300)
    predictor = Predictor(trees)
    whole = predictor.margins(X)
    for n in (1, 3, 8, 63, 64, 65, 200):
        assert_same_bytes(predictor.margins(X[:n]), whole[:n])
        assert_same_bytes(predictor.margins(X[n:]), whole[n:])


def test_ranges_and_stages():
    trees = random_trees(23, n_outputs=2, n_leaves=40)
    X = random_rows(100)
    predictor = Predictor(trees)
    whole = predictor.margins(X)
    stages = list(predictor.staged(X, 4))
    assert len(stages) == 6
    assert_same_bytes(stages[-1], whole)
    for k, stage in enumerate(stages[:-1]):
        assert_same_bytes(stage, predictor.margins(X, 0, 4 * k + 4))
    assert_same_bytes(
        predictor.margins(X, 5, 12), reference.margins(trees.select(5, 12), X)
    )
    assert_same_bytes(predictor.leaf_ids(X, 5, 12), predictor.leaf_ids(X)[:, 5:12])
    for cut in (0, 1, 9, 23):
        first = predictor.margins(X, 0, cut)
        assert_same_bytes(predictor.margins(X, cut, start=first), whole)
        assert predictor.margins(X, cut, start=first, out=first) is first
        assert_same_bytes(first, whole)


def test_one_row_of_either_shape():
    predictor = Predictor(random_trees(19, n_outputs=3))
    x = random_rows(1)
    assert_same_bytes(predictor.margins_row(x), predictor.margins(x)[0])
    assert_same_bytes(predictor.margins_row(x[0]), predictor.margins(x)[0])


def test_wide_rows():
    trees = random_trees(5, 2000, 30)
    assert_equals_reference(trees, random_rows(20, 2000))


def test_any_memory_and_kind_of_number():
    predictor = Predictor(random_trees())
    X = random_rows(40, missing=0)
    expected = predictor.margins(X)
    X.setflags(write=False)
    assert_same_bytes(predictor.margins(X), expected)
    assert_same_bytes(predictor.margins(np.asfortranarray(X)), expected)
    assert_same_bytes(predictor.margins(np.repeat(X, 2, axis=0)[::2]), expected)
    assert_same_bytes(predictor.margins(X.tolist()), expected)
    whole = np.arange(10).reshape(2, 5)
    assert_same_bytes(predictor.margins(whole), predictor.margins(whole * 1.0))


def test_pickle_and_copy():
    predictor = Predictor(random_trees(), 2)
    X = random_rows(40)
    for twin in (pickle.loads(pickle.dumps(predictor)), copy.deepcopy(predictor)):
        assert_same_bytes(twin.margins(X), predictor.margins(X))


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.ones((3, 4)), ValueError, "X with 5 columns, got 4"),
        (np.ones(5), ValueError, "dimension"),
        (np.ones((1, 3, 5)), ValueError, "dimension"),
        (np.ones((3, 5), complex), TypeError, "real numbers"),
        (np.full((3, 5), "a"), TypeError, "real numbers"),
        (np.ma.masked_array(np.ones((3, 5))), TypeError, "mask"),
    ],
)
def test_refuses_tables(X, error, message):
    predictor = Predictor(random_trees())
    for call in (predictor.margins, predictor.leaf_ids, predictor.staged):
        with pytest.raises(
            error, match=rf"\[boosting\.Predictor\.{call.__name__}\] .*{message}"
        ):
            call(X)


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (np.ones(4), ValueError),
        (np.ones((2, 5)), ValueError),
        (np.ones((5, 1)), ValueError),
        (np.ones((1, 1, 5)), ValueError),
        (np.ones(10)[::2], ValueError),
        (np.ones(5, int), TypeError),
    ],
)
def test_one_row_refuses(x, error):
    with pytest.raises(error, match=r"\[boosting\.Predictor\.margins_row\]"):
        Predictor(random_trees()).margins_row(x)


def test_refuses_ranges_and_outputs():
    predictor = Predictor(random_trees())
    X = random_rows(8)
    for first, last in ((-1, 3), (0, 11), (4, 3), (11, None)):
        with pytest.raises(ValueError, match=r"_tree"):
            predictor.margins(X, first, last)
    with pytest.raises(TypeError, match="first_tree"):
        predictor.margins(X, 1.5)
    with pytest.raises(ValueError, match="step"):
        predictor.staged(X, 0)
    for out in (
        np.empty((8, 2)),
        np.empty((8, 1), np.float32),
        np.empty((8, 2))[:, :1],
    ):
        with pytest.raises(ValueError, match="out"):
            predictor.margins(X, out=out)
    for start in (np.zeros(8), np.zeros((8, 2)), np.full((8, 1), np.nan)):
        with pytest.raises(ValueError, match="start"):
            predictor.margins(X, start=start)
    with pytest.raises(ValueError, match="overlap"):
        predictor.margins(X, out=X.reshape(-1)[:8].reshape(8, 1))


def with_item(array, index, value):
    array = array.copy()
    array[index] = value
    return array


def hostile(trees):
    """Changes of a tree with an inner root that would lead a kernel astray."""
    leaf = int(np.flatnonzero(trees.feature < 0)[0])
    inner = np.flatnonzero(trees.feature >= 0)
    last = int(inner[-1])
    n = trees.n_nodes
    yield "cycle", {"left": with_item(trees.left, last, 0)}
    yield "itself", {"left": with_item(trees.left, 0, 0)}
    yield "beyond", {"right": with_item(trees.right, 0, n)}
    yield "far beyond", {"right": with_item(trees.right, 0, 2**31 - 1)}
    yield "negative child", {"left": with_item(trees.left, 0, -1)}
    yield "very negative child", {"left": with_item(trees.left, 0, -(2**31))}
    yield "one child twice", {"left": trees.right.copy()}
    yield "leaf with a child", {"left": with_item(trees.left, leaf, n - 1)}
    yield "column", {"feature": with_item(trees.feature, 0, trees.n_features)}
    yield "negative column", {"feature": with_item(trees.feature, 0, -2)}
    yield "NaN threshold", {"threshold": with_item(trees.threshold, 0, np.nan)}
    yield "NaN value", {"value": with_item(trees.value, leaf, np.nan)}
    yield "infinite value", {"value": with_item(trees.value, leaf, np.inf)}
    yield "NaN base", {"base_score": np.array([np.nan])}
    yield "no outputs", {"base_score": np.zeros(0)}
    yield "output", {"tree_output": with_item(trees.tree_output, 0, 1)}
    yield "negative output", {"tree_output": with_item(trees.tree_output, 0, -1)}
    offsets = trees.tree_offsets
    yield "offsets end", {"tree_offsets": with_item(offsets, -1, n + 1)}
    yield "offsets start", {"tree_offsets": with_item(offsets, 0, 1)}
    yield "negative offsets", {"tree_offsets": with_item(offsets, 1, -5)}
    yield "overflowing offsets", {"tree_offsets": with_item(offsets, 1, -(2**63))}
    yield "empty tree", {"tree_offsets": with_item(offsets, 1, 0)}
    yield "offsets too few", {"tree_offsets": offsets[:-1].copy()}
    words = trees.category_offsets
    yield "category offsets", {"category_offsets": with_item(words, -1, 99)}
    yield "descending categories", {"category_offsets": with_item(words, 2, -1)}
    yield (
        "leaf with categories",
        {
            "category_offsets": (np.arange(n + 1) > leaf).astype(np.int64),
            "category_words": np.ones(1, np.uint32),
        },
    )
    yield "wrong dtype", {"left": trees.left.astype(np.int64)}
    yield "big-endian", {"threshold": trees.threshold.astype(">f8")}
    yield "short", {"value": trees.value[:-1].copy()}
    yield "two dimensions", {"gain": trees.gain[:, None]}
    yield "strided", {"threshold": np.repeat(trees.threshold, 2)[::2]}
    yield "columns", {"n_features": -1}
    yield "too many columns", {"n_features": 2**31}
    yield "list", {"left": trees.left.tolist()}


HOSTILE = dict(hostile(random_trees(3)))


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_refuses_hostile_trees(change):
    trees = replace(random_trees(3), **change)
    with pytest.raises(
        (ValueError, TypeError), match=r"\[boosting\.Predictor\] expected"
    ):
        Predictor(trees)


#: What only the meaning of a model forbids; memory is safe with it.
MEANING = {
    "NaN value",
    "infinite value",
    "NaN base",
    "negative column",
    "leaf with a child",
    "two dimensions",
}


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - MEANING))
def test_binding_refuses_hostile_trees(name):
    """Without the checks of Python."""
    trees = replace(random_trees(3), **HOSTILE[name])
    with pytest.raises((ValueError, TypeError)):
        native.boosting.Predictor(trees)
