"""Products against torch, on the shapes of recurrent nets and small perceptrons."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes._reference import nn as reference
from fastnotes.nn import PackedMatrix, matmul
from support.sweeps import DTYPES
from support.tolerances import PRODUCT

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
