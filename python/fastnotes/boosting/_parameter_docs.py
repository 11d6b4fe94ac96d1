"""What the three estimators' parameters mean, written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_Class = TypeVar("_Class", bound=type)

_SHARED = """\
    n_estimators : int, default=100
        Rounds; each adds one tree, or one per class or quantile.
    learning_rate : float, default=0.3
        Factor of every leaf's weight, >= 0.
    max_depth : int or None, default=6
        Most splits on a path; 0 or None: no limit.
    max_leaves : int or None, default=0
        Most leaves of a tree; 0 or None: no limit.
    grow_policy : {"depthwise", "lossguide"}, default="depthwise"
        Split level by level, or always the leaf of largest gain.
    max_bin : int, default=255
        Most bins of a column, from 2 to 255.
    reg_lambda : float, default=1.0
        L2 penalty on leaf weights, >= 0.
    reg_alpha : float, default=0.0
        L1 penalty on leaf weights, >= 0.
    gamma : float, default=0.0
        Price of a leaf, taken from the notes' Gain with its 1/2: 1 here is 2 in
        XGBoost.
    min_child_weight : float, default=1.0
        Least sum of hessians in a leaf, >= 0.
    max_delta_step : float or None, default=None
        Bound on the size of a leaf's weight before the learning rate; 0: none. None: 0,
        and 0.7 for "count:poisson".
    subsample : float, default=1.0
        Chance of a row to take part in a round, in (0, 1].
    colsample_bytree, colsample_bylevel, colsample_bynode : float, default=1.0
        Shares of columns, in (0, 1]: of all for a tree, of those for a level, of those
        for a node.
{objective}
    base_score : float or None, default=None
        Prediction before the first tree, on the scale of predictions. None: the
        constant that suits ``y`` best.
    missing : float, default=nan
        A number that means missing, as NaN always does.
    absent : {"zero", "missing"}, default="zero"
        What an entry means that a sparse matrix does not store.
    categorical_features : None, "from_dtype" or sequence, default=None
        Columns whose values have no order: by number or name or as a mask, or all
        columns of a categorical dtype.
    unseen : {"missing", "error"}, default="missing"
        What ``predict`` does with categories that ``fit`` did not see.
    max_cat_to_onehot : int, default=4
        A column of fewer categories is split one against the rest, any other by sets.
    monotone_constraints : sequence, dict or str, default=None
        1 for columns in which predictions may only rise, -1 fall, 0 either; as a
        sequence over all columns, a dict by name or number, or text such as "(1,-1)".
    interaction_constraints : sequence of sequences or str, default=None
        Sets of columns, by name or number, that may share a path. A column in no set
        shares none.
    importance_type : str, default="gain"
        What ``feature_importances_`` tells: "gain", "cover", "weight", "total_gain" or
        "total_cover".
{own}
    eval_metric : str, callable or list of them, default=None
        Scores of the sets in ``eval_set``; None: the objective's own. A callable takes
        ``(y_true, predictions)``, returns a float that is better if lower, and goes by
        its ``__name__``.
    early_stopping_rounds : int or None, default=None
        Stop when the last metric on the last set has not improved for so many rounds.
        Predictions then use the rounds up to the best.
    warm_start : bool, default=False
        A further ``fit`` keeps the trees and adds rounds up to ``n_estimators``.
    callbacks : list of TrainingCallback or None, default=None
        Called around the rounds, with XGBoost's method names; ``model`` is the
        estimator with the rounds so far.
    random_state : int, RandomState, Generator or None, default=0
        Seed of all sampling.
    n_jobs : int or None, default=None
        Threads; None: the process's default, -1: all CPUs. The model does not depend on
        it.
    verbose : bool or int, default=0
        Above 0: a progress bar of tqdm, or lines on stderr where tqdm is not installed,
        with the last metric and the time left."""

_FITTED = """\
    trees_ : TreeEnsemble
        All trees, those behind the best round included.
    n_features_in_ : int
    feature_names_in_ : array of str
        Only if the names of X's columns are strings.
    feature_importances_ : float32 array of shape (n_features_in_,)
        Shares that add up to 1 (to 0 without a split).
    n_rounds_ : int
        Rounds in ``trees_``.
    base_score_ : float64 array of shape (n_outputs,)
        Margin before the first tree.
    evals_result_ : dict of dict of list
        ``evals_result_["validation_0"]["logloss"][round]`` and so on, one set of
        ``eval_set`` after the other.
    best_iteration_ : int
        Round of the best score. Only with ``early_stopping_rounds``.
    best_score_ : float
        Likewise."""


_FIT = """\
Parameters
        ----------
        X : table of shape (n_rows, n_features)
            Array, data frame (pandas, polars, Arrow) or sparse matrix; NaN is missing.
        y : array of shape (n_rows,)
        sample_weight : array of shape (n_rows,), optional
            An integer weight equals so many repeated rows.
        base_margin : array of shape (n_rows,) or (n_rows, n_outputs), optional
            Margins that training starts from, in place of the base score, which is then
            0 unless given.
        eval_set : list of (X, y), optional
            Scored after each round: ``evals_result_``.
        sample_weight_eval_set, base_margin_eval_set : list, optional
            An array or None for each set.
        init_model : estimator, path or SavedModel, optional
            What to go on with: its trees stay, ``n_estimators`` rounds are added.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter is not as described; the estimator is then
            what it was before.
        KeyboardInterrupt
            On Ctrl-C. The estimator has the finished rounds, if there are any, and can
            predict or go on with ``warm_start``.
"""

_PREDICT = """\
Parameters
        ----------
        X : table of shape (n_rows, n_features)
        output_margin : bool, default=False
            Give sums of leaves, without the link.
        base_margin : array of shape (n_rows,) or (n_rows, n_outputs), optional
            What leaves are added to, in place of the base score.
        iteration_range : (first, last), optional
            Use rounds first to last - 1; last 0 means the end. None: all, after early
            stopping those up to the best."""


def documented(objective: str, own: str = "") -> Callable[[_Class], _Class]:
    """Fill {parameters}, {attributes} and the like in the docstrings of a class."""
    shared = _SHARED.replace("{objective}", objective).replace("{own}", own)
    lines = [line for line in shared.split("\n") if line.strip()]
    texts = {
        "{parameters}": "\n".join(lines).strip(),
        "{attributes}": _FITTED.strip(),
        "{fit_parameters}": _FIT.strip(),
        "{predict_parameters}": _PREDICT,
    }

    def filled(text: str | None) -> str:
        text = text or ""
        for mark, value in texts.items():
            text = text.replace(mark, value)
        return text

    def fill(cls: _Class) -> _Class:
        cls.__doc__ = filled(cls.__doc__)
        for member in (cls.fit, cls.predict):  # type: ignore[attr-defined]
            member.__doc__ = filled(member.__doc__)
        return cls

    return fill
