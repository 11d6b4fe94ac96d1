"""Estimators in files: whole models come back, anything else is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from fastnotes import _saving as saving
from fastnotes.recurrent import SequenceClassifier, SequenceRegressor
from support.sweeps import assert_same_bytes

pytest.importorskip("safetensors")

RNG = np.random.default_rng(0)
X: Any = [RNG.normal(size=(length, 2)) for length in RNG.integers(1, 9, 20)]
STEPS = [np.arange(len(x)) % 3 - 1 for x in X]
QUICK: dict[str, Any] = {"hidden_size": 4, "n_epochs": 2}
PARTS: dict[str, Any] = {
    "peephole": True,
    "proj_size": 3,
    "zoneout": (0.2, 0.1),
    "layer_norm": True,
}
OF_STEPS: dict[str, Any] = {**QUICK, "return_sequences": True}
MODELS: list[tuple[Any, Any]] = [
    (SequenceClassifier(**QUICK, bidirectional=True), np.arange(20) % 2),
    (SequenceClassifier("rnn", num_layers=2, **QUICK), np.repeat([0.5, 2.5], 10)),
    (SequenceClassifier(**QUICK, class_weight={"a": 2.0, "é": 1.0}), ["a", "é"] * 10),
    (SequenceClassifier(**QUICK), np.arange(20) % 2 == 0),
    (SequenceClassifier(**OF_STEPS, validation_fraction=0.2), STEPS),
    (SequenceClassifier(**OF_STEPS, loss="bernoulli"), [x > 0 for x in X]),
    (SequenceClassifier(**QUICK, **PARTS, bidirectional=True), np.arange(20) % 2),
    (SequenceRegressor(**QUICK, **PARTS, return_sequences=True), X),
    (SequenceRegressor(**QUICK, standardize=False, max_norm=np.inf), np.arange(20.0)),
    (SequenceRegressor(**QUICK), np.arange(20.0)[:, None]),
    (SequenceRegressor(**OF_STEPS), X),
]


@pytest.mark.parametrize(("model", "y"), MODELS)
def test_a_model_comes_back(model: Any, y: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model.fit(X, y).save(path)
    again = type(model).load(path)
    assert again.get_params() == model.get_params()
    for name in ("history_", "best_epoch_", "n_epochs_", "n_features_in_"):
        assert getattr(again, name) == getattr(model, name)
    if isinstance(model, SequenceClassifier):
        assert again.classes_.dtype == model.classes_.dtype
        assert_same_bytes(tuple(again.predict_proba(X)), tuple(model.predict_proba(X)))
    assert_same_bytes(tuple(again.predict(X)), tuple(model.predict(X)))
    assert again.score(X, y) == model.score(X, y)
    again.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_what_is_not_to_be_saved(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with pytest.raises(NotFittedError):
        SequenceRegressor().save(path)
    model = SequenceClassifier(**QUICK).fit(X, np.array(["a", "b"] * 10, dtype=object))
    with pytest.raises(TypeError, match=r"save\] expected classes of numbers or text"):
        model.save(path)
    assert not path.exists()


HOSTILE: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"estimator": "SequenceRegressor"}, {}, "a file of a SequenceClassifier"),
    ({"parameters": {"hidden": 3}}, {}, "parameters of a SequenceClassifier"),
    ({"parameters": {"hidden_size": 2**40}}, {}, "weight_hh_l0 with"),
    ({"parameters": {"hidden_size": 4, "num_layers": 1000}}, {}, "weight_hh_l1 with"),
    ({"parameters": {"hidden_size": 4, "proj_size": 3}}, {}, "weight_hh_l0 with"),
    ({"parameters": {"hidden_size": 4, "peephole": True}}, {}, "an array 'peephole_l0"),
    ({"parameters": {"hidden_size": 4, "layer_norm": True}}, {}, "an array 'bias_c_l0"),
    ({"parameters": {"hidden_size": "4"}}, {}, "hidden_size as an integer"),
    ({"parameters": {"hidden_size": 4, "cell": "gru"}}, {}, "cell as one of"),
    ({"parameters": {"hidden_size": 4, "cell": []}}, {}, "cell as a string"),
    ({"parameters": {"hidden_size": 4, "cell": "rnn"}}, {}, "as float32 of shape"),
    ({"parameters": {"hidden_size": 4, "n_jobs": "all"}}, {}, "n_jobs"),
    ({"parameters": {"hidden_size": 4, "random_state": -1}}, {}, "random_state"),
    ({"parameters": {"hidden_size": 4, "loss": "bernoulli"}}, {}, "'n_labels'"),
    ({"n_features": 2**50}, {}, "weight_ih_l0 with"),
    ({"n_features": True}, {}, "'n_features'"),
    ({"targets": []}, {}, "'targets'"),
    ({"targets": {"classes": [0, 1], "dtype": "|O"}}, {}, "classes of numbers or text"),
    ({"targets": {"classes": [0, 1], "dtype": "("}}, {}, "classes of the dtype"),
    ({"targets": {"classes": ["a", 1], "dtype": "<i8"}}, {}, "classes of the dtype"),
    ({"targets": {"classes": [[0], [1]], "dtype": "<i8"}}, {}, "numbers or text"),
    ({"targets": {"classes": [1, 0], "dtype": "<i8"}}, {}, "sorted"),
    ({"targets": {"classes": [0, 1, 2], "dtype": "<i8"}}, {}, "head_weight with"),
    ({"standardized": 1}, {}, "'standardized'"),
    ({"standardized": False}, {}, "arrays"),
    ({"history": {}}, {}, "a value in the file's note"),
    ({"history": {"dict": []}}, {}, "losses of epochs"),
    ({"history": {"dict": [["loss", ["a"]]]}}, {}, "loss as a real number"),
    ({"history": {"dict": [["loss", [1]], ["more", [1]]]}}, {}, "another entry"),
    ({"best_epoch": 7}, {}, "best_epoch from 0"),
    ({}, {"bias_l0": np.zeros(3, np.float32)}, "bias_l0 as float32"),
    ({}, {"head_bias": np.zeros(2)}, "head_bias as float32"),
    ({}, {"head_bias": np.full(2, np.nan, np.float32)}, "head_bias finite"),
    ({}, {"extra": np.zeros(2)}, "another, 'extra'"),
    ({}, {"head_weight": np.zeros(2)}, "head_weight with"),
]


@pytest.mark.parametrize(("note", "arrays", "words"), HOSTILE)
def test_hostile_files(
    note: dict[str, Any], arrays: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "model"
    SequenceClassifier(**QUICK).fit(X, np.arange(20) % 2).save(path)
    good = saving.read_file(path, "test")
    json.dumps(note)  # what a file can say
    saving.write_file(path, {**good.arrays, **arrays}, {**good.note, **note}, "test")
    with pytest.raises((TypeError, ValueError), match=words) as refusal:
        SequenceClassifier.load(path)
    assert str(refusal.value).startswith("[recurrent.")


def test_a_file_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(ValueError, match=r"SequenceRegressor.load\] expected model as"):
        SequenceRegressor.load(path)
    with pytest.raises(FileNotFoundError):
        SequenceRegressor.load(tmp_path / "none")
