"""Gradient histograms against weighted bincounts of torch and CuPy, and splits.

Codes are what trees are grown on, so every contender has them in the layout it likes
best before the clock starts: rows for fastnotes, columns (or code + 256 column as one
array) for the others. Gradients are new in every call.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from harness import Calls, Row, copy_bandwidth, relative_error, time_all

from fastnotes.boosting import build_histogram, find_best_split

N_COLUMNS = 28
N_BINS = 256
#: Peers sum in float32, in any order.
PEER_ERROR = 1e-2


def rows(quick: bool) -> Iterator[Row]:
    """Time random codes, mostly missing ones, a tenth of the rows, and a split."""
    n_rows = 1_000_000 if quick else 10_000_000
    bandwidth = copy_bandwidth()
    grad, hess = torch.randn(n_rows, device="cuda"), torch.rand(n_rows, device="cuda")
    codes = random_codes(n_rows)
    yield from _contest("histogram", codes, grad, hess, None, bandwidth)
    some = torch.sort(torch.randperm(n_rows, device="cuda")[: n_rows // 10]).values
    yield from _contest("histogram-tenth", codes, grad, hess, some, bandwidth)
    codes[torch.rand(codes.shape, device="cuda") < 0.9] = N_BINS - 1
    yield from _contest("histogram-missing", codes, grad, hess, None, bandwidth)
    yield from _split(build_histogram(codes, grad, hess))


def random_codes(n_rows: int) -> torch.Tensor:
    """Return uniform codes, (n_rows, N_COLUMNS)."""
    shape = (n_rows, N_COLUMNS)
    return torch.randint(0, N_BINS, shape, dtype=torch.uint8, device="cuda")


def _contest(
    case: str,
    codes: torch.Tensor,
    grad: torch.Tensor,
    hess: torch.Tensor,
    some: torch.Tensor | None,
    bandwidth: float,
) -> Iterator[Row]:
    calls: Calls = {"fastnotes": lambda: build_histogram(codes, grad, hess, some)}
    by_column = codes.T.contiguous()
    calls["torch.bincount, by column"] = lambda: _by_column(
        torch, by_column, grad, hess, some
    )
    if some is None:
        offsets = torch.arange(0, N_COLUMNS * N_BINS, N_BINS, device="cuda")
        flat = (by_column + offsets.int()[:, None]).ravel()
        calls["torch.bincount, at once"] = lambda: _at_once(torch, flat, grad, hess)
        if importlib.util.find_spec("cupy") and case == "histogram":  # slow
            calls.update(_cupy_calls(by_column, flat, grad, hess))
    errors = _compare(case, calls, codes, grad, hess, some)
    used = len(grad) if some is None else len(some)
    moved = used * (N_COLUMNS + 8) + 8 * len(grad) + (0 if some is None else 24 * used)
    case = f"{case}-{len(grad) // 1_000_000}m-{N_COLUMNS}"
    for who, milliseconds in time_all(calls, repeats=5).items():
        limit = moved / bandwidth / (milliseconds / 1000)
        share = limit if who == "fastnotes" else None
        yield Row(case, who, milliseconds, share, errors[who])


def _by_column(library: Any, by_column: Any, grad: Any, hess: Any, some: Any) -> Any:
    if some is not None:
        grad, hess = grad[some], hess[some]
    out = []
    for column in by_column:
        used = column if some is None else column[some]
        for weights in (grad, hess):
            sums = library.bincount(used, weights=weights, minlength=N_BINS)
            out.append(sums)
    return library.stack(out).reshape(N_COLUMNS, 2, N_BINS).swapaxes(1, 2)


def _at_once(library: Any, flat: Any, grad: Any, hess: Any) -> Any:
    size = N_COLUMNS * N_BINS
    sums = []
    for values in (grad, hess):
        weights = library.broadcast_to(values, (N_COLUMNS, len(values))).reshape(-1)
        sums.append(library.bincount(flat, weights=weights, minlength=size))
    return library.stack(sums, -1).reshape(N_COLUMNS, N_BINS, 2)


def _cupy_calls(by_column: Any, flat: Any, grad: Any, hess: Any) -> Calls:
    cupy = importlib.import_module("cupy")
    columns, every, g, h = (cupy.from_dlpack(a) for a in (by_column, flat, grad, hess))
    return {
        "cupy.bincount, by column": lambda: _by_column(cupy, columns, g, h, None),
        "cupy.bincount, at once": lambda: _at_once(cupy, every, g, h),
    }


def _compare(
    case: str, calls: Calls, codes: Any, grad: Any, hess: Any, some: Any
) -> dict[str, float]:
    """Errors against float64 sums; ours must be the CPU's bytes as well."""
    exact = _by_column(torch, codes.T, grad.double(), hess.double(), some)
    reference = exact.cpu().numpy()
    host = [None if a is None else a.cpu().numpy() for a in (codes, grad, hess, some)]
    errors = {}
    for who, call in calls.items():
        result = call()
        got = result.cpu().numpy() if torch.is_tensor(result) else result.get()
        if who == "fastnotes":
            same = got.tobytes() == build_histogram(*host).tobytes()
            _require(same, f"{case}: not the CPU's bytes")
        errors[who] = relative_error(got, reference)
        _require(errors[who] <= PEER_ERROR, f"{case}: {who} is off by {errors[who]}")
    return errors


def _split(histogram: torch.Tensor) -> Iterator[Row]:
    on_host = np.ascontiguousarray(histogram.cpu().numpy())
    same = find_best_split(histogram) == find_best_split(on_host)
    _require(same, "split: not the CPU's")
    calls: Calls = {"fastnotes": lambda: find_best_split(histogram)}
    for who, milliseconds in time_all(calls).items():
        yield Row(f"split-{N_COLUMNS}", who, milliseconds)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise RuntimeError(otherwise)
