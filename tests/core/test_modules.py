"""Facts about the built modules: symbols, import cost, manners towards the host."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import fastnotes
from support.processes import run_python

MODULES = sorted(Path(fastnotes.__file__).parent.glob("*.so"))


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm (binutils)")
@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_only_the_init_function_is_visible(module):
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", str(module)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = {line.split()[-1] for line in listing.splitlines()}
    assert {name for name in names if not name.startswith("PyInit_")} == set()
    assert len(names) == 1


def test_import_is_light():
    code = (
        "import sys, numpy; before = set(sys.modules); import fastnotes; "
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    heavy = {"sklearn", "scipy", "torch", "pandas", "matplotlib", "rich", "pooch"}
    assert heavy.isdisjoint(done.stdout.split())
    assert "fastnotes" in done.stdout.split()


def test_import_takes_under_100_ms_beyond_numpy():
    def measure() -> float:
        code = (
            "import time, numpy; start = time.perf_counter(); import fastnotes; "
            "print(time.perf_counter() - start)"
        )
        return float(run_python(code).stdout)

    assert min(measure() for _ in range(5)) < 0.1


def test_import_leaves_denormals_alone():
    code = "import fastnotes, numpy as np; print(np.float64(5e-324) / 1 > 0)"
    assert run_python(code).stdout.strip() == "True"


def test_import_sets_no_environment():
    code = (
        "import os, numpy; before = dict(os.environ); import fastnotes; "
        "print(dict(os.environ) == before)"
    )
    assert run_python(code).stdout.strip() == "True"


def test_version_matches_the_project():
    assert re.fullmatch(r"\d+\.\d+\.\d+", fastnotes.__version__)


def test_unknown_room_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'bosting'"):
        fastnotes.bosting  # noqa: B018
