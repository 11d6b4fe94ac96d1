"""The loader picks, forces and refuses levels by name, and says why."""

from __future__ import annotations

import pytest

from fastnotes import _core
from fastnotes._core import _choose, _Level
from support.processes import run_python

RUNNABLE = [n for n, level in _core.describe()["levels"].items() if level["runnable"]]


@pytest.mark.parametrize("level", RUNNABLE)
def test_forced_level_is_the_one_that_runs(level):
    code = (
        "from fastnotes import _core; print(_core.native.runtime.build_info()['level'])"
    )
    done = run_python(code, FASTNOTES_LEVEL=level)
    assert done.stdout.strip() == level, done.stderr


def test_unknown_level_is_an_error():
    done = run_python("import fastnotes", FASTNOTES_LEVEL="v9")
    assert done.returncode != 0
    assert "FASTNOTES_LEVEL=v9 was not built" in done.stderr


def test_describe_says_why():
    facts = _core.describe()
    assert facts["levels"][facts["active"]]["runnable"]
    assert facts["active_reason"]
    assert all(level["reason"] for level in facts["levels"].values())


def levels(**missing: tuple[str, ...]) -> dict[str, _Level]:
    return {name: _Level(name, lacks) for name, lacks in missing.items()}


def test_native_build_on_a_lesser_cpu_is_refused_with_the_reason():
    with pytest.raises(ImportError, match=r"another CPU.*lacks AVX512F.*Rebuild"):
        _choose(levels(native=("AVX512F", "AVX512VL")), None)


def test_best_runnable_level_wins():
    built = levels(v4=("AVX512F",), v3=(), v2=())
    assert _choose(built, None)[0].name == "v3"
    assert _choose(built, "v2")[0].name == "v2"
    with pytest.raises(ImportError, match="FASTNOTES_LEVEL=v4 cannot run.*AVX512F"):
        _choose(built, "v4")
