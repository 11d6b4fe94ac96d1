"""Loading other libraries and giving them the run's number of threads."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from fastnotes.bench.case import NotComparableError


def load(name: str) -> Any:
    """Import a library; untyped, so that a missing peer stays a run-time matter."""
    return importlib.import_module(name)


def numpy_with(n_threads: int) -> Any:
    """NumPy and SciPy, with their BLAS limited (their other loops use one thread)."""
    load("threadpoolctl").threadpool_limits(n_threads, user_api="blas")
    return load("numpy")


def torch_with(n_threads: int) -> Any:
    """Torch, with its intra-operation threads set."""
    torch = load("torch")
    torch.set_num_threads(n_threads)
    return torch


def jax_with(n_threads: int, *, x64: bool = False) -> Any:
    """jax, whose own thread pool has one thread per CPU whatever it is told.

    Raises
    ------
    NotComparableError
        Fewer threads are wanted than there are CPUs.
    """
    cpus = os.cpu_count() or 1
    if n_threads != cpus:
        raise NotComparableError(
            f"jax uses {cpus} threads and cannot be told otherwise"
        )
    jax = load("jax")
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", x64)
    return jax


def mkl_sparse_with(n_threads: int) -> Any:
    """sparse_dot_mkl, with MKL's threads set.

    The ``mkl`` package puts its library where the dynamic linker does not look.
    """
    for library in sorted((Path(sys.prefix) / "lib").glob("libmkl_rt.so*")):
        os.environ.setdefault("MKL_RT", str(library))
    mkl = load("sparse_dot_mkl")
    mkl.mkl_set_num_threads(n_threads)
    return mkl


def onnx_session(model: Any, n_threads: int) -> Any:
    """An onnxruntime session of an in-memory ONNX model."""
    runtime = load("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    return runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
