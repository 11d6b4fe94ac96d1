"""What a benchmark case is: inputs, contenders, and the agreement they owe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Inputs = Mapping[str, Any]
Run = Callable[[], Any]
Allocation = Literal["fresh", "preallocated"]

OURS = "fastnotes"
"""The name of the first contender of every case."""


class NotComparableError(Exception):
    """A contender cannot take part under these settings; the text says why."""


@dataclass(frozen=True)
class Work:
    """What the task must at least move and compute, counted by formula.

    Parameters
    ----------
    n_bytes : float
        Compulsory traffic: every input read once, every output written once.
    flops : float
        Floating-point operations, a fused multiply-add counting two.
    dtype : {"float32", "float64"}
        The arithmetic whose peak `flops` is held against.
    """

    n_bytes: float
    flops: float = 0.0
    dtype: Literal["float32", "float64"] = "float32"


@dataclass(frozen=True)
class Contender:
    """One way to do a case's task: ours, or a peer's.

    Parameters
    ----------
    name : str
        The library, as shown in the table.
    call : str
        What is called, for the reader: ``"torch.nn.LSTM, inference_mode"``.
    prepare : callable
        ``prepare(inputs, n_threads)`` imports the library, sets its threads, converts
        the inputs and returns the function of no arguments that is timed. It raises
        `NotComparableError` where these settings do not suit the library.
    package : str or None
        Import name that must be installed; None needs nothing beyond fastnotes.
    answer : callable
        Turns what the timed function returned into arrays, off the clock.
    """

    name: str
    call: str
    prepare: Callable[[Inputs, int], Run]
    package: str | None = None
    answer: Callable[[Any], Any] = field(default=lambda raw: raw)


@dataclass(frozen=True)
class Score:
    """A quality of an answer that belongs beside its time, such as a bound's error."""

    name: str
    of: Callable[[Inputs, Any], float]


def max_error(inputs: Inputs, answer: Any, reference: Any) -> float:
    """Largest absolute difference over the largest reference value, over all arrays.

    Answers are arrays or equally long sequences of arrays; each pair has its own scale.
    A NaN on either side, or a difference in shape, is an infinite error.
    """
    del inputs
    ours = answer if isinstance(answer, tuple | list) else (answer,)
    theirs = reference if isinstance(reference, tuple | list) else (reference,)
    if len(ours) != len(theirs):
        return float("inf")
    return max(map(_scaled_difference, ours, theirs))


def _scaled_difference(answer: Any, reference: Any) -> float:
    a = np.asarray(answer, dtype=np.float64)
    b = np.asarray(reference, dtype=np.float64)
    if a.shape != b.shape:
        return float("inf")
    if a.size == 0:
        return 0.0
    difference = float(np.max(np.abs(a - b)))
    scale = float(np.max(np.abs(b)))
    error = difference / scale if scale > 0 else difference
    return error if np.isfinite(error) else float("inf")


@dataclass(frozen=True)
class Case:
    """One task on one kind of input, with everyone who does it.

    Parameters
    ----------
    room, name : str
        ``room/name`` is how the command line calls it.
    title : str
        One line for people.
    build : callable
        ``build(**parameters)`` makes the inputs: a mapping, the same on every run.
    contenders : tuple of Contender
        Ours first.
    bound : float
        The largest `error` that counts as the same answer.
    full, quick : mapping or None
        Parameters of `build`. A case without `quick` is left out of ``--quick``.
    error : callable
        ``error(inputs, answer, reference)``; must not exceed `bound`, NaN never does.
    error_name : str
        What `error` measures.
    reference : callable or None
        ``reference(inputs)`` is the answer all are held against. Without one, the peers
        are held against ours.
    work : callable or None
        ``work(inputs)`` counts the bytes and operations of the task.
    score : Score or None
        A quality shown beside each time.
    allocation : {"fresh", "preallocated"}
        Whether every contender allocates its outputs, or none does.
    needs_data : bool
        Whether the input must be provided by ``--data`` or ``FASTNOTES_DATA``.
    """

    room: str
    name: str
    title: str
    build: Callable[..., Inputs]
    contenders: tuple[Contender, ...]
    bound: float
    full: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] | None = None
    error: Callable[[Inputs, Any, Any], float] = max_error
    error_name: str = "max error / max value"
    reference: Callable[[Inputs], Any] | None = None
    work: Callable[[Inputs], Work] | None = None
    score: Score | None = None
    allocation: Allocation = "fresh"
    needs_data: bool = False

    def __post_init__(self) -> None:
        if not self.contenders or self.contenders[0].name != OURS:
            raise ValueError(
                f"[bench.Case] expected {OURS!r} as the first contender of {self.id}"
            )

    @property
    def id(self) -> str:
        """``room/name``."""
        return f"{self.room}/{self.name}"

    def parameters(self, quick: bool) -> Mapping[str, Any]:
        """Parameters of `build` for this size."""
        return self.quick if quick and self.quick is not None else self.full
