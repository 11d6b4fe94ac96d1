from __future__ import annotations

import json
import os
from dataclasses import replace

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnotes._reference.boosting_prediction import margins as walk
from fastnotes.boosting.model_files import SavedModel, read_model, write_model
from fastnotes.boosting.model_files.json_text import dump_json
from fastnotes.boosting.model_files.margins import from_margin, to_margin
from fastnotes.boosting.model_files.ubjson import dump_ubjson, parse_ubjson
from fastnotes.boosting.model_files.xgboost_writer import write_document
from support.forests import random_forest, random_rows
from support.tolerances import ELEMENTWISE, TRANSCENDENTAL

FORMS = {".json": dump_json, ".ubj": dump_ubjson}


def written(model, suffix=".json"):
    return FORMS[suffix](write_document(model))


def model(seed=0, **changes):
    rng = np.random.default_rng(seed)
    return replace(SavedModel(trees=random_forest(rng)), **changes)


def assert_same_arrays(first, second):
    for name, array in vars(first).items():
        np.testing.assert_array_equal(array, getattr(second, name), err_msg=name)


@pytest.mark.parametrize("suffix", FORMS)
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_a_round_trip_routes_every_row_alike(seed, n_outputs, suffix):
    rng = np.random.default_rng(seed)
    trees = random_forest(rng, n_outputs=n_outputs, base=0.25)
    back = read_model(written(SavedModel(trees=trees), suffix)).trees
    X = random_rows(rng)
    np.testing.assert_array_equal(walk(back, X), walk(trees, X))
    again = read_model(written(SavedModel(trees=back), suffix)).trees
    assert_same_arrays(back, again)


@given(
    t=st.floats(allow_nan=False, width=64),
    x=hnp.arrays(np.float32, 6, elements=st.floats(width=32)),
)
def test_thresholds_send_float32_to_the_same_side(t, x):
    trees = random_forest(np.random.default_rng(0), n_rounds=1, n_inner=1, n_features=1)
    trees = replace(trees, threshold=np.array([t, 0, 0]))
    largest = np.finfo(np.float32).max
    # What XGBoost compares: the largest number is the one it cannot send left.
    near = np.clip(t, -largest, largest).astype(np.float32)
    with np.errstate(over="ignore"):
        beside = [np.nextafter(near, np.float32(s)) for s in (-np.inf, np.inf)]
    values = np.array([*x, near, *beside], np.float32)
    values = values[~(values >= largest)][:, None]
    data = written(SavedModel(trees=trees))
    condition = np.float32(
        json.loads(data)["learner"]["gradient_booster"]["model"]["trees"][0][
            "split_conditions"
        ][0]
    )
    known = values[~np.isnan(values)]
    np.testing.assert_array_equal(known < condition, known.astype(float) <= t)
    back = read_model(data).trees
    np.testing.assert_array_equal(walk(back, values), walk(trees, values))


def test_a_split_between_known_and_missing_keeps_its_infinity():
    trees = random_forest(np.random.default_rng(0), n_rounds=1, n_inner=1, n_features=1)
    trees = replace(trees, threshold=np.array([np.inf, 0, 0]))
    data = written(SavedModel(trees=trees))
    assert b"Infinity" not in data
    assert read_model(data).trees.threshold[0] == np.inf


def test_gains_are_halved_and_gamma_comes_back_on_top():
    trees = read_model(written(model())).trees  # numbered as files have them
    data = written(SavedModel(trees, gamma=0.5))
    tree = json.loads(data)["learner"]["gradient_booster"]["model"]["trees"][0]
    wanted = np.where(trees.feature >= 0, trees.gain + np.float32(0.5), 0)
    size = len(tree["loss_changes"])
    ELEMENTWISE.assert_close(np.float32(tree["loss_changes"]), 2 * wanted[:size])
    back = read_model(data)
    assert back.gamma == 0
    ELEMENTWISE.assert_close(back.trees.gain, wanted)
    np.testing.assert_array_equal(back.trees.cover, trees.cover)


def test_siblings_lie_side_by_side():
    """XGBoost goes to ``left + 1`` instead of the right child."""
    for seed in range(5):
        document = json.loads(written(model(seed)))
        for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
            left, right = map(np.array, (tree["left_children"], tree["right_children"]))
            inner = left >= 0
            np.testing.assert_array_equal(right[inner], left[inner] + 1)
            assert set(np.array(tree["parents"])[left[inner]]) == set(
                inner.nonzero()[0]
            )


def test_everything_beside_the_trees_comes_back(tmp_path):
    full = model(
        objective="reg:tweedie",
        objective_parameters={"tweedie_variance_power": "1.25"},
        round_offsets=np.array([0, 1, 3]),
        feature_names=("a", "b b", "ç", "d"),
        feature_types=("float", "int", "c", "c"),
        categories=(None, None, ("x", "ü", ""), (7, 3, -5)),
        best_iteration=1,
        attributes={"note": 'with "quotes"'},
    )
    for suffix in FORMS:
        path = tmp_path / f"model{suffix}"
        write_model(full, path)
        back = read_model(path)
        for name in (
            "objective",
            "objective_parameters",
            "n_classes",
            "feature_names",
            "feature_types",
            "categories",
            "best_iteration",
        ):
            assert getattr(back, name) == getattr(full, name), name
        assert back.attributes == {"note": 'with "quotes"', "best_iteration": "1"}
        assert back.round_offsets.tolist() == [0, 1, 3]
        assert back.source == "xgboost 3.2.0 gbtree"


def test_classes():
    rng = np.random.default_rng(0)
    several = SavedModel(random_forest(rng, n_outputs=3), "multi:softprob")
    assert read_model(written(several)).n_classes == 3
    assert read_model(written(model(objective="binary:logistic"))).n_classes == 2
    assert read_model(written(model())).n_classes == 0


@pytest.mark.parametrize(
    ("objective", "margins"),
    [
        ("binary:logistic", [-40.0, -3.0, 0.0, 1.0]),
        ("reg:logistic", [-1.0]),
        ("count:poisson", [-5.0, 0.0, 6.0]),
        ("reg:gamma", [0.5]),
        ("reg:tweedie", [0.5]),
        ("reg:squarederror", [-1e30, 0.1]),
        ("binary:logitraw", [2.0]),
    ],
)
def test_base_scores_stand_for_margins(objective, margins):
    margins = np.array(margins)
    back = to_margin(from_margin(margins, objective), objective)
    TRANSCENDENTAL.assert_close(back.astype(np.float32), margins)


@pytest.mark.parametrize("margin", [9.0, 30.0, -200.0])
def test_a_probability_too_near_its_end_leaves_the_rest_to_a_tree(margin):
    trees = random_forest(np.random.default_rng(0), base=margin)
    extreme = SavedModel(trees, "binary:logistic")
    back = read_model(written(extreme)).trees
    X = random_rows(np.random.default_rng(1))
    TRANSCENDENTAL.assert_close(walk(back, X).astype(np.float32), walk(trees, X))


def test_an_empty_set_sends_every_category_right(tmp_path):
    trees = random_forest(np.random.default_rng(0), n_features=1, categorical=(0,))
    trees = replace(trees, category_words=np.zeros_like(trees.category_words))
    back = read_model(written(SavedModel(trees=trees))).trees
    X = random_rows(np.random.default_rng(1), n_features=1, categorical=(0,))
    np.testing.assert_array_equal(walk(back, X), walk(trees, X))


def test_no_trees():
    empty = SavedModel(model().trees.select(0, 0))
    for suffix in FORMS:
        back = read_model(written(empty, suffix))
        assert back.trees.n_trees == 0
        assert back.round_offsets.tolist() == [0]


def changed(change, **parts):
    document = json.loads(written(model(**parts)))
    change(document["learner"])
    return json.dumps(document).encode()


def booster(learner):
    return learner["gradient_booster"]["model"]


def test_older_files_have_less():
    def strip(learner):
        del booster(learner)["cats"], booster(learner)["iteration_indptr"]
        del learner["attributes"], learner["feature_names"], learner["feature_types"]
        for tree in booster(learner)["trees"]:
            tree["default_left"] = [flag == 1 for flag in tree["default_left"]]
            del tree["tree_param"]["size_leaf_vector"]

    back = read_model(changed(strip))
    assert_same_arrays(back.trees, read_model(written(model())).trees)
    assert back.round_offsets.tolist() == [0, 1, 2, 3]


def test_trees_go_where_their_ids_say():
    back = read_model(changed(lambda learner: booster(learner)["trees"].reverse()))
    assert_same_arrays(back.trees, read_model(written(model())).trees)


def test_cut_off_nodes_disappear_and_order_is_mended():
    """A leaf turned into a split whose children lie before it; a node without use."""
    tree = {
        "left_children": [1, -1, -1, -1, 2, -1],
        "right_children": [4, -1, -1, -1, 3, -1],
        "split_indices": [0, 0, 0, 0, 1, 2**31 - 1],
        "split_conditions": [0.5, 1.0, 2.0, 3.0, 0.5, 9.0],
        "default_left": [1, 0, 0, 0, 0, 0],
        "loss_changes": [2.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "sum_hessian": [6.0, 1.0, 2.0, 3.0, 5.0, 0.0],
    }

    def put(learner):
        booster(learner)["trees"][0].update(tree, categories=[], categories_nodes=[])
        booster(learner)["trees"][0]["tree_param"]["num_nodes"] = "6"
        booster(learner)["trees"][0]["split_type"] = [0] * 6

    first = read_model(changed(put)).trees.select(0, 1)
    assert first.left.tolist() == [1, -1, 3, -1, -1]
    assert first.right.tolist() == [2, -1, 4, -1, -1]
    assert first.value.tolist() == [0, 1, 0, 2, 3]
    assert first.cover.tolist() == [6, 1, 5, 2, 3]


def test_leaves_of_dart_are_weighted():
    def make_dart(learner):
        learner["gradient_booster"] = {
            "name": "dart",
            "gbtree": learner["gradient_booster"],
            "weight_drop": [1.0, 0.5, 0.25],
        }

    back = read_model(changed(make_dart))
    plain = read_model(written(model())).trees
    weights = np.repeat(np.float32([1, 0.5, 0.25]), np.diff(plain.tree_offsets))
    np.testing.assert_array_equal(back.trees.value, plain.value * weights)
    assert back.source == "xgboost 3.2.0 dart"


def test_both_forms_hold_the_same_document():
    document = json.loads(written(model()))

    def plain(value):
        if isinstance(value, dict):
            return {key: plain(member) for key, member in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        return value.tolist() if isinstance(value, np.ndarray) else value

    ubjson = plain(parse_ubjson(written(model(), ".ubj")))
    trees = ubjson["learner"]["gradient_booster"]["model"]["trees"]
    for ours, theirs in zip(
        trees, document["learner"]["gradient_booster"]["model"]["trees"], strict=True
    ):
        for name, values in ours.items():
            if isinstance(values, list):
                np.testing.assert_array_equal(
                    np.float32(values), np.float32(theirs[name])
                )
    for learner in (document["learner"], ubjson["learner"]):
        del learner["gradient_booster"]["model"]["trees"]
    assert ubjson == document


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "model.json"
    write_model(model(), path)
    before = path.read_bytes()

    def no_space(handle):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="no space"):
        write_model(model(1), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.json"]


def test_writing_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "model.ubj", tmp_path / "link.ubj"
    link.symlink_to(target)
    write_model(model(), link)
    assert link.is_symlink()
    assert target.is_file()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"objective": "reg:unheard"}, "an objective that XGBoost has"),
        ({"objective": "multi:softprob"}, "2 classes or more"),
        ({"feature_names": ("a",)}, "feature_names of 4 columns"),
        ({"categories": (None, None, None, (1.5,))}, "levels of a column"),
        ({"categories": (None, None, None, (1, "a"))}, "levels of a column"),
        ({"round_offsets": np.array([0, 2])}, "round_offsets"),
        ({"missing": 0.0}, "NaN alone to mean missing"),
    ],
)
def test_what_xgboost_has_no_words_for(wrong, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_model(model(**wrong), tmp_path / "model.json")
    assert list(tmp_path.iterdir()) == []


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"ending in \.json or \.ubj"):
        write_model(model(), tmp_path / "model.txt")
    with pytest.raises(TypeError, match="a SavedModel"):
        write_model(model().trees, tmp_path / "model.json")
    with pytest.raises(TypeError, match="a path"):
        write_model(model(), 3)
    with pytest.raises(TypeError, match="a path or bytes"):
        read_model(3)
    with pytest.raises(FileNotFoundError):
        read_model(tmp_path / "absent.json")
