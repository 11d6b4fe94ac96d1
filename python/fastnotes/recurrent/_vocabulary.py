"""From text to integers and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import as_index_array, fail, fail_type

Ids = NDArray[np.int64]

LEVELS = ("char", "token")

#: The token that stands for the end of a line, as in the Penn Treebank's recipes.
END_OF_LINE = "<eos>"


class Vocabulary:
    """The characters or tokens that a model knows, each by its place.

    Parameters
    ----------
    level
        ``"char"`` or ``"token"``.
    names
        Distinct characters or tokens; None for a model of integers.
    size
        How many there are.
    unknown
        The one that stands for all others, None for none: others are refused.
    """

    def __init__(
        self, level: str, names: tuple[str, ...] | None, size: int, unknown: str | None
    ) -> None:
        self.level, self.names, self.size, self.unknown = level, names, size, unknown
        self._ids = {} if names is None else {name: i for i, name in enumerate(names)}

    @classmethod
    def of(
        cls, text: Any, level: str, min_count: int, unknown: str | None, where: str
    ) -> Vocabulary:
        """Return that of a training text: integers from 0 on need no names."""
        pieces = as_pieces(text, level, where, "text")
        if isinstance(pieces, np.ndarray):
            largest = int(pieces.max(initial=0))
            if pieces.size and pieces.min() < 0:
                fail(where, "text of integers >= 0", str(pieces.min()))
            return cls(level, None, largest + 1, None)
        counts = Counter(pieces)
        kept = sorted(name for name, count in counts.items() if count >= min_count)
        if unknown is not None and unknown not in kept:
            kept.append(unknown)
        elif unknown is None and len(kept) < len(counts):
            fail(where, "unknown, a name for what min_count leaves out", "None")
        return cls(level, tuple(kept), len(kept), unknown)

    def encode(self, text: Any, where: str, name: str = "text") -> Ids:
        """Return the integers of a text.

        Raises
        ------
        TypeError
            For what is no text of this level, nor integers.
        ValueError
            For a character or token outside the vocabulary, naming it, where no other
            stands for it; for integers out of range, or text where the model has
            integers alone.
        """
        pieces = as_pieces(text, self.level, where, name)
        if isinstance(pieces, np.ndarray):
            wrong = (pieces < 0) | (pieces >= self.size)
            if wrong.any():
                at = int(np.argmax(wrong))
                wanted = f"{name} of integers from 0 to {self.size - 1}"
                fail(where, wanted, f"{pieces[at]} at place {at}")
            return pieces
        if self.names is None:
            fail(where, f"{name} of integers, as the training text", "a text")
        other = -1 if self.unknown is None else self._ids[self.unknown]
        ids = np.array([self._ids.get(piece, other) for piece in pieces], np.int64)
        if other < 0 and ids.size and ids.min() < 0:
            at = int(np.argmin(ids))
            wanted = f"{name} of what the training text holds (or unknown, a stand-in)"
            fail(where, wanted, f"{pieces[at]!r} at place {at}")
        return ids

    def piece(self, token: int) -> Any:
        """Return what one integer adds to a text; itself where there are no names."""
        if self.names is None:
            return token
        name = self.names[token]
        if self.level == "char":
            return name
        return "\n" if name == END_OF_LINE else f"{name} "

    def joined(self, ids: Iterable[int]) -> Any:
        """Return integers as text, or as an array where there are no names."""
        if self.names is None:
            return np.fromiter(ids, np.int64)
        return "".join(self.piece(i) for i in ids)


def as_pieces(text: Any, level: str, where: str, name: str) -> Sequence[str] | Ids:
    """Return characters, tokens, or an array of integers (not yet held to a range)."""
    if isinstance(text, str):
        return text if level == "char" else _tokens(text)
    wanted = f"{name} as a string{' or a list of tokens' * (level == 'token')}"
    if isinstance(text, bytes | bytearray | dict) or text is None:
        fail_type(where, f"{wanted}, or integers", type(text).__name__)
    listed = level == "token" and isinstance(text, list | tuple) and bool(text)
    if listed and all(isinstance(piece, str) for piece in text):
        return text  # type: ignore[no-any-return]
    return as_index_array(text, where, f"{name} as a string, or an array")


def _tokens(text: str) -> list[str]:
    """Split at white space; the end of every line is a token of its own."""
    lines = text.split("\n")
    tokens = []
    for line in lines[:-1]:
        tokens += [*line.split(), END_OF_LINE]
    return [*tokens, *lines[-1].split()]
