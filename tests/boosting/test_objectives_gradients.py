from __future__ import annotations

import numpy as np
import pytest

from boosting.objective_cases import POINTWISE, gradients_of, margins_of
from fastnotes._core import native
from fastnotes._reference import boosting_objectives as reference
from support.gradcheck import STEP, assert_gradients
from support.tolerances import COMPOSITE, ELEMENTWISE, GRADIENT

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
        GRADIENT.assert_close(hess[k], 4 / 3 * slopes[k])


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_softmax_steps_as_newton_where_classes_are_equally_likely(n_classes):
    m = np.ones((n_classes, 1))
    grad, hess = reference.softmax_derivatives(np.zeros(1, int), m)
    matrix = np.eye(n_classes) / n_classes - 1 / n_classes**2
    ELEMENTWISE.assert_close(matrix @ (grad / hess), grad)


def test_softmax_of_two_classes_steps_as_the_logistic_loss():
    rng = np.random.default_rng(0)
    y, m = rng.integers(0, 2, N), margins_of(2, N)
    grad, hess = reference.softmax_derivatives(y, m)
    steps = -grad / hess
    logistic = reference.derivatives("logistic", y, m[1] - m[0], 0.0)
    COMPOSITE.assert_close(steps[1] - steps[0], -logistic.grad / logistic.hess)


def _slopes(function, m, direction=1.0):
    moved = (function(m + side * STEP * direction) for side in (1.0, -1.0))
    return np.subtract(*moved) / (2 * STEP)


def _difference(loss, m, i):
    step = np.zeros_like(m)
    step[i] = STEP
    return (loss(m + step) - loss(m - step)) / (2 * STEP)
