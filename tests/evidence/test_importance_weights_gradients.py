"""The weights are the gradient of the bound; softmax and its Jacobian."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes.evidence import importance_weights, iwae_bound, log_softmax, softmax
from support.gradcheck import assert_directional, assert_gradients
from support.log_weights import random_log_weights


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(1, 2), (5, 3), (9, 2), (17, 1)])
def test_weights_are_the_gradient_of_the_bound(shape, axis):
    log_w = random_log_weights(shape)
    upstream = np.random.default_rng(1).standard_normal(shape[1 - axis])

    def loss(log_w):
        return float(upstream @ iwae_bound(log_w, axis))

    weights = importance_weights(log_w, axis).weights
    assert_gradients(loss, [log_w], [weights * np.expand_dims(upstream, axis)])


def test_weights_along_one_direction_at_size():
    log_w = random_log_weights((3000, 40), offset=-10.0)
    weights = importance_weights(log_w).weights
    assert_directional(lambda x: float(iwae_bound(x).sum()), [log_w], [weights])


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_jacobian(axis):
    a = random_log_weights((6, 4), spread=1.0)
    upstream = np.random.default_rng(1).standard_normal(a.shape)
    p = softmax(a, axis)
    inner = (upstream * p).sum(axis=axis, keepdims=True)
    assert_gradients(
        lambda a: float((upstream * softmax(a, axis)).sum()),
        [a],
        [p * (upstream - inner)],
    )
    assert_gradients(
        lambda a: float((upstream * log_softmax(a, axis)).sum()),
        [a],
        [upstream - p * upstream.sum(axis=axis, keepdims=True)],
    )
