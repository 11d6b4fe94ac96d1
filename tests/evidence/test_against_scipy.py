"""The same answers as SciPy, where SciPy has one."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from fastnotes import evidence
from support.log_weights import SHAPES, random_log_weights
from support.sweeps import DTYPES
from support.tolerances import LOG_OF_SUM, NORMALISED


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_functions(shape, axis):
    a = random_log_weights(shape, offset=-300.0)
    for ours, theirs, tolerance in (
        (evidence.logsumexp, scipy.special.logsumexp, LOG_OF_SUM),
        (evidence.softmax, scipy.special.softmax, NORMALISED),
        (evidence.log_softmax, scipy.special.log_softmax, LOG_OF_SUM),
    ):
        tolerance.assert_close(ours(a, axis=axis), theirs(a, axis=axis))


@pytest.mark.parametrize("dtype", DTYPES)
def test_float32_stays_as_in_scipy(dtype):
    a = random_log_weights((20, 3), dtype)
    assert evidence.logsumexp(a, 0).dtype == scipy.special.logsumexp(a, 0).dtype


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([1, 2], [1, -0.5]),
        ([2, 1], [-1, 1]),
        ([1, np.inf], [1, 0]),
        ([1, np.inf], [1, 2]),
        ([-np.inf, -np.inf], [1, 2]),
        ([0, 1], [0, 0]),
        ([1, 2], [1, np.nan]),
    ],
)
def test_factors(a, b):
    with np.errstate(all="ignore"):
        expected = scipy.special.logsumexp(a, b=b)
    LOG_OF_SUM.assert_close(evidence.logsumexp(a, b=b), expected)
