"""Archives and hashes of our own making, for the tests of the data loaders."""

from __future__ import annotations

import dataclasses
import hashlib
import io

import numpy as np

from fastnotes.datasets._info import DataFile, DatasetInfo


def repinned(info: DatasetInfo, hashes: dict[str, str]) -> DatasetInfo:
    """Return the row with other hashes for the files that are named."""

    def again(files: tuple[DataFile, ...]) -> tuple[DataFile, ...]:
        return tuple(
            DataFile(file.name, hashes.get(file.name, file.sha256), file.url)
            for file in files
        )

    return dataclasses.replace(
        info, files=again(info.files), originals=again(info.originals)
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
