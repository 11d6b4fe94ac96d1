"""NumPy twins of the room ``nn``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def matmul(
    a: Array, b: Array, *, transpose_a: bool = False, transpose_b: bool = False
) -> Array:
    """op(a) op(b), accumulated in float64 and rounded once to the dtype of ``a``."""
    left = (a.T if transpose_a else a).astype(np.float64)
    right = (b.T if transpose_b else b).astype(np.float64)
    return (left @ right).astype(a.dtype)


def matmul_magnitude(
    a: Array, b: Array, *, transpose_a: bool = False, transpose_b: bool = False
) -> Array:
    """Depth * |op(a)| |op(b)|: eps times this bounds the rounding of a product."""
    left = np.abs(a.T if transpose_a else a).astype(np.float64)
    right = np.abs(b.T if transpose_b else b).astype(np.float64)
    magnitude: Array = left.shape[1] * (left @ right)
    return magnitude


# Elementary functions: exp, log, log1p, expm1 and tanh are NumPy's own.


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), with exp only of what is not positive."""
    small: Array = np.exp(-np.abs(x))
    top: Array = np.where(x < 0, small, x.dtype.type(1))
    return top / (1 + small)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))."""
    rest: Array = np.log1p(np.exp(-np.abs(x)))
    return np.maximum(x, 0) + rest


# Training


def softmax_cross_entropy(
    logits: Array, target: NDArray[np.integer[Any]], weight: Array
) -> tuple[Array, Array]:
    """Losses w (log sum_j exp a_j - a_t) of rows, and w (softmax - one-hot)."""
    loss, gradient = np.zeros(len(logits)), np.zeros(logits.shape)
    for row, (a, t, w) in enumerate(zip(logits, target, weight, strict=True)):
        if t >= 0:
            shifted = a.astype(np.float64) - a.max()
            terms = np.exp(shifted)
            loss[row] = w * (np.log(terms.sum()) - shifted[t])
            gradient[row] = w * terms / terms.sum()
            gradient[row, t] -= w
    return loss, gradient


def sigmoid_cross_entropy(
    logits: Array, target: Array, weight: Array
) -> tuple[Array, Array]:
    """Losses -w sum_j (t log p + (1 - t) log(1 - p)), p = sigmoid(a), and w (p - t)."""
    a, t, w = (each.astype(np.float64) for each in (logits, target, weight))
    loss: Array = w * (t * softplus(-a) + (1 - t) * softplus(a)).sum(axis=-1)
    gradient: Array = w[:, None] * ((1 - t) * sigmoid(a) - t * sigmoid(-a))
    return loss, gradient


def adam(
    p: Array,
    gradients: list[Array],
    rate: float,
    betas: tuple[float, float],
    eps: float,
) -> Array:
    """Kingma and Ba (2015), algorithm 1: one step for each gradient."""
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        p = p - rate * m_hat / (np.sqrt(v_hat) + eps)
    return p


def sgd(
    p: Array, gradients: list[Array], rate: float, momentum: float, nesterov: bool
) -> Array:
    """Sutskever et al. (2013), the learning rate outside the velocity."""
    u = np.zeros_like(p)
    for g in gradients:
        u = momentum * u + g
        p = p - rate * (g + momentum * u if nesterov else u)
    return p
