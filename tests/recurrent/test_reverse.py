"""Sequences run from their ends: by reversing each within its own length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes.recurrent import (
    LSTMWeights,
    RNNWeights,
    lstm_backward,
    lstm_forward,
    rnn_backward,
    rnn_forward,
)
from recurrent.cases import Array, Case, make_case, with_padding_nan
from support.sweeps import DTYPES, assert_same_bytes, same_bytes_for_threads

each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_shape = pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1), (7, 9, 5, 17), (40, 6, 3, 8), (5, 0, 2, 3)], ids=str
)


def turned(array: Array, lengths: Array) -> Array:
    """Each sequence back to front within its length; the padding stays."""
    result = array.copy()
    for b, length in enumerate(lengths):
        result[b, :length] = array[b, :length][::-1]
    return result


def run_lstm(case: Case, reverse: bool, n_threads: int = 1) -> tuple[Any, ...]:
    out = lstm_forward(
        *case.forward, lengths=case.lengths, reverse=reverse, n_threads=n_threads
    )
    back = lstm_backward(
        case.dh, out.cache, dh_last=case.dh_last, dc_last=case.dc_last,
        n_threads=n_threads,
    )  # fmt: skip
    return (out.h, back.dx, *out[1:3], *back[1:])


def run_rnn(case: Case, reverse: bool, n_threads: int = 1) -> tuple[Any, ...]:
    hidden = case.h0.shape[1]
    weights = (a[:hidden].copy() for a in case[1:4])
    out = rnn_forward(
        case.x, *weights, case.h0,
        lengths=case.lengths, reverse=reverse, n_threads=n_threads,
    )  # fmt: skip
    back = rnn_backward(case.dh, out.cache, dh_last=case.dh_last, n_threads=n_threads)
    return (out.h, back.dx, out.h_last, *back[1:])


@pytest.mark.parametrize("run", [run_lstm, run_rnn])
@each_shape
@each_dtype
def test_is_the_turned_sequence(
    run: Any, shape: tuple[int, int, int, int], dtype: Any
) -> None:
    case = make_case(*shape, dtype)
    got = same_bytes_for_threads(lambda n: run(case, True, n))
    x, dh = turned(case.x, case.lengths), turned(case.dh, case.lengths)
    by_hand = run(case._replace(x=x, dh=dh), False)
    assert_same_bytes(got[2:], by_hand[2:])
    for ours, theirs in zip(got[:2], by_hand[:2], strict=True):  # h, dx
        assert_same_bytes(ours, turned(theirs, case.lengths))
    assert_same_bytes(run(with_padding_nan(case), True), got)


def test_packed_weights_run_backwards_too() -> None:
    case = make_case(5, 6, 3, 8)
    out = LSTMWeights(*case[1:4]).forward(case.x, lengths=case.lengths, reverse=True)
    expected = lstm_forward(*case[:4], lengths=case.lengths, reverse=True)
    assert_same_bytes(out[:3], expected[:3])
    weights = [a[:8].copy() for a in case[1:4]]
    plain = RNNWeights(*weights).forward(case.x, lengths=case.lengths, reverse=True)
    twin = rnn_forward(case.x, *weights, lengths=case.lengths, reverse=True)
    assert_same_bytes(plain[:2], twin[:2])


def test_the_last_state_is_that_of_the_first_place() -> None:
    case = make_case(3, 6, 3, 8, ragged=False)
    out = lstm_forward(*case.forward, reverse=True)
    assert_same_bytes(np.ascontiguousarray(out.h[:, 0]), out.h_last)
