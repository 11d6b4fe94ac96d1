"""Blocks that the other rooms share: elementary functions."""

from __future__ import annotations

from fastnotes.nn.elementwise import exp, expm1, log, log1p, sigmoid, softplus, tanh

__all__ = ["exp", "expm1", "log", "log1p", "sigmoid", "softplus", "tanh"]
