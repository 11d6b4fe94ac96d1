"""A pass whose caller goes on alone midway, from any meeting on: the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, count
from typing import Any

import numpy as np
import pytest

from fastnotes._core import native
from fastnotes.recurrent import LayerNorm, LSTMWeights, lstm_backward, lstm_forward
from recurrent import test_rnn
from recurrent.cases import Case, make_case
from recurrent.test_lstm import run
from support.sweeps import assert_same_bytes

#: Sequences, steps, inputs and units. Threads share units, of several chunks of steps;
#: rows; and units, of rows enough to be projected a step at a time.
LSTM_SHAPES = [(5, 60, 96, 96), (16, 60, 64, 64), (16, 20, 96, 160)]
RNN_SHAPES = [(5, 60, 96, 256), (16, 40, 64, 128), (16, 20, 96, 272)]

each_shape = pytest.mark.parametrize("shape", LSTM_SHAPES, ids=str)


@pytest.fixture(autouse=True)
def teams_stay_together() -> Iterator[None]:
    yield
    native.runtime.part_teams_at(-1)


def assert_the_same_from_any_meeting_on(call: Callable[[int], Any]) -> None:
    """Part a team of three at some meetings, until one comes after the last."""
    alone, parted = call(1), 0
    for meeting in chain(range(9), count(9, 4)):
        native.runtime.part_teams_at(meeting)
        got = call(3)
        if native.runtime.part_teams_at(-1) == 0:
            break
        parted += 1
        assert_same_bytes(got, alone, f"alone from meeting {meeting} on")
    assert parted >= 2


@each_shape
def test_training(shape: tuple[int, int, int, int]) -> None:
    case = make_case(*shape, np.float32)
    assert_the_same_from_any_meeting_on(lambda n: run(case, n_threads=n))


@each_shape
def test_inference(shape: tuple[int, int, int, int]) -> None:
    case = make_case(*shape, np.float32)
    weights = LSTMWeights(*case.forward[1:4])
    assert_the_same_from_any_meeting_on(
        lambda n: weights.forward(
            case.x, case.h0, case.c0, lengths=case.lengths, n_threads=n
        )[:3]
    )


@pytest.mark.parametrize("shape", RNN_SHAPES, ids=str)
def test_the_vanilla_network(shape: tuple[int, int, int, int]) -> None:
    case = test_rnn.make_rnn(*shape, dtype=np.float64)
    assert_the_same_from_any_meeting_on(lambda n: test_rnn.run(case, n_threads=n))


def with_parts(case: Case, layer_norm: bool, n_threads: int) -> tuple[Any, ...]:
    """Both passes with every optional part, or without layer normalisation."""
    hidden, outputs = case.c0.shape[1], case.h0.shape[1]
    rng = np.random.default_rng(1)

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape, dtype=np.float32)

    gains = (normal(4 * hidden), normal(4 * hidden), normal(hidden), normal(hidden))
    out = lstm_forward(
        *case.forward,
        lengths=case.lengths,
        peephole=normal(3 * hidden),
        weight_hr=normal(outputs, hidden) / hidden**0.5,
        zoneout_h=0.2,
        layer_norm=LayerNorm(*gains) if layer_norm else None,
        n_threads=n_threads,
    )
    assert out.cache is not None
    gradients = lstm_backward(case.dh, out.cache, n_threads=n_threads)
    return *out[:3], *gradients


@pytest.mark.parametrize("layer_norm", [False, True])
@each_shape
def test_optional_parts(shape: tuple[int, int, int, int], layer_norm: bool) -> None:
    case = make_case(*shape, np.float32, projection=48)
    assert_the_same_from_any_meeting_on(lambda n: with_parts(case, layer_norm, n))
