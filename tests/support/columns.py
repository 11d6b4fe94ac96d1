"""Columns that binning has to get right."""

from __future__ import annotations

import numpy as np


def mixed_columns(n_rows, dtype, seed=0):
    """Continuous, few-valued, spiked, missing, infinite, skewed, constant columns."""
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal(n_rows)
    columns = [
        normal,
        np.round(2 * normal),
        np.where(rng.random(n_rows) < 0.4, 0.0, normal),
        np.where(rng.random(n_rows) < 0.3, np.nan, normal),
        rng.choice([np.inf, -np.inf, 0.0, -0.0, 1e-42, -1e-42, 3.0], n_rows),
        np.round(np.exp(3 * normal), 1),
        np.full(n_rows, 7.0),
        np.full(n_rows, np.nan),
        rng.integers(0, 400, n_rows) ** 2,
    ]
    return np.stack(columns, axis=1).astype(dtype)
