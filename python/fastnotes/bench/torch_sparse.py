"""SciPy's sparse matrices as torch's."""

from __future__ import annotations

import warnings
from typing import Any


def csr_tensor(torch: Any, matrix: Any) -> Any:
    """Return a sparse CSR tensor that shares the memory of a CSR array."""
    parts = map(torch.from_numpy, (matrix.indptr, matrix.indices, matrix.data))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls its CSR support a beta
        return torch.sparse_csr_tensor(*parts, size=matrix.shape)
