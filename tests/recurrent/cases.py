"""Inputs shared by the tests of the LSTM."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._reference import recurrent as reference

Array = NDArray[Any]


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
