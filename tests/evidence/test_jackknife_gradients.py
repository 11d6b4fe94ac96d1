"""The jackknife's gradient against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes.evidence import jackknife_bound
from support.gradcheck import assert_directional, assert_gradients
from support.log_weights import random_log_weights

pytestmark = pytest.mark.filterwarnings("ignore::fastnotes.evidence.JackknifeWarning")


SMALL = [(7, 2.0, order) for order in (1, 2, 3, 4, 5)]
#: Higher orders cancel more digits than differences can spare.
LARGE = [(40, 0.5, 1), (40, 3.0, 2), (40, 0.5, 3)]


@pytest.mark.parametrize(("count", "spread", "order"), SMALL + LARGE)
def test_gradient(count, spread, order):
    log_w = random_log_weights((count, 2), spread=spread, seed=order)
    upstream = np.array([0.7, -1.3])

    def loss(log_w):
        return float(upstream @ jackknife_bound(log_w, order))

    gradient = jackknife_bound(log_w, order, return_gradient=True)[1]
    assert_gradients(loss, [log_w], [gradient * upstream])


@pytest.mark.parametrize("lead", [20.0, 60.0])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_gradient_with_dominant_samples(order, lead):
    log_w = random_log_weights((12, 3), spread=1.0)
    for column in range(3):
        log_w[: column + 1, column] += lead
    gradient = jackknife_bound(log_w, order, return_gradient=True)[1]
    assert_gradients(
        lambda x: float(jackknife_bound(x, order).sum()), [log_w], [gradient]
    )


@pytest.mark.parametrize("order", [1, 2, 3])
def test_gradient_along_one_direction_at_size(order):
    log_w = random_log_weights((900, 30), spread=1.0)
    gradient = jackknife_bound(log_w, order, return_gradient=True)[1]
    assert_directional(
        lambda x: float(jackknife_bound(x, order).sum()), [log_w], [gradient]
    )
