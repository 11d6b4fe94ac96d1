"""What a metric is joined to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import RealArray
from fastnotes.boosting._objective import Margins, Objective, Weight

#: A metric joined to its data: margins (n_outputs, n_rows) and threads to a number.
BoundMetric = Callable[[Margins, int], float]


@dataclass(frozen=True)
class Data:
    """Targets of a metric, checked and converted once."""

    objective: Objective
    y: RealArray
    weight: Weight | None
    offsets: NDArray[np.int64]
    where: str

    @property
    def total(self) -> float:
        """Sum of the weights."""
        if self.weight is None:
            return float(len(self.y))
        return float(self.weight.sum(dtype=np.float64))

    def predict(self, margins: Margins) -> Margins:
        """Return means or probabilities."""
        return self.objective.link_inverse(margins)
