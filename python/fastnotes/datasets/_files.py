"""Find, download, verify and parse the files of a set. Nothing here runs their content.

Files are looked for in `data_home` if it is given, else in ``FASTNOTES_DATA``, then in
the cache folder; each holds one sub-folder per set. A set whose public files are pinned
in the registry is downloaded into the cache when it is nowhere else.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import math
import os
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.datasets._info import DataFile, DatasetInfo

DataHome = str | os.PathLike[str] | None
Arrays = dict[str, NDArray[Any]]

ENVIRONMENT_VARIABLE = "FASTNOTES_DATA"
MAX_UNPACKED_BYTES = 1 << 30
"""An archive that claims more than this is refused (the largest set has 55 MB)."""

# What zipfile, zlib and the .npy header parser raise on damaged or hostile bytes.
_PARSE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def cache_folder() -> Path | None:
    """Return the per-user cache folder, or None where pooch is not installed."""
    pooch = _import_pooch()
    return None if pooch is None else Path(pooch.os_cache("fastnotes"))


def candidate_folders(info: DatasetInfo, data_home: DataHome = None) -> list[Path]:
    """Return the folders in which the files of a set are looked for, in order."""
    if data_home is not None:
        if not isinstance(data_home, str | os.PathLike):
            raise TypeError(
                f"[{info.loader}] expected data_home as a path or None, "
                f"got {type(data_home).__name__}"
            )
        return [Path(data_home) / info.subfolder]
    homes = [Path(home) for home in [os.environ.get(ENVIRONMENT_VARIABLE)] if home]
    cache = cache_folder()
    if cache is not None:
        homes.append(cache)
    return [home / info.subfolder for home in homes]


def find_files(info: DatasetInfo, data_home: DataHome = None) -> list[Path] | None:
    """Return the paths of a set's files, converted ones first, or None."""
    for folder in candidate_folders(info, data_home):
        for files in (info.files, info.originals):
            paths = [folder / file.name for file in files]
            if paths and all(path.is_file() for path in paths):
                return paths
    return None


def read_files(info: DatasetInfo, data_home: DataHome = None) -> dict[str, bytes]:
    """Return the verified content of a set's files, by file name.

    Either all of `info.files` or all of `info.originals`.

    Raises
    ------
    FileNotFoundError
        No folder has the files and they cannot be downloaded; says how to provide them.
    ValueError
        A file does not have its pinned digest.
    """
    paths = find_files(info, data_home)
    if paths is None:
        paths = _download(info, data_home)
    pinned = {file.name: file for file in info.files + info.originals}
    return {path.name: _read_verified(info, path, pinned[path.name]) for path in paths}


def read_npz(info: DatasetInfo, name: str, content: bytes) -> Arrays:
    """Return the arrays of an ``.npz`` archive, in C order.

    Every member's header is compared with the bytes that are really there before any
    memory is taken, and nothing is ever unpickled.

    Raises
    ------
    ValueError
        The archive is damaged, holds Python objects, or claims more than it has.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > MAX_UNPACKED_BYTES:
                raise ValueError(f"it claims {total} bytes unpacked")
            for member in members:
                with archive.open(member) as stream:
                    _check_header(stream, member)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {key: np.ascontiguousarray(arrays[key]) for key in arrays.files}
    except _PARSE_ERRORS as error:
        raise ValueError(
            f"[{info.loader}] expected {name} to be an archive of plain arrays, "
            f"got one that cannot be read: {type(error).__name__}: {error}"
        ) from error


def require_keys(info: DatasetInfo, arrays: Arrays, *keys: str) -> None:
    """Raise ValueError unless the archive has all the keys."""
    missing = [key for key in keys if key not in arrays]
    if missing:
        raise ValueError(
            f"[{info.loader}] expected arrays named {', '.join(missing)} in the file, "
            f"got {', '.join(arrays) or 'none'}"
        )


def read_single_npz(info: DatasetInfo, data_home: DataHome, *keys: str) -> Arrays:
    """Return the arrays of a set that lives in one archive, checking its keys."""
    [(name, content)] = read_files(info, data_home).items()
    arrays = read_npz(info, name, content)
    require_keys(info, arrays, *keys)
    return arrays


def _check_header(stream: IO[bytes], member: zipfile.ZipInfo) -> None:
    """Raise ValueError if a ``.npy`` member is not a plain array of its true size."""
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"{member.filename} has the unknown version {version}")
    shape, _, dtype = readers[version](stream)
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds pickled objects, which are refused")
    if any(extent < 0 for extent in shape):
        raise ValueError(f"{member.filename} claims the shape {shape}")
    claimed = math.prod(shape) * dtype.itemsize
    present = member.file_size - stream.tell()
    if claimed != present:
        raise ValueError(
            f"{member.filename} claims shape {shape} of {dtype}, {claimed} bytes, "
            f"but has {present}"
        )


def _read_verified(info: DatasetInfo, path: Path, file: DataFile) -> bytes:
    content = path.read_bytes()
    kind, pinned = file.digest
    digest = hashlib.new(kind, content, usedforsecurity=False).hexdigest()
    if digest != pinned:
        raise ValueError(
            f"[{info.loader}] expected {path} with {kind} {pinned}, got {digest}: "
            "the file is damaged or another version"
        )
    return content


def _download(info: DatasetInfo, data_home: DataHome) -> list[Path]:
    """Fetch the public files into the cache, or raise FileNotFoundError saying why."""
    if not info.originals:
        raise _missing(info, data_home, "no public address has these files as they are")
    if data_home is not None:
        raise _missing(info, data_home, "data_home is only read, never written")
    pooch, cache = _import_pooch(), cache_folder()
    if pooch is None or cache is None:
        raise _missing(info, data_home, "`pip install pooch` lets it be downloaded")
    try:
        return [
            Path(
                pooch.retrieve(
                    url=file.url,
                    known_hash=f"sha256:{file.sha256}",
                    fname=file.name,
                    path=cache / info.subfolder,
                )
            )
            for file in info.originals
        ]
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        raise _missing(info, data_home, f"the download failed: {error}") from error


def _missing(info: DatasetInfo, data_home: DataHome, why: str) -> FileNotFoundError:
    folders = ", ".join(map(str, candidate_folders(info, data_home)))
    names = ", ".join(file.name for file in info.files)
    if info.originals:
        names += f" (or {', '.join(file.name for file in info.originals)})"
    return FileNotFoundError(
        f"[{info.loader}] expected {names} in one of the folders "
        f"({folders or 'none'}), got no such file; {why}. "
        f"Point {ENVIRONMENT_VARIABLE} or data_home= to a folder that has "
        f"{info.subfolder}/ with {names}. "
        f"Source: {info.source}. Licence: {info.licence}."
    )


def _import_pooch() -> Any:
    try:
        return importlib.import_module("pooch")
    except ImportError:
        return None
