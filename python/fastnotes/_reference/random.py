"""NumPy twin of the random streams."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_MULTIPLIER = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
_KEY_STEP = np.array([0x9E3779B9, 0xBB67AE85], np.uint64)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ROUNDS = 10


def philox4x32(
    counter: NDArray[np.uint32], key: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """Philox4x32-10 of counters (n, 4) under one key (2,)."""
    c0, c1, c2, c3 = counter.astype(np.uint64).T
    keys = key.astype(np.uint64)
    for _ in range(_ROUNDS):
        product0, product1 = _MULTIPLIER[0] * c0, _MULTIPLIER[1] * c2
        c0, c1, c2, c3 = (
            (product1 >> _HALF) ^ c1 ^ keys[0],
            product1 & _LOW,
            (product0 >> _HALF) ^ c3 ^ keys[1],
            product0 & _LOW,
        )
        keys = (keys + _KEY_STEP) & _LOW
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def words(seed: int, purpose: int, n_blocks: int) -> NDArray[np.uint64]:
    """The words (n_blocks, 4) of a stream's first blocks."""
    counter = np.zeros((n_blocks, 4), np.uint32)
    counter[:, 0] = np.arange(n_blocks)
    counter[:, 2] = purpose
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)
    return philox4x32(counter, key).astype(np.uint64)


def uniform(
    seed: int, purpose: int, n: int, dtype: type[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """The first n values of a stream, uniform on [0, 1)."""
    return _values(seed, purpose, n, dtype)[:n]


def normal(
    seed: int, purpose: int, n: int, dtype: type[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """The first n values of a stream, standard normal (Box-Muller), in float64."""
    angle = _values(seed, purpose, n, dtype)[1::2].astype(np.float64) * 2 * np.pi
    if dtype == np.float32:
        bits = words(seed, purpose, _n_blocks(n, dtype)).ravel()[0::2]
        u = (bits.astype(np.float32) * 2.0**-32 + 2.0**-33).astype(np.float64)
    else:
        u = 1 - _values(seed, purpose, n, dtype)[0::2].astype(np.float64)
    radius = np.sqrt(-2 * np.log(u))
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs.ravel()[:n]


def _n_blocks(n: int, dtype: type[np.floating[Any]]) -> int:
    return -(-n // (4 if dtype == np.float32 else 2))


def _values(
    seed: int, purpose: int, n: int, dtype: type[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    bits = words(seed, purpose, _n_blocks(n, dtype)).ravel()
    values: NDArray[np.floating[Any]]
    if dtype == np.float32:
        values = (bits >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
    else:
        joined = bits[0::2] | bits[1::2] << _HALF
        values = (joined >> np.uint64(12)).astype(np.float64) * 2.0**-52
    return values
