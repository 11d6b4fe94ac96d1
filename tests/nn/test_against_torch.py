"""Products, cross-entropy and optimizers against torch."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes._reference import nn as reference
from fastnotes.nn import SGD, Adam, PackedMatrix, matmul, softmax_cross_entropy
from support.sweeps import DTYPES
from support.tolerances import COMPOSITE, PRODUCT

torch = pytest.importorskip("torch")

SHAPES = [(1, 64, 256), (8, 128, 512), (100, 784, 200), (64, 256, 1024)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_products_agree_with_torch(
    shape: tuple[int, int, int], dtype: type[np.generic]
) -> None:
    rows, depth, columns = shape
    rng = np.random.default_rng(0)
    a = rng.standard_normal((rows, depth)).astype(dtype)
    b = rng.standard_normal((depth, columns)).astype(dtype)
    expected = torch.mm(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    magnitude = reference.matmul_magnitude(a, b)
    for got in (
        matmul(a, b),
        matmul(a.T.copy(), b, transpose_a=True),
        matmul(a, b.T.copy(), transpose_b=True),
        PackedMatrix(b).matmul(a),
    ):
        PRODUCT.assert_close(got, expected, magnitude)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_agrees_with_torch(dtype: type[np.generic]) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (50, 65)).astype(dtype)
    target = rng.integers(-1, 65, 50)
    there = torch.from_numpy(logits).requires_grad_()
    expected = torch.nn.functional.cross_entropy(
        there, torch.from_numpy(target), ignore_index=-1, reduction="none"
    )
    expected.sum().backward()
    loss, gradient = softmax_cross_entropy(logits, target)
    COMPOSITE.assert_close(loss, expected.detach().numpy())
    COMPOSITE.assert_close(gradient, there.grad.numpy())


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "momentum", "nesterov"])
def test_optimizers_agree_with_torch(name: str, decay: float) -> None:
    rng = np.random.default_rng(0)
    p = rng.normal(size=37)
    ours, theirs = {"p": p.copy()}, torch.from_numpy(p.copy())
    settings = {
        "momentum": {"momentum": 0.9},
        "nesterov": {"momentum": 0.9, "nesterov": True},
    }.get(name, {})
    if name.startswith("Adam"):
        optimizer = Adam(ours, 0.01, weight_decay=decay, decoupled=name == "AdamW")
        there = getattr(torch.optim, name)([theirs], 0.01, weight_decay=decay)
    else:
        optimizer = SGD(ours, 0.01, weight_decay=decay, **settings)
        there = torch.optim.SGD([theirs], 0.01, weight_decay=decay, **settings)
    for _ in range(7):
        gradient = rng.normal(size=37)
        optimizer.step({"p": gradient})
        theirs.grad = torch.from_numpy(gradient)
        there.step()
    COMPOSITE.assert_close(ours["p"], theirs.numpy())
