"""logsumexp, softmax and log_softmax against torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from harness import Row, compare_and_time, copy_bandwidth, relative_error

from fastnotes._reference import evidence as reference
from fastnotes.evidence import log_softmax, logsumexp, softmax

BOUND = 1e-4  # of errors
COMPARED = 64  # rows whose answers are held against float64

#: Rows x K, summed along the rows: one sum, a vocabulary, classes.
SUMS = ((1, 100_000_000), (8192, 50_257), (10_000_000, 10))
SOFTMAXES = ((8192, 50_257), (200_000, 1000), (10_000_000, 10))


def rows(quick: bool) -> Iterator[Row]:
    """Time every case; ``quick`` the first of each kind."""
    bandwidth = copy_bandwidth()
    for shape in SUMS[: 1 if quick else None]:
        a = 3 * torch.randn(shape, device="cuda")
        expected = reference.logsumexp(a[:COMPARED].cpu().numpy(), 1)
        out = torch.empty(shape[0], device="cuda")
        calls = {
            "fastnotes": lambda a=a, out=out: logsumexp(a, 1, out=out),
            "torch": lambda a=a, out=out: torch.logsumexp(a, 1, out=out),
        }
        least = (a.nbytes + out.nbytes) / bandwidth
        yield from compare_and_time(
            f"logsumexp {shape[0]}x{shape[1]}",
            calls,
            lambda got, e=expected: relative_error(got[:COMPARED], e),
            BOUND,
            least,
        )
    functions: dict[str, tuple[Any, Any, Any]] = {
        "softmax": (softmax, torch.softmax, reference.softmax),
        "log_softmax": (log_softmax, torch.log_softmax, reference.log_softmax),
    }
    for shape in SOFTMAXES[: 1 if quick else None]:
        a = 3 * torch.randn(shape, device="cuda")
        out = torch.empty_like(a)
        for name, (ours, theirs, right) in functions.items():
            expected = right(a[:COMPARED].cpu().numpy(), 1)
            calls = {
                "fastnotes": lambda f=ours, a=a, out=out: f(a, 1, out=out),
                "torch": lambda f=theirs, a=a, out=out: f(a, 1, out=out),
            }
            least = 2 * a.nbytes / bandwidth
            yield from compare_and_time(
                f"{name} {shape[0]}x{shape[1]}",
                calls,
                lambda got, e=expected: relative_error(got[:COMPARED], e),
                BOUND,
                least,
            )
        del a, out
        torch.cuda.empty_cache()
