"""The step of the character model, and its training beside torch's, on a small text."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastnotes import _saving as saving
from fastnotes import datasets
from fastnotes.bench import language_model, max_error, tiny_shakespeare
from fastnotes.datasets._registry import REGISTRY
from fastnotes.datasets._results import TextDataset
from fastnotes.recurrent import LanguageModel
from support.tolerances import COMPOSITE

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n\n" * 20


@pytest.fixture(autouse=True)
def small_text(monkeypatch):
    names, codes = np.unique(list(TEXT), return_inverse=True)
    data = TextDataset(
        info=REGISTRY["tiny_shakespeare"],
        text=TEXT,
        codes=codes.astype(np.uint8),
        vocabulary=tuple(names.tolist()),
        n_train=len(TEXT) - 100,
    )
    monkeypatch.setattr(datasets, "load_tiny_shakespeare", lambda: data)


def test_our_step_is_the_exact_one():
    [case] = language_model.CASES
    inputs = case.build(n_rows=3, n_steps=20, hidden=40, layers=2)
    ours = case.contenders[0]
    answer = ours.answer(ours.prepare(inputs, 2)())
    assert max_error(inputs, answer, case.reference(inputs)) < case.bound
    assert not inputs["parameters"]["head_bias"].any()  # the inputs are left alone


@pytest.fixture
def small_settings(monkeypatch):
    pytest.importorskip("torch")
    small = {"hidden_size": 16, "batch_size": 4, "seq_length": 20, "n_epochs": 2}
    small |= {"decay_after": 1}
    settings = {**tiny_shakespeare.SETTINGS, **small}
    monkeypatch.setattr(tiny_shakespeare, "SETTINGS", settings)
    return settings


def test_both_trainings_agree(small_settings, tmp_path, capsys):
    checkpoint = str(tmp_path / "checkpoint")
    arguments = ["--steps", "10", "--threads", "2", "--checkpoint", checkpoint]
    assert tiny_shakespeare.main(arguments) == 0
    [epoch] = saving.read_file(checkpoint, "test").note["epochs"]
    ours, theirs = epoch["bits"]
    COMPOSITE.assert_close(np.array([ours], np.float32), [theirs])
    assert min(*epoch["seconds"], *epoch["step"], epoch["ratio"]) > 0
    printed = capsys.readouterr()
    assert "| torch | " in printed.out
    assert "epoch 1: " in printed.err


def test_the_page_and_a_training_in_pieces(small_settings, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(tiny_shakespeare, "RESULT", tmp_path / "figures.json")
    monkeypatch.setattr(tiny_shakespeare, "PICTURE", tmp_path / "curves.png")
    monkeypatch.setattr(tiny_shakespeare, "PAGE", tmp_path / "page.md")
    page = tmp_path / "page.md"
    pieces = ["--threads", "1", "--checkpoint", str(tmp_path / "c"), "--stop-after"]
    found = []
    for arguments in ([], [*pieces, "1"], [*pieces, "5"]):
        marks = f"{tiny_shakespeare.START}\n{tiny_shakespeare.END}\n"
        page.write_text(f"before\n{marks}after\n")
        assert tiny_shakespeare.main(arguments) == 0
        if arguments[-1:] == ["1"]:
            assert page.read_text() == f"before\n{marks}after\n"
            continue
        figures = json.loads((tmp_path / "figures.json").read_text())
        found.append([epoch["bits"] for epoch in figures["epochs"]])
        assert "](curves.png)" in page.read_text()
        assert (tmp_path / "curves.png").stat().st_size > 0
    assert found[0] == found[1]
    model = LanguageModel(**small_settings).fit(datasets.load_tiny_shakespeare().train)
    held_out = datasets.load_tiny_shakespeare().test
    bits = model.bits_per_character(held_out, n_streams=4)
    assert found[0][-1][0] == bits
