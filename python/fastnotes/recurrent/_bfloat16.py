"""Weights that are rounded to bfloat16, of which inference reads half the bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes._validation import fail

BFLOAT16 = "bfloat16"
#: What is rounded of a layer; vectors stay as they are.
ROUNDED = ("weight_ih", "weight_hh", "weight_hr")


def as_weight_dtype(dtype: Any, where: str) -> str | None:
    """Return None or ``"bfloat16"``: how a caller wants weights to be kept."""
    if dtype is not None and (not isinstance(dtype, str) or dtype != BFLOAT16):
        fail(where, f"dtype None or {BFLOAT16!r}", repr(dtype))
    return dtype


def refuse_training(dtype: str | None, asked: bool, where: str, name: str) -> None:
    """There is no way back through rounded weights."""
    if asked and dtype is not None:
        fail(where, f"{name}=False with weights in {dtype}", "True")


def to_bits(values: NDArray[Any]) -> NDArray[np.uint16]:
    """Return the upper halves of the nearest floats that bfloat16 holds."""
    bits = native.recurrent.round_to_bfloat16(np.ascontiguousarray(values))
    return bits.reshape(values.shape)


def from_bits(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the floats of which bits are the upper halves."""
    words: NDArray[np.uint32] = bits.astype(np.uint32) << np.uint32(16)
    return words.view(np.float32)
