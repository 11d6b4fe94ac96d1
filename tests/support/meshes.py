"""Triangle meshes of surfaces whose Laplacian is known."""

from __future__ import annotations

from typing import Any

import numpy as np


def sphere(n_splits: int) -> tuple[Any, Any]:
    """An octahedron's faces cut in four, again and again, corners put on the sphere."""
    vertices = np.concatenate([np.eye(3), -np.eye(3)])
    faces = np.array(
        [[x, y, z] for x in (0, 3) for y in (1, 4) for z in (2, 5)], dtype=np.int64
    )
    for _ in range(n_splits):
        edges = np.sort(np.concatenate([faces[:, [i, j]] for i, j in CYCLE]), axis=1)
        edges, which = np.unique(edges, axis=0, return_inverse=True)
        middle = vertices[edges].sum(axis=1)
        middle /= np.linalg.norm(middle, axis=1, keepdims=True)
        ab, bc, ca = which.reshape(3, -1) + len(vertices)
        vertices = np.concatenate([vertices, middle])
        a, b, c = faces.T
        parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        faces = np.concatenate([np.stack(part, axis=1) for part in parts])
    return vertices, faces


CYCLE = ((0, 1), (1, 2), (2, 0))


def square(side: int) -> tuple[Any, Any]:
    """side * side points of a flat unit grid, each cell two right-angled triangles."""
    i, j = np.divmod(np.arange(side * side), side)
    vertices = np.stack([i, j, np.zeros(side * side)], axis=1).astype(float)
    low = np.flatnonzero((i < side - 1) & (j < side - 1))
    first = np.stack([low, low + 1, low + side], axis=1)
    second = np.stack([low + side + 1, low + side, low + 1], axis=1)
    return vertices, np.concatenate([first, second])
