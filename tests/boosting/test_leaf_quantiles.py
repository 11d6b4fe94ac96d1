from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnotes._reference import boosting_objectives as reference
from fastnotes.boosting import resolve_objective
from support.sweeps import same_bytes_for_threads

ALPHAS = (0.05, 0.25, 0.5, 0.9)


def renewed(objective, y, weight, margins, leaf_of_row, n_nodes, **options):
    values = np.full(n_nodes, -99.0)
    bound = objective.bind(y, weight)
    bound.renew_leaves(0, margins, leaf_of_row, values, **options)
    return values


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("n_rows", [1, 2, 3, 10, 257, 1000])
def test_equals_sorting(n_rows, weighted, rounded, alpha):
    rng = np.random.default_rng(n_rows)
    y, margins = rng.standard_normal((2, n_rows))
    if rounded:
        y, margins = np.round(y, 1), np.round(margins)
    leaf = rng.integers(-1, 9, n_rows).astype(np.int32)
    weight = rng.integers(0, 4, n_rows) / 2.0 if weighted else None
    if weighted:
        weight[0] = 1.0
    objective = resolve_objective("quantile", quantile_alpha=alpha)
    got = renewed(objective, y, weight, margins, leaf, 9)
    w = np.ones(n_rows) if weight is None else weight
    for k in range(9):
        inside = (leaf == k) & (w > 0.0)
        expected = -99.0
        if inside.any():
            expected = reference.quantile((y - margins)[inside], w[inside], alpha)
        assert got[k] == expected


def test_the_median_is_the_median():
    rng = np.random.default_rng(0)
    objective = resolve_objective("absolute_error")
    for n_rows in (1, 2, 5, 8, 101):
        y = rng.standard_normal(n_rows)
        leaf = np.zeros(n_rows, np.int32)
        assert renewed(objective, y, None, np.zeros(n_rows), leaf, 1) == np.median(y)
        assert objective.bind(y).base_score == np.median(y)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.99))
def test_quantiles_minimise_the_loss(seed, alpha):
    rng = np.random.default_rng(seed)
    y = rng.integers(-5, 6, 30).astype(np.float64)
    weight = rng.integers(1, 4, 30).astype(np.float64)
    objective = resolve_objective("quantile", quantile_alpha=alpha)
    best = objective.bind(y, weight).base_score[0]

    def loss(m):
        return np.dot(weight, reference.value("quantile", y, m, alpha))

    assert loss(best) <= min(loss(m) for m in np.unique(y)) * (1 + 1e-12)


def test_integer_weights_equal_repeated_rows():
    rng = np.random.default_rng(0)
    y, weight = rng.standard_normal(200), rng.integers(0, 5, 200)
    leaf = rng.integers(0, 7, 200).astype(np.int32)
    margins = rng.standard_normal(200)
    for alpha in ALPHAS:
        objective = resolve_objective("quantile", quantile_alpha=alpha)
        one = renewed(objective, y, weight, margins, leaf, 7)
        repeated = (np.repeat(each, weight) for each in (y, margins, leaf))
        y_more, margins_more, leaf_more = repeated
        other = renewed(objective, y_more, None, margins_more, leaf_more, 7)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("weighted", [False, True])
def test_threads_blocks_and_rows(weighted):
    rng = np.random.default_rng(0)
    n_rows = 200_001
    y, margins = rng.standard_normal((2, n_rows))
    leaf = rng.integers(0, 63, n_rows).astype(np.int32)
    weight = rng.random(n_rows).astype(np.float32) if weighted else None
    objective = resolve_objective("absolute_error")
    rows = np.flatnonzero(rng.random(n_rows) < 0.7).astype(np.int32)
    for used in (None, rows):
        got = same_bytes_for_threads(
            lambda n, used=used: renewed(
                objective, y, weight, margins, leaf, 63, rows=used, n_threads=n
            )
        )
        chosen = np.arange(n_rows) if used is None else used
        w = np.ones(n_rows) if weight is None else weight.astype(np.float64)
        for k in (0, 31, 62):
            inside = chosen[leaf[chosen] == k]
            residuals = (y - margins)[inside]
            assert got[k] == reference.quantile(residuals, w[inside], 0.5)


def test_no_rows_change_nothing():
    objective = resolve_objective("absolute_error")
    values = renewed(
        objective,
        np.ones(3),
        None,
        np.zeros(3),
        np.zeros(3, np.int32),
        2,
        rows=np.empty(0, np.int32),
    )
    assert values.tolist() == [-99.0, -99.0]


def test_other_objectives_keep_their_leaves():
    objective = resolve_objective("squared_error")
    leaf = np.zeros(3, np.int32)
    assert not objective.renews_leaves
    assert renewed(objective, np.ones(3), None, np.zeros(3), leaf, 1) == -99.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"leaf_of_row": [0, 1, 5]}, "leaf_of_row below"),
        ({"rows": [0, 3]}, "rows from 0"),
        ({"rows": [-1]}, "rows from 0"),
        ({"margins": [0.0, np.nan, 0.0]}, "finite"),
        ({"leaf_of_row": [0, 1]}, "leaf_of_row"),
        ({"margins": [0.0]}, "margins"),
    ],
)
def test_refuses(change, message):
    given_ = {"leaf_of_row": [0, 1, 1], "margins": np.zeros(3), "rows": [0, 1, 2]}
    given_ |= change
    values = np.zeros(2)
    with pytest.raises(ValueError, match=message):
        resolve_objective("absolute_error").bind(np.ones(3)).renew_leaves(
            0,
            np.asarray(given_["margins"]),
            np.asarray(given_["leaf_of_row"], np.int32),
            values,
            rows=np.asarray(given_["rows"], np.int32),
        )
    assert not values.any()
