"""Ratios, verdicts, the JSON round trip, and what is made from recorded results."""

from __future__ import annotations

import io
import json

import pytest

from fastnotes.bench import Report, Row, markdown, plot
from fastnotes.bench import format as fmt
from fastnotes.bench import report as table
from support.fake_cases import report, result


def test_median_minimum_and_spread():
    row = Row("a", "call", seconds=[5.0, 1.0, 3.0, 2.0, 4.0])
    assert row.median_s == 3
    assert row.min_s == 1
    assert row.spread == pytest.approx((4 - 2) / 3)
    assert Row("a", "call", seconds=[1.0]).spread == 0


@pytest.mark.parametrize(
    ("theirs", "verdict"),
    [(3.0, "faster"), (1.05, "undecided"), (0.95, "undecided"), (0.5, "slower")],
)
def test_verdict(theirs, verdict):
    case = result("graph/a", 1.0, peer=theirs)
    assert case.ratio(case.rows[1]) == pytest.approx(theirs)
    assert case.verdict(case.rows[1]) == verdict
    assert case.ratio(case.rows[0]) is None
    assert fmt.ratio(case, case.rows[1]).startswith("~") == (verdict == "undecided")


def test_json_round_trip_keeps_every_timing():
    before = report(result("graph/a", 1.5e-3, numpy=3e-3), result("evidence/b", 1.0))
    before.cases[0].rows[1].seconds = [3.125e-3, 2.5e-3]
    text = before.to_json()
    document = json.loads(text)
    assert document["schema_version"] == 1
    assert document["cases"][0]["rows"][1]["seconds"] == [3.125e-3, 2.5e-3]
    assert document["cases"][0]["rows"][1]["ratio"] == pytest.approx(1.875)
    for key in ("machine", "versions", "level", "threads", "commit", "date"):
        assert document[key] == getattr(before, key)
    assert Report.from_json(text) == before


def test_json_of_another_schema_is_refused():
    document = json.loads(report().to_json())
    document["schema_version"] = 99
    with pytest.raises(ValueError, match="expected schema_version 1, got 99"):
        Report.from_json(json.dumps(document))


def test_table_names_everyone_and_every_trouble():
    case = result("graph/a", 1e-3, numpy=2e-3, gone=1.0, bad=1.0)
    case.rows[2] = Row("gone", "call", status="not installed")
    case.rows[3] = Row(
        "bad", "call", status="wrong", reason="max error 3 exceeds 1e-05"
    )
    case.disturbed, case.foreign_load = True, 0.25
    case.score_name, case.rows[0].score = "beads per row", 10.25
    run = report(case)
    run.interrupted = True
    text = table.plain(run)
    assert "2.00x" in text
    assert "not installed" in text
    assert "graph/a: beads per row: fastnotes 10.25" in text
    assert "WRONG" in text
    assert "max error 3 exceeds" in text
    assert "others took 25 % of the CPU" in text
    assert "interrupted" in text
    assert "Abacus 9000, 2 threads, level v3, fastnotes 1.2.3" in text
    assert not run.sound


def test_rich_table_on_a_terminal():
    pytest.importorskip("rich")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    table.write(report(result("graph/a", 1e-3, numpy=2e-3)), stream)
    assert "2.00x" in stream.getvalue()
    assert "\u2500" in stream.getvalue()


def test_no_colour_in_a_pipe():
    stream = io.StringIO()
    table.write(report(result("graph/a", 1e-3, numpy=2e-3)), stream)
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.234e-6, "1.23 us"),
        (99.96e-6, "100 us"),
        (1.5e-3, "1.50 ms"),
        (0.9997, "1.00 s"),
        (12.34, "12.3 s"),
    ],
)
def test_seconds(seconds, text):
    assert fmt.seconds(seconds) == text


def test_page_without_results_is_an_error(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        markdown.main([str(tmp_path), str(tmp_path / "page.md")])
    assert stop.value.code == 2
    assert "no *.json" in capsys.readouterr().err


def test_plot_is_a_picture_with_bars(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib import image

    path = tmp_path / "bench.png"
    cases = [
        result("graph/a", 1.0, numpy=2.0, torch=0.5, nobody=1.05),
        result("evidence/b", 1.0, scipy=30.0),
    ]
    plot.write(report(*cases), path)
    picture = image.imread(path)
    height, width = picture.shape[:2]
    assert width > 1000
    assert height > 400
    colours = {tuple(c) for c in (picture[..., :3] * 255).round().reshape(-1, 3)}
    assert {(0x56, 0xB4, 0xE9), (0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)} <= colours


def test_plot_without_peers_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at least one timed peer"):
        plot.write(report(result("graph/a", 1.0)), tmp_path / "bench.png")
