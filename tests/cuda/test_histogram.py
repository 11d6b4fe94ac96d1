from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes._reference import boosting as reference
from fastnotes.boosting import BinMapper, build_histogram
from support.cuda import ArrayKind
from support.sweeps import AWKWARD_SIZES, DTYPES, assert_same_bytes

INDEX_DTYPES = [np.int32, np.int64]


def problem(
    n_rows: int,
    n_columns: int = 5,
    dtype: Any = np.float32,
    n_bins: int = 256,
    seed: int = 0,
) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    bins = rng.integers(0, n_bins, (n_rows, n_columns), dtype=np.uint8)
    grad = rng.standard_normal(n_rows).astype(dtype)
    hess = (rng.random(n_rows) - 0.2).astype(dtype)
    return bins, grad, hess


def subset(n_rows: int, share: int = 2) -> Any:
    return np.random.default_rng(1).permutation(n_rows)[: n_rows // share]


def on_cuda(
    kind: ArrayKind, bins: Any, grad: Any, hess: Any, rows: Any = None, **options: Any
) -> Any:
    """The histogram of the device, taken back to the host."""
    arrays = kind.put_all(bins, grad, hess, rows)
    got = build_histogram(*arrays, **options, **kind.options)
    assert isinstance(got, kind.type)
    return kind.get(got)


def assert_equals_cpu(
    kind: ArrayKind, bins: Any, grad: Any, hess: Any, rows: Any, n_bins: int = 256
) -> None:
    got = on_cuda(kind, bins, grad, hess, rows, n_bins=n_bins)
    assert_same_bytes(got, build_histogram(bins, grad, hess, rows, n_bins=n_bins))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_rows", AWKWARD_SIZES)
def test_equals_reference_and_cpu(kind: ArrayKind, n_rows: int, dtype: Any) -> None:
    node = problem(n_rows, dtype=dtype)
    for rows in (None, subset(n_rows), np.sort(subset(n_rows, 3))):
        expected = reference.build_histogram(*node, rows, 256)
        np.testing.assert_array_equal(on_cuda(kind, *node, rows), expected)
        assert_equals_cpu(kind, *node, rows)


@pytest.mark.parametrize("n_columns", [*AWKWARD_SIZES[:-2], 4, 12, 28, 32, 64, 65, 100])
@pytest.mark.parametrize("n_bins", [2, 16, 255, 256])
def test_columns_and_bins(kind: ArrayKind, n_columns: int, n_bins: int) -> None:
    node = problem(3001, n_columns, n_bins=n_bins)
    for rows in (None, subset(3001)):
        assert_equals_cpu(kind, *node, rows, n_bins)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_columns", [1, 9, 28])
def test_many_rows(kind: ArrayKind, n_columns: int, dtype: Any) -> None:
    n_rows = 1_000_003
    bins, grad, hess = problem(n_rows, n_columns, dtype)
    bins[:, 0] = 3  # one slot takes every row, each at the largest magnitude
    grad[:] = np.abs(grad).max()
    hess[:] = -np.abs(hess).max()
    for rows in (None, np.sort(subset(n_rows))):
        assert_equals_cpu(kind, bins, grad, hess, rows)


def test_blocks_pass_the_flush(kind: ArrayKind) -> None:
    n_rows = 24_000_000  # more for each block than 32 bits can sum
    ones = np.ones(n_rows, np.float32)
    got = on_cuda(kind, np.full((n_rows, 1), 255, np.uint8), ones, -ones)
    assert got[0, 255].tolist() == [n_rows, -n_rows]
    assert np.count_nonzero(got) == 2


@pytest.mark.parametrize("largest", [np.nextafter(np.float32(1), np.float32(0)), 1.0])
def test_the_largest_integers_do_not_overflow(kind: ArrayKind, largest: Any) -> None:
    bins = np.zeros((66_000, 1), np.uint8)
    for sign in (1, -1):
        grad = np.full(66_000, sign * largest, np.float32)
        assert_equals_cpu(kind, bins, grad, -grad, None)


@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_magnitudes(kind: ArrayKind, dtype: Any) -> None:
    info = np.finfo(dtype)
    bins, grad, hess = problem(3000, 3, dtype)
    for largest in (info.smallest_subnormal, info.tiny, np.ldexp(dtype(1), 100)):
        scaled = (grad * largest).astype(dtype)
        scaled[0] = largest
        assert_equals_cpu(kind, bins, scaled, hess, None)
    mixed = grad.copy()
    mixed[::2] *= info.tiny
    mixed[1] = info.max / 2048
    assert_equals_cpu(kind, bins, mixed, np.zeros(3000, dtype), None)


@pytest.mark.parametrize("dtype", DTYPES)
def test_halves_are_rounded_to_even(kind: ArrayKind, dtype: Any) -> None:
    grad = np.arange(-4095, 4096).astype(dtype) / 2
    grad[0] = 2.0**14
    bins = (np.arange(len(grad)) % 251).astype(np.uint8)[:, None]
    assert_equals_cpu(kind, bins, grad, grad[::-1].copy(), None)


@pytest.mark.parametrize("missing", [0, 3])
def test_constant_columns(kind: ArrayKind, missing: int) -> None:
    bins, grad, hess = problem(50_000, 28)
    bins[:, missing:] = 255
    assert_equals_cpu(kind, bins, grad, hess, None)


@pytest.mark.parametrize("dtype", INDEX_DTYPES)
def test_rows_are_a_set(kind: ArrayKind, dtype: Any) -> None:
    node = problem(5000)
    rows = subset(5000)
    expected = build_histogram(*node, rows)
    for order in (rows, np.sort(rows), np.sort(rows)[::-1]):
        got = on_cuda(kind, *node, np.ascontiguousarray(order, dtype))
        assert_same_bytes(got, expected)
    every = np.arange(5000, dtype=dtype)
    assert_same_bytes(on_cuda(kind, *node, every), build_histogram(*node))


def test_no_rows_and_no_columns(kind: ArrayKind) -> None:
    bins, grad, hess = problem(10)
    empty = on_cuda(kind, bins, grad, hess, np.empty(0, np.int64))
    assert empty.shape == (5, 256, 2)
    assert not empty.any()
    assert not on_cuda(kind, bins[:0], grad[:0], hess[:0]).any()
    none = on_cuda(kind, np.empty((10, 0), np.uint8), grad, hess)
    assert none.shape == (0, 256, 2)


def test_the_same_bytes_on_every_run(kind: ArrayKind) -> None:
    arrays = kind.put_all(*problem(300_001, 28), subset(300_001))
    first = kind.get(build_histogram(*arrays, **kind.options))
    for _ in range(10):
        again = kind.get(build_histogram(*arrays, **kind.options))
        assert_same_bytes(again, first)


def test_codes_at_an_odd_address(kind: ArrayKind) -> None:
    if kind.name not in ("torch", "cupy"):
        pytest.skip("views at an offset are not to be had")
    bins, grad, hess = problem(2000, 8)
    flat = kind.put(np.concatenate([np.zeros(1, np.uint8), bins.ravel()]))
    shifted = flat[1:].reshape(2000, 8)
    got = build_histogram(shifted, *kind.put_all(grad, hess))
    assert_same_bytes(kind.get(got), build_histogram(bins, grad, hess))


def test_waits_for_the_stream_of_torch() -> None:
    torch = pytest.importorskip("torch")
    bins, grad, hess = problem(100_000, 28)
    expected = build_histogram(bins, grad, hess)
    stream = torch.cuda.Stream()
    codes, h = (torch.from_numpy(a).cuda() for a in (bins, hess))
    g = torch.zeros(len(grad), device="cuda")
    source = torch.from_numpy(grad).cuda()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)
        g.copy_(source)
        got = build_histogram(codes, g, h)
        doubled = got + got
    stream.synchronize()
    assert_same_bytes(got.cpu().numpy(), expected)
    assert_same_bytes(doubled.cpu().numpy(), expected + expected)


def test_a_binned_matrix_moves_with_device() -> None:
    X = np.random.default_rng(0).standard_normal((500, 3))
    binned = BinMapper(31).fit_transform(X)
    got = build_histogram(binned, X[:, 0], [1] * 500, list(range(400)), device="cuda")
    assert isinstance(got, np.ndarray)
    expected = build_histogram(binned, X[:, 0], np.ones(500), list(range(400)))
    assert_same_bytes(got, expected)


@pytest.mark.parametrize("bad", [0, 1023, 65_279, 65_280, 99_999])
def test_bad_values_are_found_anywhere(kind: ArrayKind, bad: int) -> None:
    n_rows = 100_000
    bins = np.zeros((n_rows, 3), np.uint8)
    zeros = np.zeros(n_rows, np.float32)
    every = np.arange(n_rows)
    for wrong in (-1, n_rows, 2**31 - 1, -(2**31), (bad + 1) % n_rows):
        message = "distinct rows" if 0 <= wrong < n_rows else f"rows from.*got {wrong}$"
        for dtype in INDEX_DTYPES:
            rows = every.astype(dtype)
            rows[bad] = wrong
            with pytest.raises(ValueError, match=message):
                on_cuda(kind, bins, zeros, zeros, rows)
    bins[bad, 2] = 9
    for rows in (None, every):
        with pytest.raises(ValueError, match="codes below n_bins = 9"):
            on_cuda(kind, bins, zeros, zeros, rows, n_bins=9)
    others = np.delete(every, bad)
    assert not on_cuda(kind, bins, zeros, zeros, others, n_bins=9).any()
    for value in (np.nan, np.inf, -np.inf):
        grad = zeros.copy()
        grad[bad] = value
        with pytest.raises(ValueError, match="grad finite, got NaN or infinity"):
            on_cuda(kind, bins, grad, zeros, np.array([1]))
        with pytest.raises(ValueError, match="hess finite"):
            on_cuda(kind, bins, zeros, grad)


def test_the_first_bad_row_is_named(kind: ArrayKind) -> None:
    bins, grad, hess = problem(10_000)
    rows = np.arange(10_000)
    rows[[700, 20, 9000]] = 2**62, -5, -6
    with pytest.raises(ValueError, match="n_rows = 10000, got -5$"):
        on_cuda(kind, bins, grad, hess, rows)


BINS = np.arange(12, dtype=np.uint8).reshape(6, 2)
ONES = np.ones(6)
BAD_NODES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "float bins": ({"bins": np.ones((6, 2))}, TypeError, "uint8"),
    "flat bins": ({"bins": BINS.ravel()}, ValueError, "n_rows, n_columns"),
    "short grad": ({"grad": ONES[1:]}, ValueError, "grad of shape"),
    "long hess": ({"hess": np.ones(7)}, ValueError, "hess of shape"),
    "2-d grad": ({"grad": ONES[:, None]}, ValueError, "dimension"),
    "float rows": ({"rows": ONES[:2]}, TypeError, "rows"),
    "2-d rows": ({"rows": np.array([[0, 1]])}, ValueError, "dimension"),
    "repeated row": ({"rows": np.array([1, 1])}, ValueError, "distinct"),
    "too many rows": ({"rows": np.arange(7) % 6}, ValueError, "distinct"),
    "row without rows": (
        {
            "bins": BINS[:0],
            "grad": ONES[:0],
            "hess": ONES[:0],
            "rows": np.array([0]),
        },
        ValueError,
        "rows from",
    ),
    "code": ({"n_bins": 11}, ValueError, "codes below n_bins = 11"),
    "n_bins 1": ({"n_bins": 1}, ValueError, "n_bins from 2 to 256"),
    "n_bins 257": ({"n_bins": 257}, ValueError, "n_bins from 2 to 256"),
    "n_bins kind": ({"n_bins": 16.0}, TypeError, "n_bins"),
}


@pytest.mark.parametrize(
    ("change", "error", "message"), BAD_NODES.values(), ids=BAD_NODES
)
def test_refuses(
    kind: ArrayKind, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments = {"bins": BINS, "grad": ONES, "hess": ONES, **change}
    arguments = {
        name: kind.put(value) if isinstance(value, np.ndarray) else value
        for name, value in arguments.items()
    }
    with pytest.raises(error, match=rf"\[boosting\.build_histogram\] .*{message}"):
        build_histogram(**arguments, **kind.options)


def test_nothing_is_converted_on_the_device() -> None:
    torch = pytest.importorskip("torch")
    bins = torch.zeros((6, 4), dtype=torch.uint8, device="cuda")
    ones = torch.ones(6, device="cuda")
    where = r"\[boosting\.build_histogram\] .*"
    with pytest.raises(ValueError, match=where + "bins C-contiguous"):
        build_histogram(bins[:, ::2], ones, ones)
    with pytest.raises(ValueError, match=where + "grad C-contiguous"):
        build_histogram(bins[:3], ones[::2], ones[:3])
    with pytest.raises(TypeError, match=where + "one dtype"):
        build_histogram(bins, ones, ones.double())
    with pytest.raises(TypeError, match=where + "grad of dtype"):
        build_histogram(bins, ones.half(), ones.half())
    with pytest.raises(TypeError, match=where + "rows of dtype"):
        build_histogram(bins, ones, ones, ones[:2].bool())
    with pytest.raises(TypeError, match=where + "grad of dtype.*None"):
        build_histogram(bins, None, ones)
    with pytest.raises(TypeError, match=where + "detached"):
        build_histogram(bins, ones.clone().requires_grad_(), ones)
    with pytest.raises(TypeError, match="bins on a CUDA device and hess on the CPU"):
        build_histogram(bins, ones, np.ones(6))
    with pytest.raises(TypeError, match="bins on the CPU"):
        build_histogram(np.zeros((6, 4), np.uint8), ones, ones)
    assert not build_histogram(bins, ones, ones, ones[:0].int()).any()


def test_want_of_memory_leaves_the_process_usable(kind: ArrayKind) -> None:
    bins, grad, hess = problem(3)
    with pytest.raises(MemoryError):
        on_cuda(kind, np.empty((0, 1 << 30), np.uint8), grad[:0], hess[:0])
    assert_equals_cpu(kind, bins, grad, hess, None)
