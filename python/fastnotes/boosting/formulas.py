"""The notes' formulas: what a leaf should say, what it costs, what a split is worth.

G and H are sums of first and second derivatives of the loss over the rows of a leaf.
The formulas are those of Chen & Guestrin (2016), "XGBoost", equations 5 to 7, with the
1/2 that XGBoost's code leaves out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._validation import RealArray, as_real, as_real_array, fail

#: Infinite sums give what the formula gives, quietly: NaN is their answer.
_ieee = np.errstate(over="ignore", invalid="ignore")


@_ieee
def leaf_weight(
    G: ArrayLike, H: ArrayLike, *, reg_lambda: float = 1.0, reg_alpha: float = 0.0
) -> Any:
    """Return the leaf weight that minimises G w + 1/2 (H + lambda) w^2 + alpha |w|.

    w = -T(G) / (H + lambda), with T(G) = G moved towards 0 by alpha.

    Parameters
    ----------
    G, H : floats or arrays that broadcast
    reg_lambda, reg_alpha : float
        L2 and L1 penalty, >= 0.

    Returns
    -------
    float or array
        float32 where all inputs are, else float64. NaN passes through;
        infinities follow IEEE arithmetic, without a warning.

    Raises
    ------
    TypeError
        If an argument is not real.
    ValueError
        If a penalty is negative, shapes do not broadcast, or H + lambda <= 0, where
        there is no minimum.
    """
    where = "boosting.leaf_weight"
    penalties = _Penalties.checked(reg_lambda, reg_alpha, where)
    g, h = _sums(where, G=G, H=H)
    return _scalar_or_array(-penalties.shrink(g) / penalties.curvature(h))


@_ieee
def structure_score(
    G: ArrayLike,
    H: ArrayLike,
    *,
    reg_lambda: float = 1.0,
    gamma: float = 0.0,
    reg_alpha: float = 0.0,
) -> float:
    """Return a tree's objective at its best leaf weights.

    -1/2 sum T(G)^2 / (H + lambda) + gamma T, without the constant loss before the tree.

    Parameters
    ----------
    G, H : arrays that broadcast, one entry per leaf; T is their number
    reg_lambda, gamma, reg_alpha : float
        L2 penalty, price of a leaf, L1 penalty; >= 0.

    Raises
    ------
    TypeError, ValueError
        As ``leaf_weight``.
    """
    where = "boosting.structure_score"
    penalties = _Penalties.checked(reg_lambda, reg_alpha, where)
    price = as_real(gamma, where, "gamma", low=0.0)
    scores = penalties.score(*_sums(where, G=G, H=H))
    return float(-0.5 * np.sum(scores, dtype=np.float64) + price * scores.size)


@_ieee
def split_gain(
    G_left: ArrayLike,
    H_left: ArrayLike,
    G_right: ArrayLike,
    H_right: ArrayLike,
    *,
    reg_lambda: float = 1.0,
    gamma: float = 0.0,
    reg_alpha: float = 0.0,
) -> Any:
    """Return what a split takes off the objective, the price of its leaf deducted.

    Gain = 1/2 [G_L^2/(H_L+lambda) + G_R^2/(H_R+lambda) - G^2/(H+lambda)] - gamma with
    G = G_L + G_R and H = H_L + H_R. XGBoost reports the bracket and compares it with
    its gamma: twice this gain, so our gamma of 1 is XGBoost's 2.

    Parameters
    ----------
    G_left, H_left, G_right, H_right : floats or arrays that broadcast
    reg_lambda, gamma, reg_alpha : float
        L2 penalty, price of a leaf, L1 penalty; >= 0.

    Returns
    -------
    float or array
        float32 where all inputs are, else float64. NaN passes through;
        infinities follow IEEE arithmetic, without a warning.

    Raises
    ------
    TypeError, ValueError
        As ``leaf_weight``, for the parent as well as for both children.
    """
    where = "boosting.split_gain"
    penalties = _Penalties.checked(reg_lambda, reg_alpha, where)
    price = as_real(gamma, where, "gamma", low=0.0)
    G_l, H_l, G_r, H_r = _sums(
        where, G_left=G_left, H_left=H_left, G_right=G_right, H_right=H_right
    )
    children = penalties.score(G_l, H_l) + penalties.score(G_r, H_r)
    gain = 0.5 * (children - penalties.score(G_l + G_r, H_l + H_r)) - price
    return _scalar_or_array(gain)


class _Penalties(NamedTuple):
    """Checked L2 and L1 penalties, and the formulas that use them."""

    reg_lambda: float
    reg_alpha: float
    where: str

    @classmethod
    def checked(cls, reg_lambda: float, reg_alpha: float, where: str) -> _Penalties:
        return cls(
            as_real(reg_lambda, where, "reg_lambda", low=0.0),
            as_real(reg_alpha, where, "reg_alpha", low=0.0),
            where,
        )

    def shrink(self, G: RealArray) -> RealArray:
        """T(G): G moved towards 0 by alpha."""
        return np.copysign(np.maximum(np.abs(G) - self.reg_alpha, 0.0), G)

    def curvature(self, H: RealArray) -> RealArray:
        """H + lambda, refused where it is not positive."""
        curvature = H + self.reg_lambda
        if (curvature <= 0.0).any():
            lowest = str(np.nanmin(curvature))
            fail(self.where, "H + reg_lambda > 0 (else there is no minimum)", lowest)
        return curvature

    def score(self, G: RealArray, H: RealArray) -> RealArray:
        """T(G)^2 / (H + lambda)."""
        shrunk = self.shrink(G)
        return shrunk * shrunk / self.curvature(H)


def _sums(where: str, **sums: ArrayLike) -> list[RealArray]:
    """Check and broadcast sums of derivatives."""
    arrays = [as_real_array(value, where, name) for name, value in sums.items()]
    try:
        return list(np.broadcast_arrays(*arrays))
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in arrays)
        fail(where, f"{', '.join(sums)} of shapes that broadcast", shapes)


def _scalar_or_array(values: RealArray) -> Any:
    """Return a float for a 0-d result."""
    return float(values) if values.ndim == 0 else values
