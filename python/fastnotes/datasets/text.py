"""Loaders of text."""

from __future__ import annotations

import gzip
import zlib

import numpy as np

from fastnotes.datasets._describe import documented
from fastnotes.datasets._files import DataHome, read_files
from fastnotes.datasets._registry import REGISTRY
from fastnotes.datasets._results import TextDataset

_TRAIN_SHARE = 0.9


@documented("tiny_shakespeare")
def load_tiny_shakespeare(*, data_home: DataHome = None) -> TextDataset:
    """Tiny Shakespeare: forty thousand lines of the plays.

    Reads ``input.txt.gz`` or the original ``input.txt``.

    Returns
    -------
    TextDataset
        1,115,394 characters, 65 distinct.
    """
    info = REGISTRY["tiny_shakespeare"]
    [(name, content)] = read_files(info, data_home).items()
    try:
        raw = gzip.decompress(content) if name.endswith(".gz") else content
        text = raw.decode("ascii")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(
            f"[{info.loader}] expected {name} to be ASCII text, got {error}"
        ) from error
    values, codes = np.unique(np.frombuffer(raw, np.uint8), return_inverse=True)
    return TextDataset(
        info=info,
        text=text,
        codes=codes.astype(np.uint8),
        vocabulary=tuple(map(chr, values.tolist())),
        n_train=int(_TRAIN_SHARE * len(text)),
    )
