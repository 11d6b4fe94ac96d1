"""Reading and writing model files; the format shows in content or suffix."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from fastnotes._files import replace_file
from fastnotes._validation import fail, fail_type
from fastnotes.boosting.model_files import lightgbm_text, xgboost_json, xgboost_writer
from fastnotes.boosting.model_files.document import WHERE
from fastnotes.boosting.model_files.json_text import dump_json
from fastnotes.boosting.model_files.saved_model import SavedModel
from fastnotes.boosting.model_files.ubjson import dump_ubjson, parse_ubjson

_WHITESPACE = b" \t\r\n"


def read_model(source: str | PathLike[str] | bytes) -> SavedModel:
    """Read a model that XGBoost, LightGBM or fastnotes has written.

    Parameters
    ----------
    source : path or bytes
        A file, or its content: XGBoost's JSON or UBJSON, or LightGBM's text. What
        it is shows in the content, not in the name.

    Returns
    -------
    SavedModel

    Raises
    ------
    TypeError
        If ``source`` is neither a path nor bytes.
    ValueError
        If it is no such file, a damaged one, or a model that trees of one output per
        leaf cannot express. Nothing in a file is executed, and no size that it claims
        is believed.
    """
    data = _content(source)
    start = data.lstrip(_WHITESPACE)[:2]
    if start.startswith(b"tr"):
        return lightgbm_text.read_text(data)
    if not start.startswith(b"{"):
        fail(WHERE, "XGBoost's JSON or UBJSON, or LightGBM's text", "something else")
    looks_like_json = start[1:] == b'"' or start[1:] in (b"}", *_each(_WHITESPACE))
    parse = xgboost_json.parse_json if looks_like_json else parse_ubjson
    return xgboost_json.read_document(parse(data))


def write_model(
    model: SavedModel, path: str | PathLike[str], *, for_xgboost: bool = True
) -> None:
    """Write a model in XGBoost's schema, for XGBoost and fastnotes to read.

    A reader of ``path`` sees the old file or the whole new one, never a part.

    Parameters
    ----------
    model : SavedModel
    path : path
        A name that ends in ``.json`` (text) or ``.ubj`` (UBJSON, a quarter smaller).
    for_xgboost : bool, default=True
        Warn where XGBoost, which compares in float32, would predict otherwise.

    Raises
    ------
    TypeError
        If ``model`` is no SavedModel or ``path`` no path.
    ValueError
        If the name ends otherwise, or XGBoost has no such model.
    """
    where = xgboost_writer.WHERE
    if not isinstance(model, SavedModel):
        fail_type(where, "a SavedModel", type(model).__name__)
    if not isinstance(path, (str, PathLike)):
        fail_type(where, "a path", type(path).__name__)
    target = Path(path)
    forms = {".json": dump_json, ".ubj": dump_ubjson}
    if target.suffix not in forms:
        fail(where, "a name ending in .json or .ubj", repr(target.name))
    if for_xgboost:
        xgboost_writer.warn_of_blur(model)
    data = forms[target.suffix](xgboost_writer.write_document(model))
    replace_file(target, data, where)


def _content(source: object) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if not isinstance(source, (str, PathLike)):
        kind = type(source).__name__
        others = type(source).__module__.startswith(("xgboost", "lightgbm"))
        hint = f"a {kind} itself: save it to a file first" if others else kind
        fail_type(WHERE, "a path or bytes", hint)
    return Path(source).read_bytes()


def _each(characters: bytes) -> tuple[bytes, ...]:
    return tuple(bytes([character]) for character in characters)
