from typing import Any

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.floating[Any]]

class PackedMatrix32:
    def __init__(self, b: _Array, transpose: bool, n_threads: int) -> None: ...
    def matmul(
        self, a: _Array, out: _Array, accumulate: bool, n_threads: int
    ) -> None: ...

class PackedMatrix64:
    def __init__(self, b: _Array, transpose: bool, n_threads: int) -> None: ...
    def matmul(
        self, a: _Array, out: _Array, accumulate: bool, n_threads: int
    ) -> None: ...

def matmul(
    a: _Array,
    b: _Array,
    transpose_a: bool,
    transpose_b: bool,
    out: _Array,
    accumulate: bool,
    n_threads: int,
) -> None: ...
def exp(x: _Array, out: _Array, n_threads: int) -> None: ...
def log(x: _Array, out: _Array, n_threads: int) -> None: ...
def log1p(x: _Array, out: _Array, n_threads: int) -> None: ...
def expm1(x: _Array, out: _Array, n_threads: int) -> None: ...
def tanh(x: _Array, out: _Array, n_threads: int) -> None: ...
def sigmoid(x: _Array, out: _Array, n_threads: int) -> None: ...
def softplus(x: _Array, out: _Array, n_threads: int) -> None: ...
def cross_entropy(
    logits: _Array,
    target: NDArray[np.int64],
    weight: _Array | None,
    loss: _Array,
    gradient: _Array | None,
    n_threads: int,
) -> None: ...
def adam_step(
    parameter: _Array,
    gradient: _Array,
    mean: _Array,
    square: _Array,
    *,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    mean_scale: float,
    square_scale: float,
    penalty: float,
    shrink: float,
    n_threads: int,
) -> None: ...
def sgd_step(
    parameter: _Array,
    gradient: _Array,
    velocity: _Array | None,
    *,
    learning_rate: float,
    momentum: float,
    nesterov: bool,
    penalty: float,
    shrink: float,
    n_threads: int,
) -> None: ...
def squared_norm(x: _Array, n_threads: int) -> float: ...
