"""Inputs shared by the tests of the LSTM."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._reference import recurrent as reference
from fastnotes.recurrent.layer_norm import split

Array = NDArray[Any]
Parts = dict[str, Any]


#: Optional parts that are weights, and so have gradients.
PARAMETERS = ("peephole", "weight_hr", "layer_norm")


class Case(NamedTuple):
    """Arguments of a forward pass and the gradients that come back to it."""

    x: Array
    weight_ih: Array
    weight_hh: Array
    bias: Array
    h0: Array
    c0: Array
    lengths: Array
    dh: Array
    dh_last: Array
    dc_last: Array

    @property
    def forward(self) -> tuple[Array, ...]:
        """The positional arguments of lstm_forward."""
        return self[:6]


def make_case(
    batch: int,
    time: int,
    input_size: int,
    hidden: int,
    dtype: Any = np.float64,
    *,
    seed: int = 0,
    ragged: bool = True,
    projection: int = 0,
) -> Case:
    """Random arrays, with weights small enough for gates of every opening."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(dtype)

    scale = dtype(1.5 / max(1, hidden) ** 0.5)
    lengths = rng.integers(0, time + 1, batch) if ragged else np.full(batch, time)
    outputs = projection or hidden
    return Case(
        normal(batch, time, input_size),
        scale * normal(4 * hidden, input_size),
        scale * normal(4 * hidden, outputs),
        normal(4 * hidden),
        normal(batch, outputs),
        normal(batch, hidden),
        lengths.astype(np.int64),
        normal(batch, time, outputs),
        normal(batch, outputs),
        normal(batch, hidden),
    )


def with_padding_nan(case: Case) -> Case:
    """The same case with NaN wherever no step runs."""
    past = np.arange(case.x.shape[1]) >= case.lengths[:, None]
    x, dh = case.x.copy(), case.dh.copy()
    x[past], dh[past] = np.nan, np.nan
    return case._replace(x=x, dh=dh)


def reference_run(
    case: Case, candidate: str = "tanh", **parts: Any
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """(h, h_last, c_last) and the gradients, six and parts', from NumPy in float64."""
    double = Case(*(a if a.dtype == np.int64 else a.astype(np.float64) for a in case))
    optional = {name: np.asarray(part, np.float64) for name, part in parts.items()}
    out = reference.lstm_forward(*double.forward, double.lengths, candidate, **optional)
    weights = {name: optional[name] for name in PARAMETERS if name in optional}
    gradients = reference.lstm_backward(
        double.dh,
        double.x,
        double.weight_ih,
        double.weight_hh,
        out.steps,
        double.dh_last,
        double.dc_last,
        candidate,
        **weights,
    )
    of_parts = (getattr(gradients, f"d{name}") for name in weights)
    return out[:3], (*gradients[:6], *of_parts)


#: Which parts a case has: each alone, and together, as they are and normalised.
KINDS = ["peephole", "rates", "masks", "projection", "all", "normed", "normed all"]
TOGETHER = ("all", "normed all")


def make_projected(
    kind: str, *shape: int, dtype: Any = np.float64, **options: Any
) -> Case:
    """With a projection to three fifths of the units where the kind has one."""
    projected = kind == "projection" or kind in TOGETHER
    projection = -(-shape[3] * 3 // 5) if projected else 0
    return make_case(*shape, dtype, projection=projection, **options)


def make_parts(case: Case, kind: str) -> Parts:
    rng = np.random.default_rng(7)
    parts: Parts = {}
    together = kind in TOGETHER
    if kind == "peephole" or together:
        values = rng.normal(size=3 * case.c0.shape[1])
        parts["peephole"] = values.astype(case.x.dtype)
    if kind == "rates" or together:
        parts |= {"zoneout_h": 0.25, "zoneout_c": 0.375}
    if (kind == "projection" or together) and case.h0.shape[1] > 0:
        values = rng.normal(size=(case.h0.shape[1], case.c0.shape[1]))
        parts["weight_hr"] = values.astype(case.x.dtype) / case.c0.shape[1] ** 0.5
    if kind == "masks":
        masks = rng.integers(0, 2, (2, *case.dh.shape)).astype(case.x.dtype)
        parts |= {"zoneout_h": masks[0], "zoneout_c": masks[1]}
    if kind.startswith("normed"):
        values = rng.normal(0.8, 0.3, size=10 * case.c0.shape[1])
        parts["layer_norm"] = values.astype(case.x.dtype)
    return parts


def as_given(parts: Parts) -> Parts:
    """The same as keyword arguments: what is one array of ten parts, as four."""
    if "layer_norm" not in parts:
        return parts
    stacked = parts["layer_norm"]
    return {**parts, "layer_norm": split(stacked, stacked.size // 10)}


def parameters_of(parts: Parts) -> Parts:
    """Those that have gradients."""
    return {name: parts[name] for name in PARAMETERS if name in parts}
