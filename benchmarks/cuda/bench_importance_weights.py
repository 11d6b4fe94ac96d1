"""Bound alone, and bound, weights and effective sample size, against torch and CuPy."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from harness import Row, compare_and_time, copy_bandwidth, relative_error

from fastnotes._reference import evidence as reference
from fastnotes.evidence import importance_weights, iwae_bound

BOUND = 1e-4  # of errors
COMPARED = 256  # columns whose answers are held against float64


class Case(NamedTuple):
    """Log-weights of this shape with K along ``axis``."""

    shape: tuple[int, int]
    axis: int
    dtype: torch.dtype = torch.float32

    @property
    def text(self) -> str:
        """As the table names it."""
        kind = str(self.dtype).removeprefix("torch.")
        return f"{self.shape[0]}x{self.shape[1]} {kind}, axis {self.axis}"


CASES = (
    Case((1000, 1_000_000), 0),
    Case((1_000_000, 1000), 1),
    Case((1000, 1_000_000), 1),  # K = 1e6: beyond what stays in shared memory
    Case((50, 10_000_000), 0),
    Case((1000, 400_000), 0, torch.float64),
)


def rows(quick: bool) -> Iterator[Row]:
    """Time every case; ``quick`` the first two."""
    bandwidth = copy_bandwidth()
    for case in CASES[: 2 if quick else None]:
        log_w = 3 * torch.randn(case.shape, dtype=case.dtype, device="cuda") - 100
        part = log_w.narrow(1 - case.axis, 0, min(COMPARED, case.shape[1 - case.axis]))
        expected = reference.importance_weights(part.cpu().numpy(), case.axis)
        moved = log_w.nbytes + log_w.nbytes // case.shape[case.axis]
        yield from compare_and_time(
            f"bound {case.text}",
            _bounds(log_w, case.axis),
            lambda got, e=expected: relative_error(got[:COMPARED], e[0]),
            BOUND,
            moved / bandwidth,
        )
        yield from compare_and_time(
            f"weights {case.text}",
            _weights(log_w, case.axis),
            lambda got, e=expected, axis=case.axis: max(
                relative_error(got[0][:COMPARED], e[0]),
                relative_error(got[1].narrow(1 - axis, 0, e[0].size), e[1]),
                relative_error(got[2][:COMPARED], e[2]),
            ),
            BOUND,
            (log_w.nbytes + moved) / bandwidth,
        )
        del log_w, part
        torch.cuda.empty_cache()


def _bounds(log_w: torch.Tensor, axis: int) -> dict[str, Callable[[], Any]]:
    log_count = math.log(log_w.shape[axis])
    calls: dict[str, Callable[[], Any]] = {
        "fastnotes": lambda: iwae_bound(log_w, axis),
        "torch": lambda: torch.logsumexp(log_w, axis) - log_count,
    }
    special = _cupy_special()
    if special is not None:
        array = importlib.import_module("cupy").from_dlpack(log_w)
        calls["CuPy"] = lambda: _torch(special.logsumexp(array, axis)) - log_count
    return calls


def _weights(log_w: torch.Tensor, axis: int) -> dict[str, Callable[[], Any]]:
    log_count = math.log(log_w.shape[axis])

    def norm() -> tuple[torch.Tensor, ...]:
        weights = torch.softmax(log_w, axis)
        ess = torch.linalg.vector_norm(weights, dim=axis) ** -2
        return torch.logsumexp(log_w, axis) - log_count, weights, ess

    def exp() -> tuple[torch.Tensor, ...]:
        # As people write it; loses eps * |log-sum|.
        total = torch.logsumexp(log_w, axis)
        weights = torch.exp(log_w - total.unsqueeze(axis))
        return total - log_count, weights, 1 / (weights * weights).sum(axis)

    calls: dict[str, Callable[[], Any]] = {
        "fastnotes": lambda: importance_weights(log_w, axis),
        "torch softmax, norm": norm,
        "torch exp, square": exp,
    }
    special = _cupy_special()
    if special is not None:
        cupy = importlib.import_module("cupy")
        array = cupy.from_dlpack(log_w)

        def composed() -> tuple[torch.Tensor, ...]:
            weights = special.softmax(array, axis)
            ess = 1 / cupy.square(weights).sum(axis)
            total = _torch(special.logsumexp(array, axis)) - log_count
            return total, _torch(weights), _torch(ess)

        calls["CuPy"] = composed
    return calls


def _cupy_special() -> Any:
    """SciPy's special functions of CuPy, None where CuPy or one of them is absent."""
    try:
        special = importlib.import_module("cupyx.scipy.special")
    except ImportError:
        return None
    return special if hasattr(special, "logsumexp") else None


def _torch(array: Any) -> torch.Tensor:
    return torch.from_dlpack(array)
