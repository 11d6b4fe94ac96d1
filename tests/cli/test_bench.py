"""``fastnotes bench`` refuses bad commands before work, and keeps what it has."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from fastnotes import bench, cli
from fastnotes.bench import machine
from fastnotes.bench.machine import Limits
from support.fake_cases import case, contender


@pytest.fixture
def fake_cases(monkeypatch):
    """Replace the registered cases, and the measuring of the machine."""
    limits = Limits([(2**30, 1e10)], float32_flops=1e11, float64_flops=5e10)

    def use(*cases):
        monkeypatch.setattr(bench, "find_cases", lambda names: list(cases))

    monkeypatch.setattr(machine, "measure_limits", lambda n_threads: limits)
    monkeypatch.delenv("FASTNOTES_DATA", raising=False)
    return use


def run(*words: str) -> int:
    return cli.main(["bench", *words])


def test_list(capsys):
    assert run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines]
    assert listed == [case.id for case in bench.find_cases()]
    assert any("[quick]" in line for line in lines)
    assert any("needs --data" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["attic"], "got 'attic'"),
        (["evidence/attic"], "got 'attic'"),
        (["--threads", "0"], "positive integer, got '0'"),
        (["--threads", "many"], "positive integer, got 'many'"),
        (["--threads", "100000"], "expected n_threads from 1"),
        (["--repeats", "-1"], "positive integer"),
        (["--data", "no/such/folder"], "expected a folder"),
        (["--json", "no/such/folder/f.json"], "expected a writable file"),
        (["--json", "."], "expected a writable file"),
        (["--json", f"{__file__}/f.json"], "expected a writable file"),
        (["--plot", "no/such/folder/f.png"], "expected a writable file"),
        (["--plot", "f.txt"], "expected a file in .png"),
    ],
)
def test_bad_command_lines_stop_before_work(words, message, capsys, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("work began")

    monkeypatch.setattr(bench.harness, "run_cases", refuse)
    with pytest.raises(SystemExit) as stop:
        run(*words)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_file(tmp_path, capsys):
    target = tmp_path / "f.json"
    target.touch()
    target.chmod(0o400)
    with pytest.raises(SystemExit) as stop:
        run("--json", str(target))
    assert stop.value.code == 2
    assert "writable" in capsys.readouterr().err


def test_delivers_table_json_and_plot(fake_cases, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    fake_cases(case(contender("fastnotes"), contender("numpy", package="numpy")))
    target, picture = tmp_path / "r.json", tmp_path / "r.png"
    words = ("--threads", "1", "--repeats", "2", "--json", str(target))
    assert run(*words, "--plot", str(picture)) == 0
    out = capsys.readouterr()
    assert "boosting/sort" in out.out
    assert "[1/1] boosting/sort" in out.err
    assert picture.read_bytes().startswith(b"\x89PNG")
    document = json.loads(target.read_text())
    assert document["threads"] == 1
    assert document["versions"]["numpy"] == np.__version__
    assert document["machine"]["limits"]["float32_flops"] > 0
    [entry] = document["cases"]
    assert [len(row["seconds"]) for row in entry["rows"]] == [2, 2]
    assert bench.Report.read(target).cases[0].id == "boosting/sort"


def test_disagreement_is_exit_code_1(fake_cases, capsys):
    fake_cases(case(contender("fastnotes"), contender("peer", lambda x: x)))
    assert run("--repeats", "1") == 1
    assert "WRONG" in capsys.readouterr().out


def test_interrupt_keeps_what_is_finished(fake_cases, tmp_path, capsys):
    def interrupt(x):
        raise KeyboardInterrupt

    fake_cases(case(name="one"), case(contender("fastnotes", interrupt), name="two"))
    target = tmp_path / "r.json"
    assert run("--repeats", "1", "--json", str(target)) == 130
    out = capsys.readouterr().out
    assert "boosting/one" in out
    assert "boosting/two" not in out
    document = json.loads(target.read_text())
    assert document["interrupted"] is True
    assert [entry["name"] for entry in document["cases"]] == ["one"]


def test_quick_leaves_out_cases_without_a_quick_form(fake_cases, capsys):
    fake_cases(case(name="big"), case(name="small", quick={"n": 3}))
    assert run("--quick", "--repeats", "1") == 0
    out = capsys.readouterr().out
    assert "boosting/small" in out
    assert "boosting/big" not in out


def test_nothing_quick_is_an_error(fake_cases, capsys):
    fake_cases(case(name="big"))
    with pytest.raises(SystemExit) as stop:
        run("--quick")
    assert stop.value.code == 2
    assert "leave out --quick" in capsys.readouterr().err


def test_cases_on_outside_data_need_it_unless_named(fake_cases, capsys):
    fake_cases(case(needs_data=True))
    assert run("--repeats", "1") == 0
    assert "boosting/sort: not run, needs --data" in capsys.readouterr().out
    assert run("boosting/sort", "--repeats", "1") == 0
    assert "not run" not in capsys.readouterr().out


def test_data_folder_reaches_the_loaders(fake_cases, tmp_path, monkeypatch):
    monkeypatch.setenv("FASTNOTES_DATA", "elsewhere")
    fake_cases(case(needs_data=True))
    assert run("--repeats", "1", "--data", str(tmp_path)) == 0
    assert os.environ["FASTNOTES_DATA"] == str(tmp_path)


@pytest.mark.skipif(
    importlib.util.find_spec("fastnotes.evidence") is None, reason="no evidence room"
)
def test_a_real_case_end_to_end(tmp_path, capsys):
    target = tmp_path / "r.json"
    words = ("evidence/bound-50x100", "--quick", "--repeats", "2", "--threads", "2")
    assert run(*words, "--json", str(target)) == 0
    rows = bench.Report.read(target).cases[0].rows
    assert rows[0].contender == "fastnotes"
    assert rows[0].timed
    assert rows[0].error is not None
    assert {row.status for row in rows} <= {"ok", "not installed", "not comparable"}
    assert "evidence/bound-50x100" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("fastnotes.evidence") is None, reason="no evidence room"
)
def test_ctrl_c_of_a_real_run():
    words = ("bench", "evidence/bound-50x100", "evidence/bound-1000x100000")
    with subprocess.Popen(
        [sys.executable, "-m", "fastnotes", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "[1/2] evidence/bound-50x100\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "evidence/bound-50x100" in out
    assert "evidence/bound-1000x100000" not in out
    assert "interrupted" in out
    assert "Traceback" not in err
