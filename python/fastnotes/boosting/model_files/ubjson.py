"""UBJSON (draft 12), the subset that XGBoost's models use.

A document is made of dicts with string keys, lists, strings, numbers, booleans, None,
and one-dimensional NumPy arrays, which are counted arrays of one type.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from fastnotes._validation import fail
from fastnotes.boosting.model_files.document import WHERE

_DEEPEST = 64
#: Numbers by their marker.
_SCALARS = {
    marker: struct.Struct(f">{code}")
    for marker, code in zip(b"iUIlLdD", "bBhiqfd", strict=True)
}
_DTYPES = {
    marker: np.dtype(code)
    for marker, code in zip(
        b"iUIlLdD", ("i1", "u1", ">i2", ">i4", ">i8", ">f4", ">f8"), strict=True
    )
}
_MARKERS = {dtype.newbyteorder("="): bytes([m]) for m, dtype in _DTYPES.items()}
_CONSTANTS = {ord("Z"): None, ord("T"): True, ord("F"): False}
_NO_OP = ord("N")


def parse_ubjson(data: bytes) -> Any:
    """Return the document in ``data``; ValueError for anything else."""
    reader = _Reader(data)
    document = reader.value(reader.marker(), 0)
    if reader.place != len(data):
        fail(WHERE, "one document", f"{len(data) - reader.place} bytes behind it")
    return document


class _Reader:
    """A place in a byte string; nothing is made before its bytes are there."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def value(self, marker: int, depth: int) -> Any:
        if marker in _SCALARS:
            return self._scalar(marker)
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == ord("S"):
            return self._string()
        if marker == ord("C"):
            return self._text(1)
        if marker not in b"[{":
            fail(WHERE, f"a value at byte {self.place - 1}", repr(bytes([marker])))
        if depth == _DEEPEST:
            fail(WHERE, f"at most {_DEEPEST} containers in one another", "more")
        return self._list(depth + 1) if marker == ord("[") else self._dict(depth + 1)

    def marker(self) -> int:
        """Return the next marker that is not a no-op."""
        marker = self._byte()
        while marker == _NO_OP:
            marker = self._byte()
        return marker

    def _list(self, depth: int) -> Any:
        kind, count = self._header()
        if kind is not None and kind in _DTYPES:
            dtype = _DTYPES[kind]
            raw = np.frombuffer(self._take((count or 0) * dtype.itemsize), dtype)
            return raw.astype(dtype.newbyteorder("="))
        items: list[Any] = []
        while count is None or len(items) < count:
            marker = self.marker() if kind is None else kind
            if count is None and marker == ord("]"):
                break
            items.append(self.value(marker, depth))
        return items

    def _dict(self, depth: int) -> dict[str, Any]:
        kind, count = self._header()
        members: dict[str, Any] = {}
        while count is None or len(members) < count:
            marker = self.marker()
            if count is None and marker == ord("}"):
                break
            key = self._text(self._length(marker))
            if key in members:
                fail(WHERE, "every member of an object once", "one twice")
            members[key] = self.value(self.marker() if kind is None else kind, depth)
        return members

    def _header(self) -> tuple[int | None, int | None]:
        """Return the type and the count that a container may begin with."""
        kind = None
        if self._next_is("$"):
            kind = self._byte()
            # A type without bytes of its own would let a count stand for memory.
            if kind in _CONSTANTS or kind == _NO_OP:
                fail(WHERE, "containers of a type that has bytes", chr(kind))
            if not self._next_is("#"):
                fail(WHERE, f"a count at byte {self.place}", "none")
        elif not self._next_is("#"):
            return None, None
        count = self._length(self._byte())
        if count > len(self.data) - self.place:
            fail(WHERE, f"{count} elements from byte {self.place}", "fewer bytes")
        return kind, count

    def _next_is(self, character: str) -> bool:
        found = self.data[self.place : self.place + 1] == character.encode()
        self.place += found
        return found

    def _scalar(self, marker: int) -> int | float:
        form = _SCALARS[marker]
        number: int | float = form.unpack(self._take(form.size))[0]
        return number

    def _length(self, marker: int) -> int:
        number = self._scalar(marker) if marker in _SCALARS else -1
        if not isinstance(number, int) or number < 0:
            fail(WHERE, f"a length before byte {self.place}", "none")
        return number

    def _string(self) -> str:
        return self._text(self._length(self._byte()))

    def _text(self, length: int) -> str:
        try:
            return self._take(length).decode()
        except UnicodeDecodeError:
            fail(WHERE, f"text in UTF-8 before byte {self.place}", "other bytes")

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, n: int) -> bytes:
        left = len(self.data) - self.place
        if n > left:
            fail(WHERE, f"{n} bytes from byte {self.place}", f"{left}")
        self.place += n
        return self.data[self.place - n : self.place]


def dump_ubjson(document: Any) -> bytes:
    """Return the bytes of a document, with the markers XGBoost would choose."""
    pieces: list[bytes] = []
    _write(document, pieces)
    return b"".join(pieces)


def _write(value: Any, pieces: list[bytes]) -> None:
    if isinstance(value, dict):
        pieces.append(b"{")
        for key, member in value.items():
            pieces.append(_counted(key))
            _write(member, pieces)
        pieces.append(b"}")
    elif isinstance(value, list):
        pieces.append(b"[#L" + struct.pack(">q", len(value)))
        for item in value:
            _write(item, pieces)
    elif isinstance(value, np.ndarray):
        kind = _MARKERS[value.dtype]
        pieces.append(b"[$" + kind + b"#L" + struct.pack(">q", len(value)))
        pieces.append(value.astype(_DTYPES[kind[0]]).tobytes())
    elif isinstance(value, str):
        pieces.append(b"S" + _counted(value))
    else:
        marker = _integer_marker(value)
        pieces.append(bytes([marker]) + _SCALARS[marker].pack(value))


def _integer_marker(value: int) -> int:
    """Return the marker of the smallest signed type that holds ``value``."""
    widths = zip(b"ilL", (7, 31, 63), strict=True)
    return next(mark for mark, bits in widths if -(2**bits) <= value < 2**bits)


def _counted(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return b"L" + struct.pack(">q", len(data)) + data
