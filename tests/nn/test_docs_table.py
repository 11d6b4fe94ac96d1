"""The error table of docs/nn.md is the one the tests hold."""

from __future__ import annotations

import re
from pathlib import Path

from support.ulp import MAX_ULP

PAGE = Path(__file__).resolve().parents[2] / "docs" / "nn.md"
ROW = re.compile(r"^\| `(\w+)` \| ([\d.]+) \|$", re.MULTILINE)


def test_table_states_the_tested_bounds() -> None:
    stated = {name: float(bound) for name, bound in ROW.findall(PAGE.read_text())}
    assert stated == MAX_ULP
