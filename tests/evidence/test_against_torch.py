"""torch as an outside judge of bound and gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastnotes.evidence import importance_weights
from support.log_weights import random_log_weights
from support.tolerances import LOG_OF_SUM, NORMALISED

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("axis", [0, 1])
def test_bound_and_its_gradient(axis):
    log_w = random_log_weights((64, 50), offset=-90.0)
    leaf = torch.tensor(log_w, requires_grad=True)
    bound = torch.logsumexp(leaf, axis) - math.log(log_w.shape[axis])
    bound.sum().backward()
    got = importance_weights(log_w, axis)
    LOG_OF_SUM.assert_close(got.bound, bound.detach().numpy())
    NORMALISED.assert_close(got.weights, leaf.grad.numpy())


def test_agreement_on_infinities():
    log_w = np.array([[-np.inf, np.inf], [0.0, 1.0]])
    expected = torch.logsumexp(torch.tensor(log_w), 0) - math.log(2)
    np.testing.assert_array_equal(importance_weights(log_w).bound, expected.numpy())
