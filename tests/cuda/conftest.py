"""Everything here needs a CUDA device; without one it skips and says why."""

from __future__ import annotations

import pytest

from fastnotes import _cuda
from support.cuda import KINDS, ArrayKind


@pytest.fixture(autouse=True)
def _needs_cuda() -> None:
    facts = _cuda.state()
    if not facts["available"]:
        pytest.skip(f"CUDA is not available: {facts['reason']}")


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> ArrayKind:
    """A library whose arrays go in and come out; skips where it is not installed."""
    return KINDS[request.param]()
