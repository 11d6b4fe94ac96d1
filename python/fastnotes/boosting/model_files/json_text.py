"""JSON with numbers of arrays in their shortest form."""

from __future__ import annotations

import json
from typing import Any

import numpy as np


def dump_json(document: Any) -> bytes:
    """Return a document of dicts, lists, strings, integers and arrays as JSON.

    A float32 is written with as few digits as give it back.
    """
    pieces: list[str] = []
    _write(document, pieces)
    return "".join(pieces).encode()


def _write(value: Any, pieces: list[str]) -> None:
    if isinstance(value, dict):
        _write_all(value.items(), "{}", pieces)
    elif isinstance(value, list):
        _write_all(((None, item) for item in value), "[]", pieces)
    elif isinstance(value, np.ndarray):
        floats = value.dtype.kind == "f"
        texts = value.astype("U").tolist() if floats else map(str, value.tolist())
        pieces.append(f"[{','.join(texts)}]")
    else:
        pieces.append(json.dumps(value))


def _write_all(items: Any, brackets: str, pieces: list[str]) -> None:
    pieces.append(brackets[0])
    for i, (key, item) in enumerate(items):
        if i:
            pieces.append(",")
        if key is not None:
            pieces.append(json.dumps(key) + ":")
        _write(item, pieces)
    pieces.append(brackets[1])
