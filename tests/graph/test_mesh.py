"""Laplacians of triangle meshes against surfaces whose spectrum is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnotes.graph import fourier_basis, mesh_laplacian, spectral_filter
from support.meshes import sphere, square
from support.tolerances import COMPOSITE, REDUCTION


def test_the_sphere_has_the_eigenvalues_of_spherical_harmonics():
    """l (l + 1), 2 l + 1 times: to the mesh's own error, which falls as its faces."""
    errors = []
    for n_splits in (3, 4):
        vertices, faces = sphere(n_splits)
        values, _ = fourier_basis(
            None, laplacian=mesh_laplacian(vertices, faces).normalized()
        )
        exact = np.repeat(np.arange(4), 2 * np.arange(4) + 1)
        exact = exact * (exact + 1)
        error = np.abs(values[1:16] - exact[1:]) / exact[1:]
        assert abs(values[0]) < 1e-10
        errors.append(error.max())
    assert errors[0] < 0.06
    assert errors[1] < errors[0] / 3


def test_a_flat_grid_is_the_five_point_stencil():
    vertices, faces = square(6)
    C, mass = mesh_laplacian(vertices, faces)
    inner = [i * 6 + j for i in range(1, 5) for j in range(1, 5)]
    dense = C.toarray()
    for node in inner:
        expected = np.zeros(36)
        expected[[node, node - 1, node + 1, node - 6, node + 6]] = [4, -1, -1, -1, -1]
        REDUCTION.assert_close(dense[node], expected)
    REDUCTION.assert_close(mass[inner], np.ones(16))
    REDUCTION.assert_close(mass.sum(), 25.0)


@given(st.integers(0, 2**32 - 1))
def test_laws(seed):
    rng = np.random.default_rng(seed)
    vertices, faces = sphere(1)
    vertices = vertices * rng.uniform(0.5, 2.0, 3)
    vertices += rng.normal(size=vertices.shape) * 0.02
    C, mass = mesh_laplacian(vertices, faces)
    dense = C.toarray()
    assert (dense == dense.T).all()
    COMPOSITE.assert_close(C @ np.ones(len(mass)), np.zeros(len(mass)))
    assert np.linalg.eigvalsh(dense)[0] > -1e-10
    assert (mass > 0).all()
    # Sizes scale the mass alone; places, turns and the order of corners change nothing.
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved, heavier = mesh_laplacian(3 * vertices @ turn + 1.0, faces[:, [2, 0, 1]])
    np.testing.assert_allclose(moved.toarray(), dense, atol=1e-9)
    np.testing.assert_allclose(heavier, 9 * mass, rtol=1e-9)
    # Dirichlet energy of linear functions: area of the gradient's projection.
    x = vertices[:, 0]
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normals, axis=1) / 2
    cosine = normals[:, 0] / (2 * area)
    COMPOSITE.assert_close(x @ (C @ x), (area * (1 - cosine**2)).sum())


def test_a_known_triangle():
    C, mass = mesh_laplacian([[0, 0, 0], [2, 0, 0], [0, 2, 0]], [[2, 0, 1]])
    expected = [[1, -0.5, -0.5], [-0.5, 0.5, 0], [-0.5, 0, 0.5]]
    REDUCTION.assert_close(C.toarray(), expected)
    REDUCTION.assert_close(mass, np.full(3, 2 / 3))


def test_heat_keeps_its_mass_and_flattens():
    vertices, faces = sphere(2)
    surface = mesh_laplacian(vertices, faces)
    root = np.sqrt(surface.mass)
    heat = np.zeros(len(root))
    heat[0] = 1.0
    later = (
        spectral_filter(
            None, root * heat, lambda w: np.exp(-5 * w), laplacian=surface.normalized()
        )
        / root
    )
    COMPOSITE.assert_close(later @ surface.mass, heat @ surface.mass)
    assert np.ptp(later) < 1e-3 * np.ptp(heat)


TRIANGLE = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("vertices", "faces", "error", "words"),
    [
        ([[0, 0], [1, 0], [0, 1]], [[0, 1, 2]], ValueError, "vertices of shape"),
        (TRIANGLE, [[0, 1]], ValueError, "faces of shape"),
        (TRIANGLE, [[0, 1, 3]], ValueError, "corners from 0 to 2, got .* in face 0"),
        (TRIANGLE, [[0, 1, -1]], ValueError, "corners from 0"),
        (TRIANGLE, [[0.0, 1.0, 2.0]], TypeError, "faces of integers"),
        (TRIANGLE, [[0, 1, 1]], ValueError, "a degenerate one, face 0"),
        ([[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 1, 2]], ValueError, "a degenerate"),
        ([*TRIANGLE[:2], [np.nan, 0, 0]], [[0, 1, 2]], ValueError, "vertices finite"),
        ([*TRIANGLE, [9, 9, 9]], [[0, 1, 2]], ValueError, "vertex 3 in none"),
        ([["a"] * 3] * 3, [[0, 1, 2]], TypeError, "vertices of real numbers"),
    ],
)
def test_bad_input(vertices, faces, error, words):
    with pytest.raises(error, match=rf"^\[graph.mesh_laplacian\] expected .*{words}"):
        mesh_laplacian(vertices, faces)
