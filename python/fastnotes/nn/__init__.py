"""Blocks that the other rooms share: products, elementary functions, training."""

from __future__ import annotations

from fastnotes.nn.elementwise import exp, expm1, log, log1p, sigmoid, softplus, tanh
from fastnotes.nn.gemm import PackedMatrix, matmul
from fastnotes.nn.losses import (
    CrossEntropy,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)
from fastnotes.nn.optimizers import SGD, Adam, Optimizer, clip_gradients

__all__ = [
    "SGD",
    "Adam",
    "CrossEntropy",
    "Optimizer",
    "PackedMatrix",
    "clip_gradients",
    "exp",
    "expm1",
    "log",
    "log1p",
    "matmul",
    "sigmoid",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "softplus",
    "tanh",
]
