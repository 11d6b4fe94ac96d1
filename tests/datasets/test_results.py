"""The objects' own methods."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fastnotes import datasets
from fastnotes.datasets._describe import markdown_table


@pytest.fixture
def sequences():
    steps = np.arange(12, dtype=np.uint8).reshape(6, 2)
    return datasets.Sequences(steps, np.array([0, 2, 2, 6]), np.array([1, 0, 1]))


def test_sequences_are_views(sequences):
    assert len(sequences) == 3
    assert [len(sequence) for sequence in sequences] == [2, 0, 4]
    assert np.shares_memory(sequences[2], sequences.steps)
    assert np.array_equal(sequences[-1], sequences[2])
    with pytest.raises(IndexError):
        sequences[3]


@pytest.mark.parametrize(("max_length", "n_steps"), [(None, 4), (3, 3), (9, 4), (0, 0)])
def test_padded(sequences, max_length, n_steps):
    x, lengths = sequences.padded(max_length)
    assert x.shape == (3, n_steps, 2)
    assert x.dtype == np.float32
    assert lengths.tolist() == [min(n, n_steps) for n in (2, 0, 4)]
    for k, length in enumerate(lengths):
        assert np.array_equal(x[k, :length], sequences[k][:length])
        assert not x[k, length:].any()


def test_padded_refuses_negative_length(sequences):
    with pytest.raises(ValueError, match="max_length >= 0, got -1"):
        sequences.padded(-1)
    with pytest.raises(TypeError, match=r"\[datasets.padded\] expected max_length"):
        sequences.padded(2.5)


def test_results_are_frozen():
    data = datasets.load_iris()
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.X = None


def test_documented_table_is_the_registry():
    page = Path(__file__).resolve().parents[2] / "docs" / "datasets.md"
    assert markdown_table() in page.read_text(encoding="utf-8")
