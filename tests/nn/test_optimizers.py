"""Adam, SGD and clipping: the twins, laws, state, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastnotes._reference import nn as reference
from fastnotes.nn import SGD, Adam, Optimizer, clip_gradients
from support.sweeps import AWKWARD_SIZES, DTYPES, same_bytes_for_threads
from support.tolerances import COMPOSITE, REDUCTION

N_STEPS = 5
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
MAKERS: dict[str, Callable[[Any], Optimizer]] = {
    "adam": lambda p: Adam(p, 0.01, betas=(0.8, 0.95), epsilon=1e-6),
    "sgd": lambda p: SGD(p, 0.01),
    "momentum": lambda p: SGD(p, 0.01, momentum=0.9),
    "nesterov": lambda p: SGD(p, 0.01, momentum=0.9, nesterov=True),
    "decayed": lambda p: Adam(p, 0.01, weight_decay=0.1, decoupled=True),
}
each_maker = pytest.mark.parametrize("maker", MAKERS)


def draw(size: int, dtype: Any = np.float64) -> tuple[NDArray[Any], list[NDArray[Any]]]:
    rng = np.random.default_rng(size)
    values = rng.normal(size=(N_STEPS + 1, size)).astype(dtype)
    return values[0], list(values[1:])


def train(
    make: Callable[[Any], Optimizer],
    p: NDArray[Any],
    gradients: list[NDArray[Any]],
    n_threads: int = 1,
) -> NDArray[Any]:
    parameters = {"p": p.copy()}
    optimizer = make(parameters)
    for gradient in gradients:
        optimizer.step({"p": gradient}, n_threads=n_threads)
    return parameters["p"]


@each_dtype
@pytest.mark.parametrize("size", AWKWARD_SIZES)
def test_twins(size: int, dtype: Any) -> None:
    p, gradients = draw(size, dtype)
    exact = [g.astype(np.float64) for g in gradients]
    start = p.astype(np.float64)
    COMPOSITE.assert_close(
        train(MAKERS["adam"], p, gradients),
        reference.adam(start, exact, 0.01, (0.8, 0.95), 1e-6),
    )
    for name, momentum in (("sgd", 0.0), ("momentum", 0.9), ("nesterov", 0.9)):
        COMPOSITE.assert_close(
            train(MAKERS[name], p, gradients),
            reference.sgd(start, exact, 0.01, momentum, name == "nesterov"),
        )


def test_the_first_step_of_adam_has_the_length_of_the_rate() -> None:
    p = {"p": np.zeros(3)}
    Adam(p, 0.1, epsilon=0.0).step({"p": np.array([1e-6, -3.0, 1e9])})
    np.testing.assert_allclose(p["p"], [-0.1, 0.1, -0.1], rtol=1e-12)


@pytest.mark.parametrize("optimizer", [Adam, SGD])
def test_weight_decay_is_a_penalty_or_shrinks(optimizer: Any) -> None:
    p, gradients = draw(17)

    def decayed(p: Any) -> Optimizer:
        return optimizer(p, 0.01, weight_decay=0.2)  # type: ignore[no-any-return]

    def by_hand(parameters: dict[str, Any]) -> NDArray[Any]:
        plain = optimizer(parameters, 0.01)
        for g in gradients:
            plain.step({"p": g + 0.2 * parameters["p"]})
        return parameters["p"]  # type: ignore[no-any-return]

    COMPOSITE.assert_close(train(decayed, p, gradients), by_hand({"p": p.copy()}))
    still = {"p": p.copy()}
    optimizer(still, 0.5, weight_decay=0.2, decoupled=True).step({"p": np.zeros(17)})
    np.testing.assert_allclose(still["p"], 0.9 * p, rtol=1e-15)


def test_weight_decay_by_name() -> None:
    parameters = {"w": np.ones(2), "b": np.ones(2)}
    optimizer = SGD(parameters, 0.5, weight_decay={"w": 0.2})
    optimizer.step({"w": np.zeros(2), "b": np.zeros(2)})
    np.testing.assert_allclose(parameters["w"], 0.9)
    np.testing.assert_array_equal(parameters["b"], 1)


@each_maker
@each_dtype
def test_same_bytes(maker: str, dtype: Any) -> None:
    p, gradients = draw(100_003, dtype)
    whole = same_bytes_for_threads(lambda n: train(MAKERS[maker], p, gradients, n))
    part = train(MAKERS[maker], p[500:700], [g[500:700] for g in gradients])
    assert part.tobytes() == whole[500:700].tobytes()


@each_maker
def test_state_goes_on_where_it_was(maker: str) -> None:
    p, gradients = draw(33)
    first = {"p": p.copy()}
    one = MAKERS[maker](first)
    for gradient in gradients[:2]:
        one.step({"p": gradient})
    second = {"p": first["p"].copy()}
    other = MAKERS[maker](second)
    other.state = one.state
    for gradient in gradients[2:]:
        one.step({"p": gradient})
        other.step({"p": gradient})
    assert one.n_steps == other.n_steps == N_STEPS
    assert first["p"].tobytes() == second["p"].tobytes()


def test_state_of_another_is_refused() -> None:
    adam, other = Adam({"p": np.zeros(3)}), Adam({"p": np.zeros(4)})
    with pytest.raises(
        ValueError, match=r"\[nn.Adam.state\] expected mean/p as float64"
    ):
        adam.state = other.state
    with pytest.raises(ValueError, match="state of"):
        adam.state = SGD({"p": np.zeros(3)}, 0.1).state
    assert adam.n_steps == 0


def test_a_quadratic_is_minimised() -> None:
    parameters = {"p": np.array([5.0, -3.0])}
    optimizer = Adam(parameters, 0.1)
    for _ in range(500):
        optimizer.step({"p": parameters["p"] - np.array([1.0, 2.0])})
    np.testing.assert_allclose(parameters["p"], [1, 2], atol=1e-4)


# Clipping


@each_dtype
@pytest.mark.parametrize("size", [0, 1, 7, 4095, 4097, 100_003])
def test_norm(size: int, dtype: Any) -> None:
    values = np.random.default_rng(size).normal(size=size).astype(dtype)
    halves = {"a": values[: size // 2].copy(), "b": values[size // 2 :].copy()}
    got = same_bytes_for_threads(lambda n: clip_gradients(halves, n_threads=n))
    exact = np.linalg.norm(values.astype(np.float64))
    REDUCTION.assert_close(np.array(got), exact)


def test_clipping_scales_all_or_none() -> None:
    gradients = {"a": np.array([3.0]), "b": np.float32([[4.0]])}
    assert clip_gradients(gradients, 5.0) == 5.0
    assert gradients["a"] == 3
    assert clip_gradients(gradients, 1.0) == 5.0
    np.testing.assert_allclose(gradients["a"], [0.6])
    np.testing.assert_allclose(gradients["b"], [[0.8]], rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_norm_that_is_no_number_clips_nothing(value: float) -> None:
    gradients = {"a": np.array([1.0, value]), "b": np.array([7.0])}
    assert not clip_gradients(gradients, 1.0) < np.inf
    assert gradients["b"] == 7


# Bad input

P = np.zeros(3)
BAD_PARAMETERS: list[tuple[type, str, Any]] = [
    (TypeError, "parameters as a dict", [P]),
    (TypeError, "w as a NumPy array", {"w": [0.0]}),
    (TypeError, "w of dtype float32 or float64", {"w": np.zeros(3, int)}),
    (TypeError, "w of dtype float32 or float64", {"w": np.zeros(3, ">f4")}),
    (TypeError, "w of dtype float32 or float64", {"w": np.zeros(3, np.float16)}),
    (TypeError, "w without a mask", {"w": np.ma.zeros(3)}),
    (ValueError, "w C-contiguous", {"w": np.zeros(6)[::2]}),
    (ValueError, "w writable", {"w": np.frombuffer(bytes(8))}),
]


@pytest.mark.parametrize(("error", "message", "parameters"), BAD_PARAMETERS)
def test_bad_parameters(error: type[Exception], message: str, parameters: Any) -> None:
    for make in (Adam, lambda p: SGD(p, 0.1)):
        with pytest.raises(error, match=message):
            make(parameters)


@pytest.mark.parametrize(
    ("error", "message", "gradients"),
    [
        (ValueError, r"gradients of \['a', 'b'\]", {"a": P}),
        (ValueError, "b as float64 of shape", {"a": P, "b": np.zeros(4)}),
        (ValueError, "b as float64 of shape", {"a": P, "b": np.zeros(3, np.float32)}),
        (TypeError, "b as a NumPy array", {"a": P, "b": None}),
        (TypeError, "gradients as a dict", None),
    ],
)
def test_bad_gradients_change_nothing(
    error: type[Exception], message: str, gradients: Any
) -> None:
    parameters = {"a": np.ones(3), "b": np.ones(3)}
    optimizer = Adam(parameters)
    with pytest.raises(error, match=message):
        optimizer.step(gradients)
    assert optimizer.n_steps == 0
    assert all((p == 1).all() for p in parameters.values())


def test_a_gradient_that_is_its_parameter_is_refused() -> None:
    parameters = {"p": np.ones(3)}
    with pytest.raises(ValueError, match="p apart from its parameter"):
        Adam(parameters).step(parameters)


@pytest.mark.parametrize(
    ("error", "message", "make"),
    [
        (ValueError, "learning_rate >= 0", lambda p: Adam(p, -1.0)),
        (ValueError, "learning_rate finite", lambda p: Adam(p, float("nan"))),
        (TypeError, "learning_rate as a real", lambda p: Adam(p, "fast")),  # type: ignore[arg-type]
        (ValueError, "beta1 below 1", lambda p: Adam(p, betas=(1.0, 0.9))),
        (TypeError, "betas as a pair", lambda p: Adam(p, betas=0.9)),  # type: ignore[arg-type]
        (ValueError, "epsilon >= 0", lambda p: Adam(p, epsilon=-1e-8)),
        (ValueError, "weight_decay >= 0", lambda p: Adam(p, weight_decay=-1.0)),
        (ValueError, "weight_decay for", lambda p: Adam(p, weight_decay={"q": 1.0})),
        (ValueError, "momentum below 1", lambda p: SGD(p, 0.1, momentum=1.0)),
        (ValueError, "momentum above 0", lambda p: SGD(p, 0.1, nesterov=True)),
    ],
)
def test_bad_settings(
    error: type[Exception], message: str, make: Callable[[Any], Optimizer]
) -> None:
    with pytest.raises(error, match=message):
        make({"p": np.zeros(3)})


@pytest.mark.parametrize("limit", [0.0, -1.0])
def test_bad_limits(limit: float) -> None:
    with pytest.raises(ValueError, match="max_norm > 0"):
        clip_gradients({"p": np.zeros(3)}, limit)
