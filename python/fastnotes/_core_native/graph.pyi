from typing import Any

import numpy as np
from numpy.typing import NDArray

_Int32 = NDArray[np.int32]
_Int64 = NDArray[np.int64]
_Float64 = NDArray[np.float64]
_Real = NDArray[np.floating[Any]]

def check_csr(
    indptr: NDArray[np.integer[Any]],
    indices: NDArray[np.integer[Any]],
    n_columns: int,
    where: str,
    n_threads: int,
) -> tuple[_Int64, _Int32]: ...
def transpose_csr(
    indptr: _Int64,
    indices: _Int32,
    n_columns: int,
    with_indices: bool,
    with_order: bool,
    n_threads: int,
) -> tuple[_Int64, _Int32, _Int64]: ...
def is_canonical(indptr: _Int64, indices: _Int32, n_columns: int) -> bool: ...
def node_degrees(
    indptr: _Int64,
    indices: _Int32,
    weights: _Float64 | None,
    inverse: bool,
    raise_diagonal: bool,
    where: str,
    n_threads: int,
) -> tuple[_Float64, _Float64, _Float64]: ...
def normalized_values(
    indptr: _Int64,
    indices: _Int32,
    weights: _Float64 | None,
    row_scale: _Float64,
    column_scale: _Float64 | None,
    out: _Real,
    n_threads: int,
) -> None: ...
def add_diagonal(
    indptr: _Int64,
    indices: _Int32,
    values: _Real,
    diagonal: _Real | None,
    n_threads: int,
) -> tuple[_Int64, _Int32, _Real]: ...
def laplacian_matmul_scratch(indptr: _Int64, indices: _Int32, X: _Real) -> int: ...
def laplacian_matmul(
    indptr: _Int64,
    indices: _Int32,
    values: _Real | None,
    row_scale: _Real | None,
    column_scale: _Real | None,
    diagonal: _Real | None,
    X: _Real,
    out: _Real,
    scratch: _Real | None,
    n_threads: int,
    factor: float = ...,
    added_factor: float = ...,
    added: _Real | None = ...,
    subtracted: _Real | None = ...,
) -> None: ...
def edge_weight_gradients(
    indptr: _Int64,
    indices: _Int32,
    weights: _Float64 | None,
    degree: _Float64,
    scale: _Float64,
    raised: _Float64 | None,
    fixed: _Float64 | None,
    sign: float,
    symmetric: bool,
    X: _Real,
    dY: _Real,
    dX: _Real,
    out: _Real,
    n_threads: int,
) -> None: ...
def from_edges(
    edges: NDArray[np.integer[Any]],
    n_nodes: int,
    weights: _Real | None,
    both_ways: bool,
    n_threads: int,
) -> tuple[_Int64, _Int32, _Real]: ...
def filter_term(
    term: _Real, x: _Real, factor: float, total: _Real, n_threads: int
) -> float: ...
