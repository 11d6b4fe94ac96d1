"""Arrays, scalars, graphs that nobody should pass, and the check of what comes then."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
from hypothesis import strategies as st

REAL_DTYPES = ["f4", "f8", ">f4", ">f8", "f2", "g", "i1", "u1", "i4", ">i8", "u8", "?"]
OTHER_DTYPES = ["c8", "c16", "O", "S3", "U3", "M8[s]", "m8[s]", "V8", "i4,f4"]
EXTENTS = st.sampled_from([0, 1, 1, 2, 2, 3, 3, 4, 5, 8, 17])
EXTREMES = [0, 1, -1, 2, 300, -(2**31), 2**31, 1e30, -1e30, np.nan, np.inf, -np.inf]
SCALARS = st.sampled_from(
    [
        *(0, 1, -1, 2, True, None, 0.5, 1e300, np.nan, np.inf, 1j, "a"),
        *(2**70, 10**400, np.int8(1), np.float32(2), np.complex128(1j)),
        *(np.array(1), np.array([1.0]), np.array(1j), np.bool_(True)),
        *((), (0,), (0, 0), (0, 1), [0], {}),
    ]
)

Shape = tuple[int, ...]
SHAPES = st.lists(EXTENTS, max_size=3).map(tuple)
ISOLATED = st.sampled_from(["one", "one", "zero", "zero", "two", None])
Change = Callable[[np.ndarray], Any]


class Subclass(np.ndarray):
    """An array by another name."""


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def _unaligned(array: np.ndarray) -> np.ndarray:
    if array.dtype.hasobject or not array.nbytes:
        return array
    memory = np.zeros(array.nbytes + 1, np.uint8)
    shifted = memory[1:].view(array.dtype).reshape(array.shape)
    shifted[...] = array
    return shifted


def _sparse(array: np.ndarray) -> Any:
    try:
        return scipy.sparse.csr_array(np.atleast_2d(array))
    except (TypeError, ValueError):
        return None


LAYOUTS: list[Change] = [
    lambda array: array,
    np.asfortranarray,
    lambda array: np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array,
    lambda array: array[::-1] if array.ndim else array,
    _frozen,
    _unaligned,
]
CONTAINERS: list[Change] = [
    *[lambda array: array] * 12,
    lambda array: array.tolist(),
    lambda array: array.view(np.matrix) if array.ndim == 2 else array,
    lambda array: array.view(Subclass),
    lambda array: np.ma.masked_array(array, mask=array.dtype.kind == "f"),
    _sparse,
    lambda array: [[1.0, 2.0], [3.0]],
    lambda array: "text",
    lambda array: {"a": 1},
    lambda array: None,
]


@st.composite
def arrays(
    draw: Any, dtypes: list[str] | None = None, shape: Shape | None = None
) -> np.ndarray:
    """An array of some dtype, layout and shape; the given shape more often than not."""
    dtype = np.dtype(draw(st.sampled_from(dtypes or REAL_DTYPES * 3 + OTHER_DTYPES)))
    stretched = shape is None or not draw(st.integers(0, 4))
    if stretched:
        shape = tuple(draw(st.lists(EXTENTS, max_size=3)))
    values = draw(st.lists(st.sampled_from(EXTREMES), min_size=1, max_size=5))
    with np.errstate(all="ignore"):
        flat = np.resize(np.array(values, dtype=float), shape)
        if dtype.kind in "iub":
            flat = np.nan_to_num(flat, posinf=7, neginf=7).clip(0, 127)
        real = dtype.kind in "fiubcO"
        array = np.asarray(flat.astype(dtype) if real else np.zeros(shape, dtype))
    array = draw(st.sampled_from(LAYOUTS))(array)
    return np.broadcast_to(array, (3, *array.shape)) if stretched else array


@st.composite
def inputs(draw: Any, shape: Shape | None = None) -> Any:
    """An array in some container, or something else altogether."""
    return draw(st.sampled_from(CONTAINERS))(draw(arrays(None, shape)))


def outs(shape: Shape | None = None) -> st.SearchStrategy[Any]:
    """What may be passed as ``out``."""
    return st.none() | arrays(["f4", "f8", "f8", ">f8", "i4"], shape) | inputs(shape)


_INDEX_ARRAYS = {
    "csr": ("indptr", "indices", "data"),
    "csc": ("indptr", "indices", "data"),
    "coo": ("row", "col", "data"),
}


@st.composite
def graphs(draw: Any) -> Any:
    """A sparse matrix of any format; its arrays may hold rubbish or be cut short."""
    n = draw(st.integers(0, 6))
    dense = np.zeros((n, draw(st.sampled_from([n] * 5 + [n + 1]))))
    weights = st.sampled_from([0, 1, 1, 1, 2, 0.5, -1, np.nan, 1e308, 1e-320])
    for value in draw(st.lists(weights)) if dense.size else []:
        dense.ravel()[draw(st.integers(0, dense.size - 1))] = value
    kind = draw(st.sampled_from(["csr", "csr", "csc", "coo", "lil", "dok", "dia"]))
    container = draw(st.sampled_from(["array", "matrix"]))
    dtype = draw(st.sampled_from(["f4", "f8", "f8", "i4", "u1", "c8", "?"]))
    with np.errstate(all="ignore"):
        A = getattr(scipy.sparse, f"{kind}_{container}")(dense.astype(dtype))
    if kind in _INDEX_ARRAYS and draw(st.booleans()):
        name = draw(st.sampled_from(_INDEX_ARRAYS[kind]))
        with contextlib.suppress(ValueError):  # SciPy checks some itself
            setattr(A, name, draw(_spoilt(np.array(getattr(A, name)), name)))
    return A


@st.composite
def _spoilt(draw: Any, array: np.ndarray, name: str) -> np.ndarray:
    if name == "data" and array.dtype.kind != "c" and draw(st.booleans()):
        return array.astype(draw(st.sampled_from([">f8", "O", "c16"])))
    if name == "data" or not array.size or draw(st.booleans()):
        return array[: draw(st.integers(0, array.size))]
    array[draw(st.integers(0, array.size - 1))] = draw(
        st.sampled_from([-1, 5, 100, 2**31 - 1, -(2**31)])
    )
    return array


def reduced(data: Any, shape: Shape) -> tuple[Any, Shape]:
    """An axis, and the shape that is left; sometimes a wrong one."""
    if not shape or not data.draw(st.integers(0, 3)):
        return data.draw(SCALARS), ()
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    left = list(shape)
    del left[axis]
    return axis, tuple(left)


def features(data: Any, A: Any, strategy: Callable[[Shape], Any]) -> Any:
    """Something with one row per node, more often than not."""
    n = A.shape[0] if scipy.sparse.issparse(A) and A.ndim == 2 else 3
    return data.draw(strategy((n, 3)))


VOICE = re.compile(
    r"\[(boosting|evidence|graph|information|nn|recurrent)\.[\w.]+\] expected .+, got"
)


def check(call: Callable[[], object], *arguments: Any, out: Any = None) -> None:
    """Call it: it returns, or refuses as documented, and writes to `out` alone."""
    before = [_bytes(each) for each in (*arguments, out)]
    refusal = None
    try:
        call()
    except (TypeError, ValueError) as error:
        refusal = error
    if refusal is not None:
        assert VOICE.match(str(refusal)), repr(refusal)
        assert _bytes(out) == before[-1], "written, then refused"
    assert [_bytes(each) for each in arguments] == before[:-1], "an input was written"


def _bytes(value: Any) -> bytes:
    return np.asarray(value).tobytes() if isinstance(value, np.ndarray) else b""
