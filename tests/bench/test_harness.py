"""The harness compares before it times, times in turns, and names who is absent."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastnotes.bench import (
    NotComparableError,
    Score,
    Settings,
    Work,
    harness,
    run_case,
    watch,
)
from fastnotes.bench.case import Case, max_error
from fastnotes.bench.machine import Limits
from fastnotes.bench.watch import ForeignLoad, PeakMemory
from support.fake_cases import case, contender

THREE = Settings(n_threads=1, repeats=3, min_sample_s=1e-6)


def untimed(calls: list[str], name: str) -> bool:
    """Whether a contender was called for its answer alone."""
    return calls.count(name) == 1


def test_all_that_agree_are_timed():
    done = run_case(case(contender("fastnotes"), contender("numpy")), THREE)
    assert [row.status for row in done.rows] == ["ok", "ok"]
    assert [len(row.seconds) for row in done.rows] == [3, 3]
    assert all(second > 0 for row in done.rows for second in row.seconds)
    assert done.sound


def test_a_wrong_answer_is_caught_before_any_clock():
    calls: list[str] = []
    wrong = contender("wrong", lambda x: np.sort(x) + 1e-3, log=calls)
    done = run_case(case(contender("fastnotes"), wrong), THREE)
    row = done.rows[1]
    assert row.status == "wrong"
    assert row.error is not None
    assert row.error > done.bound
    assert "exceeds" in row.reason
    assert not row.seconds
    assert untimed(calls, "wrong")
    assert not done.sound


def test_our_wrong_answer_stops_the_case():
    calls: list[str] = []
    done = run_case(
        case(
            contender("fastnotes", lambda x: x),
            contender("numpy", log=calls),
            reference=lambda inputs: np.sort(inputs["x"]),
        ),
        THREE,
    )
    assert [row.status for row in done.rows] == ["wrong", "ok"]
    assert untimed(calls, "numpy")
    assert done.ratio(done.rows[1]) is None
    assert not done.sound


@pytest.mark.parametrize(
    "answer", [lambda x: x[:-1], lambda x: np.full_like(x, np.nan)]
)
def test_another_shape_and_nan_are_wrong(answer):
    done = run_case(case(contender("fastnotes"), contender("odd", answer)), THREE)
    assert done.rows[1].status == "wrong"
    assert done.rows[1].error is None
    assert "inf" in done.rows[1].reason


def test_a_missing_peer_is_named():
    absent = contender("nobody", package="a_package_that_nobody_wrote")
    done = run_case(case(contender("fastnotes"), absent), THREE)
    assert done.rows[1].contender == "nobody"
    assert done.rows[1].status == "not installed"
    assert done.sound


def test_a_peer_that_does_not_suit_says_why():
    def refuse(x):
        raise NotComparableError("it counts on its fingers")

    done = run_case(case(contender("fastnotes"), contender("peer", refuse)), THREE)
    assert done.rows[1].status == "not comparable"
    assert done.rows[1].reason == "it counts on its fingers"
    assert done.sound


def test_a_peer_that_fails_does_not_stop_the_others():
    def fail(x):
        raise RuntimeError("out of beads")

    done = run_case(
        case(contender("fastnotes"), contender("bad", fail), contender("good")), THREE
    )
    assert [row.status for row in done.rows] == ["ok", "failed", "ok"]
    assert done.rows[1].reason == "RuntimeError: out of beads"
    assert done.rows[2].timed


def failing_from(call: int):
    """Sorts until it has been called so often, then fails."""
    calls = itertools.count(1)

    def answer(x):
        if next(calls) >= call:
            raise MemoryError("out of beads")
        return np.sort(x)

    return answer


@pytest.mark.parametrize("call", [2, 6])
def test_a_failure_on_the_clock_does_not_stop_the_others(call):
    tired = contender("tired", failing_from(call))
    done = run_case(
        case(
            contender("fastnotes"),
            tired,
            contender("good"),
            work=lambda inputs: Work(n_bytes=500),
        ),
        THREE,
        limits=Limits([(1000, 2e9)], float32_flops=1e9, float64_flops=5e8),
    )
    assert [row.status for row in done.rows] == ["ok", "failed", "ok"]
    assert done.rows[1].reason == "MemoryError: out of beads"
    assert not done.rows[1].seconds
    assert done.rows[0].timed
    assert done.rows[2].timed


@pytest.mark.parametrize("score", [lambda i, a: 1 / 0, lambda i, a: float("nan")])
def test_a_score_that_cannot_be_told_is_a_failure(score):
    done = run_case(case(score=Score("beads", score)), THREE)
    assert done.rows[0].status == "failed"
    assert done.rows[0].score is None
    assert not done.sound


def test_our_failure_is_a_failed_case():
    def fail(x):
        raise RuntimeError("out of beads")

    done = run_case(case(contender("fastnotes", fail), contender("numpy")), THREE)
    assert done.rows[0].status == "failed"
    assert not done.rows[1].timed
    assert not done.sound


def test_inputs_that_cannot_be_built_are_a_failed_case():
    done = run_case(case(full={"n": -1}), THREE)
    assert done.rows[0].status == "failed"
    assert done.rows[0].reason.startswith("inputs: ValueError")


def test_contenders_take_turns():
    calls: list[str] = []
    names = ("fastnotes", "a", "b")
    run_case(case(*(contender(name, log=calls) for name in names)), THREE)
    turns = [calls[0]]
    turns += [now for before, now in itertools.pairwise(calls) if now != before]
    # Once for the answer, once to warm up, then three rounds of samples.
    assert turns == list(names) * 5


def test_a_sample_of_a_short_call_holds_many():
    settings = Settings(n_threads=1, repeats=1, min_sample_s=1e-3)
    done = run_case(case(contender("fastnotes", lambda x: x)), settings)
    assert done.rows[0].calls_per_sample > 10
    assert done.rows[0].seconds[0] < settings.min_sample_s


def test_repeats_follow_the_budget():
    settings = Settings(n_threads=1, case_budget_s=0.5)
    assert settings.goes_on(done=4, spent_s=100.0)
    assert not settings.goes_on(done=5, spent_s=100.0)
    assert settings.goes_on(done=30, spent_s=0.1)
    assert not settings.goes_on(done=31, spent_s=0.1)


def test_share_of_the_limit():
    limits = Limits([(1000, 2e9), (10**9, 1e9)], float32_flops=1e9, float64_flops=5e8)
    assert limits.seconds(Work(n_bytes=500)) == pytest.approx(500 / 2e9)
    assert limits.seconds(Work(n_bytes=2000)) == pytest.approx(2000 / 1e9)
    assert limits.seconds(Work(n_bytes=2e9)) == pytest.approx(2.0)
    assert limits.seconds(Work(500, flops=1e6)) == pytest.approx(1e-3)
    assert limits.seconds(Work(500, flops=1e6, dtype="float64")) == pytest.approx(2e-3)
    done = run_case(case(work=lambda inputs: Work(n_bytes=500)), THREE, limits=limits)
    share = done.rows[0].share_of_limit
    assert share == pytest.approx(500 / 2e9 / done.rows[0].median_s)


def test_finished_cases_survive_an_interrupt():
    def interrupt(x):
        raise KeyboardInterrupt

    finished = []
    cases = [case(name="one"), case(contender("fastnotes", interrupt), name="two")]
    with pytest.raises(KeyboardInterrupt):
        harness.run_cases(cases, THREE, into=finished)
    assert [result.name for result in finished] == ["one"]


def test_cases_without_their_data_are_skipped_by_name():
    finished = []
    harness.run_cases([case()], THREE, into=finished, have_data=lambda case: False)
    assert finished[0].skipped == "needs --data"
    assert finished[0].sound


def test_ours_comes_first():
    with pytest.raises(ValueError, match="'fastnotes' as the first contender"):
        case(contender("numpy"), contender("fastnotes"))


def test_max_error_scales_each_array():
    inputs = {}
    reference = (np.array([0.0, 100.0]), np.array([1.0]))
    answer = (np.array([1.0, 100.0]), np.array([1.001]))
    assert max_error(inputs, answer, reference) == pytest.approx(0.01)
    assert max_error(inputs, answer[:1], reference) == np.inf
    assert max_error(inputs, np.empty(0), np.empty(0)) == 0
    assert max_error(inputs, np.array([2.0]), np.array([0.0])) == 2


def test_quick_parameters():
    both = case(full={"n": 7}, quick={"n": 3})
    assert both.parameters(quick=True) == {"n": 3}
    assert both.parameters(quick=False) == {"n": 7}
    assert isinstance(both, Case)


def test_peak_memory_sees_what_was_freed():
    memory = PeakMemory()
    memory.start()
    size = 64 * 2**20
    np.ones(size, dtype=np.uint8)
    grown = memory.stop()
    if grown is None:
        pytest.skip("the kernel does not tell")
    assert size * 0.9 < grown < size * 1.5


class SpinningClock:
    """A stand-in for the time module: threads of this process spin until `stop`."""

    def __init__(self, stop: float) -> None:
        self.now, self.stop = 0.0, stop

    def perf_counter(self) -> float:
        return self.now

    def process_time(self) -> float:
        return min(self.now, self.stop)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_waits_until_no_thread_spins(monkeypatch):
    clock = SpinningClock(stop=0.1)
    monkeypatch.setattr(watch, "time", clock)
    assert watch.wait_until_idle()
    assert 0.1 <= clock.now < 0.13


def test_waits_no_longer_than_the_limit(monkeypatch):
    clock = SpinningClock(stop=100)
    monkeypatch.setattr(watch, "time", clock)
    assert not watch.wait_until_idle(limit_s=0.2)
    assert clock.now == pytest.approx(0.2, abs=0.011)


def test_foreign_load_is_a_share():
    load = ForeignLoad()
    load.start()
    assert load.stop() is None  # too short to say anything
    load.start()
    np.sort(np.random.default_rng(0).random(3_000_000))
    share = load.stop()
    assert share is None or 0 <= share <= 1
