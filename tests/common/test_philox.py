"""Random streams: known answers, the twin, and the distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes._reference import random as reference
from support.sweeps import AWKWARD_SIZES, DTYPES, assert_same_bytes
from support.tolerances import RANDOM_NORMAL, SIGNIFICANCE

SEED = 0x0123456789ABCDEF
PURPOSE = 77
N_DRAWS = 400_000

each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def uniform(n: int, dtype: type, first: int = 0, purpose: int = PURPOSE) -> Any:
    out = np.full(n, np.nan, dtype)
    native.runtime.fill_uniform(SEED, purpose, first, out)
    return out


def normal(n: int, dtype: type, first: int = 0, purpose: int = PURPOSE) -> Any:
    out = np.full(n, np.nan, dtype)
    native.runtime.fill_normal(SEED, purpose, first, out)
    return out


FULL = 0xFFFFFFFF
#: Known answers of Random123 for philox4x32-10: counter, key, words.
KNOWN = [
    (
        [0, 0, 0, 0],
        [0, 0],
        [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8],
    ),
    (
        [FULL, FULL, FULL, FULL],
        [FULL, FULL],
        [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
    ),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(counter: list[int], key: list[int], words: list[int]) -> None:
    counters, keys = np.array([counter], np.uint32), np.array(key, np.uint32)
    np.testing.assert_array_equal(native.runtime.philox4x32(counters, keys), [words])
    np.testing.assert_array_equal(reference.philox4x32(counters, keys), [words])


def test_words_against_twin() -> None:
    rng = np.random.default_rng(0)
    counter = rng.integers(0, 2**32, (1000, 4), dtype=np.uint32)
    key = rng.integers(0, 2**32, 2, dtype=np.uint32)
    got = native.runtime.philox4x32(counter, key)
    assert_same_bytes(got, reference.philox4x32(counter, key))


@each_dtype
@pytest.mark.parametrize("size", AWKWARD_SIZES)
def test_streams_against_twin(dtype: type, size: int) -> None:
    expected = reference.uniform(SEED, PURPOSE, size, dtype)
    assert_same_bytes(uniform(size, dtype), expected)
    expected = reference.normal(SEED, PURPOSE, size, dtype)
    RANDOM_NORMAL.assert_close(normal(size, dtype), expected)


@each_dtype
@pytest.mark.parametrize("draw", [uniform, normal])
@pytest.mark.parametrize("first", [1, 2, 5, 16, 31, 250])
def test_any_part_of_a_stream(draw: Any, dtype: type, first: int) -> None:
    whole = draw(300, dtype)
    assert_same_bytes(draw(300 - first, dtype, first=first), whole[first:])
    assert_same_bytes(draw(7, dtype, first=first), whole[first : first + 7])


@each_dtype
def test_far_into_a_stream(dtype: type) -> None:
    """The block number passes 2**32, in the middle of a vector."""
    per_block = 4 if dtype is np.float32 else 2
    middle = 2**32 * per_block
    got = uniform(64, dtype, first=middle - 32)
    assert_same_bytes(got[32:], uniform(32, dtype, first=middle))
    assert len(np.unique(got)) == got.size


@each_dtype
def test_uniform_range_and_distribution(dtype: type) -> None:
    u = uniform(N_DRAWS, dtype)
    assert u.min() >= 0
    assert u.max() < 1
    assert scipy.stats.kstest(u, "uniform").pvalue > SIGNIFICANCE


@each_dtype
def test_normal_distribution(dtype: type) -> None:
    z = normal(N_DRAWS, dtype).astype(np.float64)
    assert scipy.stats.kstest(z, "norm").pvalue > SIGNIFICANCE
    bound = scipy.stats.norm.isf(SIGNIFICANCE)
    # E z^k and the variance of z^k
    moments = [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)]
    for power, mean, variance in moments:
        error = (np.mean(z**power) - mean) / np.sqrt(variance / z.size)
        assert abs(error) < bound, power


@each_dtype
def test_neighbours_and_purposes_are_uncorrelated(dtype: type) -> None:
    z, other = normal(N_DRAWS, dtype), normal(N_DRAWS, dtype, purpose=PURPOSE + 1)
    bound = scipy.stats.norm.isf(SIGNIFICANCE) / np.sqrt(N_DRAWS)
    assert abs(correlation(z[0::2], z[1::2])) < 2 * bound
    assert abs(correlation(z[:-1], z[1:])) < bound
    assert abs(correlation(z, other)) < bound
    assert abs(correlation(z**2, other**2)) < bound


def correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.corrcoef(a.astype(np.float64), b.astype(np.float64))[0, 1])


BAD = [
    (np.zeros((2, 3), np.uint32), np.zeros(2, np.uint32), "columns = 4"),
    (np.zeros((2, 4), np.uint32), np.zeros(3, np.uint32), "words = 2"),
    (np.zeros((2, 4), np.int32), np.zeros(2, np.uint32), "counter of dtype uint32"),
    (np.zeros(4, np.uint32), np.zeros(2, np.uint32), "2 dimensions"),
]


@pytest.mark.parametrize(("counter", "key", "message"), BAD)
def test_bad_input(counter: NDArray[Any], key: NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        native.runtime.philox4x32(counter, key)
