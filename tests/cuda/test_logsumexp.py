"""logsumexp, logmeanexp, softmax and log_softmax on CUDA."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes._reference import evidence as reference
from fastnotes.evidence import log_softmax, logmeanexp, logsumexp, softmax
from support.cuda import KINDS, ArrayKind
from support.log_weights import (
    SHAPES,
    SPREADS,
    assert_weights_close,
    random_log_weights,
    with_edge_values,
)
from support.sweeps import AWKWARD_SIZES, DTYPES, assert_same_bytes
from support.tolerances import LOG_OF_SUM

AXES = (None, 0, 1, 2, -1, (0,), (0, 1), (1, 2), (2, 0, 1), ())


def assert_sums_match(a: np.ndarray, axis: Any, keepdims: bool = False) -> None:
    for function, twin in (
        (logsumexp, reference.logsumexp),
        (logmeanexp, reference.logmeanexp),
    ):
        got = function(a, axis, keepdims=keepdims, device="cuda")
        expected = twin(a, axis, keepdims=keepdims)
        assert got.dtype == a.dtype
        assert got.shape == np.shape(expected)
        LOG_OF_SUM.assert_close(got, expected)


def assert_softmax_matches(a: np.ndarray, axis: int) -> None:
    got = softmax(a, axis, device="cuda")
    assert got.dtype == a.dtype
    assert_weights_close(got, reference.softmax(a, axis))
    got = log_softmax(a, axis, device="cuda")
    assert got.dtype == a.dtype
    LOG_OF_SUM.assert_close(got, reference.log_softmax(a, axis))


# ------------------------------------------------------------------- against reference


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_library(kind: ArrayKind, dtype: Any) -> None:
    a = random_log_weights((40, 3, 50), dtype)
    b = np.random.default_rng(1).uniform(-0.1, 2.0, a.shape).astype(dtype)
    on_device = kind.put(a)
    calls = [
        (logsumexp(on_device, (0, 1), **kind.options), reference.logsumexp(a, (0, 1))),
        (logmeanexp(on_device, 2, **kind.options), reference.logmeanexp(a, 2)),
        (log_softmax(on_device, 1, **kind.options), reference.log_softmax(a, 1)),
        (
            logsumexp(on_device, 0, b=kind.put(b), **kind.options),
            reference.logsumexp(a, 0, b),
        ),
    ]
    for got, expected in calls:
        assert isinstance(got, kind.type)
        LOG_OF_SUM.assert_close(kind.get(got), expected)
    got = softmax(on_device, **kind.options)
    assert isinstance(got, kind.type)
    assert_weights_close(kind.get(got), reference.softmax(a))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES)
def test_axes(axis: Any, keepdims: bool, dtype: Any) -> None:
    assert_sums_match(random_log_weights((4, 3, 5), dtype), axis, keepdims)
    assert_sums_match(random_log_weights((20, 1, 150), dtype), axis, keepdims)


def test_an_axis_of_length_one_is_no_obstacle(kind: ArrayKind) -> None:
    a = random_log_weights((7, 1, 5))
    got = kind.get(logsumexp(kind.put(a), (0, 2), **kind.options))
    LOG_OF_SUM.assert_close(got, reference.logsumexp(a, (0, 2)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_softmax_shapes(shape: Any, axis: int, spread: float, dtype: Any) -> None:
    assert_softmax_matches(random_log_weights(shape, dtype, spread=spread), axis)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [*AWKWARD_SIZES, 513, 2500])
def test_awkward_sizes(n: int, dtype: Any) -> None:
    for axis in (0, 1):
        for other in (1, 9, 33):
            shape = (n, other) if axis == 0 else (other, n)
            a = with_edge_values(random_log_weights(shape, dtype), seed=n)
            got = logsumexp(a, axis, device="cuda")
            LOG_OF_SUM.assert_close(got, reference.logsumexp(a, axis))
            assert_softmax_matches(a, axis)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(70, 33), (1000, 7), (3000, 5), (600, 1)])
def test_factors(shape: Any, dtype: Any) -> None:
    a = random_log_weights(shape, dtype)
    rng = np.random.default_rng(1)
    b = rng.uniform(0.5, 2.0, a.shape).astype(dtype)
    b[rng.random(a.shape) < 0.2] = 0
    got = logsumexp(a, 0, b=b, device="cuda")
    assert got.dtype == dtype
    LOG_OF_SUM.assert_close(got, reference.logsumexp(a, 0, b))
    assert_same_bytes(logsumexp(a.T.copy(), 1, b=b.T.copy(), device="cuda"), got)


def test_factors_of_host_arrays_are_broadcast() -> None:
    a = random_log_weights((2, 3, 4))
    for b in (2.0, np.arange(4.0), np.ones((3, 1))):
        got = logsumexp(a, 1, b=b, device="cuda")
        LOG_OF_SUM.assert_close(got, reference.logsumexp(a, 1, b))


def test_factors_at_the_edges() -> None:
    for a, b in (
        ([1.0, 2.0], [1.0, -1.0]),
        ([1.0, np.inf], [1.0, 0.0]),
        ([1.0, np.nan], [1.0, 0.0]),
        ([1.0, 2.0], [0.0, 0.0]),
        ([np.inf, 2.0], [1.0, 1.0]),
    ):
        got = logsumexp(np.array(a), b=np.array(b), device="cuda")
        np.testing.assert_array_equal(got, logsumexp(a, b=b))


# ------------------------------------------------------------------- edge values


@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_sums(dtype: Any) -> None:
    def total(shape: Any, axis: Any = None) -> Any:
        return logsumexp(np.zeros(shape, dtype), axis, device="cuda")

    assert total(0) == -np.inf
    assert (total((0, 3), 0) == np.full(3, -np.inf)).all()
    assert total((0, 3), 1).shape == (0,)
    assert total((2, 0, 3), 2).shape == (2, 0)
    assert softmax(np.zeros((0, 3), dtype), 0, device="cuda").shape == (0, 3)
    assert log_softmax(np.zeros((3, 0), dtype), 0, device="cuda").shape == (3, 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "a",
    [
        [-np.inf, -np.inf],
        [np.inf, np.inf, 1, -np.inf],
        [np.nan, 1],
        [np.nan, np.inf],
        [-800, 0, 800],
        [-1e30, 1e30],
    ],
)
def test_edge_table_is_the_cpu_s(a: list[float], dtype: Any) -> None:
    values = np.array(a, dtype)
    for padding in (0, 500, 3000):
        padded = np.concatenate([np.full(padding, -np.inf, dtype), values])
        np.testing.assert_array_equal(
            logsumexp(padded, device="cuda"), logsumexp(padded)
        )
        np.testing.assert_array_equal(softmax(padded, device="cuda"), softmax(padded))
        LOG_OF_SUM.assert_close(log_softmax(padded, device="cuda"), log_softmax(padded))


def test_scalars(kind: ArrayKind) -> None:
    got = logsumexp(kind.put(np.float32(3)), **kind.options)
    assert tuple(got.shape) == ()
    assert kind.get(got) == 3


# ------------------------------------------------------------------- out


@pytest.mark.parametrize("name", ["cupy", "torch"])
def test_out_is_filled_and_returned(name: str) -> None:
    kind = KINDS[name]()
    a = kind.put(random_log_weights((5, 600)))
    for call, shape in (
        (lambda out=None: logsumexp(a, 0, out=out), (600,)),
        (lambda out=None: logsumexp(a, 1, keepdims=True, out=out), (5, 1)),
        (lambda out=None: logmeanexp(a, None, out=out), ()),
        (lambda out=None: softmax(a, out=out), (5, 600)),
        (lambda out=None: log_softmax(a, 0, out=out), (5, 600)),
    ):
        out = kind.put(np.full(shape, 7.0))
        assert call(out) is out
        assert_same_bytes(kind.get(out), kind.get(call()))


@pytest.mark.parametrize("name", ["cupy", "torch"])
def test_outputs_that_do_not_fit(name: str) -> None:
    kind = KINDS[name]()
    a = kind.put(np.zeros((3, 4)))
    refused = [
        (kind.put(np.zeros((3, 4), np.float32)), ValueError),
        (kind.put(np.zeros((4, 3))), ValueError),
        (kind.put(np.zeros((3, 8)))[:, ::2], ValueError),
        (np.zeros((3, 4)), TypeError),
        (a, ValueError),
    ]
    for out, error in refused:
        with pytest.raises(error, match=r"^\[evidence\.softmax\] expected .*, got "):
            softmax(a, out=out)
    assert (kind.get(a) == 0).all()


# ------------------------------------------------------------------- bad input


def test_what_is_refused(kind: ArrayKind) -> None:
    where = r"^\[evidence\.logsumexp\] expected .*, got "
    a = kind.put(np.zeros((2, 3, 4)))
    for axis, error in (((0, 0), ValueError), ((0, 3), ValueError), ("0", TypeError)):
        with pytest.raises(error, match=where):
            logsumexp(a, axis, **kind.options)
    with pytest.raises(ValueError, match=r"evidence\.logsumexp.*neighbouring axes"):
        logsumexp(a, (0, 2), **kind.options)
    with pytest.raises(ValueError, match=r"evidence\.logmeanexp.*at least one entry"):
        logmeanexp(kind.put(np.zeros((0, 3))), 0, **kind.options)


@pytest.mark.parametrize("name", ["cupy", "torch"])
def test_factors_that_would_need_a_copy(name: str) -> None:
    kind = KINDS[name]()
    a = kind.put(np.zeros((2, 3)))
    refused = [
        (kind.put(np.zeros(3)), ValueError),
        (kind.put(np.zeros((2, 3), np.float32)), ValueError),
        (2.0, TypeError),
        (np.zeros((2, 3)), TypeError),
    ]
    for b, error in refused:
        with pytest.raises(error, match=r"^\[evidence\.logsumexp\] expected .*, got "):
            logsumexp(a, b=b)


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(RuntimeError, match="CUDA"):
        logsumexp(np.zeros(3), device="cuda:99")
