"""What an estimator asks of its cells beside their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnotes._validation import as_integer, check_choice, fail
from fastnotes.recurrent.layers import as_zoneout_rates

CELLS = ("lstm", "rnn")


@dataclass(frozen=True)
class LSTMOptions:
    """Optional parts, under the names of :class:`LSTM`; a vanilla network has none."""

    peephole: bool = False
    proj_size: int = 0
    zoneout: tuple[float, float] = (0.0, 0.0)
    layer_norm: bool = False

    @classmethod
    def of(cls, model: Any, where: str) -> LSTMOptions:
        """Return those of an estimator, whose cell is checked too."""
        found = cls(
            peephole=bool(model.peephole),
            proj_size=as_integer(model.proj_size, where, "proj_size", low=0),
            zoneout=as_zoneout_rates(model.zoneout, where),
            layer_norm=bool(model.layer_norm),
        )
        cell = check_choice(model.cell, where, "cell", CELLS)
        if cell == "rnn" and found != cls():
            options = "peephole, proj_size, zoneout or layer_norm"
            fail(where, f"cell 'lstm' for {options}", "'rnn'")
        return found
