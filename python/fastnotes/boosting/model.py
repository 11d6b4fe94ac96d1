"""What the three estimators of boosted trees have in common."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy, deepcopy
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from fastnotes._threads import resolve_n_jobs
from fastnotes._validation import as_integer, fail, fail_type
from fastnotes.boosting import saving
from fastnotes.boosting.callbacks import History
from fastnotes.boosting.explanation import Explained
from fastnotes.boosting.fitting import (
    FitData,
    add_margins,
    dense_blocks,
    prepare,
)
from fastnotes.boosting.model_files import SavedModel, read_model, write_model
from fastnotes.boosting.objectives import Objective
from fastnotes.boosting.parameters import check_parameters
from fastnotes.boosting.prediction import Predictor
from fastnotes.boosting.rows import as_margins
from fastnotes.boosting.table import TableEncoder
from fastnotes.boosting.targets import as_numbers
from fastnotes.boosting.training import Start, Training
from fastnotes.boosting.trees import TreeEnsemble

_Model = TypeVar("_Model", bound="BoostedModel")
_Range = tuple[int, int]

#: What rows of floats have for a dtype where nothing is to be converted.
_PLAIN = (np.dtype(np.float32), np.dtype(np.float64))

#: What fit leaves beside the public attributes.
_PRIVATE = (
    "_cache",
    "_encoder",
    "_objective",
    "_round_offsets",
    "_training",
    "_trees",
)


class BoostedModel(Explained, BaseEstimator):  # type: ignore[misc]
    """Training, prediction and explanation; subclasses say what y and margins mean."""

    n_features_in_: int
    base_score_: NDArray[np.float64]
    evals_result_: History
    n_rounds_: int
    best_iteration_: int
    best_score_: float
    n_estimators: int
    warm_start: bool
    n_jobs: int | None
    _encoder: TableEncoder
    _objective: Objective
    _trees: TreeEnsemble
    _round_offsets: NDArray[np.int64]
    _training: Training
    #: The last predictor and explainer, by what they were made for; not pickled.
    _cache: dict[Any, Any]

    # ------------------------------------------------------------ fitting

    def _fit(self: _Model, data: FitData, init_model: Any) -> _Model:
        """Train. After Ctrl-C the finished rounds stay; after an error, what was."""
        where = f"boosting.{type(self).__name__}.fit"
        before = vars(self).copy()
        try:
            start, n_rounds = self._start(init_model, where)
            if n_rounds == 0:
                return self
            self._forget()
            self._cache = {}
            self._training = prepare(self, data, start, n_rounds, where)
            self._training.run(self)
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt) and "_training" in vars(self)
            if stopped and self._training.rounds_done > 0:
                self._keep(self._training)
            else:
                self.__dict__.clear()
                self.__dict__.update(before)
            raise
        self._keep(self._training)
        return self

    def _start(self, init_model: Any, where: str) -> tuple[Start | None, int]:
        """The model to go on with, if there is one, and the rounds to come."""
        given = {"n_estimators": self.n_estimators, "warm_start": self.warm_start}
        checked = check_parameters(given, where)
        n_estimators: int = checked["n_estimators"]
        if init_model is not None:
            model = saving.as_model(init_model, type(self), where)
            return model._as_start(), n_estimators
        if not checked["warm_start"] or not self.__sklearn_is_fitted__():
            return None, n_estimators
        if n_estimators < self.n_rounds_:
            got = str(n_estimators)
            fail(where, f"n_estimators >= {self.n_rounds_}, the rounds there are", got)
        return self._as_start(), n_estimators - self.n_rounds_

    def _as_start(self) -> Start:
        return Start(
            trees=self.trees_,
            n_rounds=self.n_rounds_,
            round_offsets=self._round_offsets,
            encoder=self._encoder,
            names=getattr(self, "feature_names_in_", None),
            classes=getattr(self, "classes_", None),
            objective=self._objective.name,
        )

    def _forget(self) -> None:
        """Drop what an earlier fit has found."""
        for name in list(vars(self)):
            if name in _PRIVATE or (name.endswith("_") and not name.startswith("_")):
                delattr(self, name)

    def _keep(self, training: Training) -> None:
        """Take over what a training has reached."""
        self.__dict__.update(self._reached(training))
        del self._training

    def _reached(self, training: Training) -> dict[str, Any]:
        """Attributes of the finished rounds."""
        found: dict[str, Any] = {
            "_trees": training.ensemble(self.base_score_),
            "_round_offsets": training.round_offsets(len(self.base_score_)),
            "_cache": {},
            "n_rounds_": training.n_rounds,
            "evals_result_": deepcopy(training.history),
        }
        if training.stopping is not None and training.stopping.best_round is not None:
            found["best_iteration_"] = training.stopping.best_round
            found["best_score_"] = training.stopping.best_score
        return found

    # ------------------------------------------------------------ for subclasses

    def _learn_target(
        self, y: NDArray[Any], classes: NDArray[Any] | None, where: str
    ) -> NDArray[Any]:
        """Return the objective's form of y; classes are learnt, or those given."""
        return as_numbers(y, where)

    def _encode_target(self, y: NDArray[Any], where: str) -> NDArray[Any]:
        """Return the same form of another y."""
        return as_numbers(y, where)

    def _restore_classes(self, classes: NDArray[Any]) -> None:
        """Take over the classes of a file: numbers have none."""

    def _row_weights(self, given: Any, y: NDArray[Any], where: str) -> Any:
        """Return the user's weights times those of classes."""
        return given

    def _level_statistic(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return what orders categories, of shape (n_rows,) or (n_rows, n_outputs)."""
        return y

    def _make_objective(self, where: str) -> Objective:
        """Return what the parameters and the classes ask for."""
        raise NotImplementedError

    def _accept(self, objective: Objective, where: str) -> None:
        """Refuse objectives of another kind of target."""

    def _linked_objective(self) -> Objective:
        """Return the objective whose link turns margins into predictions."""
        return self._objective

    # ------------------------------------------------------------ fitted state

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there are trees, those of a training under way included."""
        return "_trees" in vars(self) or "_training" in vars(self)

    def _check_fitted(self, where: str) -> None:
        if not self.__sklearn_is_fitted__():
            name = type(self).__name__
            raise NotFittedError(
                f"[{where}] expected a fitted {name}, got one before fit"
            )

    @property
    def trees_(self) -> TreeEnsemble:
        """All trees, those behind the best round included."""
        if "_training" in vars(self):
            return self._training.ensemble(self.base_score_)
        if "_trees" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no trees_ before fit")
        return self._trees

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__().copy()
        if "_cache" in state:
            state["_cache"] = {}
        if "_training" in state:  # a callback keeps the model of the rounds so far
            state.update(self._reached(state.pop("_training")))
        return state

    def __sklearn_tags__(self) -> Any:
        """NaN, sparse matrices and categories are welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.categorical = True
        tags.target_tags.required = True
        return tags

    # ------------------------------------------------------------ rounds and trees

    def _default_range(self) -> _Range:
        """Rounds that predictions use unless told otherwise."""
        if "_training" in vars(self):
            training = self._training
            return 0, training.n_rounds
        best = getattr(self, "best_iteration_", None)
        return 0, self.n_rounds_ if best is None else best + 1

    def _round_range(self, given: Any, where: str) -> _Range:
        if given is None:
            return self._default_range()
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            fail_type(where, "iteration_range as (first, last)", type(given).__name__)
        n = max(self._default_range()[1], vars(self).get("n_rounds_", 0))
        first = as_integer(given[0], where, "first of iteration_range", low=0, high=n)
        last = as_integer(given[1], where, "last of iteration_range", low=0, high=n)
        if last == 0:
            last = n if first else self._default_range()[1]
        if last < first:
            fail(where, "iteration_range in ascending order", str((first, last)))
        return first, last

    def _tree_range(self, rounds: _Range) -> _Range:
        if "_training" in vars(self):
            offsets = self._training.round_offsets(len(self.base_score_))
        else:
            offsets = self._round_offsets
        return int(offsets[rounds[0]]), int(offsets[rounds[1]])

    def _used_trees(self) -> TreeEnsemble:
        first, last = self._tree_range(self._default_range())
        trees = self.trees_
        return trees if last - first == trees.n_trees else trees.select(first, last)

    def _rounds_before(self) -> int:
        series = [s for scores in self.evals_result_.values() for s in scores.values()]
        return self.n_rounds_ - len(series[0]) if series else 0

    def _predictor(self, where: str) -> Predictor:
        """All trees, laid out; kept until the trees or the threads change."""
        key = (self._default_range(), self.n_jobs)
        kept = self._cache.get("predictor")
        if kept is None or kept[0] != key:
            n_threads = resolve_n_jobs(self.n_jobs, where)
            kept = key, Predictor(self.trees_, n_threads)
            self._cache.pop("row", None)
            self._cache["predictor"] = kept
        predictor: Predictor = kept[1]
        return predictor

    def _row_margins(self, X: Any) -> NDArray[np.float64] | None:
        """Margins (1, n_outputs) of a single row by the shortest way, if that will do.

        The checks of the long way cost more than the trees of one row.
        """
        if type(X) is not np.ndarray or X.ndim != 2 or len(X) != 1:
            return None
        cache = self.__dict__.get("_cache")
        if cache is None:
            return None
        shape, margins_row = cache.get("row") or self._make_row()
        if X.shape != shape or X.dtype not in _PLAIN or not X.flags.carray:
            return None
        row: NDArray[np.float64] = margins_row(X)
        return row[None]

    def _make_row(self) -> Any:
        """The shape of rows that need no encoding, and what gives their margins."""
        encoder = self._encoder
        if (
            "_training" in vars(self)
            or encoder.levels_
            or not np.isnan(encoder.missing_number)
            or hasattr(self, "feature_names_in_")
        ):
            return None, None
        row = ((1, self.n_features_in_), Predictor(self._used_trees(), 1).margins_row)
        self._cache["row"] = row
        return row

    # ------------------------------------------------------------ prediction

    def _margins(
        self, X: Any, base_margin: Any, iteration_range: Any, where: str
    ) -> NDArray[np.float64]:
        """Margins of the user's rows, of shape (n_rows, n_outputs)."""
        if base_margin is None and iteration_range is None:
            row = self._row_margins(X)
            if row is not None:
                return row
        self._check_fitted(where)
        first, last = self._tree_range(self._round_range(iteration_range, where))
        values = self._encoder.encode(X, owner=self, where=where)
        n_rows, n_outputs = values.shape[0], len(self.base_score_)
        if base_margin is None:
            margins = np.empty((n_rows, n_outputs))
            margins[...] = self.base_score_
        else:
            margins = as_margins(base_margin, n_rows, n_outputs, where).copy()
        predictor = self._predictor(where)
        add_margins(predictor, self._encoder, values, margins, first, last)
        return margins

    def _staged_margins(self, X: Any, where: str) -> Iterator[NDArray[np.float64]]:
        """Margins after each round; the same array is yielded again and again."""
        self._check_fitted(where)
        values = self._encoder.encode(X, owner=self, where=where)
        margins = np.empty((values.shape[0], len(self.base_score_)))
        margins[...] = self.base_score_
        predictor = self._predictor(where)
        for round_ in range(self._default_range()[1]):
            first, last = self._tree_range((round_, round_ + 1))
            add_margins(predictor, self._encoder, values, margins, first, last)
            yield margins

    def apply(self, X: Any, *, iteration_range: Any = None) -> NDArray[np.int32]:
        """Return the leaf that each row reaches in each tree.

        Parameters
        ----------
        X : table of shape (n_rows, n_features)
        iteration_range : (first, last), optional
            As of ``predict``.

        Returns
        -------
        int32 array of shape (n_rows, n_trees)
            Node numbers, counted from each tree's root, as in ``trees_``.
        """
        where = f"boosting.{type(self).__name__}.apply"
        self._check_fitted(where)
        first, last = self._tree_range(self._round_range(iteration_range, where))
        values = self._encoder.encode(X, owner=self, where=where)
        leaves = np.empty((values.shape[0], last - first), np.int32)
        predictor = self._predictor(where)
        for at, block in dense_blocks(self._encoder, values):
            leaves[at : at + len(block)] = predictor.leaf_ids(block, first, last)
        return leaves

    # ------------------------------------------------------------ files

    def save_model(self, path: str | Path) -> None:
        """Write the model in XGBoost's schema, for XGBoost and fastnotes to read.

        Parameters
        ----------
        path : path
            A name that ends in ``.json`` or ``.ubj``.
        """
        self._write(path, "save_model", for_xgboost=True)

    def load_model(self: _Model, path: Any) -> _Model:
        """Read a model of XGBoost, LightGBM or fastnotes into this estimator.

        Parameters
        ----------
        path : path, bytes or SavedModel

        Returns
        -------
        self
            The parameters of the constructor stay as they are.

        Raises
        ------
        ValueError
            If the file is damaged, or its model is no such estimator's.
        """
        where = f"boosting.{type(self).__name__}.load_model"
        saved = path if isinstance(path, SavedModel) else read_model(path)
        saving.restore(self, saved, where)
        return self

    def save(self, path: str | Path) -> None:
        """Write the model with the parameters, for ``load`` to read.

        Parameters
        ----------
        path : path
            A name that ends in ``.json`` or ``.ubj``; the file is ``save_model``'s.
        """
        self._write(path, "save", for_xgboost=False)

    def _write(self, path: str | Path, method: str, *, for_xgboost: bool) -> None:
        self._check_fitted(f"boosting.{type(self).__name__}.{method}")
        model = copy(self) if "_training" in vars(self) else self
        write_model(saving.to_saved(model), path, for_xgboost=for_xgboost)

    @classmethod
    def load(cls: type[_Model], path: Any) -> _Model:
        """Read a model, and the parameters of one that ``save`` has written."""
        saved = path if isinstance(path, SavedModel) else read_model(path)
        model = cls(**saving.parameters(saved, cls))
        return model.load_model(saved)
