"""Loaders of text."""

from __future__ import annotations

import gzip
import zlib

import numpy as np

from fastnotes.datasets._describe import documented
from fastnotes.datasets._files import DataHome, read_files
from fastnotes.datasets._info import DatasetInfo
from fastnotes.datasets._registry import REGISTRY
from fastnotes.datasets._results import SplitTextDataset, TextDataset

_TRAIN_SHARE = 0.9


@documented("penn_treebank")
def load_penn_treebank(*, data_home: DataHome = None) -> SplitTextDataset:
    """Penn Treebank as language models read it: newspaper text, rare words ``<unk>``.

    The files are never downloaded: they are the Linguistic Data Consortium's.

    Returns
    -------
    SplitTextDataset
        42,068 / 3,370 / 3,761 lines.
    """
    info = REGISTRY["penn_treebank"]
    files = read_files(info, data_home)
    train, valid, test = (
        _decoded(info, f"ptb.{part}.txt", files[f"ptb.{part}.txt"])
        for part in ("train", "valid", "test")
    )
    return SplitTextDataset(info=info, train=train, valid=valid, test=test)


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
    text = _decoded(info, name, content)
    raw = text.encode("ascii")
    values, codes = np.unique(np.frombuffer(raw, np.uint8), return_inverse=True)
    return TextDataset(
        info=info,
        text=text,
        codes=codes.astype(np.uint8),
        vocabulary=tuple(map(chr, values.tolist())),
        n_train=int(_TRAIN_SHARE * len(text)),
    )


def _decoded(info: DatasetInfo, name: str, content: bytes) -> str:
    try:
        raw = gzip.decompress(content) if name.endswith(".gz") else content
        return raw.decode("ascii")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(
            f"[{info.loader}] expected {name} to be ASCII text, got {error}"
        ) from error
