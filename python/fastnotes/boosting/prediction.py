"""Margins and leaves of rows, from a model's trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_integer,
    as_real_array,
    check_finite,
    check_out,
    check_shape,
    fail,
)
from fastnotes.boosting.trees import TreeEnsemble

_WHERE = "boosting.Predictor"


class Predictor:
    """A model's trees, checked and laid out once to be followed by many rows.

    Parameters
    ----------
    trees : TreeEnsemble
    n_threads : int or None, default=None
        Threads; None means the process's default. No result depends on it.

    Attributes
    ----------
    trees : TreeEnsemble

    Raises
    ------
    ValueError
        If the trees could not be followed: links that leave a tree or return, columns
        out of range, thresholds that are NaN, values that are not finite.

    Notes
    -----
    X is anything ``np.asarray`` takes, of ``trees.n_features`` columns: NaN is missing,
    -inf and inf are ordinary values, a categorical column holds category numbers.
    float32 stays float32 and the rest becomes float64; both get the same answer where
    they hold the same numbers.

    A margin is its base score and one leaf value per tree, added in float64 in the
    order of the trees, whatever the batch, the range's pieces or the threads: equal
    rows get equal bytes.
    """

    def __init__(self, trees: TreeEnsemble, n_threads: int | None = None) -> None:
        self.trees = trees.check(_WHERE)
        self._n_threads = resolve_n_threads(n_threads, _WHERE)
        self._native = native.boosting.Predictor(self.trees)
        #: ``margins_row(x)``: margins (n_outputs,) of one row of shape (n_features,)
        #: or (1, n_features), C-contiguous float32 or float64, by the shortest way.
        self.margins_row = self._native.margins_row

    def margins(
        self,
        X: ArrayLike,
        first_tree: int = 0,
        last_tree: int | None = None,
        *,
        start: ArrayLike | None = None,
        out: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Add the leaf values of trees ``first_tree`` to ``last_tree - 1``.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)
        first_tree, last_tree : int
            Range of trees; all by default.
        start : array of shape (n_rows, n_outputs), optional
            What the leaf values are added to, instead of the base score.
        out : float64 array of shape (n_rows, n_outputs), optional
            Where to put the result. It may be ``start`` itself.

        Returns
        -------
        margins : float64 array of shape (n_rows, n_outputs)

        Raises
        ------
        TypeError
            If X or ``start`` is not real.
        ValueError
            If a shape or the range is wrong, or ``start`` is not finite.
        """
        where = f"{_WHERE}.margins"
        rows = self._rows(X, where)
        first, last = self._range(first_tree, last_tree, where)
        shape = (len(rows), self.trees.n_outputs)
        if out is None:
            out = np.empty(shape)
        else:
            check_out(out, where, shape, np.float64, rows)
        if start is None:
            out[...] = self.trees.base_score
        elif start is not out:
            given = as_real_array(start, where, "start", ndim=2)
            check_shape(given, where, "start", shape, "(n_rows, n_outputs)")
            check_finite(given, where, "start")
            out[...] = given
        self._native.add_margins(rows, out, first, last, self._n_threads)
        return out

    def staged(
        self,
        X: ArrayLike,
        step: int = 1,
        first_tree: int = 0,
        last_tree: int | None = None,
    ) -> Iterator[NDArray[np.float64]]:
        """Yield the margins after every ``step`` trees, and after the last.

        Each is a new array, with the bytes that ``margins`` of the trees so far has.
        """
        where = f"{_WHERE}.staged"
        rows = self._rows(X, where)
        step = as_integer(step, where, "step", low=1)
        first, last = self._range(first_tree, last_tree, where)
        return self._stages(rows, step, first, last)

    def leaf_ids(
        self, X: ArrayLike, first_tree: int = 0, last_tree: int | None = None
    ) -> NDArray[np.int32]:
        """Number of the leaf that a row reaches in each tree.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)
        first_tree, last_tree : int
            Range of trees; all by default.

        Returns
        -------
        leaves : int32 array of shape (n_rows, last_tree - first_tree)
            Counted from each tree's own root, as ``left`` and ``right`` are.
        """
        where = f"{_WHERE}.leaf_ids"
        rows = self._rows(X, where)
        first, last = self._range(first_tree, last_tree, where)
        leaves: NDArray[np.int32] = self._native.leaf_ids(
            rows, first, last, self._n_threads
        )
        return leaves

    def __getstate__(self) -> dict[str, Any]:
        return {"trees": self.trees, "n_threads": self._n_threads}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _stages(
        self, rows: RealArray, step: int, first: int, last: int
    ) -> Iterator[NDArray[np.float64]]:
        margins = np.empty((len(rows), self.trees.n_outputs))
        margins[...] = self.trees.base_score
        for at in range(first, last, step):
            margins = margins.copy()
            stop = min(at + step, last)
            self._native.add_margins(rows, margins, at, stop, self._n_threads)
            yield margins

    def _rows(self, X: ArrayLike, where: str) -> RealArray:
        rows = as_real_array(X, where, "X", ndim=2)
        if rows.shape[1] != self.trees.n_features:
            fail(where, f"X with {self.trees.n_features} columns", str(rows.shape[1]))
        return rows

    def _range(self, first: int, last: int | None, where: str) -> tuple[int, int]:
        n_trees = self.trees.n_trees
        first = as_integer(first, where, "first_tree", low=0, high=n_trees)
        if last is None:
            return first, n_trees
        return first, as_integer(last, where, "last_tree", low=first, high=n_trees)
