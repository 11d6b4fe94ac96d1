"""Cases of the nn room: products, elementary functions, and those of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnotes.bench import nn_training, peers
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run, Work

PRODUCT_BOUND = 1e-5
"""For float32 sums over the depth, in any order."""

FUNCTION_BOUND = 5e-7
"""Some roundings of float32, of the largest value."""


def product_of(rows: int, depth: int, columns: int) -> Inputs:
    """Return normal float32 matrices a (rows, depth) and b (depth, columns)."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((rows, depth), dtype=np.float32)
    b = rng.standard_normal((depth, columns), dtype=np.float32)
    return {"a": a, "b": b, "out": (rows, columns)}


def gradient_of(rows: int, depth: int, columns: int) -> Inputs:
    """Return a (rows, depth) and b (rows, columns), whose product is a.T @ b."""
    inputs = product_of(rows, depth, columns)
    rng = np.random.default_rng(1)
    b = rng.standard_normal((rows, columns), dtype=np.float32)
    return {"a": inputs["a"], "b": b, "out": (depth, columns)}


def normal_values(size: int) -> Inputs:
    """Return normal float32 values."""
    return {"x": np.random.default_rng(0).standard_normal(size, dtype=np.float32)}


# ---------------------------------------------------------------- products


def _new(inputs: Inputs) -> Any:
    return np.empty(inputs["out"], dtype=np.float32)


def _our_product(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.nn import PackedMatrix

    packed, a, out = PackedMatrix(inputs["b"]), inputs["a"], _new(inputs)
    return lambda: packed.matmul(a, out=out, n_threads=n_threads)


def _our_gradient(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.nn import matmul

    a, b, out = inputs["a"], inputs["b"], _new(inputs)
    return lambda: matmul(a, b, transpose_a=True, out=out, n_threads=n_threads)


def _torch_matmul(transpose: bool) -> Callable[[Inputs, int], Run]:
    def prepare(inputs: Inputs, n_threads: int) -> Run:
        torch = peers.torch_with(n_threads)
        a, b = torch.from_numpy(inputs["a"]), torch.from_numpy(inputs["b"])
        left = a.T if transpose else a
        out = torch.empty(inputs["out"])

        def run() -> Any:
            with torch.inference_mode():
                return torch.mm(left, b, out=out)

        return run

    return prepare


def _numpy_matmul(transpose: bool) -> Callable[[Inputs, int], Run]:
    def prepare(inputs: Inputs, n_threads: int) -> Run:
        peers.numpy_with(n_threads)
        a, b, out = inputs["a"], inputs["b"], _new(inputs)
        left = a.T if transpose else a
        return lambda: np.matmul(left, b, out=out)

    return prepare


def _eigen_matmul(transpose: bool) -> Callable[[Inputs, int], Run]:
    def prepare(inputs: Inputs, n_threads: int) -> Run:
        from fastnotes._core import native

        a, b, out = inputs["a"], inputs["b"], _new(inputs)

        def run() -> Any:
            native.bench.eigen_matmul(a, b, transpose, out, n_threads)
            return out

        return run

    return prepare


def _exact_product(inputs: Inputs) -> Any:
    return inputs["a"].astype(np.float64) @ inputs["b"].astype(np.float64)


def _exact_gradient(inputs: Inputs) -> Any:
    return inputs["a"].T.astype(np.float64) @ inputs["b"].astype(np.float64)


def _product_work(inputs: Inputs) -> Work:
    """Each matrix moved once; a multiplication and an addition per term."""
    a, b = inputs["a"], inputs["b"]
    n_outputs = float(np.prod(inputs["out"]))
    depth = a.size / inputs["out"][0]
    return Work(a.nbytes + b.nbytes + 4 * n_outputs, 2 * n_outputs * depth)


def _matmul_peers(transpose: bool) -> tuple[Contender, ...]:
    form = "a.T @ b" if transpose else "a @ b"
    return (
        Contender("torch", f"mm, {form}", _torch_matmul(transpose), "torch"),
        Contender("eigen", f"{form}, same compiler", _eigen_matmul(transpose)),
        Contender("numpy", f"matmul, {form}", _numpy_matmul(transpose), "numpy"),
    )


def _product(rows: int, hidden: int, quick: bool) -> Case:
    parameters = {"rows": rows, "depth": hidden, "columns": 4 * hidden}
    return Case(
        room="nn",
        name=f"matmul-h{hidden}-b{rows}",
        title=f"{rows} x {hidden} times {hidden} x {4 * hidden}, packed once",
        build=product_of,
        full=parameters,
        quick=parameters if quick else None,
        contenders=(
            Contender(OURS, "PackedMatrix.matmul, out=", _our_product),
            *_matmul_peers(transpose=False),
        ),
        reference=_exact_product,
        work=_product_work,
        bound=PRODUCT_BOUND,
        allocation="preallocated",
    )


def _gradient(rows: int, depth: int, columns: int) -> Case:
    return Case(
        room="nn",
        name=f"weight-gradient-{depth}x{rows}x{columns}",
        title=f"({rows} x {depth}).T times {rows} x {columns}",
        build=gradient_of,
        full={"rows": rows, "depth": depth, "columns": columns},
        contenders=(
            Contender(OURS, "matmul, transpose_a, out=", _our_gradient),
            *_matmul_peers(transpose=True),
        ),
        reference=_exact_gradient,
        work=_product_work,
        bound=PRODUCT_BOUND,
        allocation="preallocated",
    )


# ---------------------------------------------------------------- elementary functions


def _function(name: str) -> Case:
    """One function of a million values, into a given array."""

    def ours(inputs: Inputs, n_threads: int) -> Run:
        from fastnotes import nn

        function, x = getattr(nn, name), inputs["x"]
        out = np.empty_like(x)
        return lambda: function(x, out=out, n_threads=n_threads)

    def of_torch(inputs: Inputs, n_threads: int) -> Run:
        torch = peers.torch_with(n_threads)
        function, x = getattr(torch, name), torch.from_numpy(inputs["x"])
        out = torch.empty_like(x)
        return lambda: function(x, out=out)

    def of_numpy(inputs: Inputs, n_threads: int) -> Run:
        del n_threads
        function, x = getattr(np, name), inputs["x"]
        out = np.empty_like(x)
        return lambda: function(x, out=out)

    def exact(inputs: Inputs) -> Any:
        return getattr(np, name)(inputs["x"].astype(np.float64))

    return Case(
        room="nn",
        name=name,
        title=f"{name} of a million float32 values",
        build=normal_values,
        full={"size": 1_000_000},
        quick={"size": 1_000_000},
        contenders=(
            Contender(OURS, f"nn.{name}, out=", ours),
            Contender("torch", f"torch.{name}, out=", of_torch, "torch"),
            Contender("numpy", f"numpy.{name}, out=, one thread", of_numpy, "numpy"),
        ),
        reference=exact,
        work=lambda inputs: Work(n_bytes=2 * inputs["x"].nbytes),
        bound=FUNCTION_BOUND,
        allocation="preallocated",
    )


CASES = (
    *(
        _product(rows, hidden, quick=(hidden, rows) in {(64, 32), (256, 32)})
        for hidden in (64, 128, 256, 512, 1024)
        for rows in (8, 32, 64, 128)
    ),
    _gradient(100, 784, 200),
    _gradient(5000, 784, 200),
    _gradient(5000, 200, 784),
    _gradient(5000, 200, 200),
    *map(_function, ("exp", "tanh")),
    *nn_training.CASES,
)
