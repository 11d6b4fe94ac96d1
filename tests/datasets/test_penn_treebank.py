"""The Penn Treebank's loader, and the published recipe, on a text of a few lines."""

from __future__ import annotations

import pytest

from fastnotes import datasets
from fastnotes.bench import penn_treebank

#: As the files are: a space before and after every line.
LINES = b" the cat <unk> on the mat \n no one was N years old \n the log <unk> again \n"
FILES = {
    "ptb.train.txt": 12 * LINES,
    "ptb.valid.txt": LINES,
    "ptb.test.txt": b" a cat was on the log \n",
}


def test_three_texts(place):
    data = datasets.load_penn_treebank(data_home=place("penn_treebank", FILES))
    assert data.train == 12 * data.valid == (12 * LINES).decode()
    assert data.test.split() == ["a", "cat", "was", "on", "the", "log"]
    assert repr(data) == "SplitTextDataset(penn_treebank)"


def test_other_files_are_refused(place):
    home = place("penn_treebank", FILES, pin=False)
    with pytest.raises(ValueError, match=r"ptb\.train\.txt with md5 f26c4b92c5fd"):
        datasets.load_penn_treebank(data_home=home)


def test_what_is_no_text(place):
    home = place("penn_treebank", {**FILES, "ptb.test.txt": b"caf\xe9"})
    with pytest.raises(ValueError, match=r"expected ptb\.test\.txt to be ASCII text"):
        datasets.load_penn_treebank(data_home=home)


def test_the_recipe(place, monkeypatch, capsys, tmp_path):
    pytest.importorskip("safetensors")
    monkeypatch.setenv("FASTNOTES_DATA", str(place("penn_treebank", FILES)))
    kept = tmp_path / "checkpoint"
    for n_epochs in (2, 5):
        arguments = ["--epochs", str(n_epochs), "--threads", "1"]
        arguments += ["--checkpoint", str(kept)]
        assert penn_treebank.main(arguments) == 0
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if line.startswith("epoch")]
    assert [line.split(":")[0] for line in lines] == [
        f"epoch {1 + i}" for i in range(5)
    ]
    first, last = (float(lines[i].split()[-1]) for i in (0, -1))
    assert last < first
    assert "| Zaremba et al. (2014) | 120.7 | 114.5 |" in printed.out
