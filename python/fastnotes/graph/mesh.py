"""Triangle meshes: the Laplacian of a surface, for the filters of graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._validation import as_index_array, as_real_array, check_finite, fail
from fastnotes.graph.edges import MOST_NODES, from_edges

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Float64Array = NDArray[np.float64]

#: Twice the area over the longest edge squared: thinner faces count as degenerate.
_THINNEST = 1e-12


class MeshLaplacian(NamedTuple):
    """Stiffness matrix and lumped mass of a mesh."""

    stiffness: csr_array
    mass: Float64Array

    def normalized(self) -> csr_array:
        """Return M^-1/2 C M^-1/2, symmetric, with the surface's eigenvalues."""
        from scipy.sparse import csr_array

        scale = self.mass**-0.5
        C = self.stiffness
        rows = np.repeat(np.arange(len(scale)), np.diff(C.indptr))
        values = scale[rows] * scale[C.indices] * C.data
        return csr_array((values, C.indices, C.indptr), shape=C.shape)


def mesh_laplacian(vertices: ArrayLike, faces: ArrayLike) -> MeshLaplacian:
    """Return the cotangent Laplacian of a triangle mesh and its lumped mass.

    Parameters
    ----------
    vertices
        (n, 3) finite positions.
    faces
        (m, 3) integers: the corners of each triangle, in any order.

    Returns
    -------
    stiffness : scipy.sparse.csr_array of shape (n, n)
        float64 C, symmetric and positive semidefinite, with constants in its kernel:
        C_ij = -(cot a_ij + cot b_ij) / 2 over the angles opposite edge ij. Obtuse
        angles have negative weights.
    mass : ndarray of shape (n,)
        A third of the area of the faces around each vertex.

    The result's ``normalized()`` is M^-1/2 C M^-1/2, ready for :func:`chebyshev_filter`
    and :func:`fourier_basis` as ``laplacian``. Its eigenvalues are those of the
    surface, C u = lambda M u, and not bounded by 2.

    Raises
    ------
    TypeError, ValueError
        For other shapes and kinds, corners out of range, degenerate faces (a repeated
        corner, no area), vertices that no face has: their mass would be 0.

    References
    ----------
    Pinkall and Polthier, "Computing discrete minimal surfaces and their conjugates",
    Experimental Mathematics 2 (1993); Meyer, Desbrun, Schroeder and Barr, "Discrete
    differential-geometry operators for triangulated 2-manifolds", 2003.

    Examples
    --------
    >>> from fastnotes.graph import mesh_laplacian
    >>> C, mass = mesh_laplacian([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    >>> C.toarray()
    array([[ 1. , -0.5, -0.5],
           [-0.5,  0.5,  0. ],
           [-0.5,  0. ,  0.5]])
    >>> round(float(mass.sum()), 12)
    0.5
    """
    from scipy.sparse import csr_array, diags_array

    where = "graph.mesh_laplacian"
    points = as_real_array(vertices, where, "vertices", ndim=2).astype(np.float64)
    corners = as_index_array(faces, where, "faces", ndim=2)
    n = len(points)
    for array, name in ((points, "vertices"), (corners, "faces")):
        if array.shape[1] != 3:
            fail(where, f"{name} of shape (rows, 3)", str(array.shape))
    check_finite(points, where, "vertices")
    if n > MOST_NODES:
        fail(where, "fewer than 2**31 vertices", str(n))
    outside = (corners < 0) | (corners >= n)
    if outside.any():
        face = int(np.argwhere(outside)[0, 0])
        fail(where, f"corners from 0 to {n - 1}", f"{corners[face]} in face {face}")
    cotangents, areas = _angles(points[corners], where)
    thirds = np.repeat(areas / 3, 3)
    mass: Float64Array = np.bincount(corners.ravel(), thirds, n).astype(np.float64)
    lonely = np.flatnonzero(np.bincount(corners.ravel(), minlength=n) == 0)
    if len(lonely):
        fail(where, "every vertex in a face", f"vertex {lonely[0]} in none")
    # The angle at corner k is opposite the edge of the other two.
    ends = np.stack([corners[:, [1, 2, 0]].ravel(), corners[:, [2, 0, 1]].ravel()])
    sides = from_edges(ends, n, -0.5 * cotangents.ravel())
    degree = -np.asarray(sides.sum(axis=1)).ravel()
    stiffness = csr_array(sides + diags_array(degree, format="csr"))
    stiffness.sort_indices()
    return MeshLaplacian(stiffness, mass)


def _angles(triangles: Float64Array, where: str) -> tuple[Float64Array, Float64Array]:
    """Cotangents (m, 3) of the angles at the corners, and areas (m,)."""
    one = np.roll(triangles, -1, axis=1) - triangles
    other = np.roll(triangles, -2, axis=1) - triangles
    with np.errstate(all="ignore"):
        doubled = np.linalg.norm(np.cross(one[:, 0], other[:, 0]), axis=1)
        longest = (one * one).sum(axis=2).max(axis=1, initial=0.0)
        thin = ~(doubled > _THINNEST * longest)
    if thin.any():
        face = int(np.flatnonzero(thin)[0])
        fail(where, "faces with an area", f"a degenerate one, face {face}")
    cotangents = (one * other).sum(axis=2) / doubled[:, None]
    return cotangents, doubled / 2
