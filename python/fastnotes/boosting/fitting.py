"""From the arguments of ``fit`` to a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fastnotes._callbacks import as_callbacks
from fastnotes._threads import resolve_n_jobs
from fastnotes._validation import (
    as_real,
    fail,
    fail_type,
)
from fastnotes.boosting.binning import as_seed
from fastnotes.boosting.growth import GrownTree, GrowthParameters, add_tree_values
from fastnotes.boosting.metrics import Metric, resolve_metric
from fastnotes.boosting.objectives import BoundObjective, Objective
from fastnotes.boosting.parameters import (
    check_parameters,
    interaction_sets,
    monotone_signs,
)
from fastnotes.boosting.prediction import Predictor
from fastnotes.boosting.rows import (
    Rows,
    as_margins,
    as_rows,
    gather_lists,
    merge_equal,
    order_lists,
    repeated_rows,
)
from fastnotes.boosting.sparse_growth import SparseRows
from fastnotes.boosting.sparse_table import (
    SparseBins,
    SparseTrainingTable,
    assign_sparse,
    bin_sparse,
)
from fastnotes.boosting.table import TableEncoder
from fastnotes.boosting.targets import as_qid, as_target
from fastnotes.boosting.training import RowSet, Schedule, Start, Training
from fastnotes.boosting.training_table import ColumnBins, TrainingTable, bin_table

#: Rows of a sparse matrix that are made dense at a time.
BLOCK_ROWS = 4096

#: Trees that repay a look for equal rows.
_LEAST_TREES = 8


class FitData(NamedTuple):
    """Arguments of ``fit``, as the user gave them."""

    X: Any
    y: Any
    sample_weight: Any = None
    base_margin: Any = None
    eval_set: Any = None
    sample_weight_eval_set: Any = None
    base_margin_eval_set: Any = None
    qid: Any = None
    eval_qid: Any = None


def prepare(
    model: Any, data: FitData, start: Start | None, n_rounds: int, where: str
) -> Training:
    """Check everything, and set what the model needs to predict while it is trained."""
    given = check_parameters(model.get_params(deep=False), where)
    n_threads = resolve_n_jobs(model.n_jobs, where)
    seed = as_seed(model.random_state, where)
    learning = _learning_rows(model, data, start, where)
    objective: Objective = model._make_objective(where)
    model._objective = objective
    table = _bin(model, learning, given["max_bin"], seed, n_threads)
    if objective.needs_groups:
        if isinstance(table, SparseTrainingTable):
            table = TrainingTable(_dense(table.bins), table.columns)
        table = order_lists(learning, table, with_values=start is not None)
    bound = _bind(objective, learning, where)
    if start is None:
        base = _base_score(model, bound, data.base_margin, where)
    else:
        base = start.trees.base_score
        if (start.objective, len(base)) != (objective.name, objective.n_outputs):
            wanted = f"trees of {objective.n_outputs} outputs for {objective.name!r}"
            fail(where, wanted, f"{len(base)} for {start.objective!r}")
    model.base_score_ = base
    may_merge = start is None and _may_merge(model, data, given, n_rounds, where)
    if may_merge and isinstance(table, TrainingTable):
        table = merge_equal(learning, table, n_threads)
        bound = _bind(objective, learning, where)
    margins = starting_margins(model, learning, start, n_threads, where)
    train = RowSet("train", None, [], margins)
    scored = _scored_rows(model, data, learning, table, train, start, n_threads, where)
    metrics = _metrics(model, where)
    if given["early_stopping_rounds"] is not None and not scored:
        fail(where, "an eval_set for early_stopping_rounds", "none")
    for rows, y, weight, offsets in scored:
        rows.metrics = [m.bind(y, weight, offsets, where=where) for m in metrics]
    if not scored and given["verbose"]:
        shown = (learning.y, learning.total_weight, learning.offsets)
        train.metrics = [metrics[-1].bind(*shown, where=where)]
    first = 0 if start is None else start.n_rounds
    rounds = first, first + n_rounds
    schedule = _schedule(model, given, rounds, seed, n_threads, where)
    others = [rows for rows, *_ in scored]
    return Training(table, bound, train, others, metrics, schedule, start)


def _bind(objective: Objective, rows: Rows, where: str) -> BoundObjective:
    bound = objective.bind(rows.y, rows.weight, rows.offsets, where=where)
    bound.row_numbers = rows.numbers
    return bound


def _may_merge(
    model: Any, data: FitData, given: dict[str, Any], n_rounds: int, where: str
) -> bool:
    """Whether nothing but the sums of gradients depends on single rows.

    Rows that are scored too would have to go through the trees one by one instead.
    """
    objective: Objective = model._objective
    scored = [X for X, _ in _pairs(data.eval_set, where)]
    named = model.eval_metric is None or isinstance(model.eval_metric, str)
    return (
        objective.goes_by_row
        and not objective.renews_leaves
        and given["subsample"] == 1
        and data.base_margin is None
        and n_rounds * objective.n_outputs >= _LEAST_TREES
        and not any(X is data.X for X in scored)
        and (named or bool(scored) or not given["verbose"])
    )


def _schedule(
    model: Any,
    given: dict[str, Any],
    rounds: tuple[int, int],
    seed: int,
    n_threads: int,
    where: str,
) -> Schedule:
    return Schedule(
        first_round=rounds[0],
        last_round=rounds[1],
        growth=_growth(model, given, model._objective, where),
        subsample=given["subsample"],
        colsample_bytree=given["colsample_bytree"],
        early_stopping_rounds=given["early_stopping_rounds"],
        seed=seed,
        n_threads=n_threads,
        verbose=given["verbose"] > 0,
        callbacks=as_callbacks(model.callbacks, where),
    )


# ---------------------------------------------------------------- rows


def _learning_rows(model: Any, data: FitData, start: Start | None, where: str) -> Rows:
    """Rows of training; the encoder and the classes are learnt from them."""
    if start is None:
        model._encoder = TableEncoder(
            categorical_features=model.categorical_features,
            missing=model.missing,
            absent=model.absent,
            unseen=model.unseen,
        )
        values = model._encoder.fit_encode(data.X, owner=model, where=where)
    else:
        model._encoder = start.encoder
        model.n_features_in_ = start.trees.n_features
        if start.names is not None:
            model.feature_names_in_ = start.names
        values = model._encoder.encode(data.X, owner=model, where=where)
    target = as_target(data.y, values.shape[0], where)
    y = model._learn_target(target, None if start is None else start.classes, where)
    weight = model._row_weights(data.sample_weight, y, where)
    rows = as_rows(values, y, weight, data.base_margin, where)
    repeated = repeated_rows(rows.weight)
    qid = as_qid(data.qid, values.shape[0], where)
    if repeated is not None:
        rows.take(repeated)
        rows.weight = None
        qid = None if qid is None else qid[repeated]
    gather_lists(rows, qid)
    return rows


def starting_margins(
    model: Any, rows: Rows, start: Start | None, n_threads: int, where: str
) -> NDArray[np.float64]:
    """Margins before the first round to come, of shape (n_outputs, n_rows)."""
    n_rows, n_outputs = len(rows.y), len(model.base_score_)
    if rows.base_margin is not None:
        margins = as_margins(rows.base_margin, n_rows, n_outputs, where).copy()
    else:
        margins = np.empty((n_rows, n_outputs))
        margins[...] = model.base_score_
    if start is not None and start.trees.n_trees:
        predictor = Predictor(start.trees, n_threads)
        add_margins(predictor, model._encoder, rows.values, margins)
    return np.ascontiguousarray(margins.T)


def add_margins(
    predictor: Predictor,
    encoder: TableEncoder,
    values: Any,
    margins: NDArray[np.float64],
    first_tree: int = 0,
    last_tree: int | None = None,
) -> None:
    """Add trees to the margins (n_rows, n_outputs) of encoded rows, sparse or not."""
    for at, block in dense_blocks(encoder, values):
        part = margins[at : at + len(block)]
        predictor.margins(block, first_tree, last_tree, start=part, out=part)


def dense_blocks(encoder: TableEncoder, values: Any) -> Any:
    """(first row, rows) of an encoded table: all at once, or of a sparse one blocks."""
    if not sparse.issparse(values):
        return [(0, values)]
    return encoder.encode_blocks(values, BLOCK_ROWS)


def _bin(
    model: Any, rows: Rows, max_bin: int, seed: int, n_threads: int
) -> TrainingTable | SparseTrainingTable:
    encoder: TableEncoder = model._encoder
    if sparse.issparse(rows.values):
        return bin_sparse(
            rows.values,
            absent=encoder.absent,
            missing=encoder.missing_number,
            sample_weight=rows.weight,
            max_bin=max_bin,
            random_state=seed,
            n_threads=n_threads,
        )
    return bin_table(
        rows.values,
        encoder.levels_,
        statistic=model._level_statistic(rows.y),
        sample_weight=rows.weight,
        max_bin=max_bin,
        random_state=seed,
        n_threads=n_threads,
    )


def _adder(
    model: Any, columns: ColumnBins, values: Any, n_threads: int
) -> Callable[[NDArray[np.float64], GrownTree], None]:
    """What adds a tree's values to the margins of other rows, binned as training's."""
    if not sparse.issparse(values):
        bins = columns.bin(values, n_threads=n_threads)
        return lambda margins, tree: add_tree_values(
            bins, tree, margins, n_threads=n_threads
        )
    encoder: TableEncoder = model._encoder
    stored = assign_sparse(
        columns,
        values,
        absent=encoder.absent,
        missing=encoder.missing_number,
        n_threads=n_threads,
    )
    return SparseRows(stored, n_threads=n_threads).add_tree_values


def _dense(bins: SparseBins) -> NDArray[np.uint8]:
    """The table of a ranking, whose rows are put in order by all they hold."""
    dense = np.empty((bins.n_rows, len(bins.absent_bins)), np.uint8)
    dense[...] = bins.absent_bins
    column = np.repeat(np.arange(len(bins.absent_bins)), np.diff(bins.offsets))
    dense[bins.rows, column] = bins.bins
    return dense


# ---------------------------------------------------------------- scored rows


def _scored_rows(
    model: Any,
    data: FitData,
    learning: Rows,
    table: TrainingTable | SparseTrainingTable,
    train: RowSet,
    start: Start | None,
    n_threads: int,
    where: str,
) -> list[tuple[RowSet, Any, Any, Any]]:
    """Sets of ``eval_set``, each with its y, weight and offsets."""
    pairs = _pairs(data.eval_set, where)
    n = len(pairs)
    weights = _one_each(data.sample_weight_eval_set, n, "sample_weight_eval_set", where)
    bases = _one_each(data.base_margin_eval_set, n, "base_margin_eval_set", where)
    queries = _one_each(data.eval_qid, n, "eval_qid", where)
    scored = []
    for i, (X, y) in enumerate(pairs):
        name = f"validation_{i}"
        values = model._encoder.encode(X, owner=model, where=where)
        if values.shape[0] == 0:
            fail(where, f"rows in set {i} of eval_set", "none")
        target = model._encode_target(as_target(y, values.shape[0], where), where)
        rows = as_rows(values, target, weights[i], bases[i], where)
        gather_lists(rows, as_qid(queries[i], values.shape[0], where))
        as_learnt = X is data.X and bases[i] is data.base_margin
        if as_learnt and not (rows.moved or learning.moved or _has_orders(table)):
            row_set = RowSet(name, None, [], train.margins)
        else:
            add_tree = _adder(model, table.columns, rows.values, n_threads)
            margins = starting_margins(model, rows, start, n_threads, where)
            row_set = RowSet(name, add_tree, [], margins)
        scored.append((row_set, rows.y, rows.weight, rows.offsets))
    return scored


def _has_orders(table: TrainingTable | SparseTrainingTable) -> bool:
    """Whether categories are ordered.

    Rows then learn in bins that their own target has no part in, which are not the bins
    they are predicted by.
    """
    columns = table.columns
    return any(not columns.categorical[c] for c in columns.code_bins)


def _pairs(eval_set: Any, where: str) -> list[tuple[Any, Any]]:
    if eval_set is None:
        return []
    if not isinstance(eval_set, (list, tuple)):
        fail_type(where, "eval_set as a list of (X, y)", type(eval_set).__name__)
    pairs = []
    for pair in eval_set:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            fail_type(where, "eval_set as a list of (X, y)", type(pair).__name__)
        pairs.append((pair[0], pair[1]))
    return pairs


def _one_each(given: Any, n: int, name: str, where: str) -> Sequence[Any]:
    if given is None:
        return [None] * n
    if not isinstance(given, (list, tuple)):
        wanted = f"{name} as a list with an item for each set"
        fail_type(where, wanted, type(given).__name__)
    if len(given) != n:
        fail(where, f"{name} with {n} items, as eval_set", str(len(given)))
    return given


# ---------------------------------------------------------------- parameters


def _base_score(
    model: Any, bound: Any, base_margin: Any, where: str
) -> NDArray[np.float64]:
    """Margins before the first tree: the user's, 0 under a base margin, or the best."""
    objective: Objective = bound.objective
    if model.base_score is None:
        if base_margin is not None:
            return np.zeros(objective.n_outputs)
        found: NDArray[np.float64] = bound.base_score
        return found
    score = as_real(model.base_score, where, "base_score")
    if objective.link == "logit":
        if not 0 < score < 1:
            fail(where, "base_score between 0 and 1, a probability", str(score))
        score = float(np.log(score / (1 - score)))
    elif objective.link == "log":
        if not score > 0:
            fail(where, "base_score above 0, a mean", str(score))
        score = float(np.log(score))
    return np.full(objective.n_outputs, score)


def _metrics(model: Any, where: str) -> list[Metric]:
    given = model.eval_metric
    linked: Objective = model._linked_objective()
    if given is None:
        given = [linked.default_metric]
    elif not isinstance(given, (list, tuple)):
        given = [given]
    if not given:
        fail(where, "eval_metric with at least one metric", "an empty list")
    metrics = [resolve_metric(one, linked, where=where) for one in given]
    names = [metric.name for metric in metrics]
    if len(set(names)) < len(names):
        fail(where, "metrics of different names", str(names))
    return metrics


def _growth(
    model: Any, given: dict[str, Any], objective: Objective, where: str
) -> GrowthParameters:
    names = getattr(model, "feature_names_in_", None)
    n_columns = model.n_features_in_
    step = given["max_delta_step"]
    monotone = monotone_signs(model.monotone_constraints, names, n_columns, where)
    for c in model._encoder.levels_:
        if monotone is not None and monotone[c]:
            column = str(c) if names is None else repr(names[c])
            wanted = f"monotone_constraints 0 for column {column} of categories"
            fail(where, wanted, str(monotone[c]))
    return GrowthParameters(
        learning_rate=given["learning_rate"],
        max_depth=given["max_depth"],
        max_leaves=given["max_leaves"],
        grow_policy=given["grow_policy"],
        reg_lambda=given["reg_lambda"],
        reg_alpha=given["reg_alpha"],
        gamma=given["gamma"],
        min_child_weight=given["min_child_weight"],
        max_delta_step=objective.default_max_delta_step if step is None else step,
        colsample_bylevel=given["colsample_bylevel"],
        colsample_bynode=given["colsample_bynode"],
        monotone=monotone,
        interaction=interaction_sets(
            model.interaction_constraints, names, n_columns, where
        ),
        max_cat_to_onehot=given["max_cat_to_onehot"],
    )
