"""Blocks that the other rooms share: matrix products and elementary functions."""

from __future__ import annotations

from fastnotes.nn.elementwise import exp, expm1, log, log1p, sigmoid, softplus, tanh
from fastnotes.nn.gemm import PackedMatrix, matmul

__all__ = [
    "PackedMatrix",
    "exp",
    "expm1",
    "log",
    "log1p",
    "matmul",
    "sigmoid",
    "softplus",
    "tanh",
]
