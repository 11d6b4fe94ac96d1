"""Thresholds of float64 come back exactly; XGBoost has their float32."""

from __future__ import annotations

import base64
import json
import warnings
from dataclasses import replace

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnotes.boosting import BoostedTreesRegressor
from fastnotes.boosting.model_files import SavedModel, read_model, write_model
from fastnotes.boosting.model_files.thresholds import (
    EXACT,
    exact_text,
    refine,
    to_conditions,
    to_thresholds,
)
from fastnotes.boosting.model_files.xgboost_writer import write_document
from support.forests import random_forest
from support.sweeps import assert_same_bytes

RNG = np.random.default_rng(0)
SECONDS = 1.7e9 + RNG.integers(0, 10**6, (2000, 1)).astype(np.float64)
Y = np.sin(SECONDS[:, 0] / 5e4)


@pytest.mark.parametrize("suffix", ["json", "ubj"])
@pytest.mark.parametrize("others", [0, 3])
def test_a_model_of_float64_is_the_same_after_loading(suffix, others, tmp_path):
    """Beside a categorical column, which makes the file number nodes anew."""
    X = np.column_stack([SECONDS, RNG.integers(0, 9, (2000, others))])
    y = Y + X[:, 1:].sum(axis=1)
    categories = None if others == 0 else list(range(1, 1 + others))
    model = BoostedTreesRegressor(n_estimators=20, categorical_features=categories)
    model.fit(X, y).save(tmp_path / f"model.{suffix}")
    again = BoostedTreesRegressor.load(tmp_path / f"model.{suffix}")
    assert_same_bytes(again.predict(X), model.predict(X))
    again.save(tmp_path / f"again.{suffix}")
    first, second = (tmp_path / f"{name}.{suffix}" for name in ("model", "again"))
    read = [read_model(path).trees.threshold for path in (first, second)]
    np.testing.assert_array_equal(*read)


def test_a_model_of_float32_needs_no_more_than_xgboost_has(tmp_path):
    X = RNG.standard_normal((500, 3)).astype(np.float32)
    model = BoostedTreesRegressor(n_estimators=5).fit(X, X[:, 0])
    model.save_model(tmp_path / "model.json")
    document = json.loads((tmp_path / "model.json").read_text())
    assert EXACT not in document["learner"]["attributes"]


def test_a_warning_where_numbers_are_too_long_for_xgboost(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": RNG.random(2000), "seen at": SECONDS[:, 0]})
    model = BoostedTreesRegressor(n_estimators=20).fit(frame, Y)
    with pytest.warns(UserWarning, match="others in column 'seen at': XGBoost"):
        model.save_model(tmp_path / "model.json")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save(tmp_path / "model.json")
        frame["seen at"] -= 1.7e9
        model.fit(frame, Y).save_model(tmp_path / "model.json")


def test_xgboost_reads_the_file_and_keeps_the_thresholds(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    model = BoostedTreesRegressor(n_estimators=5).fit(SECONDS, Y)
    model.save(tmp_path / "model.json")
    booster = xgboost.Booster(model_file=tmp_path / "model.json")
    data = xgboost.DMatrix(SECONDS, Y)
    more = xgboost.train({"nthread": 1}, data, 2, xgb_model=booster)
    more.save_model(tmp_path / "more.json")
    back = read_model(tmp_path / "more.json").trees
    n_nodes = model.trees_.n_nodes
    assert back.n_trees == 7
    np.testing.assert_array_equal(back.threshold[:n_nodes], model.trees_.threshold)


NUMBERS = st.floats(allow_nan=False, width=64)


@given(hnp.arrays(np.float64, st.integers(0, 20), elements=NUMBERS))
def test_exact_thresholds_come_back(thresholds):
    read = to_thresholds(to_conditions(thresholds))
    text = exact_text(thresholds)
    found = read if text is None else refine(read, text, "tests")
    np.testing.assert_array_equal(found, thresholds)


def test_thresholds_that_mean_something_else_are_not_taken():
    """Trees were added in front of the others, or cut off, by other hands."""
    trees = random_forest(np.random.default_rng(0), categorical=())
    inner = trees.feature >= 0
    trees = replace(trees, threshold=np.where(inner, trees.threshold + 0.1, 0.0))
    document = write_document(SavedModel(trees))
    attributes = document["learner"]["attributes"]
    exact = np.frombuffer(base64.b64decode(attributes[EXACT]))
    read = to_thresholds(to_conditions(exact))
    for moved in (exact[1:], exact[:-2], np.full_like(exact, np.nan), exact + 1):
        text = base64.b64encode(moved.tobytes()).decode()
        found = refine(read, text, "tests")
        np.testing.assert_array_equal(to_conditions(found), to_conditions(exact))


@pytest.mark.parametrize("text", ["a", "AAAA", "\u00e9", "AAAAAAAAAAA=x"])
def test_damage(text, tmp_path):
    path = tmp_path / "model.json"
    write_model(SavedModel(random_forest(RNG)), path)
    document = json.loads(path.read_text())
    document["learner"]["attributes"][EXACT] = text
    with pytest.raises(ValueError, match="as float64 in base64"):
        read_model(json.dumps(document).encode())
