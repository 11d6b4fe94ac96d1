"""The registered cases: well formed, found by name, and their inputs repeatable."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from fastnotes.bench import UnknownCaseError, find_cases, max_error, rooms
from fastnotes.bench.evidence import exact_bound, ppca_log_weights

CASES = find_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_parameters_fit_the_builder(case):
    for quick in (False, True):
        inspect.signature(case.build).bind(**case.parameters(quick))
    assert case.bound > 0
    assert len({contender.name for contender in case.contenders}) > 1


def test_names_are_unique():
    assert len({case.id for case in CASES}) == len(CASES)


def test_every_room_has_a_quick_case_without_outside_data():
    for room in rooms():
        found = find_cases([room])
        assert any(case.quick is not None and not case.needs_data for case in found)


def test_rooms_cases_and_patterns():
    assert [c.id for c in find_cases(["evidence/bound-ppca"])] == [
        "evidence/bound-ppca"
    ]
    both = [c.room for c in find_cases(["evidence", "graph"])]
    assert list(dict.fromkeys(both)) == ["graph", "evidence"]  # in house order
    bounds = find_cases(["evidence/bound-*"])
    assert len(bounds) > 1
    assert all(case.name.startswith("bound-") for case in bounds)
    # Named twice, run once.
    assert len(find_cases(["evidence", "evidence/bound-ppca"])) == len(
        find_cases(["evidence"])
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("attic", "expected a room among .*evidence.*, got 'attic'"),
        ("evidence/attic", "expected a case of evidence among bound-ppca"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(UnknownCaseError, match=message):
        find_cases([name])


def test_ppca_weights_estimate_its_exact_evidence():
    inputs = ppca_log_weights(n_samples=60)
    log_w, log_p = inputs["log_w"].astype(np.float64), inputs["log_p"]
    bound = exact_bound(inputs)
    assert np.mean(log_w.mean(axis=0)) < np.mean(bound) < np.mean(log_p)
    assert np.mean(log_p - bound) < 0.5
    again = ppca_log_weights(n_samples=60)
    assert max_error({}, again["log_w"], inputs["log_w"]) == 0
