"""Named precision classes: the only place where tests keep tolerances.

A class says what limits the precision, not what a test happened to need.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Tolerance(NamedTuple):
    """Relative and absolute bounds for float32 and float64 results."""

    rtol32: float
    atol32: float
    rtol64: float
    atol64: float

    def assert_close(self, got: NDArray[Any], expected: ArrayLike) -> None:
        """Compare by the dtype of ``got``."""
        single = got.dtype == np.float32
        np.testing.assert_allclose(
            got,
            expected,
            rtol=self.rtol32 if single else self.rtol64,
            atol=self.atol32 if single else self.atol64,
        )


#: One rounding of a well-conditioned formula.
ELEMENTWISE = Tolerance(5e-7, 1e-37, 1e-15, 1e-300)

#: Polynomial exp, log, tanh and what is made of a few of them.
TRANSCENDENTAL = Tolerance(2e-6, 1e-37, 5e-15, 1e-300)

#: Sums of up to some thousand terms of one sign, float64 or block partials.
REDUCTION = Tolerance(1e-5, 1e-6, 1e-12, 1e-13)

#: Exponentials over their sum, near the largest: some roundings at any length, offset.
NORMALISED = Tolerance(6e-7, 1e-37, 2e-14, 1e-300)

#: The same far from the largest: half an ULP of the distance, until exp underflows.
DISTANT = Tolerance(5e-6, 1e-37, 1.2e-13, 1e-300)

#: Logarithm of a sum: one rounding of the result, and some eps of a nat.
LOG_OF_SUM = Tolerance(1.2e-7, 4e-7, 4.5e-16, 2e-14)

#: Recurrences and products of several layers of sums.
COMPOSITE = Tolerance(5e-5, 5e-6, 1e-10, 1e-11)

#: States of tens of steps whose weights, as PyTorch starts them, are in bfloat16.
ROUNDED_WEIGHTS = Tolerance(0.0, 8e-3, 0.0, 8e-3)

#: A filter by products against the same by an eigenbasis: 1e-12 is promised.
EXACT_FILTER = Tolerance(5e-5, 5e-6, 1e-12, 1e-12)

#: Central differences in float64: truncation h**2 against rounding eps / h.
GRADIENT = Tolerance(0.0, 0.0, 2e-6, 2e-8)

#: Printed with about 15 digits in the source.
PUBLISHED = Tolerance(2e-6, 1e-7, 5e-13, 5e-14)

#: Box-Muller: a few roundings of a radius below 10, also where the angle's cosine is 0.
RANDOM_NORMAL = Tolerance(2e-6, 2e-6, 5e-15, 5e-15)

#: One-sided level of distribution checks at fixed seeds: a pass is a fact, not luck.
SIGNIFICANCE = 1e-4


class ProductTolerance(NamedTuple):
    """Roundings of one sum of products, as multiples of eps times |a| |b|."""

    per_term: float

    def assert_close(
        self, got: NDArray[Any], expected: NDArray[Any], magnitude: ArrayLike
    ) -> None:
        """Compare element by element; ``magnitude`` is depth * |a| |b|."""
        eps = float(np.finfo(got.dtype).eps)
        assert got.shape == expected.shape
        error = np.abs(got.astype(np.float64) - expected.astype(np.float64))
        worst = np.max(error - self.per_term * eps * np.asarray(magnitude), initial=0.0)
        assert worst <= 0.0, f"error exceeds the bound by {worst}"


class CancellingTolerance(NamedTuple):
    """A sum of large terms that cancel, in float64: eps of their magnitudes."""

    floor: float
    per_magnitude: float

    def assert_close(self, got: Any, expected: Any, magnitude: Any) -> None:
        """Compare numbers; ``expected`` may have more digits than a float."""
        limit = max(self.floor, self.per_magnitude * 2.0**-52 * float(magnitude))
        error = abs(float(type(expected)(float(got)) - expected))
        assert error <= limit, f"error {error:.3g} exceeds {limit:.3g}"


#: The jackknife's promise.
JACKKNIFE = CancellingTolerance(1e-12, 8.0)

#: A product of matrices: at most one rounding per term (Higham 2002, section 3.1), with
#: another one for the float64 reference's own.
PRODUCT = ProductTolerance(1.0)

#: A sum in float32 of terms that may cancel, against one in float64: each rounds to at
#: most eps of what they have in size together, and ``magnitude`` is that times depth.
SINGLE_SUM = ProductTolerance(1.0)


class NearTolerance(NamedTuple):
    """A relative error that grows as what is compared draws near, in eps."""

    factor: float

    def assert_close(self, got: Any, expected: float, distance: float) -> None:
        """Compare float64 numbers; ``distance`` is relative, at most 1."""
        eps = float(np.finfo(np.float64).eps)
        assert abs(got - expected) <= self.factor * eps / distance * abs(expected)


#: Divergence of distributions whose ratios differ from 1 by the distance: the ratios
#: less 1 are rounded to eps, and the sums that the distributions are divided by.
NEAR_DIVERGENCE = NearTolerance(8.0)
