"""Files of models: safetensors with a note in JSON, written whole or not at all."""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnotes._files import check_folder, replace_file
from fastnotes._validation import describe, fail, fail_type

Arrays = Mapping[str, NDArray[Any]]

#: Where the note lies in the file's metadata.
NOTE = "fastnotes"
#: Of the notes written here; another one is refused.
FORMAT = 1


class ModelFile(NamedTuple):
    """Arrays by name, and what is said of them."""

    arrays: dict[str, NDArray[Any]]
    note: dict[str, Any]


class Expected(NamedTuple):
    """What an array of a file must be."""

    shape: tuple[int, ...]
    dtype: DTypeLike


# ------------------------------------------------------------ whole files


def write_file(path: Any, arrays: Arrays, note: Mapping[str, Any], where: str) -> None:
    """Write arrays and a note; ``path`` then holds all of it, or what it held before.

    Raises
    ------
    ImportError
        Without safetensors.
    TypeError
        If ``path`` is no path.
    OSError
        If the file cannot be written.
    """
    library = _safetensors(where)
    target = _as_path(path, where)
    text = json.dumps({"format": FORMAT, **note}, allow_nan=False)
    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    replace_file(target, library.save(tensors, {NOTE: text}), where)


def check_target(path: Any, where: str) -> None:
    """Find out before long work what :func:`write_file` would find out after it.

    Raises
    ------
    ImportError, TypeError, FileNotFoundError
        Without safetensors, a path, or the folder that the file is to be in.
    """
    _safetensors(where)
    check_folder(_as_path(path, where), where)


def read_file(path: Any, where: str) -> ModelFile:
    """Read what :func:`write_file` wrote; nothing in it is executed.

    Raises
    ------
    ImportError
        Without safetensors.
    TypeError
        If ``path`` is no path.
    ValueError
        For anything but a whole file of this kind.
    OSError
        If there is no file, or it cannot be read.
    """
    library = _safetensors(where)
    target = _as_path(path, where)
    if target.exists() and not target.is_file():
        fail(where, "a file", f"{target}, which is none")
    content = target.read_bytes()
    try:
        arrays = library.load(content)
    except Exception as error:  # its own error class, KeyError for unknown dtypes
        fail(where, f"{target.name} as a safetensors file", _brief(error))
    return ModelFile(arrays, _note_in(content, target.name, where))


def _safetensors(where: str) -> Any:
    try:
        return importlib.import_module("safetensors.numpy")
    except ImportError:
        raise ImportError(
            f"[{where}] expected safetensors for files of models, got none: "
            "pip install 'fastnotes[files]'"
        ) from None


def _as_path(path: Any, where: str) -> Path:
    try:
        return Path(os.fsdecode(path))
    except TypeError:
        fail_type(where, "a path", type(path).__name__)


def _note_in(content: bytes, name: str, where: str) -> dict[str, Any]:
    """Return the note in a file's header, which safetensors has found sound."""
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
        text = header.get("__metadata__", {})[NOTE]
        note = json.loads(text, parse_constant=_refuse_constant)
    except KeyError:
        fail(where, f"{name} written by fastnotes", "a file without its note")
    except (ValueError, RecursionError) as error:
        fail(where, f"{name} with a note in JSON", _brief(error))
    if not isinstance(note, dict) or note.get("format") != FORMAT:
        found = note.get("format") if isinstance(note, dict) else type(note).__name__
        fail(where, f"{name} with a note of format {FORMAT}", _brief(found))
    return note


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _brief(value: Any) -> str:
    """One line of limited length and depth: files may hold anything."""
    return " ".join(reprlib.repr(value).split())


# ------------------------------------------------------------ what a file must hold


def check_arrays(arrays: Arrays, expected: Mapping[str, Expected], where: str) -> None:
    """Check names, shapes, dtypes, and that real numbers are finite.

    Raises
    ------
    ValueError
        Naming the first array that is not as it must be.
    """
    for name in sorted(expected.keys() - arrays.keys()):
        fail(where, f"an array {name!r} in the file", "none")
    for name in sorted(arrays.keys() - expected.keys()):
        fail(where, f"arrays {_brief(sorted(expected))}", f"another, {_brief(name)}")
    for name, (shape, dtype) in expected.items():
        array = arrays[name]
        if array.shape != shape or array.dtype != dtype:
            wanted = f"{name} as {np.dtype(dtype)} of shape {shape}"
            fail(where, wanted, describe(array))
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            fail(where, f"{name} finite", "a NaN or infinity")


def entry(
    note: Mapping[str, Any], key: str, kind: type | tuple[type, ...], where: str
) -> Any:
    """Return one entry of a note, of a type of JSON's; a bool is no number."""
    if key not in note:
        fail(where, f"{key!r} in the file's note", "none")
    value = note[key]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        names = " or ".join(each.__name__ for each in kinds)
        fail(where, f"{key!r} in the file's note as {names}", type(value).__name__)
    return value


# ------------------------------------------------------------ estimators' parameters


def estimator_note(model: Any) -> dict[str, Any]:
    """Return an estimator's class and the parameters of its constructor.

    What JSON cannot hold (callbacks, say) is left to the constructor's default.
    """
    parameters = {}
    for name, value in model.get_params(deep=False).items():
        with contextlib.suppress(TypeError):
            parameters[name] = encode(value)
    return {"estimator": type(model).__name__, "parameters": parameters}


def constructor_parameters(
    note: Mapping[str, Any], kind: Any, where: str
) -> dict[str, Any]:
    """Return the parameters in a note for an estimator of class ``kind``.

    Their values are not checked yet: the estimator does that before it uses them.

    Raises
    ------
    ValueError
        For a file of another class, or parameters that the class has not.
    """
    found = entry(note, "estimator", str, where)
    if found != kind.__name__:
        fail(where, f"a file of a {kind.__name__}", _brief(found))
    given = entry(note, "parameters", dict, where)
    unknown = given.keys() - set(kind._get_param_names())
    if unknown:
        fail(where, f"parameters of a {kind.__name__}", _brief(sorted(unknown)))
    return {name: decode(value, where) for name, value in given.items()}


def encode(value: Any) -> Any:
    """Return plain Python and NumPy values in JSON's terms.

    Tuples, dicts and numbers that are not finite become dicts of one entry.

    Raises
    ------
    TypeError
        For anything else.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"number": repr(value)}
    if isinstance(value, list):
        return [encode(each) for each in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(each) for each in value]}
    if isinstance(value, dict) and not any(isinstance(k, tuple) for k in value):
        return {"dict": [[encode(k), encode(each)] for k, each in value.items()]}
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def decode(value: Any, where: str) -> Any:
    """Return what :func:`encode` was given; arrays come back as lists.

    Raises
    ------
    ValueError
        For what it does not write.
    """
    try:
        return _decode(value)
    except (ValueError, TypeError, RecursionError):  # TypeError: a list as a dict's key
        fail(where, "a value in the file's note", _brief(value))


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(each) for each in value]
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    if kind == "number" and content in ("inf", "-inf", "nan"):
        return float(content)
    if kind == "tuple" and isinstance(content, list):
        return tuple(_decode(each) for each in content)
    if kind == "dict" and isinstance(content, list):
        return {_decode(key): _decode(each) for key, each in content}
    raise ValueError(kind)
