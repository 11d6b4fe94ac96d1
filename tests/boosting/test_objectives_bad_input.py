from __future__ import annotations

import numpy as np
import pytest

from boosting.objective_cases import gradients_of
from fastnotes._core import native
from fastnotes.boosting import make_metric, resolve_metric, resolve_objective

Y = np.array([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"objective": "reg:nothing"}, ValueError, "objective as one of"),
        ({"objective": 3}, TypeError, "objective as a string"),
        ({"objective": "softmax"}, ValueError, "n_classes"),
        ({"objective": "softmax", "n_classes": 1}, ValueError, "n_classes"),
        ({"objective": "softmax", "n_classes": 2.0}, TypeError, "n_classes"),
        ({"objective": "huber", "huber_slope": 0.0}, ValueError, "huber_slope"),
        ({"objective": "huber", "huber_slope": np.nan}, ValueError, "huber_slope"),
        ({"objective": "quantile", "quantile_alpha": 1.0}, ValueError, "between 0"),
        ({"objective": "quantile", "quantile_alpha": []}, ValueError, "at least one"),
        ({"objective": "quantile", "quantile_alpha": [[0.5]]}, ValueError, "dimension"),
        ({"objective": "quantile", "quantile_alpha": "a"}, TypeError, "real"),
        (
            {"objective": "tweedie", "tweedie_variance_power": 2},
            ValueError,
            "between 1",
        ),
        ({"objective": "poisson", "max_delta_step": -1}, ValueError, "max_delta_step"),
        (
            {"objective": "ndcg", "lambdarank_num_pair_per_sample": 0},
            ValueError,
            ">= 1",
        ),
        ({"objective": "ndcg", "ndcg_exp_gain": 1}, TypeError, "as a bool"),
    ],
)
def test_resolve_objective_refuses(options, error, message):
    with pytest.raises(error, match=rf"\[boosting\.resolve_objective\] .*{message}"):
        resolve_objective(**options)


@pytest.mark.parametrize(
    ("name", "y", "error", "message"),
    [
        ("squared_error", [1.0, np.nan], ValueError, "y finite"),
        ("squared_error", [np.inf], ValueError, "y finite"),
        ("squared_error", [], ValueError, "at least one row"),
        ("squared_error", [[1.0]], ValueError, "dimension"),
        ("squared_error", ["a"], TypeError, "real"),
        ("squared_error", [1j], TypeError, "real"),
        ("poisson", [1.0, -0.5], ValueError, "y >= 0 .*-0.5 at row 1"),
        ("poisson", [0.0, 0.0], ValueError, "positive sum"),
        ("tweedie", [-1.0], ValueError, "y >= 0"),
        ("gamma", [1.0, 0.0], ValueError, "y > 0 .*at row 1"),
        ("logistic", [0.0, 1.5], ValueError, "y from 0 to 1.*at row 1"),
        ("softmax", [0, 1, 3], ValueError, "classes 0 to 2.*3.0 at row 2"),
        ("softmax", [0.5], ValueError, "classes 0 to 2"),
        ("softmax", [np.nan], ValueError, "classes 0 to 2"),
        ("softmax", [-1], ValueError, "classes 0 to 2"),
        ("ndcg", [0, 32], ValueError, "integers from 0 to 31.*at row 1"),
        ("ndcg", [0.5], ValueError, "integers from 0 to 31"),
        ("ndcg", [-1], ValueError, "integers from 0 to 31"),
        ("ndcg", [np.nan], ValueError, "y finite"),
    ],
)
def test_targets_refused(name, y, error, message):
    objective = resolve_objective(name, n_classes=3)
    for call in (objective.bind, objective.check_targets):
        with pytest.raises(error, match=rf"\[boosting\.Objective\] .*{message}"):
            call(y)
    with pytest.raises(error, match=r"\[boosting\.BoostedTreesRegressor\.fit\]"):
        objective.bind(y, where="boosting.BoostedTreesRegressor.fit")


def test_linear_gain_refuses_negative_relevance():
    objective = resolve_objective("ndcg", ndcg_exp_gain=False)
    with pytest.raises(ValueError, match="y >= 0"):
        objective.bind([-0.5])


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        ([1.0, 1.0], ValueError, "sample_weight of shape"),
        ([[1.0] * 3], ValueError, "dimension"),
        ([1.0, -1.0, 1.0], ValueError, ">= 0, got -1.0 at row 1"),
        ([1.0, np.nan, 1.0], ValueError, "finite"),
        ([1.0, np.inf, 1.0], ValueError, "finite"),
        ([1.0, 1e39, 1.0], ValueError, "within float32"),
        ([0.0, 0.0, 0.0], ValueError, "positive sum"),
        ([1e-60, 0.0, 0.0], ValueError, "positive sum"),
        (["a", "b", "c"], TypeError, "real"),
    ],
)
def test_weights_refused(weight, error, message):
    objective = resolve_objective("squared_error")
    metric = resolve_metric("rmse", objective)
    for call in (objective.bind, metric.bind):
        with pytest.raises(error, match=message):
            call(Y, weight)


@pytest.mark.parametrize(
    ("groups", "error"),
    [
        ([0, 2], ValueError),
        ([1, 3], ValueError),
        ([0, 2, 2, 3], ValueError),
        ([0, 2, 1, 3], ValueError),
        ([0], ValueError),
        ([], ValueError),
        ([0.0, 3.0], TypeError),
        ([[0, 3]], ValueError),
    ],
)
def test_groups_refused(groups, error):
    objective = resolve_objective("ndcg")
    for call in (objective.bind, resolve_metric("ndcg", objective).bind):
        with pytest.raises(error, match="groups"):
            call(Y, None, groups)


# ---------------------------------------------------------------- custom losses


def custom(function, y=Y, weight=None, n_outputs=None):
    objective = resolve_objective(function, n_classes=n_outputs)
    margins = np.zeros((objective.n_outputs, len(y)))
    return gradients_of(objective.bind(y, weight), margins)


def test_custom_loss():
    def squared(y, margins):
        assert margins.shape == (3,)
        assert not margins.flags.writeable
        return margins - y, np.ones(3)

    grad, hess = custom(squared)
    np.testing.assert_array_equal(grad[0], -Y)
    np.testing.assert_array_equal(hess[0], 1.0)
    grad, hess = custom(squared, weight=[1.0, 2.0, 0.0])
    np.testing.assert_array_equal(grad[0], [-1.0, -4.0, 0.0])
    np.testing.assert_array_equal(hess[0], [1.0, 2.0, 0.0])


def test_custom_loss_that_takes_weights():
    def weighted(y, margins, sample_weight):
        return (margins - y) * sample_weight, 3.0 * sample_weight

    grad, hess = custom(weighted, weight=[1.0, 2.0, 3.0])
    np.testing.assert_array_equal(grad[0], [-1.0, -4.0, -9.0])
    np.testing.assert_array_equal(hess[0], [3.0, 6.0, 9.0])


def test_custom_loss_of_several_outputs():
    def two(y, margins):
        assert margins.shape == (3, 2)
        return np.stack([-y, y], axis=1), np.ones((3, 2))

    grad, _ = custom(two, n_outputs=2)
    np.testing.assert_array_equal(grad, [-Y, Y])


def test_hessians_of_custom_losses_are_lifted():
    floor = np.float32(1e-16)
    _, hess = custom(lambda y, m: (y, np.array([-1.0, 0.0, 2.0])))
    assert hess[0].tolist() == [floor, floor, 2.0]


BAD_RESULTS = {
    "nan": ((Y, [1.0, np.nan, 1.0]), ValueError, "at row 1 of output 0"),
    "infinite": (([0.0, 0.0, np.inf], Y), ValueError, "at row 2 of output 0"),
    "beyond float32": (([0.0, 1e300, 0.0], Y), ValueError, "at row 1 of output 0"),
    "flat": ((Y, [0.0, -1.0, 0.0]), ValueError, "positive hessian"),
    "short": ((Y[1:], Y), ValueError, "grad of shape"),
    "columns": ((Y, Y[:, None]), ValueError, "hess of shape"),
    "one": (Y, TypeError, r"\(grad, hess\)"),
    "three": ((Y, Y, Y), TypeError, r"\(grad, hess\)"),
    "none": (None, TypeError, r"\(grad, hess\)"),
    "complex": ((Y * 1j, Y), TypeError, "real"),
}


@pytest.mark.parametrize(
    ("result", "error", "message"), BAD_RESULTS.values(), ids=BAD_RESULTS
)
def test_custom_results_refused(result, error, message):
    with pytest.raises(error, match=rf"\[boosting\.Objective\.gradients\].*{message}"):
        custom(lambda y, m: result)


# ---------------------------------------------------------------- metrics


@pytest.mark.parametrize(
    ("name", "objective", "error"),
    [
        ("nothing", "squared_error", ValueError),
        ("", "squared_error", ValueError),
        (3, "squared_error", TypeError),
        ("rmse@3", "squared_error", ValueError),
        ("rmse-", "squared_error", ValueError),
        ("error@", "logistic", ValueError),
        ("error@2", "logistic", ValueError),
        ("error@x", "logistic", ValueError),
        ("tweedie-nloglik", "tweedie", ValueError),
        ("tweedie-nloglik@2", "tweedie", ValueError),
        ("ndcg@0", "ndcg", ValueError),
        ("ndcg@1.5", "ndcg", ValueError),
        ("ndcg@-", "ndcg", ValueError),
        ("mlogloss", "logistic", ValueError),
        ("merror", "squared_error", ValueError),
    ],
)
def test_resolve_metric_refuses(name, objective, error):
    with pytest.raises(error, match=r"\[boosting\.resolve_metric\] expected"):
        resolve_metric(name, resolve_objective(objective))


@pytest.mark.parametrize(
    ("name", "objective", "y", "message"),
    [
        ("logloss", "squared_error", [2.0], "y from 0 to 1"),
        ("logloss", "softmax", [1.0], "one output"),
        ("auc", "logistic", [0.5, 1.0], "y as 0 or 1"),
        ("auc", "logistic", [1.0, 1.0], "every class"),
        ("auc", "softmax", [0, 1, 1], "every class"),
        ("mlogloss", "softmax", [3.0], "classes 0 to 2"),
        ("mape", "squared_error", [1.0, 0.0], "other than 0.*row 1"),
        ("poisson-nloglik", "poisson", [-1.0], "y >= 0"),
        ("gamma-deviance", "gamma", [0.0], "y > 0"),
        ("ndcg", "ndcg", [40], "integers from 0 to 31"),
        ("rmse", "squared_error", [np.nan], "y finite"),
        ("rmse", "squared_error", [], "at least one row"),
    ],
)
def test_metrics_refuse_targets(name, objective, y, message):
    metric = resolve_metric(name, resolve_objective(objective, n_classes=3))
    with pytest.raises(ValueError, match=rf"\[boosting\.Metric\] .*{message}"):
        metric.bind(y)


def test_metric_refuses_margins_of_another_shape():
    metric = resolve_metric("rmse", resolve_objective("squared_error"))
    for margins in (np.zeros(2), np.zeros((2, 3)), np.zeros((1, 1, 3))):
        with pytest.raises(ValueError, match="margins"):
            metric(Y, margins)


def test_custom_metrics_refused():
    with pytest.raises(TypeError, match="callable"):
        make_metric("rmse")
    with pytest.raises(TypeError, match="bool"):
        make_metric(max, maximize=1)
    objective = resolve_objective("squared_error")
    for value, error in ((np.nan, ValueError), ("a", TypeError), (None, TypeError)):
        metric = resolve_metric(lambda y, p, value=value: value, objective)
        with pytest.raises(error, match="value of metric"):
            metric(Y, np.zeros(3))


# ---------------------------------------------------------------- bindings

F32 = np.zeros((1, 3), np.float32)
F64 = np.zeros((1, 3))


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "nothing"},
        {"margins": np.zeros((1, 2))},
        {"margins": np.zeros((2, 3))},
        {"parameters": np.zeros(2)},
        {"weight": np.ones(2, np.float32)},
        {"weight": np.ones(3)},
        {"grad": np.zeros((1, 2), np.float32)},
        {"hess": np.zeros((1, 3))},
        {"n_threads": 0},
        {"y": np.zeros((3, 1))},
    ],
)
def test_pointwise_binding_refuses(change):
    arguments = {
        "loss": "squared",
        "y": Y,
        "weight": None,
        "margins": F64,
        "parameters": np.zeros(1),
        "grad": F32.copy(),
        "hess": F32.copy(),
        "n_threads": 1,
    }
    with pytest.raises(ValueError, match=r"\[boosting\."):
        native.boosting.pointwise_gradients(**{**arguments, **change})


def test_grad_and_hess_must_be_apart():
    same = F32.copy()
    bound = resolve_objective("squared_error").bind(Y)
    with pytest.raises(ValueError, match="apart"):
        bound.gradients(F64, same, same, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"offsets": np.array([0, 2])},
        {"offsets": np.array([0, 4, 3])},
        {"offsets": np.empty(0, np.int64)},
        {"inverse_ideal": np.ones(2)},
        {"discounts": np.ones(2)},
        {"truncation": 0},
        {"margins": np.zeros(4)},
        {"grad": np.zeros(2, np.float32)},
        {"weight": np.ones(2, np.float32)},
    ],
)
def test_ranking_binding_refuses(change):
    arguments = {
        "gains": Y,
        "offsets": np.array([0, 3]),
        "inverse_ideal": np.ones(1),
        "discounts": np.ones(3),
        "weight": None,
        "margins": np.zeros(3),
        "grad": np.zeros(3, np.float32),
        "hess": np.zeros(3, np.float32),
        "truncation": 3,
        "ndcg": True,
        "normalize_scores": True,
        "normalize_lists": True,
        "n_threads": 1,
    }
    with pytest.raises(ValueError, match=r"\[boosting\."):
        native.boosting.lambdarank_gradients(**{**arguments, **change})
