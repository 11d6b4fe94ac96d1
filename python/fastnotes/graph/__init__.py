"""Graph operators on SciPy sparse adjacencies."""

from __future__ import annotations

from fastnotes.graph.chebyshev import chebyshev_filter, chebyshev_filter_backward
from fastnotes.graph.edges import from_edges
from fastnotes.graph.estimators import ChebNetClassifier, GCNClassifier
from fastnotes.graph.fourier import (
    FourierBasis,
    fourier_basis,
    graph_fourier_transform,
    inverse_graph_fourier_transform,
    spectral_filter,
)
from fastnotes.graph.laplacian import GraphOperator, laplacian_matmul
from fastnotes.graph.layers import ChebyshevConvolution, GraphConvolution
from fastnotes.graph.matrices import normalized_laplacian, renormalized_adjacency
from fastnotes.graph.mesh import MeshLaplacian, mesh_laplacian
from fastnotes.graph.plots import plot_embedding, plot_history

__all__ = [
    "ChebNetClassifier",
    "ChebyshevConvolution",
    "FourierBasis",
    "GCNClassifier",
    "GraphConvolution",
    "GraphOperator",
    "MeshLaplacian",
    "chebyshev_filter",
    "chebyshev_filter_backward",
    "fourier_basis",
    "from_edges",
    "graph_fourier_transform",
    "inverse_graph_fourier_transform",
    "laplacian_matmul",
    "mesh_laplacian",
    "normalized_laplacian",
    "plot_embedding",
    "plot_history",
    "renormalized_adjacency",
    "spectral_filter",
]
