"""``fastnotes info`` tells what runs, and why."""

from __future__ import annotations

import json
import subprocess
import sys

import fastnotes
from fastnotes import cli


def test_json(capsys):
    assert cli.main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["version"] == fastnotes.__version__
    for key in ("commit", "compiler", "flags", "active", "active_reason", "threading"):
        assert isinstance(facts[key], str)
    for level in facts["levels"].values():
        assert isinstance(level["built"], bool)
        assert isinstance(level["runnable"], bool)
        assert level["reason"]
    assert facts["levels"][facts["active"]]["runnable"]
    assert facts["threads"]["n_threads"] >= 1
    assert facts["threads"]["reason"]
    assert isinstance(facts["cuda"]["available"], bool)
    assert facts["cuda"]["reason"]


def test_page(capsys):
    assert cli.main(["info"]) == 0
    text = capsys.readouterr().out
    assert fastnotes.__version__ in text
    assert "threads" in text
    assert "cuda" in text


def test_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "fastnotes", "info", "--json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["version"] == fastnotes.__version__
