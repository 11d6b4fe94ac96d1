"""What every objective offers to the training loop."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._validation import (
    RealArray,
    as_index_array,
    as_real_array,
    check_finite,
    check_shape,
    fail,
)

Margins = NDArray[np.float64]
Weight = NDArray[np.float32]

_WHERE = "boosting.Objective"
_GRADIENTS = "boosting.Objective.gradients"

#: Largest weight: gradients are stored in float32.
_MAX_WEIGHT = float(np.finfo(np.float32).max)


class Targets(NamedTuple):
    """Targets and weights, checked and converted once."""

    y: NDArray[Any]
    weight: Weight | None


class Objective(ABC):
    """A loss that trees are grown on.

    Margins are float64 of shape ``(n_outputs, n_rows)``: the sums of leaves, before the
    inverse link. An objective is a value without state; ``bind`` joins it to targets.

    Attributes
    ----------
    name : str
        XGBoost's name, such as ``"reg:squarederror"``.
    link : {"identity", "log", "logit", "softmax"}
        From the mean of the target to the margin.
    n_outputs : int
        Margins per row.
    default_metric : str
        Name for `resolve_metric`.
    alphas : tuple of floats
        For each output, the quantile of residuals that is a leaf's best value; empty
        where the Newton step of the grown tree is right.
    needs_groups : bool
        Rows form lists.
    goes_by_row : bool
        A row's derivatives depend on its own target, weight and margins alone.
    default_max_delta_step : float
        What the parameter of that name means where the user leaves it out.
    """

    name: ClassVar[str]
    link: ClassVar[str] = "identity"
    needs_groups: ClassVar[bool] = False
    goes_by_row: ClassVar[bool] = True
    default_max_delta_step: ClassVar[float] = 0.0

    @property
    def n_outputs(self) -> int:
        """Margins per row."""
        return 1

    @property
    def alphas(self) -> tuple[float, ...]:
        """Quantiles that leaves are, for each output; empty: none."""
        return ()

    @property
    def renews_leaves(self) -> bool:
        """Whether ``renew_leaves`` replaces the leaf values of a grown tree."""
        return bool(self.alphas)

    @property
    @abstractmethod
    def default_metric(self) -> str:
        """Name of the metric that watches this loss."""

    def parameters(self) -> dict[str, Any]:
        """Return what distinguishes this objective from others of its name."""
        return {}

    def check_targets(
        self, y: ArrayLike, sample_weight: ArrayLike | None = None, where: str = _WHERE
    ) -> Targets:
        """Check targets and weights, and convert them.

        Parameters
        ----------
        y : array of shape (n_rows,)
        sample_weight : array of shape (n_rows,), optional
            Finite, >= 0, with a positive sum; float32 from here on.
        where : str
            ``"boosting.Class.method"``, for messages.

        Returns
        -------
        Targets

        Raises
        ------
        TypeError, ValueError
            If a value is not of the kind, or not in the domain, of this loss.
        """
        targets = self._convert(y, where)
        if len(targets) == 0:
            fail(where, "at least one row", "none")
        return Targets(targets, as_weight(sample_weight, len(targets), where))

    def _convert(self, y: ArrayLike, where: str) -> NDArray[Any]:
        """Return the targets as the kernels take them; refuse those out of domain."""
        targets = as_real_array(y, where, "y", ndim=1)
        check_finite(targets, where, "y")
        return targets

    @abstractmethod
    def base_score(self, y: NDArray[Any], weight: Weight | None) -> NDArray[np.float64]:
        """Return the constant margins of least loss, of shape (n_outputs,).

        Takes the arrays of ``check_targets``. Sums do not depend on the order of rows.
        """

    def link_inverse(self, margins: Margins) -> Margins:
        """Return means or probabilities, shaped as the margins."""
        return margins

    def bind(
        self,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        *,
        where: str = _WHERE,
    ) -> BoundObjective:
        """Join the loss to data, for all rounds of a fit.

        Parameters
        ----------
        y, sample_weight
            As for ``check_targets``.
        groups : int64 array of shape (n_lists + 1,), optional
            Row offsets of lists, for objectives that need them; None is one list.
        where : str
            ``"boosting.Class.method"``, for messages.

        Returns
        -------
        BoundObjective
        """
        return self._join(self.check_targets(y, sample_weight, where), groups, where)

    @abstractmethod
    def _join(
        self, targets: Targets, groups: ArrayLike | None, where: str
    ) -> BoundObjective:
        """Return the bound objective of checked targets."""


class BoundObjective(ABC):
    """An objective, its targets and its weights."""

    def __init__(self, objective: Objective, targets: Targets) -> None:
        self.objective = objective
        self.y, self.weight = targets
        self.row_numbers: NDArray[np.int64] | None = None  # for messages; None: own

    @property
    def base_score(self) -> NDArray[np.float64]:
        """Constant margins of least loss, of shape (n_outputs,).

        Raises
        ------
        ValueError
            If sums of the targets leave float64.
        """
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            score = self.objective.base_score(self.y, self.weight)
        if not np.isfinite(score).all():
            fail(_WHERE, "y whose sums fit float64", "larger values")
        return score

    def gradients(
        self,
        margins: Margins,
        grad: NDArray[np.float32],
        hess: NDArray[np.float32],
        n_threads: int = 1,
    ) -> None:
        """Write first and second derivatives, times the weights.

        Parameters
        ----------
        margins : float64 array of shape (n_outputs, n_rows)
        grad, hess : float32 arrays of that shape, outputs
        n_threads : int
            The result has the same bytes for any.

        Raises
        ------
        ValueError
            If a derivative is NaN or infinite; the message names the row.
        """
        bad = self._differentiate(margins, grad, hess, n_threads)
        if bad >= 0:
            output, row = divmod(bad, margins.shape[1])
            numbers = self.row_numbers
            named = row if numbers is None else numbers[row]
            fail(
                _GRADIENTS,
                "finite gradients (a smaller learning_rate or a max_delta_step helps "
                "where margins run away)",
                f"{grad[output, row]} and {hess[output, row]} at row {named} of output "
                f"{output}, margin {margins[output, row]}",
            )

    @abstractmethod
    def _differentiate(
        self,
        margins: Margins,
        grad: NDArray[np.float32],
        hess: NDArray[np.float32],
        n_threads: int,
    ) -> int:
        """Write grad and hess; return the first flat index not finite, or -1."""

    def renew_leaves(
        self,
        output: int,
        margins: Margins,
        leaf_of_row: NDArray[np.int32],
        values: NDArray[np.float64],
        *,
        rows: NDArray[np.int32] | None = None,
        n_threads: int = 1,
    ) -> None:
        """Replace leaf values by the best constants of their rows.

        Does nothing unless ``objective.renews_leaves``.

        Parameters
        ----------
        output : int
            Which output the tree is for.
        margins : float64 array of shape (n_rows,)
            Of that output, before the tree.
        leaf_of_row : int32 array of shape (n_rows,)
            Node numbers; negative ones are left out.
        values : float64 array of shape (n_nodes,), in-out
            A node without rows of positive weight keeps its value.
        rows : int32 array, optional
            The rows that count, such as the sampled ones.
        n_threads : int
            The result has the same bytes for any.

        Raises
        ------
        ValueError
            If a residual is not finite, or a node or row out of range.
        """
        if not self.objective.renews_leaves:
            return
        native.boosting.leaf_quantiles(
            self.y,
            self.weight,
            margins,
            leaf_of_row,
            rows,
            self.objective.alphas[output],
            values,
            n_threads,
        )


def as_weight(
    sample_weight: ArrayLike | None, n_rows: int, where: str
) -> Weight | None:
    """Return weights in float32, checked."""
    if sample_weight is None:
        return None
    weights = as_real_array(sample_weight, where, "sample_weight", ndim=1)
    check_shape(weights, where, "sample_weight", (n_rows,), "(n_rows,)")
    check_finite(weights, where, "sample_weight")
    refuse_rows(weights < 0.0, weights, where, "sample_weight >= 0")
    refuse_rows(weights > _MAX_WEIGHT, weights, where, "sample_weight within float32")
    single: Weight = weights.astype(np.float32, copy=False)
    if not single.any():
        fail(where, "sample_weight with a positive sum in float32", "zeros alone")
    return single


def as_offsets(groups: ArrayLike | None, n_rows: int, where: str) -> NDArray[np.int64]:
    """Return row offsets of lists, checked; None is one list of all rows."""
    if groups is None:
        return np.array([0, n_rows])
    offsets = as_index_array(groups, where, "groups")
    if (
        len(offsets) < 2
        or offsets[0] != 0
        or offsets[-1] != n_rows
        or (np.diff(offsets) < 1).any()
    ):
        expected = f"groups as offsets that ascend strictly from 0 to n_rows = {n_rows}"
        fail(where, expected, "others")
    return offsets


def as_classes(y: RealArray, n_classes: int, where: str) -> NDArray[np.int32]:
    """Return targets as the codes 0 .. n_classes - 1."""
    codes = (y >= 0.0) & (y < n_classes) & (y == np.rint(y))
    refuse_rows(~codes, y, where, f"y as classes 0 to {n_classes - 1}")
    return y.astype(np.int32)


def refuse_rows(
    bad: NDArray[np.bool_], values: NDArray[Any], where: str, expected: str
) -> None:
    """Raise a ValueError that names the first bad row, if there is one."""
    if bad.any():
        row = int(np.argmax(bad))
        fail(where, expected, f"{values[row]} at row {row}")


def check_sum(y: RealArray, weight: Weight | None, where: str) -> None:
    """Refuse targets >= 0 that are all 0 where the weight is not: their log mean."""
    counted = y if weight is None else y[weight > 0.0]
    if not counted.any():
        fail(where, "a positive sum of y", "zeros alone")


def takes_weight(function: Callable[..., Any]) -> bool:
    """Whether a function has a parameter ``sample_weight``."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    return "sample_weight" in parameters
