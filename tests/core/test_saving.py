"""Files of models: whole or not at all, untrusted when read."""

from __future__ import annotations

import builtins
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnotes import _saving as saving
from fastnotes.recurrent import SequenceClassifier
from support.sweeps import assert_same_bytes

pytest.importorskip("safetensors")

WHERE = "recurrent.Model.load"
ARRAYS = {
    "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "step": np.array([7], np.int64),
    "none": np.empty((0, 4)),
}


def write(path: Path, note: Any = None, **arrays: Any) -> Path:
    saving.write_file(path, {**ARRAYS, **arrays}, note or {"a": [1, "é"]}, WHERE)
    return path


def raw(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def with_note(note: str) -> bytes:
    return raw({"__metadata__": {saving.NOTE: note}})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "model.safetensors")
    arrays, note = saving.read_file(path, WHERE)
    assert note == {"format": 1, "a": [1, "é"]}
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert_same_bytes(arrays[name], array)
    assert_same_bytes(arrays["weight"], saving.read_file(str(path), WHERE)[0]["weight"])
    again = write(tmp_path / "again")
    assert again.read_bytes() == path.read_bytes()
    strided = write(tmp_path / "strided", weight=np.asfortranarray(ARRAYS["weight"]))
    assert strided.read_bytes() == path.read_bytes()


def test_a_file_is_whole_or_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "model")
    before = path.read_bytes()

    def interrupted(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(path, {"a": "other"})
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


def test_without_safetensors_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("safetensors")]:
        monkeypatch.delitem(sys.modules, name)
    plain = builtins.__import__

    def absent(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("safetensors"):
            raise ImportError(name)
        return plain(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.setattr(saving.importlib, "import_module", absent)
    with pytest.raises(ImportError, match=r"pip install 'fastnotes\[files\]'"):
        saving.write_file(tmp_path / "model", {}, {}, WHERE)
    assert not list(tmp_path.iterdir())


HOSTILE = {
    "empty": b"",
    "text": b"a model, surely",
    "pickle": b"\x80\x04\x95" + b"\x00" * 30,
    "no JSON": raw(b"{{{"),
    "a list": raw([]),
    "a header beyond the end": (2**40).to_bytes(8, "little") + b"{}",
    "a tensor beyond the end": raw(
        {"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
    ),
    "a size that overflows": raw(
        {"w": {"dtype": "F32", "shape": [2**62, 8], "data_offsets": [0, 0]}}
    ),
    "a shape unlike its data": raw(
        {"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, bytes(8)
    ),
    "a dtype without NumPy's": raw(
        {"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, bytes(2)
    ),
    "no note": raw({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}, b"a"),
    "a note of nothing": with_note(""),
    "a note that is a list": with_note("[1]"),
    "a note with NaN": with_note('{"format": 1, "loss": NaN}'),
    "a note of another format": with_note('{"format": 2}'),
    "a deep note": with_note("[" * 100_000),
    "a number of many digits": with_note('{"format": ' + "9" * 10_000 + "}"),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"^\[{WHERE}\] expected .*, got") as error:
        saving.read_file(path, WHERE)
    assert len(str(error.value)) < 400


def test_truncated_files(tmp_path: Path) -> None:
    path = write(tmp_path / "model")
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="as a safetensors file"):
            saving.read_file(path, WHERE)


def test_bad_paths(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"load\] expected a path, got int"):
        saving.read_file(3, WHERE)
    with pytest.raises(TypeError, match="expected a path, got NoneType"):
        saving.write_file(None, {}, {}, WHERE)
    with pytest.raises(FileNotFoundError):
        saving.read_file(tmp_path / "absent", WHERE)
    with pytest.raises(ValueError, match="expected a file"):
        saving.read_file(tmp_path, WHERE)


def test_arrays_must_be_the_expected_ones() -> None:
    right = {"w": saving.Expected((2, 3), np.float32)}

    def check(**arrays: Any) -> None:
        saving.check_arrays(arrays, right, WHERE)

    check(w=np.ones((2, 3), np.float32))
    for arrays, words in (
        ({}, "an array 'w' in the file, got none"),
        ({"w": np.ones((2, 3)), "x": np.ones(1)}, "another, 'x'|another, \\['x'\\]"),
        ({"w": np.ones((3, 2), np.float32)}, r"w as float32 of shape \(2, 3\)"),
        ({"w": np.ones((2, 3))}, "w as float32"),
        ({"w": np.full((2, 3), np.nan, np.float32)}, "w finite"),
    ):
        with pytest.raises(ValueError, match=words):
            check(**arrays)


def test_entries_of_a_note() -> None:
    note = {"epoch": 3, "loss": 0.5, "on": True}
    assert saving.entry(note, "epoch", int, WHERE) == 3
    assert saving.entry(note, "loss", (int, float), WHERE) == 0.5
    for key, kind in (("epoch", str), ("on", int), ("absent", int)):
        with pytest.raises(ValueError, match=f"'{key}' in the file's note"):
            saving.entry(note, key, kind, WHERE)


VALUES = [
    None, True, 3, 2**70, "text", 0.1, -0.0, math.inf, -math.inf, [1, [2.5]],
    (1, ("a",)), {"up": 1.0, 3: math.inf}, {}, (),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back(value: Any) -> None:
    text = json.dumps(saving.encode(value), allow_nan=False)
    found = saving.decode(json.loads(text), WHERE)
    assert found == value
    assert type(found) is type(value)


def test_values_of_numpy() -> None:
    assert saving.encode(np.float32(0.5)) == 0.5
    assert saving.encode(np.arange(3)) == [0, 1, 2]
    assert math.isnan(saving.decode(saving.encode(np.nan), WHERE))
    for value in (print, {(1, 2): 3}, np.array([print])):
        with pytest.raises(TypeError, match="no form in JSON"):
            saving.encode(value)


def deep(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [{}, {"a": 1}, {"number": "1"}, {"number": []}, {"tuple": 3}, {"dict": [[1]]},
     {"dict": [[[], 1]]}, {"dict": {}}, {"tuple": [], "dict": []}, deep(5000)],
)  # fmt: skip
def test_values_that_nobody_wrote(value: Any) -> None:
    with pytest.raises(ValueError, match="a value in the file's note"):
        saving.decode(value, WHERE)


def test_parameters_of_an_estimator() -> None:
    model = SequenceClassifier(
        hidden_size=np.int64(8), max_norm=math.inf, class_weight={"up": 2.0, "down": 1}
    )
    note = json.loads(json.dumps(saving.estimator_note(model)))
    given = saving.constructor_parameters(note, SequenceClassifier, WHERE)
    assert SequenceClassifier(**given).get_params() == model.get_params()
    model.set_params(class_weight=print)
    left = saving.estimator_note(model)["parameters"]
    assert "class_weight" not in left
    for change, words in (
        ({"estimator": "SequenceRegressor"}, "a file of a SequenceClassifier"),
        ({"estimator": 3}, "'estimator' in the file's note as str"),
        ({"parameters": []}, "'parameters' in the file's note as dict"),
        ({"parameters": {"__class__": 1}}, "parameters of a SequenceClassifier"),
        ({"parameters": {"dropout": {"a": 1}}}, "a value in the file's note"),
    ):
        with pytest.raises(ValueError, match=words):
            saving.constructor_parameters({**note, **change}, SequenceClassifier, WHERE)
