from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from boosting.objective_cases import gradients_of
from fastnotes._core import native
from fastnotes._reference import boosting_objectives as reference
from fastnotes.boosting import resolve_objective
from support.sweeps import assert_same_bytes, same_bytes_for_threads
from support.tolerances import REDUCTION, TRANSCENDENTAL

SIZES = (1, 2, 3, 7, 8, 9, 16, 17, 33, 100)


def random_lists(sizes=SIZES, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    labels = rng.integers(0, 5, offsets[-1])
    margins = rng.standard_normal(offsets[-1])
    return labels, np.round(2 * margins) / 2 if ties else margins, offsets


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("truncation", [1, 3, 10, 1000])
@pytest.mark.parametrize("name", ["rank:ndcg", "rank:pairwise"])
@pytest.mark.parametrize("normalized", [(False, False), (True, False), (True, True)])
def test_equals_pair_by_pair(name, truncation, normalized, ties):
    labels, margins, offsets = random_lists(ties=ties)
    lists, scores = normalized
    objective = resolve_objective(
        name,
        lambdarank_num_pair_per_sample=truncation,
        lambdarank_normalization=lists,
        lambdarank_score_normalization=scores,
    )
    grad, hess = gradients_of(objective.bind(labels, None, offsets), margins[None])
    for first, last in pairwise(offsets):
        expected = reference.lambdarank(
            2.0 ** labels[first:last] - 1.0,
            margins[first:last],
            truncation,
            ndcg=name == "rank:ndcg",
            normalize_lists=lists,
            normalize_scores=scores,
        )
        # Pulls of both signs cancel: float64 inside, one rounding of what is left.
        REDUCTION.assert_close(grad[0, first:last], expected.grad)
        TRANSCENDENTAL.assert_close(hess[0, first:last], expected.hess)


def test_threads_and_places():
    sizes = np.random.default_rng(1).integers(1, 40, 500)
    labels, margins, offsets = random_lists(sizes)
    weight = np.random.default_rng(2).random(offsets[-1]).astype(np.float32)
    objective = resolve_objective("ndcg")
    bound = objective.bind(labels, weight, offsets)
    whole = same_bytes_for_threads(lambda n: gradients_of(bound, margins[None], n))
    rows = slice(offsets[100], offsets[103])
    alone = objective.bind(labels[rows], weight[rows], offsets[100:104] - offsets[100])
    part = gradients_of(alone, margins[None, rows])
    assert_same_bytes(part, tuple(each[:, rows].copy() for each in whole))


def test_pulls_of_a_list_cancel():
    labels, margins, offsets = random_lists()
    grad, hess = gradients_of(
        resolve_objective("ndcg").bind(labels, None, offsets), margins[None]
    )
    sums = np.add.reduceat(grad[0].astype(np.float64), offsets[:-1])
    np.testing.assert_allclose(sums, 0.0, atol=1e-5)
    assert (hess >= 0.0).all()


def test_two_items_by_hand():
    objective = resolve_objective("ndcg", lambdarank_normalization=False)
    grad, hess = gradients_of(objective.bind([0, 1]), np.zeros((1, 2)))
    # Equal margins: item 0 ranks first; exchanging them gains 1 - 1 / log2(3).
    delta = 1.0 - 1.0 / np.log2(3.0)
    TRANSCENDENTAL.assert_close(grad[0], [delta / 2, -delta / 2])
    TRANSCENDENTAL.assert_close(hess[0], [delta / 2, delta / 2])


def test_lists_without_pairs():
    objective = resolve_objective("ndcg")
    for labels in ([0, 0, 0], [2, 2, 2], [3]):
        grad, hess = gradients_of(objective.bind(labels), np.ones((1, len(labels))))
        assert not grad.any()
        assert not hess.any()


def test_weights_multiply_rows():
    labels, margins, offsets = random_lists()
    weight = np.repeat(np.arange(1.0, len(SIZES) + 1), SIZES)
    objective = resolve_objective("ndcg")
    plain = gradients_of(objective.bind(labels, None, offsets), margins[None])
    weighted = gradients_of(objective.bind(labels, weight, offsets), margins[None])
    for one, other in zip(plain, weighted, strict=True):
        TRANSCENDENTAL.assert_close(other, one * weight)


def test_linear_gain_takes_any_relevance():
    labels = [0.5, 0.0, 100.25]
    objective = resolve_objective("ndcg", ndcg_exp_gain=False)
    grad, _ = gradients_of(objective.bind(labels), np.zeros((1, 3)))
    expected = reference.lambdarank(np.array(labels), np.zeros(3), 32)
    REDUCTION.assert_close(grad[0], expected.grad)


def test_nan_margins_are_named():
    labels, margins, offsets = random_lists()
    margins[offsets[4] + 1] = np.nan
    bound = resolve_objective("ndcg").bind(labels, None, offsets)
    message = "finite gradients.*at row"
    with pytest.raises(ValueError, match=message):
        gradients_of(bound, margins[None])


@pytest.mark.parametrize("truncation", [1, 5, 1000])
def test_discounted_gain(truncation):
    labels, scores, offsets = random_lists(ties=True)
    gains = labels.astype(np.float64)
    discounts = 1.0 / np.log2(np.arange(max(SIZES)) + 2.0)
    got = same_bytes_for_threads(
        lambda n: native.boosting.discounted_gain(
            gains, offsets, discounts, scores, truncation, n
        )
    )
    expected = [
        reference.discounted_gain(gains[i:j], scores[i:j], truncation)
        for i, j in pairwise(offsets)
    ]
    REDUCTION.assert_close(got, expected)


def test_ranks_of_special_scores():
    scores = np.array([0.0, -0.0, np.inf, -np.inf, -1.0, 1.0, 5e-324, -5e-324])
    order = np.argsort(-scores, kind="stable")
    for rank, row in enumerate(order):
        gains = np.zeros(8)
        gains[row] = 1.0
        discounts = np.arange(1.0, 9.0)
        got = native.boosting.discounted_gain(
            gains, np.array([0, 8]), discounts, scores, 8, 1
        )
        assert got == rank + 1.0
