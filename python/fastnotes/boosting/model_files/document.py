"""A parsed document, read piece by piece with checks that name the place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import fail

WHERE = "boosting.read_model"


@dataclass(frozen=True)
class Part:
    """A piece of a document of dicts, lists, arrays and scalars, and its path."""

    value: Any
    path: str

    def __getitem__(self, key: str) -> Part:
        """Return the member ``key``; ValueError if there is none."""
        part = self.get(key)
        if part is None:
            self._fail(f"with a member {key!r}", "none")
        return part

    def get(self, key: str) -> Part | None:
        """Return the member ``key``, or None if there is none or it is null."""
        if not isinstance(self.value, dict):
            self._fail("as an object")
        value = self.value.get(key)
        return None if value is None else Part(value, f"{self.path}.{key}".lstrip("."))

    def members(self) -> dict[str, Part]:
        """Return all members."""
        if not isinstance(self.value, dict):
            self._fail("as an object")
        return {key: Part(v, f"{self.path}.{key}") for key, v in self.value.items()}

    def items(self) -> list[Part]:
        """Return the elements of a list."""
        if not isinstance(self.value, list):
            self._fail("as a list")
        return [Part(v, f"{self.path}[{i}]") for i, v in enumerate(self.value)]

    def text(self) -> str:
        """Return a string."""
        if not isinstance(self.value, str):
            self._fail("as a string")
        return str(self.value)

    def texts(self) -> tuple[str, ...]:
        """Return a list of strings."""
        return tuple(item.text() for item in self.items())

    def integer(self, low: int, high: int) -> int:
        """Return an integer within [low, high]; XGBoost writes some as strings."""
        value = self.value
        if isinstance(value, str) and len(value) <= 20:
            try:
                value = int(value)
            except ValueError:
                self._fail("as an integer", repr(value))
        if isinstance(value, bool) or not isinstance(value, int):
            self._fail("as an integer")
        if not low <= value <= high:
            got = value if value.bit_length() <= 64 else "a longer one"
            self._fail(f"from {low} to {high}", str(got))
        return int(value)

    def floats(self, size: int | None = None) -> NDArray[np.float32]:
        """Return numbers as float32, too large ones as infinity."""
        array = self._numbers("fiu", (int, float), np.float64, "numbers")
        self._check_size(array, size)
        with np.errstate(over="ignore"):
            return array.astype(np.float32)

    def integers(self, size: int | None = None) -> NDArray[np.int64]:
        """Return integers; true and false count as 1 and 0."""
        array = self._numbers("iu", (int, bool), np.int64, "integers")
        self._check_size(array, size)
        if array.dtype == np.uint64 and array.size and array.max() >= 2**63:
            self._fail("below 2**63", str(array.max()))
        return array.astype(np.int64)

    def _numbers(
        self, kinds: str, types: tuple[type, ...], dtype: Any, what: str
    ) -> NDArray[Any]:
        value = self.value
        if isinstance(value, np.ndarray):
            if value.dtype.kind not in kinds:
                self._fail(f"as {what}")
            return value
        # Types first: NumPy would make arrays of strings as wide as the longest.
        if not isinstance(value, list) or not set(map(type, value)).issubset(types):
            self._fail(f"as a list of {what}")
        try:
            return np.array(value, dtype)
        except OverflowError:
            self._fail(f"as {what} of 64 bits", "a longer one")

    def _check_size(self, array: NDArray[Any], size: int | None) -> None:
        if size is not None and len(array) != size:
            self._fail(f"of length {size}", str(len(array)))

    def _fail(self, expected: str, got: str | None = None) -> NoReturn:
        name = self.path or "the document"
        fail(WHERE, f"{name} {expected}", got or type(self.value).__name__)
