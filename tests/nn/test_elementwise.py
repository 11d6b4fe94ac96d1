"""Elementary functions: accuracy over the whole range, edges, and same bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastnotes import nn
from fastnotes._reference import nn as reference
from support.sweeps import (
    AWKWARD_SIZES,
    DTYPES,
    assert_same_bytes,
    same_bytes_for_threads,
)
from support.tolerances import ELEMENTWISE, TRANSCENDENTAL
from support.ulp import MAX_ULP, ulp_errors

NAMES = tuple(MAX_ULP)
INF = float("inf")
NAN = float("nan")

#: The twins; with an argument of a wider type they are the exact values.
TWINS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "sigmoid": reference.sigmoid,
    "softplus": reference.softplus,
}

BY_MPMATH: dict[str, Callable[[Any], Any]] = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "expm1": mpmath.expm1,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}

wide_longdouble = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="long double is not wider here"
)
each_function = pytest.mark.parametrize("name", NAMES)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def call(name: str, x: Any, **keywords: Any) -> NDArray[Any]:
    return getattr(nn, name)(x, **keywords)


def exact(name: str, x: NDArray[Any], wider: type) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        return TWINS[name](x.astype(wider))


def assert_within_ulp(name: str, x: NDArray[Any], wider: type) -> None:
    errors = ulp_errors(call(name, x), exact(name, x, wider))
    worst = int(np.argmax(errors))
    assert errors[worst] <= MAX_ULP[name], f"{name}({x[worst]!r}): {errors[worst]} ULP"


def float32_patterns(stride: int, first: int = 0) -> NDArray[np.float32]:
    return np.arange(first, 2**32, stride, dtype=np.uint32).view(np.float32)


def critical_points(dtype: type) -> NDArray[Any]:
    """Neighbours of the points where a branch, a range or an exponent changes."""
    info = np.finfo(dtype)
    edge = [0.0, info.smallest_subnormal, info.tiny, info.eps, info.max, INF]
    edge += [0.25, 1 / 3, 0.5, 0.75, 1.0, 1.5, 2.0, 9.0, 10.0, 17.3, 20.0, 36.7, 40.0]
    edge += [k * float(np.log(2)) / 2 for k in range(1, 12)]
    edge += [87.3, 88.72284, 89.0, 103.97, 105.0, 708.4, 709.782712893384, 745.1332]
    points = np.array(edge, dtype)
    with np.errstate(over="ignore"):  # past the largest number
        near = [points, np.nextafter(points, 0), np.nextafter(points, INF)]
    around = np.concatenate(near).astype(dtype)
    return np.concatenate([around, -around, np.array([NAN], dtype)])


# Accuracy


@each_function
def test_float32_over_all_magnitudes(name: str) -> None:
    assert_within_ulp(name, float32_patterns(2039), np.float64)


@pytest.mark.slow
@each_function
def test_float32_over_dense_bit_patterns(name: str) -> None:
    for first in range(64):
        assert_within_ulp(name, float32_patterns(64 * 61, 61 * first), np.float64)


@wide_longdouble
@each_function
def test_float64_over_all_magnitudes(name: str) -> None:
    rng = np.random.default_rng(7)
    patterns = rng.integers(0, 2**64, 60_000, dtype=np.uint64).view(np.float64)
    assert_within_ulp(name, patterns, np.longdouble)


@wide_longdouble
@each_function
@pytest.mark.parametrize("scale", [1e-8, 1e-3, 0.5, 2.0, 50.0, 750.0])
def test_float64_where_the_function_bends(name: str, scale: float) -> None:
    x = np.random.default_rng(11).uniform(-scale, scale, 40_000)
    assert_within_ulp(name, x, np.longdouble)


@wide_longdouble
@each_function
def test_critical_points(name: str) -> None:
    assert_within_ulp(name, critical_points(np.float32), np.float64)
    assert_within_ulp(name, critical_points(np.float64), np.longdouble)


@each_function
@each_dtype
def test_against_mpmath(name: str, dtype: type) -> None:
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.uniform(-3, 3, 60), rng.uniform(-80, 80, 60)]).astype(dtype)
    if name in ("log", "log1p"):
        x = np.abs(x)
    got = call(name, x)
    with mpmath.workprec(200):
        for value, result in zip(x.tolist(), got.tolist(), strict=True):
            wanted = BY_MPMATH[name](mpmath.mpf(value))
            spacing = float(np.spacing(dtype(abs(float(wanted)))))
            assert abs(result - wanted) <= MAX_ULP[name] * spacing


def test_softplus_where_exp_is_lost_beside_one() -> None:
    # exp(-50) and 20 + exp(-20), to the digits that the next terms leave alone
    got = nn.softplus([-50.0, 20.0])
    ELEMENTWISE.assert_close(got, [1.928749847963918e-22, 20.00000000206115])


@each_function
@each_dtype
def test_twin(name: str, dtype: type) -> None:
    x = np.linspace(0.01, 9, 257, dtype=dtype)
    TRANSCENDENTAL.assert_close(call(name, x), TWINS[name](x))


# Edges

EDGES = [
    ("exp", [-INF, -0.0, 0.0, INF, -1e4, 1e4], [0.0, 1.0, 1.0, INF, 0.0, INF]),
    ("log", [0.0, -0.0, 1.0, INF, -1.0, -INF], [-INF, -INF, 0.0, INF, NAN, NAN]),
    ("log1p", [-1.0, -0.0, 0.0, INF, -1.5, -INF], [-INF, -0.0, 0.0, INF, NAN, NAN]),
    ("expm1", [-INF, -0.0, 0.0, INF, -1e4, 1e4], [-1.0, -0.0, 0.0, INF, -1.0, INF]),
    ("tanh", [-INF, -0.0, 0.0, INF, -1e4, 1e4], [-1.0, -0.0, 0.0, 1.0, -1.0, 1.0]),
    ("sigmoid", [-INF, 0.0, -0.0, INF, -1e4, 1e4], [0.0, 0.5, 0.5, 1.0, 0.0, 1.0]),
    ("softplus", [-INF, INF, -1e4, 1e4], [0.0, INF, 0.0, 1e4]),
]


@pytest.mark.parametrize(("name", "x", "wanted"), EDGES)
@each_dtype
def test_edge_values(
    name: str, x: list[float], wanted: list[float], dtype: type
) -> None:
    got = call(name, np.array(x, dtype))
    np.testing.assert_array_equal(got, np.array(wanted, dtype))
    number = ~np.isnan(got)
    np.testing.assert_array_equal(
        np.signbit(got)[number], np.signbit(wanted)[number], "sign of zero"
    )


@each_function
@each_dtype
def test_nan_gives_nan(name: str, dtype: type) -> None:
    x = np.full(33, NAN, dtype)
    assert np.isnan(call(name, x)).all()


@pytest.mark.parametrize("name", ["exp", "sigmoid", "softplus"])
@each_dtype
def test_underflow_is_gradual(name: str, dtype: type) -> None:
    x = -np.linspace(87.5, 103, 50) if dtype is np.float32 else -np.arange(709.0, 745)
    got = call(name, x.astype(dtype))
    assert ((got > 0) & (got < np.finfo(dtype).tiny)).all()
    assert (np.diff(got) <= 0).all()


# Same bytes


@each_function
@each_dtype
@pytest.mark.parametrize("size", AWKWARD_SIZES)
def test_a_value_does_not_depend_on_its_place(
    name: str, dtype: type, size: int
) -> None:
    x = np.random.default_rng(size).normal(0, 6, size).astype(dtype)
    one_by_one = [call(name, x[i : i + 1]) for i in range(size)]
    alone = np.concatenate([np.empty(0, dtype), *one_by_one])
    assert_same_bytes(call(name, x), alone)


@each_function
@each_dtype
def test_same_bytes_for_any_threads(name: str, dtype: type) -> None:
    x = np.random.default_rng(5).normal(0, 6, 230_017).astype(dtype)
    whole = same_bytes_for_threads(lambda n: call(name, x, n_threads=n))
    assert_same_bytes(whole[1000:1100], call(name, x[1000:1100]))


@each_dtype
def test_results_past_the_cache(dtype: type) -> None:
    x = np.random.default_rng(5).normal(0, 6, 2_200_003).astype(dtype)
    memory = np.empty(x.size + 1, dtype)
    aligned_otherwise = memory[1:]
    whole = same_bytes_for_threads(lambda n: nn.sigmoid(x, n_threads=n))
    assert_same_bytes(nn.sigmoid(x, out=aligned_otherwise, n_threads=2), whole)
    pieces = [nn.sigmoid(piece) for piece in np.array_split(x, 9)]
    assert_same_bytes(whole, np.concatenate(pieces))


# Arguments


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2, 3), (2, 3, 4, 5)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).normal(size=shape)
    got = nn.exp(x)
    assert got.shape == shape
    assert_same_bytes(got.ravel(), nn.exp(x.ravel()))


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        ([1, 2, 3], np.float64),
        (2.0, np.float64),
        (np.array([True, False]), np.float64),
        (np.arange(3, dtype=np.int8), np.float64),
        (np.ones(3, np.float16), np.float64),
        (np.ones(3, ">f4"), np.float32),
        (np.ones((4, 6), np.float32)[:, ::2], np.float32),
        (np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.float64),
    ],
)
def test_conversions(x: Any, dtype: type) -> None:
    got = nn.tanh(x)
    assert got.dtype == dtype
    assert_same_bytes(got, nn.tanh(np.array(x, dtype=dtype, order="C")))


@each_dtype
def test_out(dtype: type) -> None:
    x = np.linspace(-3, 3, 37, dtype=dtype)
    out = np.full(37, NAN, dtype)
    assert nn.softplus(x, out=out) is out
    assert_same_bytes(out, nn.softplus(x))


def test_out_may_be_a_matrix() -> None:
    x = np.arange(6.0).reshape(2, 3)
    out = np.zeros((2, 3)).view(np.matrix)
    assert nn.exp(x, out=out) is out
    assert_same_bytes(np.asarray(out), nn.exp(x))


def test_read_only_input() -> None:
    x = np.linspace(-3, 3, 37)
    x.flags.writeable = False
    assert_same_bytes(nn.exp(x), nn.exp(x.copy()))


X = np.zeros(4)
BAD = [
    (ValueError, "out as float64", X, {"out": np.zeros(3)}),
    (ValueError, "out as float64", X, {"out": np.zeros(4, np.float32)}),
    (ValueError, "out C-contiguous", X, {"out": np.zeros(8)[::2]}),
    (ValueError, "out apart from the inputs", X, {"out": X}),
    (TypeError, "out as a NumPy array", X, {"out": [0.0] * 4}),
    (TypeError, "out without a mask", X, {"out": np.ma.zeros(4)}),
    (TypeError, "x of real numbers", np.zeros(4, complex), {}),
    (TypeError, "x of real numbers", ["a", "b"], {}),
    (TypeError, "x of real numbers", np.array([None]), {}),
    (ValueError, "rectangular", [[1.0], [1.0, 2.0]], {}),
    (ValueError, "n_threads", X, {"n_threads": 0}),
    (TypeError, "n_threads", X, {"n_threads": 1.5}),
]


@pytest.mark.parametrize(("error", "message", "x", "keywords"), BAD)
@each_function
def test_bad_input(
    name: str, error: type[Exception], message: str, x: Any, keywords: dict[str, Any]
) -> None:
    with pytest.raises(error, match=message) as caught:
        call(name, x, **keywords)
    assert str(caught.value).startswith(f"[nn.{name}] ")


# Invariants

moderate = hnp.arrays(
    np.float64, st.integers(1, 40), elements=st.floats(-30, 30, allow_subnormal=False)
)


@each_function
@given(x=moderate)
def test_monotone(name: str, x: NDArray[np.float64]) -> None:
    """Never down by more than the error bound of two neighbours."""
    x = np.sort(np.abs(x) + 0.001 if name in ("log", "log1p") else x)
    y = call(name, x)
    assert (np.diff(y) >= -2 * MAX_ULP[name] * np.spacing(np.abs(y[1:]))).all()


@given(x=moderate)
def test_sigmoid_of_both_signs_is_one(x: NDArray[np.float64]) -> None:
    total = nn.sigmoid(x) + nn.sigmoid(-x)
    assert (np.abs(total - 1) <= 2 * np.spacing(1.0)).all()


@given(x=moderate)
def test_softplus_of_both_signs_differs_by_x(x: NDArray[np.float64]) -> None:
    right = nn.softplus(x)
    difference = right - nn.softplus(-x)
    largest = np.maximum(right, np.abs(x))
    assert (np.abs(difference - x) <= 2 * np.spacing(np.maximum(largest, 1.0))).all()


@given(x=moderate)
def test_tanh_is_odd(x: NDArray[np.float64]) -> None:
    assert_same_bytes(nn.tanh(-x), -nn.tanh(x))


@given(x=moderate)
def test_expm1_undoes_log1p(x: NDArray[np.float64]) -> None:
    x = np.abs(x)
    TRANSCENDENTAL.assert_close(nn.log1p(nn.expm1(x)), x)
