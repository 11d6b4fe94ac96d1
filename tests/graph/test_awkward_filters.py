"""Filters, layers, meshes and edges of this room on what nobody should pass.

See tests/test_awkward_inputs.py.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from fastnotes import graph
from support.awkward import ISOLATED, SCALARS, arrays, check, features, graphs, inputs


@given(st.data())
def test_graph_filters(data):
    A, lmax = (
        data.draw(graphs()),
        data.draw(st.sampled_from([2.0, 2, "lanczos"]) | SCALARS),
    )
    x = features(data, A, inputs)
    theta = data.draw(inputs((3,)) | inputs((2, 3, 1)))
    options = {"isolated": data.draw(ISOLATED), "lmax": lmax}
    if data.draw(st.booleans()):
        options["laplacian"], A = A, data.draw(st.sampled_from([None, None, A]))
    check(lambda: graph.chebyshev_filter(A, x, theta, **options), x, theta)
    dy = features(data, A, inputs)
    back = graph.chebyshev_filter_backward
    check(lambda: back(dy, A, x, theta, **options), dy, x, theta)
    del options["lmax"]
    options["n_components"] = data.draw(st.none() | SCALARS)
    check(lambda: graph.fourier_basis(A, **options))
    check(lambda: graph.spectral_filter(A, x, data.draw(st.just(abs)), **options), x)


@given(st.data())
def test_graph_layers(data):
    settings = [data.draw(st.just(2) | SCALARS) for _ in range(3)]
    options = {"dropout": data.draw(st.just(0.5) | SCALARS)}
    if not any(isinstance(each, int) and each > 300 for each in settings):
        check(lambda: graph.GraphConvolution(*settings[:2], **options))
        check(lambda: graph.ChebyshevConvolution(*settings, **options))
    A = data.draw(graphs())
    x = features(data, A, inputs)
    layer: graph.layers.GraphLayer = data.draw(
        st.sampled_from(
            [graph.GraphConvolution(3, 2), graph.ChebyshevConvolution(3, 2, 1)]
        )
    )
    check(lambda: layer.forward(A, x, training=True), x)
    good = scipy.sparse.eye_array(3, format="csr")
    layer.forward(good, np.ones((3, 3)), training=True)
    dy = data.draw(inputs((3, 2)))
    check(lambda: layer.backward(dy), dy)


@given(st.data())
def test_graph_fourier_transforms(data):
    U, x = data.draw(inputs((3, 3))), data.draw(inputs((3,)) | inputs((3, 2)))
    check(lambda: graph.graph_fourier_transform(U, x), U, x)
    check(lambda: graph.inverse_graph_fourier_transform(U, x), U, x)


@given(st.data())
def test_mesh_laplacian(data):
    vertices = data.draw(inputs((4, 3)) | st.just(np.eye(4, 3)))
    faces = data.draw(inputs((2, 3)) | st.just([[0, 1, 2], [3, 1, 0]]))
    check(lambda: graph.mesh_laplacian(vertices, faces), vertices, faces)


@given(st.data())
def test_from_edges(data):
    ends = arrays(["i4", "i8", "i8", "u8", "f8"], (2, 5))
    edges = data.draw(ends | ends | inputs((2, 5)))
    n_nodes = data.draw(st.sampled_from([9, 128, 128, 3000]) | SCALARS)
    weights = data.draw(st.none() | inputs((5,)))
    options = {"directed": data.draw(st.booleans()), "n_threads": data.draw(SCALARS)}
    if isinstance(n_nodes, int) and n_nodes > 2**20:
        n_nodes = 2**31
    check(lambda: graph.from_edges(edges, n_nodes, weights, **options), edges, weights)
