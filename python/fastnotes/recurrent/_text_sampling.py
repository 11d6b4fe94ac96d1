"""Text drawn from a text network, token by token."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes._validation import (
    RealArray,
    as_integer,
    as_real,
    as_seed,
)
from fastnotes.recurrent._text_network import TextNetwork

#: Philox purpose of the draws.
SAMPLE_PURPOSE = 0x74780002


@dataclass(frozen=True)
class Choice:
    """How a token is drawn.

    Attributes
    ----------
    temperature
        Logits are divided by it; 0: the likeliest token.
    top_k
        Only so many of the likeliest tokens may come; None: all.
    seed
        Of the draws.
    """

    temperature: float
    top_k: int | None
    seed: int

    @classmethod
    def of(cls, temperature: Any, top_k: Any, random_state: Any, where: str) -> Choice:
        """Return that of a user's arguments; ``random_state=None`` draws a seed."""
        seed = secrets.randbits(63) if random_state is None else random_state
        return cls(
            temperature=as_real(temperature, where, "temperature", low=0.0),
            top_k=None if top_k is None else as_integer(top_k, where, "top_k", low=1),
            seed=as_seed(seed, where),
        )

    def token(self, logits: RealArray, place: int) -> int:
        """Draw the token at a place of the text; of equals the first is likelier."""
        order = np.argsort(-logits, kind="stable")[: self.top_k]
        if self.temperature == 0:
            return int(order[0])
        kept = np.sort(order)
        with np.errstate(over="ignore", invalid="ignore"):  # -inf - -inf: no chance
            above = logits[kept].astype(np.float64) - float(logits[order[0]])
            ends = np.cumsum(np.nan_to_num(np.exp(above / self.temperature)))
        uniform = np.empty(1, np.float64)
        native.runtime.fill_uniform(self.seed, SAMPLE_PURPOSE, place, uniform)
        # Below the total, whatever the product rounds to.
        at = min(uniform[0] * ends[-1], np.nextafter(ends[-1], 0))
        return int(kept[np.searchsorted(ends, at, side="right")])


def drawn(
    network: TextNetwork,
    prompt: NDArray[np.int64],
    first: RealArray,
    n: int | None,
    choice: Choice,
) -> Iterator[int]:
    """Yield n tokens (None: without end) after a prompt.

    ``first`` are the logits of a token that nothing comes before.
    """
    reader, logits = network.reader(), first
    for token in prompt.tolist():
        logits = reader.read(token)
    for place in count() if n is None else range(n):
        token = choice.token(logits, place)
        yield token
        logits = reader.read(token)
