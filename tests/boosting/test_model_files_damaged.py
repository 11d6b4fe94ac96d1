"""Files are untrusted: whatever is in one, it is read or it is a ValueError."""

from __future__ import annotations

import json
import struct
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnotes._reference.boosting_prediction import margins as walk
from fastnotes.boosting.model_files import SavedModel, read_model
from fastnotes.boosting.model_files.json_text import dump_json
from fastnotes.boosting.model_files.ubjson import dump_ubjson
from fastnotes.boosting.model_files.xgboost_writer import write_document
from support.forests import random_forest, random_rows

LIGHTGBM = b"""tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=binary sigmoid:1
feature_names=a b
feature_infos=[0:9] 0:1:2
tree_sizes=400 90

Tree=0
num_leaves=3
num_cat=1
split_feature=0 1
split_gain=8 2
threshold=2.5 0
decision_type=10 1
left_child=1 -1
right_child=-2 -3
leaf_value=0.5 -0.25 0.125
leaf_weight=3 4 5
leaf_count=3 4 5
internal_value=0 0.25
internal_weight=12 8
internal_count=12 8
cat_boundaries=0 1
cat_threshold=5
is_linear=0
shrinkage=0.1


Tree=1
num_leaves=1
num_cat=0
split_feature=
split_gain=
threshold=
decision_type=
left_child=
right_child=
leaf_value=0.0625
leaf_weight=
is_linear=0
shrinkage=0.1


end of trees

feature_importances:
a=1

parameters:
[alpha: 0.9]
end of parameters

pandas_categorical:[["x", "y", "z"]]
"""


def model():
    rng = np.random.default_rng(0)
    return SavedModel(
        trees=random_forest(rng, n_outputs=2, n_rounds=2),
        feature_names=tuple("abcd"),
        feature_types=("float", "float", "float", "c"),
        categories=(None, None, None, ("x", "y")),
        best_iteration=0,
    )


DOCUMENT = write_document(model())
JSON, UBJSON = dump_json(DOCUMENT), dump_ubjson(DOCUMENT)
FILES = {"json": JSON, "ubjson": UBJSON, "lightgbm": LIGHTGBM}


def refused(data):
    """Read; True if it was refused, in the one voice. What is read is a sound model."""
    message = ""
    try:
        read_model(data).trees.check("tests")
    except ValueError as error:
        message = str(error)
    assert not message or message.startswith("[boosting.read_model] expected ")
    assert len(message) < 500
    return bool(message)


def flip(data, place, bits):
    damaged = bytearray(data)
    damaged[place % len(data)] ^= bits
    return bytes(damaged)


@pytest.mark.parametrize("form", FILES)
def test_the_whole_file_is_read(form):
    assert not refused(FILES[form])


@pytest.mark.parametrize("form", FILES)
def test_every_beginning_is_refused(form):
    data = FILES[form].rstrip()
    behind = data.find(b"end of trees") + 1 or len(data)  # the rest is notes
    step = 7 if form == "lightgbm" else 53
    assert all(refused(data[:n]) for n in range(0, behind, step))


@pytest.mark.parametrize("form", FILES)
@given(place=st.integers(0, 2**20), bits=st.integers(1, 255))
def test_a_flipped_byte(form, place, bits):
    refused(flip(FILES[form], place, bits))


@pytest.mark.slow
@pytest.mark.parametrize("form", FILES)
def test_many_damages(form):
    rng = np.random.default_rng(0)
    data = FILES[form]
    for _ in range(20_000):
        damaged = data
        for _ in range(rng.integers(1, 4)):
            damaged = flip(
                damaged, int(rng.integers(len(data))), int(rng.integers(256))
            )
        if rng.random() < 0.3:
            first, last = sorted(rng.integers(0, len(damaged), 2).tolist())
            damaged = damaged[:first] + damaged[last:]
        refused(damaged)


def places(value, path=()):
    """Paths to every member and some elements of a document."""
    yield path
    if isinstance(value, dict):
        for key, member in value.items():
            yield from places(member, (*path, key))
    elif isinstance(value, list):
        for i in range(min(len(value), 2)):
            yield from places(value[i], (*path, i))


PLACES = [path for path in places(json.loads(JSON)) if path]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 9),
    st.sampled_from([2**31 - 1, 2**31, 2**63, -(2**63), 10**30, 1e300, 1e999, -1e999]),
    st.just(float("nan")),
    st.sampled_from(
        ["", "3", "-1", "1e9", "9" * 30, "[1,2]", "gbtree", "nan", "\ud800"]
    ),
    st.lists(st.integers(-2, 40), max_size=8),
    st.lists(st.one_of(st.text(max_size=3), st.floats(), st.none()), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def with_value(path, value):
    document = json.loads(JSON)
    part = document
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return json.dumps(document).encode()


@settings(max_examples=200)
@given(path=st.sampled_from(PLACES), value=ODD)
def test_any_value_at_any_place(path, value):
    refused(with_value(path, value))


@pytest.mark.slow
@settings(max_examples=5000)
@given(path=st.sampled_from(PLACES), value=ODD)
def test_any_value_at_any_place_at_length(path, value):
    refused(with_value(path, value))


@given(data=st.binary(max_size=60))
def test_noise(data):
    for start in (b"", b"{", b'{"', b"{L", b"tree\n"):
        assert refused(start + data)


TREE = ("learner", "gradient_booster", "model", "trees", 0)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("learner",), [], "learner as an object"),
        (("learner", "gradient_booster", "name"), "gblinear", "gbtree or dart"),
        (("learner", "learner_model_param", "base_score"), "[1,2,3]", "2 base scores"),
        (("learner", "learner_model_param", "base_score"), "one", "base_score as num"),
        (("learner", "learner_model_param", "base_score"), "nan", "with a margin"),
        (("learner", "learner_model_param", "num_target"), "2000000000", "num_target"),
        (("learner", "learner_model_param", "num_feature"), "-1", "num_feature from 0"),
        (("learner", "feature_names"), ["a"], "feature_names of 4 columns"),
        ((*TREE, "left_children", 0), 0, "none for a root"),
        ((*TREE, "left_children", 0), 99, "children within their tree"),
        ((*TREE, "left_children", 0), 2, "at most one parent"),
        ((*TREE, "left_children", 0), 2**70, "as integers of 64 bits"),
        ((*TREE, "left_children", 0), 1.5, "as a list of integers"),
        ((*TREE, "right_children"), [], "of length 13"),
        ((*TREE, "split_indices", 0), 4, "columns from 0 to 3"),
        ((*TREE, "split_indices", 0), -1, "columns from 0 to 3"),
        ((*TREE, "split_conditions"), ["1"] * 13, "as a list of numbers"),
        ((*TREE, "split_conditions"), [float("nan")] * 13, "NaN"),
        ((*TREE, "loss_changes"), [float("nan")] * 13, "gain of every node"),
        ((*TREE, "default_left", 0), 2, "of 0 and 1"),
        ((*TREE, "tree_param", "num_nodes"), "4000000000", "num_nodes from 1"),
        ((*TREE, "tree_param", "size_leaf_vector"), "3", "one output each"),
        ((*TREE, "id"), 1, "ids 0 to 3"),
        (("learner", "attributes", "best_iteration"), "12", "best_iteration from 0"),
    ],
)
def test_messages_name_the_place(path, value, message):
    with pytest.raises(ValueError, match=message):
        read_model(with_value(path, value))


def test_a_cycle():
    """Nodes 1 and 2 point at each other; nothing leads to them from the root."""
    document = json.loads(JSON)
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    tree.update(
        left_children=[-1, 2, 1, *range(3, 8), -1, -1, -1, -1, -1],
        right_children=[-1, 8, 9, 10, 11, 12, *range(3, 5), -1, -1, -1, -1, -1],
        categories=[],
        categories_nodes=[],
        categories_segments=[],
        categories_sizes=[],
        split_type=[0] * 13,
    )
    assert refused(json.dumps(document).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  ",
        b"binf",
        b"PK\x03\x04",
        b"{}",
        b"{",
        b'{"learner":' + b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"version":' + b"9" * 10_000 + b"}",
        b'{"learner":1,"learner":2}',
        b'{"\xff":1}',
        b"{" + b"U\x01a[" * 100_000,
        b"{" + b"U\x01a{" * 100_000,
        b"{U\x01aZU\x01aZ}",
        b"{U\x01\xffZ}",
        b"{U\x01aH",
        b"{U\x01aS\xff",
        b"tree\n" + b"Tree=0\n" * 1000 + b"end of trees\n",
        LIGHTGBM.replace(b"Tree=1", b"Tree=1\nnum_leaves=1"),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_model(data):
    assert refused(data)


HUGE = [2**31 - 1, 2**40, 2**62]


@pytest.mark.parametrize("count", HUGE)
@pytest.mark.parametrize("kind", [b"$d", b"$L", b"$S", b"$[", b"$Z", b"$T", b"$N", b""])
@pytest.mark.parametrize("container", [b"[", b"{"])
def test_a_claimed_count_allocates_nothing(count, kind, container):
    claim = container + kind + b"#L" + struct.pack(">q", count)
    tracemalloc.start()
    try:
        assert refused(b"{U\x01a" + claim + b"\0" * 50)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_long_string_does_not_widen_its_neighbours():
    wide = ["x" * 100_000] + ["y"] * 1000
    tracemalloc.start()
    try:
        assert refused(with_value((*TREE, "split_conditions"), wide))
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_sets_too_large_to_hold():
    """Many nodes with one category each, the largest there is."""
    n = 300
    tree = {
        "left_children": [*range(1, 2 * n, 2), *[-1] * (n + 1)],
        "right_children": [*range(2, 2 * n + 1, 2), *[-1] * (n + 1)],
        "split_indices": [0] * (2 * n + 1),
        "split_conditions": [0.0] * (2 * n + 1),
        "split_type": [1] * n + [0] * (n + 1),
        "default_left": [0] * (2 * n + 1),
        "loss_changes": [0.0] * (2 * n + 1),
        "sum_hessian": [0.0] * (2 * n + 1),
        "categories": [2**24 - 1] * n,
        "categories_nodes": list(range(n)),
        "categories_segments": list(range(n)),
        "categories_sizes": [1] * n,
        "tree_param": {"num_nodes": str(2 * n + 1)},
        "id": 0,
    }
    with pytest.raises(ValueError, match="sets of categories of at most"):
        read_model(with_value(TREE, tree))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"is_linear=0", b"is_linear=1", "leaves that are constants"),
        (b"left_child=1 -1", b"left_child=0 -1", "none for a root"),
        (b"left_child=1 -1", b"left_child=1 -9", "left_child within it"),
        (b"left_child=1 -1", b"left_child=1", "2 of left_child"),
        (b"leaf_value=0.5", b"leaf_value=x", "leaf_value of numbers"),
        (b"leaf_value=0.5", b"leaf_value=nan", "value finite"),
        (b"num_leaves=3", b"num_leaves=3000000000", "num_leaves from 1"),
        (b"num_leaves=3", b"num_leaves=x", "num_leaves from 1"),
        (b"num_leaves=3\n", b"", "tree 0 with num_leaves"),
        (b"cat_boundaries=0 1", b"cat_boundaries=0 9", "a set for each"),
        (b"cat_threshold=5", b"cat_threshold=4294967296", "a set for each"),
        (b"decision_type=10 1", b"decision_type=14 1", "known decision types"),
        (b"threshold=2.5 0", b"threshold=2.5 7", "a set for each"),
        (b"split_feature=0 1", b"split_feature=2 1", "columns from 0 to 1"),
        (b"objective=binary", b"objective=multiclassova", "an objective with"),
        (b"sigmoid:1", b"sigmoid:-1", "sigmoid > 0"),
        (b"num_tree_per_iteration=1", b"num_tree_per_iteration=2", "one tree per"),
        (b"feature_names=a b", b"feature_names=a", "names of 2 columns"),
        (b"end of trees", b"", "end of its trees"),
        (b'[["x", "y", "z"]]', b"[[1", "pandas_categorical as JSON"),
    ],
)
def test_damaged_lightgbm(old, new, message):
    assert old in LIGHTGBM
    with pytest.raises(ValueError, match=message):
        read_model(LIGHTGBM.replace(old, new))


def test_lightgbm_by_hand():
    found = read_model(LIGHTGBM)
    assert found.objective == "binary:logistic"
    assert found.n_classes == 2
    assert found.feature_types == ("float", "c")
    assert found.categories == (None, ("x", "y", "z"))
    X = [[2.5, 0], [2.5, 1], [2.5, 2], [2.5, np.nan], [3, 0], [np.nan, 0]]
    expected = np.array([0.5, 0.125, 0.5, 0.125, -0.25, 0.5]) + 0.0625
    np.testing.assert_array_equal(walk(found.trees, X)[:, 0], expected)
    assert found.trees.gain[:2].tolist() == [4, 1]
    assert found.trees.cover[:5].tolist() == [12, 8, 3, 4, 5]


def test_lightgbm_averages():
    averaged = LIGHTGBM.replace(b"tree_sizes", b"average_output\ntree_sizes")
    X = [[2.5, 0], [3, 0]]
    expected = walk(read_model(LIGHTGBM).trees, X) / 2
    np.testing.assert_array_equal(walk(read_model(averaged).trees, X), expected)


def test_no_written_model_is_refused():
    """Random forests of all sorts, so that the checks are not too strict either."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        trees = random_forest(rng, n_inner=seed, n_rounds=1 + seed % 3)
        data = dump_ubjson(write_document(replace(model(), trees=trees)))
        X = random_rows(rng, n_rows=8)
        np.testing.assert_array_equal(walk(read_model(data).trees, X), walk(trees, X))
