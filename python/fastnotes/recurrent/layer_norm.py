"""Gains and biases of an LSTM that normalises its sums and its cell."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastnotes._validation import RealArray, as_real_array, check_shape, fail, fail_type


class LayerNorm(NamedTuple):
    """Gains and the cell's bias for ``layer_norm=``, or gradients of theirs.

    With N of the 4H sums of a row, or of its H cells, their deviations from their mean
    over sqrt(variance + 1e-5)::

        a_t = gain_ih * N(weight_ih x_t) + gain_hh * N(weight_hh h_(t-1)) + bias
        h_t = sigmoid(a_o) * tanh(gain_c * N(c_t) + bias_c)

    Attributes
    ----------
    gain_ih, gain_hh
        (4H,), of what comes from the input and from the previous output.
    gain_c, bias_c
        (H,), of the cell.
    """

    gain_ih: RealArray
    gain_hh: RealArray
    gain_c: RealArray
    bias_c: RealArray


def shapes(hidden: int) -> dict[str, tuple[int]]:
    """Shapes of the four by name."""
    gains, cells = (4 * hidden,), (hidden,)
    return dict(zip(LayerNorm._fields, (gains, gains, cells, cells), strict=True))


def arrays_of(layer_norm: Any, where: str) -> dict[str, Any]:
    """Its four arrays by name, not yet checked; none for None."""
    if layer_norm is None:
        return {}
    if not isinstance(layer_norm, tuple):
        fail_type(where, "layer_norm as a LayerNorm", type(layer_norm).__name__)
    if len(layer_norm) != len(LayerNorm._fields):
        fail(where, "layer_norm of four arrays", f"{len(layer_norm)} of them")
    return dict(zip(LayerNorm._fields, layer_norm, strict=True))


def stack(layer_norm: Any, where: str, hidden: int) -> RealArray | None:
    """Check the four and return them as the kernels take them, (10H,)."""
    parts = []
    for name, array in arrays_of(layer_norm, where).items():
        part = as_real_array(array, where, name, ndim=1)
        form = "(H,)" if name.endswith("_c") else "(4H,)"
        check_shape(part, where, name, shapes(hidden)[name], form)
        parts.append(part)
    return np.concatenate(parts) if parts else None


def split(stacked: RealArray | None, hidden: int) -> LayerNorm | None:
    """Views of what :func:`stack` returns."""
    if stacked is None:
        return None
    return LayerNorm(*np.split(stacked, [4 * hidden, 8 * hidden, 9 * hidden]))
