"""The page of recorded results: the newest of each case, aims on top, one step."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from fastnotes import cli
from fastnotes.bench import Report, find_cases, markdown
from fastnotes.bench.archive import shelves, superseded
from fastnotes.bench.bars import BARS, Memory, Pace, Ratio
from fastnotes.cli import record
from support.fake_cases import report, result

ROOT = Path(__file__).resolve().parents[2]


def on(day: int, *cases, **changes) -> Report:
    """A full run of some cases, on a day of January."""
    date = f"2026-01-{day:02}T00:00:00+00:00"
    return dataclasses.replace(report(*cases), date=date, quick=False, **changes)


def figures(reports) -> list[dict[str, float]]:
    """Our seconds by case, one mapping per setting."""
    return [
        {name: case.rows[0].median_s for name, (_, case) in shelf.found.items()}
        for shelf in shelves(reports)
    ]


def test_the_newest_result_of_a_case_counts():
    old = on(1, result("graph/a", 1.0), result("graph/b", 2.0))
    new = on(2, result("graph/a", 3.0))
    for order in ([old, new], [new, old]):
        assert figures(order) == [{"graph/a": 3.0, "graph/b": 2.0}]


def test_quick_inputs_do_not_stand_in_for_full_ones():
    full, small, same = (result("graph/a", seconds) for seconds in (1.0, 2.0, 3.0))
    full.parameters = same.parameters = {"n": 100}
    small.parameters = {"n": 5}
    quick = dataclasses.replace(on(2, small), quick=True)
    assert figures([on(1, full), quick]) == [{"graph/a": 1.0}]
    assert figures([quick]) == [{"graph/a": 2.0}]
    # A quick run at full size is as good as any.
    assert figures([on(1, full), dataclasses.replace(on(2, same), quick=True)]) == [
        {"graph/a": 3.0}
    ]


def test_a_skipped_case_hides_no_result():
    skipped = result("graph/a", 1.0)
    skipped.skipped, skipped.rows = "needs --data", []
    assert figures([on(1, result("graph/a", 2.0)), on(2, skipped)]) == [
        {"graph/a": 2.0}
    ]


@pytest.mark.parametrize(
    "changes",
    [{"threads": 1}, {"level": "v4"}, {"machine": {"processor": "Abacus 9001"}}],
)
def test_settings_stay_apart(changes):
    old, new = on(1, result("graph/a", 1.0)), on(2, result("graph/a", 3.0), **changes)
    assert figures([old, new]) == [{"graph/a": 3.0}, {"graph/a": 1.0}]


def test_files_without_a_result_that_counts_are_superseded(tmp_path):
    runs = {
        "gone": on(1, result("graph/a", 1.0)),
        "half": on(2, result("graph/a", 2.0), result("graph/b", 2.0)),
        "new": on(3, result("graph/a", 3.0)),
        "elsewhere": on(1, result("graph/a", 4.0), threads=1),
    }
    for name, run in runs.items():
        (tmp_path / f"{name}.json").write_text(run.to_json())
    assert superseded(tmp_path) == [tmp_path / "gone.json"]


# ---------------------------------------------------------------- aims


def judged(bar, *cases):
    return bar.judge({case.id: case for case in cases})


def test_an_aim_of_a_mean_and_of_each_case():
    bar = Ratio("graph", "product", ("a", "b"), ("mkl",), mean=2, least=1)
    four, one = result("graph/a", 1.0, mkl=4.0), result("graph/b", 1.0, mkl=1.0)
    finding = judged(bar, four, one)
    assert finding.outcome == "reached"
    assert finding.figure == "mean 2.00x (1.00x to 4.00x)"
    assert finding.aim == "mean 2x, each 1x"
    slow = result("graph/b", 1.0, mkl=0.9)
    assert judged(bar, four, slow).outcome == "missed"  # of each, and of the mean
    fast = result("graph/a", 1.0, mkl=100.0)
    assert judged(bar, fast, slow).outcome == "missed"  # of each alone
    low = result("graph/a", 1.0, mkl=1.5)
    assert judged(bar, low, one).outcome == "missed"  # of the mean alone


def test_the_fastest_peer_counts():
    bar = Ratio("graph", "product", ("a",), ("mkl", "torch"), least=2)
    finding = judged(bar, result("graph/a", 1.0, scipy=1.0, mkl=3.0, torch=2.5))
    assert (finding.figure, finding.outcome) == ("2.50x", "reached")
    assert finding.against == "best of mkl, torch"


def test_an_aim_that_is_not_all_measured_is_incomplete():
    bar = Ratio("graph", "product", ("a", "b"), ("mkl",), least=1)
    finding = judged(bar, result("graph/a", 1.0, mkl=3.0))
    assert finding.outcome == "incomplete"
    assert finding.figure == "mean 3.00x (3.00x to 3.00x, 1 of 2 cases)"
    without_peer = result("graph/b", 1.0, scipy=3.0)
    nothing = judged(bar, without_peer)
    assert (nothing.figure, nothing.outcome) == ("", "incomplete")


def test_a_figure_without_an_aim_is_only_told():
    finding = judged(Ratio("graph", "x", ("a",), ("mkl",)), result("graph/a", 2, mkl=1))
    assert (finding.figure, finding.aim, finding.outcome) == ("0.50x", "", "")


@pytest.mark.parametrize(("at_most", "outcome"), [(2.0, "reached"), (1.9, "missed")])
def test_a_pace(at_most, outcome):
    bar = Pace("graph", "walk", "a", "step", lambda p: p["n"], at_most)
    case = result("graph/a", 1e-6)
    case.parameters = {"n": 500}
    finding = judged(bar, case)
    assert (finding.figure, finding.outcome) == ("2 ns", outcome)
    assert judged(bar).outcome == "incomplete"


@pytest.mark.parametrize(
    ("ours", "theirs", "outcome"),
    [
        (90, 95, "reached"),
        (101, 120, "missed"),
        (90, 89, "missed"),
        (90, None, "incomplete"),
    ],
)
def test_an_aim_of_memory(ours, theirs, outcome):
    bar = Memory("graph", "fit", "a", ("mkl", "torch"), 100)
    case = result("graph/a", 1.0, mkl=1.0, torch=1.0)
    for row, taken in zip(case.rows, (ours, theirs, 200), strict=True):
        row.peak_bytes = None if taken is None else taken * 10**6
    finding = judged(bar, case)
    others = 200 if theirs is None else theirs
    assert finding.figure == f"{ours} MB (least of the others {others} MB)"
    assert finding.outcome == outcome
    assert judged(bar).outcome == "incomplete"


def test_every_aim_names_cases_and_contenders_that_exist():
    contenders = {
        case.id: {contender.name for contender in case.contenders}
        for case in find_cases()
    }
    sizes = {case.id: case.full for case in find_cases()}
    for bar in BARS:
        if isinstance(bar, Pace):
            assert bar.count(sizes[f"{bar.room}/{bar.case}"]) > 1
            continue
        is_memory = isinstance(bar, Memory)
        for name in (bar.case,) if is_memory else bar.cases:
            known = contenders[f"{bar.room}/{name}"]
            assert set(bar.below if is_memory else bar.against) <= known, name


# ---------------------------------------------------------------- the page


def test_page_has_aims_on_top_and_a_line_per_case(tmp_path):
    disturbed = result("graph/a", 1e-3, numpy=4e-3, mkl=2e-3)
    disturbed.disturbed, disturbed.foreign_load = True, 0.07
    bound = result("evidence/bound-1000x100000", 1.0, scipy=8.5)
    bound.allocation = "preallocated"
    bound.score_name, bound.rows[0].score = "gap", 0.25
    runs = [
        on(1, result("graph/a", 1e-3, numpy=9e-3)),
        on(2, disturbed),
        on(3, bound, threads=1),
    ]
    for number, run in enumerate(runs):
        (tmp_path / f"{number}.json").write_text(run.to_json())
    page = tmp_path / "benchmarks.md"
    assert markdown.main([str(tmp_path), str(page)]) == 0
    text = page.read_text()

    assert "numpy, jax, scipy | 8x | 8.50x | reached |" in text
    assert text.index("8.50x | reached") < text.index("## Every case")
    assert text.count("### Abacus 9000, 1 threads, level v3") == 1
    assert text.count("### Abacus 9000, 2 threads, level v3") == 1
    lines = [line for line in text.splitlines() if line.startswith("| `a`")]
    assert lines == [
        "| `a`: title of a (others took 7 % of the CPU meanwhile) | 1.00 ms |  | "
        "1.0e-07 | mkl 2.00 ms (2.00x), numpy 4.00 ms (4.00x) |"
    ]
    assert "title of bound-1000x100000, preallocated | 1.00 s (gap: 0.25) |" in text
    assert "* `a`: fastnotes: fastnotes's call; numpy: numpy's call" in text
    assert "* 2026-01-02, fastnotes 1.2.3 (0123456789ab): 1 cases" in text


def test_the_page_is_the_one_made_from_the_recorded_results(tmp_path):
    page = tmp_path / "benchmarks.md"
    assert markdown.main([str(ROOT / "benchmarks" / "results"), str(page)]) == 0
    assert page.read_text() == (ROOT / "docs" / "benchmarks.md").read_text()


# ---------------------------------------------------------------- recording


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder like a checkout, and a bench that finds one result; its calls."""
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    calls = []

    def bench(words):
        calls.append(words)
        if "--json" in words:
            target = Path(words[words.index("--json") + 1])
            target.write_text(on(2, result("graph/a", 2.0, mkl=3.0)).to_json())
        return 0

    monkeypatch.setattr(cli, "main", bench)
    return calls


def test_record_keeps_the_result_and_makes_page_and_picture(checkout):
    old = Path("benchmarks", "results", "old.json")
    old.write_text(on(1, result("graph/a", 1.0)).to_json())
    assert record.main(["--data", "somewhere", "--threads", "2"]) == 0
    full, quick = checkout
    assert full[:5] == ["bench", "--data", "somewhere", "--threads", "2"]
    assert quick[:2] == ["bench", "--quick"]
    assert quick[-2:] == ["--plot", str(Path("docs", "benchmarks.png"))]
    [kept] = Path("benchmarks", "results").iterdir()
    assert kept.name == "2026-01-02-abacus-9000-2-threads-v3.json"
    assert json.loads(kept.read_text())["cases"][0]["name"] == "a"
    assert "mkl 3.00 s (1.50x)" in Path("docs", "benchmarks.md").read_text()


def test_record_of_some_cases_draws_no_picture(checkout):
    assert record.main(["graph/a*"]) == 0
    [words] = checkout
    assert words[:2] == ["bench", "graph/a*"]
    [kept] = Path("benchmarks", "results").iterdir()
    assert kept.name == "2026-01-02-abacus-9000-2-threads-v3-graph-a.json"


def test_record_keeps_wrong_answers_too(checkout, monkeypatch):
    bench = cli.main
    monkeypatch.setattr(cli, "main", lambda words: bench(words) or 1)
    assert record.main(["graph/a*"]) == 1
    [kept] = Path("benchmarks", "results").iterdir()
    assert json.loads(kept.read_text())["cases"][0]["name"] == "a"


def test_record_keeps_nothing_of_a_failed_run(checkout, monkeypatch):
    monkeypatch.setattr(cli, "main", lambda words: 130)
    assert record.main([]) == 130
    assert not list(Path("benchmarks", "results").iterdir())
    assert not Path("docs", "benchmarks.md").exists()


def test_record_outside_a_checkout_is_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        record.main([])
    assert "expected to run in a checkout" in capsys.readouterr().err
