"""lstm_backward against finite differences in float64, every input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes.recurrent import lstm_backward, lstm_forward
from recurrent.cases import Case, make_case
from support.gradcheck import assert_directional, assert_gradients

CANDIDATES = ("tanh", "sigmoid")


def loss_and_gradients(case: Case, candidate: str) -> tuple[Any, Any]:
    """A scalar of all three outputs as a function of the six inputs; its gradients."""

    def loss(*inputs: Any) -> float:
        out = lstm_forward(
            *inputs, lengths=case.lengths, candidate=candidate, keep_cache=False
        )
        return float(
            np.vdot(out.h, case.dh)
            + np.vdot(out.h_last, case.dh_last)
            + np.vdot(out.c_last, case.dc_last)
        )

    out = lstm_forward(*case.forward, lengths=case.lengths, candidate=candidate)
    assert out.cache is not None
    gradients = lstm_backward(
        case.dh, out.cache, dh_last=case.dh_last, dc_last=case.dc_last
    )
    return loss, tuple(gradients)


@pytest.mark.parametrize("candidate", CANDIDATES)
@pytest.mark.parametrize(
    "shape", [(3, 4, 2, 3), (4, 3, 1, 1), (1, 6, 3, 2), (2, 1, 2, 9)], ids=str
)
def test_every_coordinate(shape: tuple[int, int, int, int], candidate: str) -> None:
    case = make_case(*shape, seed=3)
    loss, gradients = loss_and_gradients(case, candidate)
    assert_gradients(loss, case.forward, gradients)


@pytest.mark.parametrize("candidate", CANDIDATES)
@pytest.mark.parametrize(
    "shape", [(9, 7, 5, 17), (17, 5, 33, 40), (2, 40, 20, 70), (40, 12, 9, 16)], ids=str
)
def test_random_direction(shape: tuple[int, int, int, int], candidate: str) -> None:
    case = make_case(*shape, seed=4)
    loss, gradients = loss_and_gradients(case, candidate)
    assert_directional(loss, case.forward, gradients)


def test_all_lengths_together() -> None:
    """Lengths 0 to T in one batch, every coordinate."""
    case = make_case(5, 4, 2, 2, seed=5)._replace(lengths=np.array([2, 0, 4, 1, 3]))
    loss, gradients = loss_and_gradients(case, "tanh")
    assert_gradients(loss, case.forward, gradients)
