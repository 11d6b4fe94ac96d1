"""Cells after every step, out of what a forward pass keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes.recurrent import lstm_forward
from recurrent.cases import KINDS, as_given, make_parts, make_projected
from support.sweeps import DTYPES, assert_same_bytes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_cells_are_those_after_every_step(reverse: bool, kind: str, dtype: Any) -> None:
    """Those that a sequence, cut there, ends with."""
    case = make_projected(kind, 9, 7, 5, 18, dtype=dtype)
    parts, (h0, c0), lengths = make_parts(case, kind), case[4:6], case.lengths

    def cut(array: Any, first: Any, last: Any) -> Any:
        """Places [first, last) of every sequence, from 0 on."""
        rows = np.zeros_like(array)
        for b, (a, z) in enumerate(zip(first, last, strict=True)):
            rows[b, : z - a] = array[b, a:z]
        return rows

    def run_cut(first: Any, last: Any) -> Any:
        own = {
            name: cut(p, first, last) if np.ndim(p) == 3 else p
            for name, p in parts.items()
        }
        x = cut(case.x, first, last)
        options = {"lengths": last - first, "reverse": reverse, **as_given(own)}
        return lstm_forward(x, *case[1:4], h0, c0, **options)

    cache: Any = run_cut(0 * lengths, lengths).cache
    cells = cache.cells()
    assert (cells.shape, cells.dtype) == ((9, 7, 18), dtype)
    for t in range(7):
        at = np.minimum(t, lengths)
        ends = (at, lengths) if reverse else (0 * at, np.minimum(t + 1, lengths))
        running = lengths > t
        assert_same_bytes(cells[running, t], run_cut(*ends).c_last[running])
        assert not cells[~running, t].any()
