"""Options, markers and the header line that says what is under test."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import scipy

import fastnotes
from fastnotes import _core

# Derandomised: a red run is a finding about the code, never about the day. Sanitizer
# builds are many times slower and take the quick profile.
hypothesis.settings.register_profile(
    "standard", derandomize=True, deadline=None, max_examples=60, database=None
)
hypothesis.settings.register_profile(
    "quick", hypothesis.settings.get_profile("standard"), max_examples=8
)
hypothesis.settings.register_profile(
    "thorough",
    hypothesis.settings.get_profile("standard"),
    derandomize=False,
    max_examples=1000,
)
hypothesis.settings.load_profile(os.environ.get("FASTNOTES_HYPOTHESIS", "standard"))

# Tests of thread counts are to have their threads, on busy machines too.
_core.native.runtime.keep_teams(True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run slow tests too")


def pytest_report_header() -> str:
    facts = _core.describe()
    return (
        f"fastnotes {fastnotes.__version__}, level {facts['active']}, "
        f"{facts['threading']}; numpy {np.__version__}, scipy {scipy.__version__}"
    )


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if config.getoption("--slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.fixture(scope="session")
def data_home() -> Path:
    """Folder of real data sets; skips where it is absent."""
    named = os.environ.get("FASTNOTES_DATA")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    home = Path(named) if named else beside
    if not home.is_dir():
        pytest.skip("no data folder: set FASTNOTES_DATA to run this test")
    return home
