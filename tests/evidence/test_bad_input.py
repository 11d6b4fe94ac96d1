"""What is refused, with which error, and that nothing was written."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes import evidence
from support.processes import run_python

REDUCTIONS = ("logsumexp", "logmeanexp", "iwae_bound", "importance_weights")
SOFTMAXES = ("softmax", "log_softmax")
ESTIMATES = (
    "elbo",
    "gradient_weights",
    "iwae_bias_variance",
    "jackknife_bound",
    "psis",
)

BAD_ARRAYS = {
    "object": (np.array([1, None]), TypeError),
    "complex": (np.ones(3, complex), TypeError),
    "string": (["1.0", "2.0"], TypeError),
    "text": ("1.0", TypeError),
    "bytes": (np.array([b"a"]), TypeError),
    "datetime": (np.zeros(2, "M8[s]"), TypeError),
    "structured": (np.zeros(2, [("x", float)]), TypeError),
    "masked": (np.ma.masked_equal([1.0, 2.0], 2), TypeError),
    "ragged": ([[1.0, 2.0], [3.0]], ValueError),
    "none": (None, TypeError),
}

BAD_AXES = [
    (2, ValueError),
    (-3, ValueError),
    (2**70, ValueError),
    (True, TypeError),
    (0.0, TypeError),
    ("0", TypeError),
    ([0], TypeError),
]


def message(name):
    return rf"^\[evidence\.{name}\] expected .*, got "


@pytest.mark.parametrize("name", REDUCTIONS + SOFTMAXES + ESTIMATES)
@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_arrays(name, case):
    value, error = BAD_ARRAYS[case]
    with pytest.raises(error, match=message(name)):
        getattr(evidence, name)(value)


@pytest.mark.parametrize("name", REDUCTIONS + SOFTMAXES + ESTIMATES)
@pytest.mark.parametrize(("axis", "error"), BAD_AXES)
def test_axes(name, axis, error):
    with pytest.raises(error, match=message(name)):
        getattr(evidence, name)(np.zeros((2, 3)), axis=axis)


@pytest.mark.parametrize("name", ["logsumexp", "logmeanexp"])
@pytest.mark.parametrize(
    ("axis", "error"),
    [((0, 0), ValueError), ((0, -2), ValueError), ((0, 2), ValueError)],
)
def test_several_axes(name, axis, error):
    with pytest.raises(error, match=message(name)):
        getattr(evidence, name)(np.zeros((2, 3)), axis)


@pytest.mark.parametrize(
    "name", ["importance_weights", "iwae_bound", *SOFTMAXES, *ESTIMATES]
)
def test_a_scalar_has_no_axis(name):
    with pytest.raises(ValueError, match="at least one dimension, got a scalar"):
        getattr(evidence, name)(1.0)


@pytest.mark.parametrize(
    "name", ["importance_weights", "iwae_bound", "logmeanexp", *ESTIMATES]
)
@pytest.mark.parametrize("shape", [(0,), (0, 3), (0, 0)])
def test_no_samples(name, shape):
    with pytest.raises(ValueError, match=message(name)):
        getattr(evidence, name)(np.zeros(shape), axis=0)


@pytest.mark.parametrize(
    "name", [*REDUCTIONS, *SOFTMAXES, "jackknife_bound", "gradient_weights"]
)
@pytest.mark.parametrize(
    ("n_threads", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)]
)
def test_threads(name, n_threads, error):
    with pytest.raises(error, match=message(name)):
        getattr(evidence, name)(np.zeros((2, 3)), axis=0, n_threads=n_threads)


@pytest.mark.parametrize(
    ("order", "error"),
    [*((each, ValueError) for each in (-1, 3, 6, 2**70)), (True, TypeError)]
    + [(each, TypeError) for each in (1.0, "1", None)],
)
def test_orders(order, error):
    with pytest.raises(error, match=message("jackknife_bound")):
        evidence.jackknife_bound(np.zeros((3, 2)), order)
    with pytest.raises(error, match=message("jackknife_coefficients")):
        evidence.jackknife_coefficients(3, order)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("iwea",), ValueError),
        ((None,), TypeError),
        (("vimco", 0), ValueError),
    ],
)
def test_estimators(arguments, error):
    with pytest.raises(error, match=message("gradient_weights")):
        evidence.gradient_weights(np.zeros((1, 2)), *arguments)
    with pytest.raises(ValueError, match=message("gradient_weights")):
        evidence.gradient_weights(np.zeros((1, 2)), "jackknife")


@pytest.mark.parametrize("name", ["n_samples", "n_terms"])
@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (2**70, ValueError), (1.0, TypeError)]
)
def test_terms_of_the_bias(name, value, error):
    with pytest.raises(error, match=message("iwae_bias_variance")):
        evidence.iwae_bias_variance(np.zeros((3, 2)), **{name: value})


def test_factors_must_broadcast():
    with pytest.raises(ValueError, match=message("logsumexp")):
        evidence.logsumexp(np.zeros((2, 3)), b=np.ones(2))
    with pytest.raises(TypeError, match=message("logsumexp")):
        evidence.logsumexp(np.zeros(3), b=np.ones(3, complex))


def bad_outputs(shape):
    read_only = np.full(shape, 7.0)
    read_only.flags.writeable = False
    return {
        "dtype": (np.full(shape, 7, np.float32), ValueError),
        "byte order": (np.full(shape, 7, ">f8"), ValueError),
        "shape": (np.full((*shape, 1), 7.0), ValueError),
        "strided": (
            np.full((shape[0], *shape[1:-1], shape[-1] * 2), 7.0)[..., ::2],
            ValueError,
        ),
        "read-only": (read_only, ValueError),
        "list": ([7.0] * shape[0], TypeError),
    }


@pytest.mark.parametrize("case", bad_outputs((1,)))
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("logsumexp", (4,)),
        ("logmeanexp", (4,)),
        ("softmax", (3, 4)),
        ("log_softmax", (3, 4)),
    ],
)
def test_outputs(name, shape, case):
    out, error = bad_outputs(shape)[case]
    with pytest.raises(error, match=message(name)):
        getattr(evidence, name)(np.zeros((3, 4)), 0, out=out)
    assert (np.asarray(out) == 7).all()


@pytest.mark.parametrize("name", SOFTMAXES)
def test_output_over_its_input(name):
    a = np.full((3, 4), 2.0)
    with pytest.raises(ValueError, match="overlapping"):
        getattr(evidence, name)(a, out=a)
    assert (a == 2).all()


def test_output_over_an_input_of_a_sum():
    a, b = np.full((3, 3), 2.0), np.full((3, 3), 2.0)
    for source in (a, b):
        with pytest.raises(ValueError, match="overlapping"):
            evidence.logsumexp(a, 0, b=b, out=source[1])
    assert (a == 2).all()
    assert (b == 2).all()


def test_huge_stride_is_read_once_and_right():
    base = np.zeros((3, 1 << 20), np.float32)
    column = base[:, :: 1 << 19]
    assert column.strides[1] == 1 << 21
    assert (evidence.logmeanexp(column, 0) == 0).all()
    assert (evidence.logmeanexp(np.broadcast_to(np.float64(3), (5, 4)), 0) == 3).all()


HUGE = """
import numpy as np
from fastnotes import evidence

for function in (evidence.softmax, evidence.log_softmax):
    assert function(np.empty((2**58, 0)), axis=1).shape == (2**58, 0)
    assert function(np.empty((0, 2**58)), axis=0).shape == (0, 2**58)
assert evidence.logsumexp(np.empty((0, 2**58)), axis=1).shape == (0,)
"""


def test_astronomical_shapes_of_nothing_take_no_time():
    done = run_python(HUGE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("b", [10**400, -1e300], ids=["int", "float"])
def test_a_number_beyond_the_dtype_is_refused(b):
    with pytest.raises(ValueError, match="expected b within the range of float32, got"):
        evidence.logsumexp(np.zeros(3, np.float32), b=b)
    assert np.isposinf(evidence.logsumexp(np.zeros(3, np.float32), b=np.inf))
