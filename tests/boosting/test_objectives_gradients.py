from __future__ import annotations

import numpy as np
import pytest

from boosting.objective_cases import POINTWISE, gradients_of, margins_of
from fastnotes._core import native
from fastnotes._reference import boosting_objectives as reference
from fastnotes.boosting import resolve_objective
from support.gradcheck import STEP, assert_gradients
from support.tolerances import COMPOSITE, GRADIENT

N = 23


@pytest.mark.parametrize("case", POINTWISE.values(), ids=POINTWISE)
def test_formulas(case):
    """The reference's g by differences of its loss, its h by differences of its g."""
    y, m = case.targets(N).astype(np.float64), margins_of(1, N)[0]
    grad, hess = reference.derivatives(case.loss, y, m, case.parameter)
    assert_gradients(
        lambda x: reference.value(case.loss, y, x, case.parameter).sum(), [m], [grad]
    )
    if case.objective.renews_leaves:
        np.testing.assert_array_equal(hess, 1.0)
        return
    raised = np.exp(case.parameter) if case.loss == "poisson" else 1.0
    slopes = _slopes(
        lambda x: reference.derivatives(case.loss, y, x, case.parameter).grad, m
    )
    GRADIENT.assert_close(hess / raised, slopes)


@pytest.mark.parametrize("case", POINTWISE.values(), ids=POINTWISE)
@pytest.mark.parametrize("weighted", [False, True])
def test_kernels_differentiate_their_own_loss(case, weighted):
    y, m = case.targets(N), margins_of(1, N)[0]
    weight = np.arange(1, N + 1, dtype=np.float32) / 8 if weighted else None
    grad, _ = gradients_of(case.objective.bind(y, weight), m[None])
    parameters = np.array([case.parameter])

    def loss(x):
        sums = native.boosting.pointwise_loss(
            case.loss, y, weight, x[None], parameters, 1
        )
        return float(sums[0])

    slopes = np.array([_difference(loss, m, i) for i in range(N)])
    COMPOSITE.assert_close(grad[0], slopes)


def test_softmax_formulas():
    rng = np.random.default_rng(0)
    y, m = rng.integers(0, 4, N), margins_of(4, N)
    grad, hess = reference.softmax_derivatives(y, m)
    assert_gradients(lambda x: reference.softmax_value(y, x).sum(), [m], [grad])
    for k in range(4):
        row = np.arange(4)[:, None] == k
        slopes = _slopes(lambda x: reference.softmax_derivatives(y, x).grad, m, row)
        GRADIENT.assert_close(hess[k], 2.0 * slopes[k])


def test_softmax_hessian_bounds_the_whole_matrix():
    m = margins_of(5, 50)
    _, hess = reference.softmax_derivatives(np.zeros(50, int), m)
    p = resolve_objective("softmax", n_classes=5).link_inverse(m)
    for i in range(50):
        matrix = np.diag(hess[:, i]) - (np.diag(p[:, i]) - np.outer(p[:, i], p[:, i]))
        assert np.linalg.eigvalsh(matrix)[0] > -1e-15


def _slopes(function, m, direction=1.0):
    moved = (function(m + side * STEP * direction) for side in (1.0, -1.0))
    return np.subtract(*moved) / (2 * STEP)


def _difference(loss, m, i):
    step = np.zeros_like(m)
    step[i] = STEP
    return (loss(m + step) - loss(m - step)) / (2 * STEP)
