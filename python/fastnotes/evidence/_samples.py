"""Log-weights of samples, as the functions of this room take them."""

from __future__ import annotations

from numpy.typing import ArrayLike

from fastnotes._axes import single_axis
from fastnotes._validation import RealArray, as_real_array, fail


def read_log_weights(log_w: ArrayLike, axis: int, where: str) -> tuple[RealArray, int]:
    """Return log-weights, converted once, and the axis of their samples, from 0 on.

    Raises
    ------
    TypeError
        If ``log_w`` is not real, or ``axis`` not an integer.
    ValueError
        If ``axis`` is out of range, or without samples along it.
    """
    array = as_real_array(log_w, where, "log_w")
    axis = single_axis(array, axis, where, "log_w")
    if array.shape[axis] == 0:
        fail(where, "at least one sample along axis", f"shape {array.shape}")
    return array, axis
