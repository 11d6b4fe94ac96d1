from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import sklearn.metrics
from scipy.special import gammaln

from boosting.objective_cases import POINTWISE, margins_of
from fastnotes._reference import boosting_objectives as reference
from fastnotes.boosting import make_metric, resolve_metric, resolve_objective
from support.sweeps import same_bytes_for_threads
from support.tolerances import REDUCTION

N = 500


def weights_or_none(weighted, n_rows=N):
    return np.random.default_rng(5).integers(1, 5, n_rows) / 2.0 if weighted else None


def evaluate(name, objective, y, margins, weight=None, groups=None):
    return np.float64(resolve_metric(name, objective)(y, margins, weight, groups))


@pytest.fixture(params=[False, True], ids=["plain", "weighted"])
def weight(request):
    return weights_or_none(request.param)


# ---------------------------------------------------------------- numbers


def test_errors_of_predictions(weight):
    y = POINTWISE["poisson"].targets(N).astype(np.float64) + 1.0
    margins = margins_of(1, N)
    for name in ("squared_error", "poisson"):
        objective = resolve_objective(name)
        p = objective.link_inverse(margins)[0]
        for metric, expected in {
            "rmse": sklearn.metrics.root_mean_squared_error,
            "mae": sklearn.metrics.mean_absolute_error,
            "mape": sklearn.metrics.mean_absolute_percentage_error,
        }.items():
            got = evaluate(metric, objective, y, margins, weight)
            REDUCTION.assert_close(got, expected(y, p, sample_weight=weight))


@pytest.mark.parametrize("metric", ["mphe", "quantile"])
def test_losses_take_the_objectives_parameter(metric, weight):
    case = POINTWISE["huber" if metric == "mphe" else "quantile"]
    y, margins = case.targets(N), margins_of(1, N)
    losses = reference.value(case.loss, y, margins[0], case.parameter)
    got = evaluate(metric, case.objective, y, margins, weight)
    REDUCTION.assert_close(got, np.average(losses, weights=weight))


def test_quantile_is_the_mean_over_alphas():
    alphas = [0.1, 0.5]
    objective = resolve_objective("quantile", quantile_alpha=alphas)
    y, margins = POINTWISE["quantile"].targets(N), margins_of(2, N)
    losses = [
        reference.value("quantile", y, margins[k], alpha).mean()
        for k, alpha in enumerate(alphas)
    ]
    REDUCTION.assert_close(evaluate("quantile", objective, y, margins), np.mean(losses))
    one = resolve_objective("squared_error")
    got = evaluate("quantile@0.1", one, y, margins[:1])
    REDUCTION.assert_close(got, losses[0])


def test_log_means(weight):
    y = POINTWISE["gamma"].targets(N).astype(np.float64)
    margins = margins_of(1, N)
    m, mu = margins[0], np.exp(margins[0])
    expected = {
        "poisson-nloglik": mu - y * m + gammaln(y + 1.0),
        "gamma-nloglik": y / mu + m,
        "gamma-deviance": 2.0 * (np.log(mu / y) + y / mu - 1.0),
        "tweedie-nloglik@1.3": -y * mu**-0.3 / -0.3 + mu**0.7 / 0.7,
    }
    for name, losses in expected.items():
        wanted = np.average(losses, weights=weight)
        for objective in ("poisson", "gamma"):
            got = evaluate(name, resolve_objective(objective), y, margins, weight)
            REDUCTION.assert_close(got, wanted)
        got = evaluate(name, resolve_objective("squared_error"), y, mu, weight)
        REDUCTION.assert_close(got, wanted)


# ---------------------------------------------------------------- classes


def test_binary(weight):
    y, margins = POINTWISE["logistic"].targets(N), margins_of(1, N)
    objective = resolve_objective("logistic")
    p = objective.link_inverse(margins)[0]
    for name, expected in {
        "logloss": sklearn.metrics.log_loss(y, p, sample_weight=weight),
        "error": 1.0 - sklearn.metrics.accuracy_score(y, p > 0.5, sample_weight=weight),
        "error@0.8": sklearn.metrics.zero_one_loss(y, p > 0.8, sample_weight=weight),
        "auc": sklearn.metrics.roc_auc_score(y, p, sample_weight=weight),
        "aucpr": sklearn.metrics.average_precision_score(y, p, sample_weight=weight),
    }.items():
        got = evaluate(name, objective, y, margins, weight)
        REDUCTION.assert_close(got, expected)
        if name != "error@0.8":
            plain = resolve_objective("squared_error")
            REDUCTION.assert_close(evaluate(name, plain, y, p, weight), expected)


def test_ties_of_scores(weight):
    y, margins = POINTWISE["logistic"].targets(N), np.round(margins_of(1, N))
    objective = resolve_objective("logistic")
    for name, function in {
        "auc": sklearn.metrics.roc_auc_score,
        "aucpr": sklearn.metrics.average_precision_score,
    }.items():
        got = evaluate(name, objective, y, margins, weight)
        REDUCTION.assert_close(got, function(y, margins[0], sample_weight=weight))
        assert resolve_metric(name, objective).maximize


def test_logloss_far_out():
    got = evaluate(
        "logloss", resolve_objective("logistic"), [0.0, 1.0], [-800.0, 900.0]
    )
    assert got == 0.0
    got = evaluate(
        "logloss", resolve_objective("logistic"), [1.0, 1.0], [-800.0, 900.0]
    )
    assert got == 400.0


def test_several_classes(weight):
    rng = np.random.default_rng(0)
    y, margins = rng.integers(0, 4, N), margins_of(4, N)
    objective = resolve_objective("softmax", n_classes=4)
    p = objective.link_inverse(margins).T
    for name, expected in {
        "mlogloss": sklearn.metrics.log_loss(y, p, sample_weight=weight),
        "merror": sklearn.metrics.zero_one_loss(y, p.argmax(1), sample_weight=weight),
        "auc": sklearn.metrics.roc_auc_score(
            y, p, multi_class="ovr", average="weighted", sample_weight=weight
        )
        if weight is None
        else None,
    }.items():
        got = evaluate(name, objective, y, margins, weight)
        if expected is not None:
            REDUCTION.assert_close(got, expected)


# ---------------------------------------------------------------- lists

SIZES = (1, 2, 5, 8, 30, 4)
OFFSETS = np.concatenate([[0], np.cumsum(SIZES)])


def lists():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, OFFSETS[-1])
    labels[OFFSETS[-2] :] = 0  # a list without any gain
    return labels, rng.standard_normal(OFFSETS[-1])


@pytest.mark.parametrize("k", [1, 3, 10, None])
def test_ndcg_is_sklearns(k):
    labels, scores = lists()
    objective = resolve_objective("ndcg")
    expected = [
        sklearn.metrics.ndcg_score([2.0 ** labels[i:j] - 1.0], [scores[i:j]], k=k)
        for i, j in pairwise(OFFSETS[1:-1])
    ]
    first = 1.0  # of one item
    name = "ndcg" if k is None else f"ndcg@{k}"
    for suffix, empty in (("", 1.0), ("-", 0.0)):
        got = evaluate(name + suffix, objective, labels, scores, None, OFFSETS)
        REDUCTION.assert_close(got, np.mean([first, *expected, empty]))


def test_lists_count_by_their_weight():
    labels, scores = lists()
    objective = resolve_objective("ndcg")
    of_list = np.arange(1.0, len(SIZES) + 1)
    each = [
        evaluate("ndcg@3", objective, labels[i:j], scores[i:j])
        for i, j in pairwise(OFFSETS)
    ]
    got = evaluate(
        "ndcg@3", objective, labels, scores, np.repeat(of_list, SIZES), OFFSETS
    )
    REDUCTION.assert_close(got, np.average(each, weights=of_list))


def test_map_by_hand():
    objective = resolve_objective("ndcg")
    labels, scores = [0, 1, 0, 2, 0, 1], [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    groups = [0, 6]
    expected = (1 / 2 + 2 / 4 + 3 / 6) / 3
    REDUCTION.assert_close(
        evaluate("map", objective, labels, scores, None, groups), expected
    )
    expected = (1 / 2 + 2 / 4) / 3
    REDUCTION.assert_close(
        evaluate("map@5", objective, labels, scores, None, groups), expected
    )
    assert evaluate("map@1", objective, labels, scores, None, groups) == 0.0
    assert evaluate("map", objective, [0, 0], [1.0, 2.0]) == 1.0
    assert evaluate("map@2-", objective, [0, 0], [1.0, 2.0]) == 0.0


# ---------------------------------------------------------------- all


@pytest.mark.parametrize(
    "name",
    ["rmse", "mae", "logloss", "error", "auc", "poisson-nloglik", "ndcg@5", "map@5"],
)
def test_threads(name):
    n_rows = 70_001
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n_rows)
    weight = rng.random(n_rows)
    objective = resolve_objective("logistic")
    bound = resolve_metric(name, objective).bind(y, weight)
    margins = margins_of(1, n_rows)
    same_bytes_for_threads(lambda n: np.float64(bound(margins, n)))


def test_every_default_metric_exists():
    objectives = [case.objective for case in POINTWISE.values()]
    objectives += [resolve_objective("softmax", n_classes=3), resolve_objective("ndcg")]
    for objective in objectives:
        metric = resolve_metric(objective.default_metric, objective)
        assert metric.name == objective.default_metric
        y = np.ones(4)
        margins = np.zeros((objective.n_outputs, 4))
        assert np.isfinite(metric(y, margins))


def test_functions():
    objective = resolve_objective("logistic")
    y, margins = POINTWISE["logistic"].targets(N), margins_of(1, N)
    weight = weights_or_none(True)
    p = objective.link_inverse(margins)[0]
    metric = resolve_metric(
        make_metric(sklearn.metrics.roc_auc_score, name="area", maximize=True),
        objective,
    )
    assert (metric.name, metric.maximize) == ("area", True)
    expected = sklearn.metrics.roc_auc_score(y, p, sample_weight=weight)
    assert metric(y, margins, weight) == pytest.approx(expected)

    def worst(y_true, y_pred):
        assert y_pred.shape == (N,)
        return np.abs(y_true - y_pred).max()

    metric = resolve_metric(worst, objective)
    assert (metric.name, metric.maximize) == ("worst", False)
    assert metric(y, margins) == np.abs(y - p).max()
    with pytest.raises(ValueError, match="sample_weight"):
        metric(y, margins, weight)


def test_functions_see_classes_in_columns():
    objective = resolve_objective("softmax", n_classes=3)
    metric = resolve_metric(lambda y, p: float(p.shape == (9, 3)), objective)
    assert metric(np.zeros(9), np.zeros((3, 9))) == 1.0
