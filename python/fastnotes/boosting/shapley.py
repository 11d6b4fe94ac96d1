"""Exact Shapley values of a model's margins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import RealArray, as_real_array, fail
from fastnotes.boosting.prediction import Predictor
from fastnotes.boosting.trees import TreeEnsemble

_WHERE = "boosting.Explainer"


class Explainer:
    """Divides margins among the columns by Shapley's rule, exactly (TreeSHAP).

    A column's contribution is what knowing it changes in the margin, averaged over all
    orders in which columns may become known.

    Parameters
    ----------
    trees : TreeEnsemble
    background : array of shape (n_background, n_features), optional
        Without it, a split on an unknown column takes both ways, by their share of
        the cover ("path-dependent", as in XGBoost; LightGBM counts rows). With it,
        unknown columns are taken from its rows, and margins averaged over them
        ("interventional"); the time is proportional to its rows.
    n_threads : int or None, default=None
        Threads; None means the process's default. No result depends on it.

    Attributes
    ----------
    trees : TreeEnsemble
    base_values : float64 array of shape (n_outputs,)
        The margins where no column is known.

    Raises
    ------
    TypeError
        If the background is not real.
    ValueError
        If the trees could not be followed, a cover is negative or not finite (without
        background), the background has no row or the wrong columns, or a path has more
        than 1,024 columns.

    Notes
    -----
    A leaf's value times a product over the columns of its path is what it adds in a
    coalition [2]_. The Shapley values are integrals of polynomials in the chance of
    being in it [1]_, which a Gauss-Legendre rule of half as many points as the path has
    columns does exactly; sums over leaves are shared along the tree [3]_. All factors
    lie within 0 and 1, so contributions add up to the margin to rounding.

    References
    ----------
    .. [1] Owen (1972), "Multilinear extensions of games".
    .. [2] Lundberg, Erion and Lee (2018), "Consistent individualized feature
       attribution for tree ensembles".
    .. [3] Yu et al. (2022), "Linear TreeShap".
    """

    def __init__(
        self,
        trees: TreeEnsemble,
        background: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.trees = trees.check(_WHERE)
        self._n_threads = resolve_n_threads(n_threads, _WHERE)
        rows = None if background is None else self._rows(background, "background")
        if rows is None:
            _check_cover(trees)
        self._background = rows
        self._native = native.boosting.Explainer(trees, rows)
        if rows is None:
            self.base_values = trees.base_score + self._native.expectation()
        else:
            self.base_values = Predictor(trees, n_threads).margins(rows).mean(axis=0)

    def contributions(self, X: ArrayLike) -> NDArray[np.float64]:
        """Divide the margins of rows.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)

        Returns
        -------
        contributions : float64 array of shape (n_rows, n_outputs, n_features + 1)
            The last column is the base value; the sum over columns is the margin.

        Raises
        ------
        TypeError, ValueError
            If X is not real, or of the wrong shape.
        """
        rows = self._rows(X, "X")
        return self._native.explain(rows, self.base_values, False, self._n_threads)

    def interactions(self, X: ArrayLike) -> NDArray[np.float64]:
        """Divide every contribution among the pairs of columns it comes from.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)

        Returns
        -------
        interactions : float64 array (n_rows, n_outputs, n_features + 1, n_features + 1)
            Symmetric; a row sums to the column's contribution. Off the diagonal is half
            the Shapley interaction index of the pair, on it what the column does alone,
            and last the base value.

        Raises
        ------
        TypeError, ValueError
            If X is not real, or of the wrong shape.
        """
        rows = self._rows(X, "X")
        return self._native.explain(rows, self.base_values, True, self._n_threads)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "trees": self.trees,
            "background": self._background,
            "n_threads": self._n_threads,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _rows(self, X: ArrayLike, name: str) -> RealArray:
        rows = as_real_array(X, _WHERE, name, ndim=2)
        if rows.shape[1] != self.trees.n_features:
            fail(
                _WHERE,
                f"{name} with {self.trees.n_features} columns",
                str(rows.shape[1]),
            )
        if name == "background" and len(rows) == 0:
            fail(_WHERE, "a background of at least one row", "none")
        return rows


def _check_cover(trees: TreeEnsemble) -> None:
    bad = ~(np.isfinite(trees.cover) & (trees.cover >= 0))
    if bad.any():
        node = int(np.flatnonzero(bad)[0])
        fail(_WHERE, "covers >= 0 and finite", f"{trees.cover[node]} at node {node}")
