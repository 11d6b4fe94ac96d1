"""Arrays on a CUDA device, of every library that the functions know."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest


class ArrayKind(NamedTuple):
    """How a library's arrays are made and read.

    ``options`` goes to every call: NumPy arrays need ``device="cuda"``.
    """

    name: str
    type: Any
    put: Callable[[Any], Any]
    get: Callable[[Any], np.ndarray]
    options: dict[str, Any] = {}  # noqa: RUF012 (a constant)

    def put_all(self, *arrays: Any) -> tuple[Any, ...]:
        """Each on the device; None stays None."""
        return tuple(None if a is None else self.put(a) for a in arrays)


def _numpy() -> ArrayKind:
    return ArrayKind("numpy", np.ndarray, np.asarray, np.asarray, {"device": "cuda"})


def _torch() -> ArrayKind:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this torch sees no CUDA device")
    return ArrayKind(
        "torch",
        torch.Tensor,
        lambda a: torch.from_numpy(np.array(a, order="C")).cuda(),
        lambda a: a.cpu().numpy(),
    )


def _cupy() -> ArrayKind:
    cupy = pytest.importorskip("cupy")
    return ArrayKind("cupy", cupy.ndarray, cupy.asarray, cupy.asnumpy)


def _jax() -> ArrayKind:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    jax = pytest.importorskip("jax")
    if jax.default_backend() != "gpu":
        pytest.skip("this jax sees no CUDA device")
    jax.config.update("jax_enable_x64", True)
    put = importlib.import_module("jax.numpy").asarray
    return ArrayKind("jax", jax.Array, put, np.asarray)


def _numba() -> ArrayKind:
    cuda = pytest.importorskip("numba.cuda")
    return ArrayKind(
        "numba",
        type(cuda.device_array(1)),
        lambda a: cuda.to_device(np.array(a, order="C")),
        lambda a: a.copy_to_host(),
    )


KINDS: dict[str, Callable[[], ArrayKind]] = {
    "cupy": _cupy,
    "jax": _jax,
    "numba": _numba,
    "numpy": _numpy,
    "torch": _torch,
}
