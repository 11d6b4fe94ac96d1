"""Growth of resident memory in fit, each library in a fresh process."""

from __future__ import annotations

import importlib.util

import pytest

from support.processes import run_python

#: The table itself, 112 MB, is the user's and does not count.
MOST_BYTES = 100_000_000

MEASURE = """
from fastnotes.bench.boosting_training import CASES, signal
from fastnotes.bench.watch import PeakMemory

contenders = {{c.name: c for c in CASES[0].contenders}}
few, many = (signal(n, 28, 1, n_estimators=10) for n in (2000, 1_000_000))
fit = contenders["{library}"].prepare
fit(few, 2)()  # what a first call loads does not grow with the table
memory = PeakMemory()
memory.start()
fit(many, 2)()
print(memory.stop())
"""


def growth(library):
    """Peak growth in bytes, by the benchmark's own case."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    done = run_python(MEASURE.format(library=library))
    assert done.returncode == 0, done.stderr
    if done.stdout.strip() == "None":
        pytest.skip("this system does not tell the peak of memory")
    return int(done.stdout)


@pytest.mark.slow
def test_a_million_rows_take_no_more_than_promised():
    assert growth("fastnotes") <= MOST_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("peer", ["xgboost", "lightgbm"])
def test_peers_take_more(peer):
    assert growth("fastnotes") < growth(peer)
