"""The step of the character model, and its training beside torch's, on a small text."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastnotes import datasets
from fastnotes.bench import language_model, max_error, tiny_shakespeare
from fastnotes.datasets._registry import REGISTRY
from fastnotes.datasets._results import TextDataset
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


def test_both_trainings_agree(monkeypatch, tmp_path, capsys):
    pytest.importorskip("torch")
    small = {"hidden_size": 16, "batch_size": 4, "seq_length": 20}
    monkeypatch.setattr(
        tiny_shakespeare, "SETTINGS", {**tiny_shakespeare.SETTINGS, **small}
    )
    path = tmp_path / "figures.json"
    arguments = ["--steps", "10", "--threads", "2", "--json", str(path)]
    assert tiny_shakespeare.main(arguments) == 0
    ours, theirs = json.loads(path.read_text())["outcomes"]
    assert len(ours["bits"]) == 1
    COMPOSITE.assert_close(np.array(ours["bits"], np.float32), theirs["bits"])
    assert min(ours["seconds"], theirs["seconds"]) > 0
    printed = capsys.readouterr()
    assert "| torch | " in printed.out
    assert "fastnotes, epoch 1: " in printed.err
