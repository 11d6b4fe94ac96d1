"""What a fitted model tells of itself: importances, trees as text, pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._threads import resolve_n_jobs
from fastnotes._validation import check_choice, fail
from fastnotes.boosting import inspection, plots
from fastnotes.boosting.fitting import dense_blocks
from fastnotes.boosting.importance import IMPORTANCE_TYPES, importances
from fastnotes.boosting.shapley import Explainer
from fastnotes.boosting.table import TableEncoder
from fastnotes.boosting.trees import TreeEnsemble


class Explained:
    """The part of the estimators that explains them."""

    importance_type: str
    n_jobs: int | None
    n_features_in_: int
    _encoder: TableEncoder
    _cache: dict[Any, Any]

    def __sklearn_is_fitted__(self) -> bool:
        raise NotImplementedError

    def _check_fitted(self, where: str) -> None:
        raise NotImplementedError

    def _default_range(self) -> tuple[int, int]:
        raise NotImplementedError

    def _used_trees(self) -> TreeEnsemble:
        raise NotImplementedError

    @property
    def feature_importances_(self) -> NDArray[np.float32]:
        """Shares of the columns in what ``importance_type`` counts, of the rounds used.

        They add up to 1, or to 0 without a split.
        """
        name = type(self).__name__
        if not self.__sklearn_is_fitted__():
            raise AttributeError(f"{name} has no feature_importances_ before fit")
        where = f"boosting.{name}.feature_importances_"
        kind = check_choice(
            self.importance_type, where, "importance_type", IMPORTANCE_TYPES
        )
        found = importances(self._used_trees(), kind)
        total = found.sum()
        return (found / total if total > 0 else found).astype(np.float32)

    def shap_values(
        self, X: Any, *, method: str = "path_dependent", background: Any = None
    ) -> NDArray[np.float64]:
        """Divide the margins of rows among the columns, by Shapley's rule, exactly.

        Parameters
        ----------
        X : table of shape (n_rows, n_features)
        method : {"path_dependent", "interventional"}
            What an unknown column means: both ways of a split by their share of the
            cover, as in XGBoost; or the values of the background's rows.
        background : table of shape (n_background, n_features), optional
            Given with "interventional" and only then.

        Returns
        -------
        float64 array of shape (n_rows, n_features + 1)
            The last column is the base value, and the sum of a row its margin, without
            a base_margin. With several outputs (n_rows, n_outputs, n_features + 1).
        """
        where = f"boosting.{type(self).__name__}.shap_values"
        self._check_fitted(where)
        check_choice(method, where, "method", ("path_dependent", "interventional"))
        if (method == "interventional") != (background is not None):
            expected = "a background with interventional, and none otherwise"
            fail(where, expected, f"{method} and {type(background).__name__}")
        if background is None:
            explainer = self._explainer(where)
        else:
            others = np.concatenate(self._blocks(background, where))
            n_threads = resolve_n_jobs(self.n_jobs, where)
            explainer = Explainer(self._used_trees(), others, n_threads)
        blocks = [explainer.contributions(x) for x in self._blocks(X, where)]
        return _one_output_flat(blocks)

    def shap_interaction_values(self, X: Any) -> NDArray[np.float64]:
        """Divide the path-dependent ``shap_values`` among pairs of columns.

        Parameters
        ----------
        X : table of shape (n_rows, n_features)

        Returns
        -------
        float64 array of shape (n_rows, n_features + 1, n_features + 1)
            Symmetric; rows sum to the columns' values. With several outputs (n_rows,
            n_outputs, n_features + 1, n_features + 1).
        """
        where = f"boosting.{type(self).__name__}.shap_interaction_values"
        self._check_fitted(where)
        explainer = self._explainer(where)
        blocks = [explainer.interactions(x) for x in self._blocks(X, where)]
        return _one_output_flat(blocks)

    def _explainer(self, where: str) -> Explainer:
        """What divides margins by the cover; kept until trees or threads change."""
        n_threads = resolve_n_jobs(self.n_jobs, where)
        key = (self._default_range(), n_threads)
        kept = self._cache.get("explainer")
        if kept is None or kept[0] != key:
            kept = key, Explainer(self._used_trees(), n_threads=n_threads)
            self._cache["explainer"] = kept
        explainer: Explainer = kept[1]
        return explainer

    def _blocks(self, X: Any, where: str) -> list[NDArray[Any]]:
        values = self._encoder.encode(X, owner=self, where=where)
        return [block for _, block in dense_blocks(self._encoder, values)]

    def dump_trees(self) -> str:
        """Return the trees that predictions use as text, a node a line."""
        trees, names, categories = self._named_trees("dump_trees")
        return inspection.dump_trees(trees, names, categories=categories)

    def trees_to_dataframe(self) -> Any:
        """Return their nodes as a pandas DataFrame with XGBoost's columns."""
        trees, names, categories = self._named_trees("trees_to_dataframe")
        return inspection.trees_to_dataframe(trees, names, categories=categories)

    def plot_importance(self, *, max_features: int | None = 20, ax: Any = None) -> Any:
        """Draw ``feature_importances_`` as bars, the largest on top.

        Parameters
        ----------
        max_features : int or None, default=20
            Columns to show; None shows all.
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.

        Returns
        -------
        matplotlib Axes
        """
        _, names, _ = self._named_trees("plot_importance")
        shares = dict(zip(names, self.feature_importances_.tolist(), strict=True))
        return plots.plot_importance(
            shares,
            max_features=max_features,
            xlabel=f"share of {self.importance_type.replace('_', ' ')}",
            ax=ax,
        )

    def plot_tree(
        self, tree: int = 0, *, max_depth: int | None = 3, ax: Any = None
    ) -> Any:
        """Draw one tree; parameters as of ``fastnotes.boosting.plot_tree``."""
        trees, names, categories = self._named_trees("plot_tree")
        return plots.plot_tree(
            trees,
            tree,
            feature_names=names,
            categories=categories,
            max_depth=max_depth,
            ax=ax,
        )

    def plot_history(self, *, metric: str | None = None, ax: Any = None) -> Any:
        """Draw ``evals_result_``, with the best round after early stopping.

        Parameters
        ----------
        metric : str, optional
            None: the last one, which early stopping watches.
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.

        Returns
        -------
        matplotlib Axes
        """
        where = f"boosting.{type(self).__name__}.plot_history"
        self._check_fitted(where)
        history = getattr(self, "evals_result_", {})
        if not history:
            fail(where, "a model that was fitted with an eval_set", "no history")
        best = getattr(self, "best_iteration_", None)
        if best is not None:
            best -= self._rounds_before()
        return plots.plot_history(history, metric=metric, best_round=best, ax=ax)

    def _rounds_before(self) -> int:
        """Rounds of the model that the history does not tell of."""
        raise NotImplementedError

    def _named_trees(
        self, method: str
    ) -> tuple[TreeEnsemble, list[str], list[list[Any] | None]]:
        """The trees in use, names of the columns, and of their categories by code."""
        self._check_fitted(f"boosting.{type(self).__name__}.{method}")
        n = self.n_features_in_
        given = getattr(self, "feature_names_in_", None)
        names = [f"f{c}" for c in range(n)] if given is None else list(map(str, given))
        levels = self._encoder.levels_
        categories = [list(levels[c].values) if c in levels else None for c in range(n)]
        return self._used_trees(), names, categories


def _one_output_flat(blocks: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """All rows, without the axis of outputs where there is one output."""
    whole = np.concatenate(blocks)
    return whole[:, 0] if whole.shape[1] == 1 else whole
