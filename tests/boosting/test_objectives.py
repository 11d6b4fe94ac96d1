from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boosting.objective_cases import POINTWISE, gradients_of, margins_of
from fastnotes._reference import boosting_objectives as reference
from fastnotes.boosting import resolve_objective
from fastnotes.boosting._sums import order_free_sums
from support.sweeps import AWKWARD_SIZES, assert_same_bytes, same_bytes_for_threads
from support.tolerances import COMPOSITE, TRANSCENDENTAL

SIZES = [n for n in AWKWARD_SIZES if n]
LARGE = 50_001


def random_weight(n_rows, seed=2):
    return np.random.default_rng(seed).integers(1, 9, n_rows).astype(np.float32) / 4


@pytest.fixture(params=POINTWISE.values(), ids=POINTWISE)
def case(request):
    return request.param


# ---------------------------------------------------------------- gradients


@pytest.mark.parametrize("n_rows", SIZES)
def test_equals_reference(case, n_rows):
    y, margins = case.targets(n_rows), margins_of(1, n_rows)
    expected = reference.derivatives(case.loss, y, margins[0], case.parameter)
    for weight in (None, random_weight(n_rows)):
        bound = case.objective.bind(y, weight)
        w = 1.0 if weight is None else weight
        for got, wanted in zip(gradients_of(bound, margins), expected, strict=True):
            TRANSCENDENTAL.assert_close(got[0], wanted * w)


def test_targets_of_either_precision_give_the_same_bytes(case):
    y, margins = case.targets(999), margins_of(1, 999)
    one, other = (
        gradients_of(case.objective.bind(y.astype(dtype)), margins)
        for dtype in (np.float32, np.float64)
    )
    assert_same_bytes(one, other)


def test_threads_and_places(case):
    y, margins = case.targets(LARGE), margins_of(1, LARGE)
    weight = random_weight(LARGE)
    bound = case.objective.bind(y, weight)
    whole = same_bytes_for_threads(lambda n: gradients_of(bound, margins, n))
    part = slice(12_345, 12_345 + 77)
    alone = gradients_of(
        case.objective.bind(y[part], weight[part]),
        np.ascontiguousarray(margins[:, part]),
    )
    assert_same_bytes(
        alone, tuple(np.ascontiguousarray(each[:, part]) for each in whole)
    )


def test_weight_zero_is_no_gradient(case):
    y, margins = case.targets(40), margins_of(1, 40)
    weight = np.ones(40)
    weight[7] = 0.0
    grad, hess = gradients_of(case.objective.bind(y, weight), margins)
    assert grad[0, 7] == hess[0, 7] == 0.0


def test_several_quantiles_at_once():
    alphas = (0.1, 0.5, 0.9)
    objective = resolve_objective("reg:quantileerror", quantile_alpha=alphas)
    assert objective.n_outputs == 3
    y, margins = POINTWISE["quantile"].targets(999), margins_of(3, 999)
    got = gradients_of(objective.bind(y), margins)
    for k, alpha in enumerate(alphas):
        alone = resolve_objective("quantile", quantile_alpha=alpha).bind(y)
        single = gradients_of(alone, margins[k : k + 1])
        assert_same_bytes(tuple(each[k : k + 1].copy() for each in got), single)


@pytest.mark.parametrize("n_classes", [2, 3, 7, 100])
@pytest.mark.parametrize("n_rows", [1, 7, 63, 64, 65, 257])
def test_softmax_equals_reference(n_classes, n_rows):
    rng = np.random.default_rng(0)
    y, margins = rng.integers(0, n_classes, n_rows), margins_of(n_classes, n_rows)
    expected = reference.softmax_derivatives(y, margins)
    for weight in (None, random_weight(n_rows)):
        bound = resolve_objective("softmax", n_classes=n_classes).bind(y, weight)
        w = 1.0 if weight is None else weight
        for got, wanted in zip(gradients_of(bound, margins), expected, strict=True):
            TRANSCENDENTAL.assert_close(got, wanted * w)


def test_softmax_threads_and_places():
    rng = np.random.default_rng(0)
    y, margins = rng.integers(0, 5, LARGE), margins_of(5, LARGE)
    objective = resolve_objective("softmax", n_classes=5)
    bound = objective.bind(y)
    whole = same_bytes_for_threads(lambda n: gradients_of(bound, margins, n))
    part = slice(12_345, 12_345 + 77)
    alone = gradients_of(
        objective.bind(y[part]), np.ascontiguousarray(margins[:, part])
    )
    assert_same_bytes(
        alone, tuple(np.ascontiguousarray(each[:, part]) for each in whole)
    )


def test_softmax_is_the_same_at_any_offset():
    y = np.array([0, 1, 2])
    margins = np.array([[1.0, 2.0, -3.0], [0.5, -1.0, 4.0], [2.0, 0.25, 0.0]])
    bound = resolve_objective("softmax", n_classes=3).bind(y)
    near = gradients_of(bound, margins)
    assert_same_bytes(gradients_of(bound, margins + 4096.0), near)
    assert np.isfinite(gradients_of(bound, margins * 1e300)).all()


# ---------------------------------------------------------------- edges


def test_hessians_have_a_floor():
    y = np.array([0.0, 1.0, 1.0])
    grad, hess = gradients_of(
        resolve_objective("logistic").bind(y), np.array([[60.0, 60.0, -800.0]])
    )
    np.testing.assert_array_equal(hess, np.full((1, 3), 1e-16, np.float32))
    TRANSCENDENTAL.assert_close(grad[0], [1.0, -np.exp(-60.0), -1.0])


def test_pseudo_huber_far_away():
    bound = resolve_objective("huber", huber_slope=2.0).bind([0.0, 0.0])
    grad, hess = gradients_of(bound, np.array([[1e200, -1e200]]))
    assert grad.tolist() == [[2.0, -2.0]]
    assert (hess > 0.0).all()


def test_absolute_error_at_the_target():
    grad, hess = gradients_of(
        resolve_objective("absolute_error").bind([1.0]), np.ones((1, 1))
    )
    assert (grad[0, 0], hess[0, 0]) == (0.0, 1.0)


@pytest.mark.parametrize("name", ["poisson", "gamma", "tweedie", "squared_error"])
@pytest.mark.parametrize("row", [0, 5, 4096, 9999])
def test_margins_that_run_away_are_named(name, row):
    margins = np.zeros((1, 10_000))
    margins[0, row:] = {"gamma": -800.0, "squared_error": 1e39}.get(name, 800.0)
    bound = resolve_objective(name).bind(np.ones(10_000))
    with pytest.raises(
        ValueError, match=rf"finite gradients .* at row {row} of output 0"
    ):
        gradients_of(bound, margins, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_softmax_names_the_row(bad):
    margins = np.zeros((3, 300))
    margins[1, 200] = bad
    bound = resolve_objective("softmax", n_classes=3).bind(np.zeros(300))
    with pytest.raises(ValueError, match="at row 200 of output 0"):
        gradients_of(bound, margins)


# ---------------------------------------------------------------- base scores


def test_base_score_is_least(case):
    y, weight = case.targets(301), random_weight(301)
    bound = case.objective.bind(y, weight)

    def loss(m):
        return np.dot(weight, reference.value(case.loss, y, m, case.parameter))

    best = bound.base_score[0]
    for step in (1e-3, 0.1):
        assert loss(best) <= min(loss(best - step), loss(best + step))


def test_base_score_by_hand():
    y, weight = [1.0, 2.0, 6.0, 7.0], [1.0, 1.0, 1.0, 2.0]

    def base(name, values=y, weights=None, **options):
        return resolve_objective(name, **options).bind(values, weights).base_score

    assert base("squared_error") == 4.0
    assert base("squared_error", weights=weight) == 23.0 / 5.0
    assert base("absolute_error") == 4.0
    assert base("absolute_error", weights=weight) == 6.0
    assert base("quantile", quantile_alpha=[0.25, 0.9]).tolist() == [1.5, 7.0]
    assert base("poisson") == base("tweedie") == base("gamma") == np.log(4.0)
    assert base("logistic", [0.0, 1.0, 1.0, 1.0]) == np.log(3.0)
    assert base("logistic", [1.0, 1.0])[0] == pytest.approx(np.log(1e7), rel=1e-6)
    assert base("ndcg", [0, 1, 2]) == 0.0
    shares = base("softmax", [0, 0, 1, 2], n_classes=3)
    assert shares.sum() == pytest.approx(0.0, abs=1e-15)
    assert shares[0] - shares[1] == pytest.approx(np.log(2.0))


@given(st.integers(0, 2**32 - 1))
def test_base_score_does_not_depend_on_the_order_of_rows(seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(77)
    weight = rng.random(77)
    for case in POINTWISE.values():
        y = case.targets(77, seed)
        for w in (None, weight):
            other = case.objective.bind(y[order], None if w is None else w[order])
            if not (case.objective.renews_leaves and w is not None):
                assert_same_bytes(
                    other.base_score, case.objective.bind(y, w).base_score
                )


def test_integer_weights_equal_repeated_rows(case):
    y = case.targets(50)
    weight = np.random.default_rng(3).integers(0, 4, 50)
    one = case.objective.bind(y, weight).base_score
    other = case.objective.bind(np.repeat(y, weight)).base_score
    np.testing.assert_allclose(one, other, rtol=1e-15)


@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=200),
    st.randoms(use_true_random=False),
)
def test_order_free_sums(values, random):
    total = order_free_sums(np.array(values))
    shuffled = list(values)
    random.shuffle(shuffled)
    assert_same_bytes(order_free_sums(np.array(shuffled)), total)
    bound = 2.0**-80 * np.abs(values).max() + 2.0**-52 * abs(total[0])
    assert abs(total[0] - math.fsum(values)) <= bound


# ---------------------------------------------------------------- links


def test_link_inverse():
    margins = np.array([[-1.0, 0.0, 2.0]])
    COMPOSITE.assert_close(
        resolve_objective("logistic").link_inverse(margins), reference.expit(margins)
    )
    for name in ("poisson", "gamma", "tweedie"):
        means = resolve_objective(name).link_inverse(margins)
        TRANSCENDENTAL.assert_close(means, np.exp(margins))
    for name in ("squared_error", "absolute_error", "huber", "quantile", "ndcg"):
        assert resolve_objective(name).link_inverse(margins) is margins
    p = resolve_objective("softmax", n_classes=3).link_inverse(margins.T.copy())
    TRANSCENDENTAL.assert_close(p.sum(axis=0), [1.0])


def test_names():
    for alias, name in {
        "squared_error": "reg:squarederror",
        "huber": "reg:pseudohubererror",
        "poisson": "count:poisson",
        "logistic": "binary:logistic",
        "ndcg": "rank:ndcg",
    }.items():
        assert resolve_objective(alias) == resolve_objective(name)
        assert resolve_objective(alias).name == name
    objective = resolve_objective("reg:logistic")
    assert (objective.name, objective.default_metric) == ("reg:logistic", "rmse")
    assert resolve_objective(objective) is objective
    assert resolve_objective("poisson").default_max_delta_step == 0.7
    assert resolve_objective("multi:softmax", n_classes=3).name == "multi:softmax"
