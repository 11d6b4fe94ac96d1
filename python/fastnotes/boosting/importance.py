"""How much the splits on each column have done."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnotes.boosting.trees import TreeEnsemble

IMPORTANCE_TYPES = ("gain", "cover", "weight", "total_gain", "total_cover")


def importances(trees: TreeEnsemble, kind: str) -> NDArray[np.float64]:
    """Return the importance of every column, 0 where it is not split on.

    Parameters
    ----------
    trees : TreeEnsemble
    kind : {"gain", "cover", "weight", "total_gain", "total_cover"}
        Mean gain or cover of the splits on a column, their number, or the sums.

    Returns
    -------
    float64 array of shape (n_features,)
    """
    inner = trees.feature >= 0
    columns = trees.feature[inner]
    n = trees.n_features
    count = np.bincount(columns, minlength=n).astype(np.float64)
    if kind == "weight":
        return count
    field = kind.removeprefix("total_")
    weights = getattr(trees, field)[inner].astype(np.float64)
    sums = np.bincount(columns, weights, minlength=n).astype(np.float64)
    if kind != field:
        return sums
    return np.divide(sums, count, out=np.zeros(n), where=count > 0)
