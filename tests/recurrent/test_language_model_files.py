"""LanguageModel in files: saved, resumed to the byte, and untrusted."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from fastnotes import _saving as saving
from fastnotes.recurrent import LanguageModel
from support.sweeps import assert_same_bytes

pytest.importorskip("safetensors")

TEXT = "to be or not to be, that is the question.\n" * 6
QUICK: dict[str, Any] = {
    "hidden_size": 8,
    "batch_size": 4,
    "seq_length": 16,
    "n_epochs": 5,
    "learning_rate": 0.02,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "adam": {},
    "dropout": {"dropout": 0.3},
    "parts": {"peephole": True, "proj_size": 3, "zoneout": (0.2, 0.1), "dropout": 0.1},
    "norm": {"layer_norm": True, "num_layers": 2},
    "tied": {"tie_weights": True, "cell": "rnn"},
    "sgd": {"optimizer": "sgd", "momentum": 0.5, "learning_rate_decay": 0.7},
    "tokens": {"level": "token", "unknown": "<unk>", "min_count": 2, "batch_size": 2},
}


def weights(model: LanguageModel) -> tuple[Any, ...]:
    return tuple(model._network.parameters.values())


class StopAfter:
    """A callback that ends a training after some epochs, by Ctrl-C or not."""

    def __init__(self, n_epochs: int, error: type[BaseException] | None = None) -> None:
        self.n_epochs, self.error = n_epochs, error

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        if epoch + 1 == self.n_epochs and self.error is not None:
            raise self.error
        return epoch + 1 == self.n_epochs


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_a_saved_model_comes_back(settings: dict[str, Any], tmp_path: Path) -> None:
    model = LanguageModel(**{**QUICK, **settings}).fit(TEXT, validation=TEXT[:40])
    model.save(tmp_path / "model")
    other = LanguageModel.load(tmp_path / "model")
    assert other.get_params() == model.get_params()
    for name in ("vocabulary_", "vocabulary_size_", "history_", "best_epoch_"):
        assert getattr(other, name) == getattr(model, name)
    assert other.n_epochs_ == model.n_epochs_
    assert_same_bytes(weights(other), weights(model))
    assert other.score(TEXT) == model.score(TEXT)
    assert other.sample(9, random_state=1) == model.sample(9, random_state=1)
    other.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_a_model_of_integers_comes_back(tmp_path: Path) -> None:
    model = LanguageModel(**QUICK).fit(np.tile([2, 0, 5], 50))
    model.save(tmp_path / "model")
    other = LanguageModel.load(tmp_path / "model")
    assert other.vocabulary_ is None
    assert_same_bytes(other.sample(9, random_state=1), model.sample(9, random_state=1))


# ---------------------------------------------------------------- resuming


@pytest.mark.parametrize("validation", [None, TEXT[:60]], ids=["alone", "validated"])
@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_resuming_goes_on_to_the_byte(
    settings: dict[str, Any], validation: Any, tmp_path: Path
) -> None:
    whole = LanguageModel(**{**QUICK, **settings})
    path, end = tmp_path / "checkpoint", tmp_path / "end"
    whole.fit(TEXT, validation=validation, checkpoint=end)
    broken = clone(whole).set_params(callbacks=[StopAfter(3, KeyboardInterrupt)])
    with pytest.raises(KeyboardInterrupt):
        broken.fit(TEXT, validation=validation, checkpoint=path)
    assert broken.n_epochs_ == 3
    resumed = clone(whole).set_params(n_jobs=7)
    resumed.fit(TEXT, validation=validation, resume_from=path, checkpoint=path)
    assert_same_bytes(weights(resumed), weights(whole))
    assert resumed.history_ == whole.history_
    assert resumed.best_epoch_ == whole.best_epoch_
    one, other = (saving.read_file(each, "") for each in (path, end))
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        assert_same_bytes(array, other.arrays[name])


def test_a_checkpoint_is_a_model_too(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    model = LanguageModel(**QUICK)
    for validation in (None, TEXT[:60]):
        model.fit(TEXT, validation=validation, checkpoint=path)
        assert_same_bytes(weights(LanguageModel.load(path)), weights(model))


def test_a_training_that_is_over_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    model = LanguageModel(**QUICK).fit(TEXT, checkpoint=path)
    again = clone(model).fit(TEXT, resume_from=path)
    assert again.n_epochs_ == 5
    assert_same_bytes(weights(again), weights(model))
    longer = clone(model).set_params(n_epochs=7).fit(TEXT, resume_from=path)
    assert longer.n_epochs_ == 7


def test_what_a_checkpoint_must_share(tmp_path: Path) -> None:
    path, plain = tmp_path / "checkpoint", tmp_path / "model"
    model = LanguageModel(**QUICK).fit(TEXT, checkpoint=path)
    model.save(plain)
    free = {"n_epochs": 6, "patience": 2, "verbose": 0, "n_jobs": 1, "callbacks": []}
    clone(model).set_params(**free).fit(TEXT, resume_from=path)
    for change, texts, words in (
        ({"hidden_size": 9}, {}, "hidden_size as in the checkpoint, got 9, and 8 in"),
        ({"random_state": 1}, {}, "random_state as in the checkpoint"),
        ({"dropout": 0.1}, {}, "dropout as in the checkpoint"),
        ({}, {"text": TEXT[1:]}, "text and validation as in the checkpoint"),
        ({}, {"text": f"b{TEXT[1:]}"}, "text and validation as in the checkpoint"),
        ({}, {"text": TEXT.replace("b", "B")}, "text and validation as in"),
        ({}, {"validation": TEXT}, "text and validation as in"),
        ({}, {"resume_from": plain}, "'training' in the file's note"),
    ):
        again = clone(model).set_params(**change)
        arguments = {"text": TEXT, "resume_from": path, **texts}
        with pytest.raises(ValueError, match=rf"fit\] expected .*{words}"):
            again.fit(**arguments)
        assert not hasattr(again, "history_")
    with pytest.raises(FileNotFoundError):
        model.fit(TEXT, resume_from=tmp_path / "absent")


def test_a_checkpoint_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said before the first epoch; what is found out later ends the training."""
    model = LanguageModel(**QUICK)
    with pytest.raises(FileNotFoundError, match=r"fit\] expected a folder .*absent"):
        model.fit(TEXT, checkpoint=tmp_path / "absent" / "checkpoint")
    with pytest.raises(TypeError, match="expected a path, got int"):
        model.fit(TEXT, checkpoint=3)
    assert not hasattr(model, "history_")

    def full(*arguments: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(saving, "write_file", full)
    with pytest.raises(OSError, match="no space left"):
        model.fit(TEXT, checkpoint=tmp_path / "checkpoint")
    assert model.n_epochs_ == 1


# ---------------------------------------------------------------- hostile files


@pytest.fixture(scope="module")
def good(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[LanguageModel, saving.ModelFile]:
    path = tmp_path_factory.mktemp("good") / "model"
    model = LanguageModel(**QUICK).fit(TEXT)
    model.save(path)
    return model, saving.read_file(path, "")


def parameters(**changes: Any) -> dict[str, Any]:
    return {"parameters": changes}


NAN = np.full((4 * 8, 8), np.nan, np.float32)
DAMAGED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "another class": ({"estimator": "SequenceClassifier"}, {}, "a file of a Language"),
    "unknown parameter": (parameters(os="rm"), {}, "parameters of a LanguageModel"),
    "huge size": (parameters(hidden_size=2**40), {}, "of shape"),
    "huge number": (parameters(hidden_size=10**400), {}, "of shape"),
    "many layers": (parameters(num_layers=10**6), {}, "num_layers from 1 to 1024"),
    "wrong type": (parameters(hidden_size="8"), {}, "hidden_size as an integer"),
    "NaN": (parameters(dropout={"number": "nan"}), {}, "dropout finite"),
    "a dict": (parameters(dropout={"a": 1}), {}, "a value in the file's note"),
    "a cell": (parameters(cell="gru"), {}, "cell as one of"),
    "a level": (parameters(level=["char"]), {}, "level as a string"),
    "no threads": (parameters(n_jobs=0), {}, "n_jobs other than 0"),
    "tied": (parameters(tie_weights=True), {}, "another, 'head_weight'"),
    "an unknown": (parameters(unknown="<unk>"), {}, "unknown in the file's vocabulary"),
    "vocabulary": ({"vocabulary": "abc"}, {}, "'vocabulary' in the file's note as"),
    "names": ({"vocabulary": [1, 2]}, {}, "'vocabulary' in the file's note as strings"),
    "few names": ({"vocabulary": ["a"]}, {}, "distinct names in the file's vocab"),
    "history": ({"history": {}}, {}, "'loss' in the file's note"),
    "no epochs": (
        {"history": {"loss": [], "validation_loss": [], "gradient_norm": []}},
        {},
        "a history of as many losses as epochs",
    ),
    "losses": (
        {"history": {"loss": ["a"], "validation_loss": [], "gradient_norm": [1.0]}},
        {},
        "'loss' in the file's note as numbers",
    ),
    "no counts": ({}, {"counts": None}, "counts in the file as int64"),
    "real counts": ({}, {"counts": np.ones(15)}, "counts in the file as int64"),
    "counts below 0": (
        {},
        {"counts": np.full(15, -1)},
        "counts in the file that are >= 0",
    ),
    "no array": ({}, {"bias_l1": None}, "an array 'bias_l1' in the file"),
    "another array": ({}, {"extra": np.ones(1)}, "another, 'extra'"),
    "a shape": ({}, {"bias_l1": np.ones(3, np.float32)}, "bias_l1 as float32 of shape"),
    "a dtype": ({}, {"bias_l1": np.ones(32)}, "bias_l1 as float32"),
    "NaN weights": ({}, {"weight_hh_l0": NAN}, "weight_hh_l0 finite"),
}


@pytest.mark.parametrize("case", DAMAGED.values(), ids=DAMAGED)
def test_damaged_files(
    case: tuple[dict[str, Any], dict[str, Any], str],
    good: tuple[LanguageModel, saving.ModelFile],
    tmp_path: Path,
) -> None:
    changes, arrays, words = case
    _, (plain, note) = good
    if "parameters" in changes:
        changes = {"parameters": {**note["parameters"], **changes["parameters"]}}
    named = {**plain, **arrays}
    kept = {name: array for name, array in named.items() if array is not None}
    saving.write_file(tmp_path / "model", kept, {**note, **changes}, "")
    with pytest.raises(
        (ValueError, TypeError),
        match=rf"^\[recurrent\.LanguageModel\.load\] expected .*{words}",
    ):
        LanguageModel.load(tmp_path / "model")


def test_damaged_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    model = LanguageModel(**{**QUICK, "n_epochs": 2})
    model.fit(TEXT, validation=TEXT[:40], checkpoint=path)
    arrays, note = saving.read_file(path, "")
    steps = "optimizer/n_steps"
    for change, training, words in (
        ({steps: None}, {}, f"an array '{steps}' in the file"),
        ({steps: np.array([-1])}, {}, "n_steps >= 0"),
        ({"best/bias_l0": None}, {}, "an array 'best/bias_l0' in the file"),
        ({"optimizer/mean/bias_l0": np.ones(2)}, {}, "optimizer/mean/bias_l0 as"),
        ({}, {"n_tokens": 3}, "tokens read in the checkpoint, got 3"),
        ({}, {"n_tokens": "3"}, "'n_tokens' in the file's note as int"),
        ({}, {"texts": "0"}, "text and validation as in the checkpoint"),
    ):
        named = {**arrays, **change}
        kept = {name: array for name, array in named.items() if array is not None}
        damaged = {**note, "training": {**note["training"], **training}}
        saving.write_file(path, kept, damaged, "")
        with pytest.raises(ValueError, match=rf"\] expected .*{words}"):
            clone(model).fit(TEXT, validation=TEXT[:40], resume_from=path)


def test_truncated_files(
    good: tuple[LanguageModel, saving.ModelFile], tmp_path: Path
) -> None:
    good[0].save(tmp_path / "model")
    whole = (tmp_path / "model").read_bytes()
    for end in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "model").write_bytes(whole[:end])
        with pytest.raises(ValueError, match="as a safetensors file"):
            LanguageModel.load(tmp_path / "model")


def test_a_note_is_plain_json(
    good: tuple[LanguageModel, saving.ModelFile], tmp_path: Path
) -> None:
    model = clone(good[0]).set_params(max_norm=math.inf, callbacks=[StopAfter(2)])
    model.fit(TEXT)
    model.save(tmp_path / "model")
    note = saving.read_file(tmp_path / "model", "").note
    json.dumps(note, allow_nan=False)
    assert note["parameters"]["max_norm"] == {"number": "inf"}
    assert "callbacks" not in note["parameters"]
    assert LanguageModel.load(tmp_path / "model").max_norm == math.inf
