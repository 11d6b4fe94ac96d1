"""Folds of small sets, gaps with their errors, and a record that is kept set by set."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes.bench import boosting_quality as quality
from fastnotes.bench import boosting_quality_page as page
from fastnotes.bench.case import OURS
from support.tolerances import ELEMENTWISE


def outcome(subject, contender, figures, metric="log loss"):
    return quality.Outcome(subject, metric, contender, figures, [1.0] * len(figures))


def test_folds_part_the_rows_evenly():
    folds = [quality.fold_of_rows(1003, None, seed) for seed in (0, 0, 1)]
    assert set(np.bincount(folds[0])) == {200, 201}
    np.testing.assert_array_equal(folds[0], folds[1])
    assert (folds[0] != folds[2]).any()


def test_lists_stay_whole():
    query = np.repeat([7, 3, 9, 1, 4, 8, 2], [3, 1, 4, 1, 5, 9, 2])
    fold = quality.fold_of_rows(len(query), query, 0)
    for each in np.unique(query):
        assert len(set(fold[query == each])) == 1
    assert set(fold) == set(range(quality.N_FOLDS))


@pytest.mark.parametrize(("metric", "sign"), [("log loss", 1), ("NDCG@10", -1)])
def test_gap_to_the_best_other(metric, sign):
    figures = {OURS: [2.5, 4.0, 4.0], "xgboost": [2.0, 4.0, 3.0]}
    figures["lightgbm"] = [9.0] * 3 if sign > 0 else [1.0] * 3
    row = {name: outcome("a", name, each, metric) for name, each in figures.items()}
    expected = np.array([sign * 0.5 / 3, 0.5 / 3 / np.sqrt(3)])
    ELEMENTWISE.assert_close(np.array(page.excess(row)), expected)


def test_table_counts_level_and_far_sets():
    outcomes = []
    for subject, ours in (("level", 1.001), ("behind", 1.004), ("far", 1.006)):
        outcomes.append(outcome(subject, OURS, [ours, ours]))
        outcomes.append(outcome(subject, "xgboost", [1.0, 1.0]))
    text = page.table(outcomes)
    assert "| +0.40 ± 0.00 % |" in text
    assert "within 0.2% of it on 1 of 3, more than 0.5% behind on 1." in text


def test_one_fit_has_no_error():
    text = page.table([outcome("a", OURS, [1.004]), outcome("a", "xgboost", [1.0])])
    assert "| +0.40 % |" in text


def test_sets_are_recorded_in_place_of_themselves(monkeypatch, tmp_path):
    monkeypatch.setattr(quality, "RESULT", tmp_path / "quality.json")
    first, second = quality.SUBJECTS[:2]
    quality.record([outcome(second.name, OURS, [1.0])])
    quality.record([outcome(first.name, OURS, [2.0])])
    quality.record([outcome(second.name, OURS, [3.0])])
    assert [o.subject for o in quality.recorded()] == [first.name, second.name]
    assert [o.figures for o in quality.recorded()] == [[2.0], [3.0]]
