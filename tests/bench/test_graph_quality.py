"""The table, and the command from a set to the page."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from fastnotes import datasets
from fastnotes.bench import graph_quality as quality
from fastnotes.bench.quality_record import Outcome, recorded
from fastnotes.graph import from_edges


def test_table():
    outcomes = [
        Outcome("cora", "accuracy", "GCN", [81.0, 82.0], [0.2, 0.4]),
        Outcome("cora_ml", "accuracy", "Chebyshev, degree 3", [80.0], [1.0]),
    ]
    assert quality.table(outcomes).splitlines()[2:] == [
        "| cora | GCN | 81.5 ± 0.5 | 81.5 | 0.30 | 2 |",
        "| cora_ml | Chebyshev, degree 3 | 80.0 ± 0.0 | — | 1.00 | 1 |",
    ]


def test_the_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(quality, "RESULT", tmp_path / "quality.json")
    monkeypatch.setattr(quality, "PAGE", tmp_path / "page.md")
    quality.PAGE.write_text(f"before\n{quality.START}\n{quality.END}\nafter\n")
    rng = np.random.default_rng(0)
    data = SimpleNamespace(
        adjacency=from_edges(rng.integers(0, 30, (2, 60)), 30),
        X=rng.random((30, 5)),
        y=np.arange(30) % 2,
        train_idx=np.arange(10),
        val_idx=np.arange(10, 16),
        test_idx=np.arange(16, 30),
    )
    for name in ("cora", "cora_ml"):  # without and with validation nodes
        monkeypatch.setattr(datasets, f"load_{name}", lambda: data)
        for _ in range(2):  # the second run takes the place of the first
            quality.main([name, "--seeds", "2", "--threads", "1", "--model", "GCN"])
    found = recorded(quality.RESULT)
    assert [(o.subject, len(o.figures)) for o in found] == [("cora", 2), ("cora_ml", 2)]
    lines = quality.PAGE.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert sum(line.startswith("| cora |") for line in lines) == 1
    assert "| cora | GCN |" in capsys.readouterr().out
