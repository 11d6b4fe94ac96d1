"""Errors in units in the last place, against a wider type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Bounds of the elementary functions, for float32 and float64 alike.
MAX_ULP = {
    "exp": 1.0,
    "log": 1.0,
    "log1p": 1.25,
    "expm1": 1.75,
    "tanh": 2.0,
    "sigmoid": 1.75,
    "softplus": 1.75,
}


def ulp_errors(got: NDArray[Any], exact: NDArray[Any]) -> NDArray[np.float64]:
    """|got - exact| in spacings of got's type at the exact value.

    ``exact`` is of a wider type. inf counts as the first power of two that does not
    fit, so that overflow may begin half a spacing early but not earlier; NaN must
    meet NaN, or the error is infinite.
    """
    info = np.finfo(got.dtype)
    limit = np.ldexp(exact.dtype.type(1), info.maxexp)
    with np.errstate(invalid="ignore"):  # a signalling NaN passed through
        value = np.clip(got.astype(exact.dtype), -limit, limit)
    wanted = np.clip(exact, -limit, limit)
    # frexp's exponent: 2**(e - 1) <= |x| < 2**e; subnormals share the least spacing.
    exponent = np.maximum(np.frexp(wanted)[1], info.minexp + 1)
    spacing = np.ldexp(np.ones_like(wanted), exponent - info.nmant - 1)
    errors = np.abs(value - wanted) / spacing
    nan = np.isnan(exact)
    errors[nan | np.isnan(got)] = np.inf
    errors[nan & np.isnan(got)] = 0.0
    return errors.astype(np.float64)
