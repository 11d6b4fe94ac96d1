"""Loaders of images."""

from __future__ import annotations

import gzip
import math
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from fastnotes.datasets._describe import documented
from fastnotes.datasets._files import (
    Arrays,
    DataHome,
    read_files,
    read_npz,
    read_single_npz,
    require_keys,
)
from fastnotes.datasets._info import DatasetInfo
from fastnotes.datasets._registry import REGISTRY
from fastnotes.datasets._results import ImageDataset

_MNIST_KEYS = ("train_images", "train_labels", "test_images", "test_labels")
_IDX_UBYTE = 0x08


def parse_idx(info: DatasetInfo, name: str, content: bytes) -> NDArray[np.uint8]:
    """Return the uint8 array of a gzipped IDX file.

    The header is two zero bytes, the element type, the number of dimensions and the
    extents as big-endian 32-bit numbers.

    Raises
    ------
    ValueError
        The file is damaged or not an IDX file of bytes.
    """
    try:
        raw = gzip.decompress(content)
        zero, kind, ndim = struct.unpack_from(">HBB", raw)
        shape = struct.unpack_from(f">{ndim}I", raw, 4)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise ValueError(
            f"[{info.loader}] expected {name} to be a gzipped IDX file, got {error}"
        ) from error
    size = len(raw) - 4 - 4 * ndim
    if (zero, kind) != (0, _IDX_UBYTE) or ndim > 3 or math.prod(shape) != size:
        raise ValueError(
            f"[{info.loader}] expected {name} to hold bytes of at most 3 "
            f"dimensions, got {size} bytes of type {kind} for the shape {shape}"
        )
    array = np.empty(shape, np.uint8)
    array.ravel()[:] = np.frombuffer(raw, np.uint8, offset=4 + 4 * ndim)
    return array


@documented("mnist")
def load_mnist(*, data_home: DataHome = None) -> ImageDataset:
    """MNIST: 70,000 handwritten digits in the original order.

    Reads ``mnist.npz`` or the four original IDX files.

    Returns
    -------
    ImageDataset
        ``images`` (70000, 28, 28) uint8, the training images first; `y` 0 to 9.
        Mean 0.1307 and standard deviation 0.3081 over the training part after / 255.
    """
    info = REGISTRY["mnist"]
    contents = read_files(info, data_home)
    if len(contents) == 1:
        [(name, content)] = contents.items()
        arrays: Arrays = read_npz(info, name, content)
        require_keys(info, arrays, *_MNIST_KEYS)
    else:
        parsed = [parse_idx(info, name, data) for name, data in contents.items()]
        arrays = dict(zip(_MNIST_KEYS, parsed, strict=True))
    n_train, n_test = (len(arrays[key]) for key in ("train_labels", "test_labels"))
    labels = np.concatenate([arrays["train_labels"], arrays["test_labels"]])
    return ImageDataset(
        info=info,
        images=np.concatenate([arrays["train_images"], arrays["test_images"]]),
        y=labels.astype(np.int64),
        train_idx=np.arange(n_train),
        test_idx=np.arange(n_train, n_train + n_test),
    )


@documented("omniglot28")
def load_omniglot28(*, data_home: DataHome = None) -> ImageDataset:
    """OMNIGLOT: 1,623 characters of 50 alphabets, each drawn by 20 people.

    Returns
    -------
    ImageDataset
        ``images`` (32460, 28, 28) uint8, 1 = ink; `y` the character, 0 to 1,622;
        attributes "alphabet" (with names) and "drawer" (0 to 19). 45 images are in
        neither part.
    """
    info = REGISTRY["omniglot28"]
    keys = ("images", "character", "drawer", "alphabet", "alphabet_names", "split")
    arrays = read_single_npz(info, data_home, *keys)
    return ImageDataset(
        info=info,
        images=arrays["images"],
        y=arrays["character"].astype(np.int64),
        train_idx=np.flatnonzero(arrays["split"] == 0),
        test_idx=np.flatnonzero(arrays["split"] == 1),
        attributes={
            name: arrays[name].astype(np.int64) for name in ("alphabet", "drawer")
        },
        attribute_names={"alphabet": tuple(arrays["alphabet_names"].tolist())},
    )


@documented("frey_faces")
def load_frey_faces(*, data_home: DataHome = None) -> ImageDataset:
    """Frey faces: consecutive frames of one face; shuffle before splitting.

    Returns
    -------
    ImageDataset
        ``images`` (1965, 28, 20) uint8, values 8 to 238; no classes.
    """
    info = REGISTRY["frey_faces"]
    return ImageDataset(
        info=info, images=read_single_npz(info, data_home, "images")["images"]
    )
