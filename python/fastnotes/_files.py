"""Files that are replaced as a whole or kept."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def check_folder(path: Path, where: str) -> Path:
    """Return the path that links lead to, whose folder exists.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """
    path = path.resolve()
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"[{where}] expected a folder that exists, got {path.parent}"
        )
    return path


def replace_file(path: Path, data: bytes, where: str) -> None:
    """Put a file in place in one step; ``path`` holds all of it, or what it held.

    Raises
    ------
    FileNotFoundError
        If its folder does not exist.
    OSError
        If it cannot be written.
    """
    path = check_folder(path, where)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
