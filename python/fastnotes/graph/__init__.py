"""Graph operators on SciPy sparse adjacencies."""

from __future__ import annotations

from fastnotes.graph.edges import from_edges
from fastnotes.graph.laplacian import GraphOperator, laplacian_matmul
from fastnotes.graph.matrices import normalized_laplacian, renormalized_adjacency

__all__ = [
    "GraphOperator",
    "from_edges",
    "laplacian_matmul",
    "normalized_laplacian",
    "renormalized_adjacency",
]
