"""Pieces of music, the table, and the command from a set to the page."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from fastnotes import datasets
from fastnotes.bench import recurrent_quality as quality
from fastnotes.bench.quality_record import Outcome
from fastnotes.datasets import Sequences

LENGTHS = [7, 1, 5, 2]


def songs(seed=0):
    steps = np.random.default_rng(seed).integers(0, 2, (sum(LENGTHS), 3), np.uint8)
    return Sequences(steps, np.cumsum([0, *LENGTHS]))


@pytest.mark.parametrize("longest", [None, 1, 3, 6, 99])
def test_every_frame_but_the_first_is_a_target_once(longest):
    part = songs()
    X, y = quality.next_frames(part, longest)
    assert max(map(len, X)) <= (longest or 6)
    for source, pieces in ((slice(0, -1), X), (slice(1, None), y)):
        expected = np.concatenate([part[k][source] for k in range(len(part))])
        np.testing.assert_array_equal(np.concatenate(pieces), expected)


def test_table():
    of = {"subject": "jsb_chorales", "metric": "nats a frame"}
    outcomes = [
        Outcome(**of, contender="LSTM", figures=[8.0, 9.0], seconds=[3.0, 4.0]),
        Outcome("basic_motions", "accuracy", "tanh RNN", [0.9], [1.0]),
    ]
    first, second = quality.table(outcomes).splitlines()[2:]
    assert first.startswith("| jsb_chorales | nats a frame | 8.50 | — | LSTM 8.67")
    assert first.endswith("| 3.5 / — | 2 / — |")
    assert second.startswith("| basic_motions | accuracy | — | 0.900 |")


def test_the_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(quality, "RESULT", tmp_path / "quality.json")
    monkeypatch.setattr(quality, "PAGE", tmp_path / "page.md")
    quality.PAGE.write_text(f"before\n{quality.START}\n{quality.END}\nafter\n")
    data = SimpleNamespace(train=songs(0), valid=songs(1), test=songs(2))
    monkeypatch.setattr(datasets, "load_jsb_chorales", lambda: data)
    for _ in range(2):  # the second run takes the place of the first
        quality.main(["jsb_chorales", "--seeds", "2", "--threads", "1"])
    found = {
        o.contender: o.figures for o in quality.quality_record.recorded(quality.RESULT)
    }
    arguments = ["jsb_chorales", "--cell", "rnn", "--threads", "1"]
    quality.main([*arguments, "--seeds", "1", "--first-seed", "1"])  # again the second
    again = {
        o.contender: o.figures for o in quality.quality_record.recorded(quality.RESULT)
    }
    assert again == found
    lines = quality.PAGE.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert sum(line.startswith("| jsb_chorales") for line in lines) == 1
    printed = capsys.readouterr()
    assert "| jsb_chorales | nats a frame |" in printed.out
    assert printed.err.count("tanh RNN") == 5
