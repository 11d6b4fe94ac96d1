"""Blocks that the other rooms share: matrix products, activations, optimizers."""

from __future__ import annotations

from fastnotes.nn.gemm import PackedMatrix, matmul

__all__ = ["PackedMatrix", "matmul"]
