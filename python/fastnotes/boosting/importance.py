"""Which columns a model's trees split on, and what it brought."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import check_choice
from fastnotes.boosting.trees import TreeEnsemble

_WHERE = "boosting.feature_importances"
_KINDS = ("gain", "cover", "weight", "total_gain", "total_cover")


def feature_importances(trees: TreeEnsemble, kind: str = "gain") -> NDArray[np.float64]:
    """Sum up the splits of each column.

    Parameters
    ----------
    trees : TreeEnsemble
    kind : {"gain", "cover", "weight", "total_gain", "total_cover"}
        ``"weight"`` counts the splits on a column, the totals sum their gain and cover
        (sum of hessians), ``"gain"`` and ``"cover"`` are the means over the splits.

    Returns
    -------
    importances : float64 array of shape (n_features,)
        0 for a column without splits; not normalised. Gains are the notes', half of
        XGBoost's.

    Raises
    ------
    TypeError, ValueError
        If ``kind`` is not one of these, or the trees are not consistent.
    """
    check_choice(kind, _WHERE, "kind", _KINDS)
    trees.check(_WHERE)
    inner = trees.feature >= 0
    column = trees.feature[inner]
    count = np.bincount(column, minlength=trees.n_features).astype(np.float64)
    if kind == "weight":
        return count
    values = trees.cover if kind.endswith("cover") else trees.gain
    total = np.bincount(column, values[inner], minlength=trees.n_features)
    if kind.startswith("total"):
        return total
    return total / np.maximum(count, 1)
