"""importance_weights and iwae_bound on CUDA: reference, CPU twin, order, streams."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes._reference import evidence as reference
from fastnotes.evidence import ImportanceWeights, importance_weights, iwae_bound
from support.cuda import KINDS, ArrayKind
from support.log_weights import (
    SHAPES,
    SPREADS,
    assert_weights_close,
    random_log_weights,
    with_edge_values,
)
from support.sweeps import AWKWARD_SIZES, DTYPES, assert_same_bytes
from support.tolerances import LOG_OF_SUM, NORMALISED, REDUCTION

SIZES = AWKWARD_SIZES[1:]

#: Around slices (64 terms each, at most 32), chunks (2048 terms) and their merging.
COUNTS = (63, 65, 127, 129, 511, 513, 1000, 1025, 2047, 2048, 2049, 4097, 600_000)

#: (outer, K, inner) for tiles of every make: whole planes, rows, columns, chunks.
BLOCKS = (
    (1, 1000, 4097),
    (1, 1000, 4100),
    (4097, 1000, 1),
    (1000, 10, 1),
    (5000, 200, 1),
    (3000, 17, 3),
    (300, 5001, 1),
    (7, 50, 3),
    (333, 64, 2),
    (5, 300, 33),
    (3, 700, 5),
    (40, 2048, 20),
    (2, 5000, 70),
    (70, 5000, 1),
    (1, 70_000, 9),
)


def on_cuda(log_w: np.ndarray, axis: int = 0) -> ImportanceWeights:
    """Copied there and back, so that no library is needed."""
    return importance_weights(log_w, axis, device="cuda")


def assert_matches(got: ImportanceWeights, log_w: np.ndarray, axis: int) -> None:
    # NumPy adds in pairs along the last axis alone: long sums need that.
    rows = np.ascontiguousarray(np.moveaxis(log_w, axis, -1))
    bound, weights, ess = reference.importance_weights(rows, -1)
    weights = np.moveaxis(weights, -1, axis)
    for result in got:
        assert result.dtype == log_w.dtype
    LOG_OF_SUM.assert_close(got.bound, bound)
    assert_weights_close(got.weights, weights)
    NORMALISED.assert_close(got.ess, ess)


def assert_right(log_w: np.ndarray, axis: int) -> ImportanceWeights:
    got = on_cuda(log_w, axis)
    assert_matches(got, log_w, axis)
    assert_same_bytes(iwae_bound(log_w, axis, device="cuda"), got.bound)
    return got


# ------------------------------------------------------------------- against reference


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), [*SHAPES, ((3, 2500, 4), 1)])
def test_every_library(kind: ArrayKind, shape: Any, axis: int, dtype: Any) -> None:
    log_w = random_log_weights(shape, dtype)
    got = importance_weights(kind.put(log_w), axis, **kind.options)
    for result in got:
        assert isinstance(result, kind.type)
    assert_matches(ImportanceWeights(*map(kind.get, got)), log_w, axis)
    bound = iwae_bound(kind.put(log_w), axis, **kind.options)
    assert isinstance(bound, kind.type)
    assert_same_bytes(kind.get(bound), kind.get(got.bound))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_shapes(shape: Any, axis: int, spread: float, dtype: Any) -> None:
    assert_right(random_log_weights(shape, dtype, spread=spread), axis)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_samples", SIZES)
def test_awkward_sizes(n_samples: int, dtype: Any) -> None:
    for n_columns in SIZES:
        log_w = random_log_weights((n_samples, n_columns), dtype, seed=n_columns)
        assert_right(log_w, 0)
        assert_right(log_w, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("block", BLOCKS)
def test_tiles(block: Any, dtype: Any) -> None:
    assert_right(random_log_weights(block, dtype), 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1])
def test_edge_values_anywhere(axis: int, dtype: Any) -> None:
    for n in (*SIZES, 513, 2500):
        log_w = with_edge_values(random_log_weights((n, 40), dtype), seed=n)
        assert_right(log_w, axis)
        assert_right(log_w.T.copy(), axis)


@pytest.mark.parametrize("offset", [-10000.0, 80.0, 1e6])
def test_offset_costs_nothing_in_float32(offset: float) -> None:
    for n in (400, 3000):
        assert_right(random_log_weights((n, 33), np.float32, offset=offset), 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rising_log_weights_move_the_anchor_at_every_step(dtype: Any) -> None:
    ramp = np.linspace(-900, 900, 1200, dtype=dtype)[:, None] * np.ones(9, dtype)
    assert_right(ramp, 0)
    assert_right(np.ascontiguousarray(ramp.T), 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), [((1000, 40), 0), ((40, 3000), 1)])
def test_the_cpu_twin_agrees(shape: Any, axis: int, dtype: Any) -> None:
    log_w = random_log_weights(shape, dtype)
    got, twin = on_cuda(log_w, axis), importance_weights(log_w, axis)
    LOG_OF_SUM.assert_close(got.bound, twin.bound)
    REDUCTION.assert_close(got.weights, twin.weights)
    REDUCTION.assert_close(got.ess, twin.ess)


# ------------------------------------------------------------------- exact answers


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_samples", [1, 2, 8, 50, 1000, 4097])
def test_equal_log_weights_are_exact(n_samples: int, dtype: Any) -> None:
    value = dtype(-1.8280121)
    for axis, shape in ((0, (n_samples, 3)), (1, (3, n_samples))):
        got = on_cuda(np.full(shape, value), axis)
        assert (got.bound == value).all()
        assert (got.ess == n_samples).all()
        assert (got.weights == dtype(1 / n_samples)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("padding", [0, 17, 500, 3000])
@pytest.mark.parametrize(
    "log_w",
    [
        [-np.inf, -np.inf],
        [-np.inf, 0],
        [np.nan, 0],
        [np.nan, np.inf],
        [np.nan, -np.inf],
        [np.inf, 0],
        [np.inf, np.inf, -np.inf],
    ],
)
def test_edge_table_is_the_cpu_s(
    log_w: list[float], padding: int, axis: int, dtype: Any
) -> None:
    padded = np.array([-np.inf] * padding + log_w, dtype)
    table = np.stack([padded] * 3, axis=1 - axis)
    got, twin = on_cuda(table, axis), importance_weights(table, axis)
    LOG_OF_SUM.assert_close(got.bound, twin.bound)
    np.testing.assert_array_equal(got.weights, twin.weights)
    np.testing.assert_array_equal(got.ess, twin.ess)


def test_no_columns_is_an_empty_result(kind: ArrayKind) -> None:
    got = importance_weights(kind.put(np.zeros((4, 0))), **kind.options)
    assert tuple(got.bound.shape) == tuple(got.ess.shape) == (0,)
    assert tuple(got.weights.shape) == (4, 0)


def test_one_dimension_gives_arrays_without_dimensions(kind: ArrayKind) -> None:
    got = importance_weights(kind.put(np.zeros(3, np.float32)), **kind.options)
    assert isinstance(got.bound, kind.type)
    assert tuple(got.bound.shape) == tuple(got.ess.shape) == ()
    assert kind.get(got.bound) == 0
    assert kind.get(got.ess) == 3


# ------------------------------------------------------------------- determinism


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("block", BLOCKS)
def test_the_same_bytes_on_every_run(block: Any, dtype: Any) -> None:
    log_w = random_log_weights(block, dtype)
    first = on_cuda(log_w, 1)
    for _ in range(3):
        assert_same_bytes(on_cuda(log_w, 1), first)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_samples", COUNTS)
def test_a_column_has_its_bytes_alone_and_as_a_row(n_samples: int, dtype: Any) -> None:
    log_w = random_log_weights((n_samples, 24), dtype)
    whole = assert_right(log_w, 0)
    for first, last in ((0, 1), (5, 22), (17, 24)):
        columns = np.ascontiguousarray(log_w[:, first:last])
        part, rows = on_cuda(columns), on_cuda(columns.T.copy(), 1)
        assert_same_bytes(part.bound, whole.bound[first:last])
        assert_same_bytes(part.ess, whole.ess[first:last])
        assert_same_bytes(part.weights, whole.weights[:, first:last])
        assert_same_bytes(rows.bound, part.bound)
        assert_same_bytes(rows.ess, part.ess)
        assert_same_bytes(rows.weights.T, part.weights)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_samples", [2049, 5001, 30_000])
def test_few_long_rows_have_the_bytes_of_many(n_samples: int, dtype: Any) -> None:
    log_w = random_log_weights((400, n_samples), dtype)
    whole, part = on_cuda(log_w, 1), on_cuda(log_w[:20].copy(), 1)
    assert_same_bytes(part.bound, whole.bound[:20])
    assert_same_bytes(part.ess, whole.ess[:20])
    assert_same_bytes(part.weights, whole.weights[:20])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_samples", [10, 1000, 3000])
def test_alignment_does_not_matter(n_samples: int, dtype: Any) -> None:
    torch = KINDS["torch"]()
    log_w = random_log_weights((n_samples, 37), dtype)
    expected = on_cuda(log_w)
    for shift in (1, 2, 3):
        memory = torch.put(np.concatenate([np.zeros(shift, dtype), log_w.ravel()]))
        got = importance_weights(memory[shift:].view(n_samples, 37))
        assert_same_bytes(tuple(map(torch.get, got)), tuple(expected))


# ------------------------------------------------------------------- streams, memory


@pytest.mark.parametrize("n_samples", [20, 1000, 5000])
def test_work_keeps_its_place_on_a_stream(n_samples: int) -> None:
    import torch

    kind = KINDS["torch"]()
    values = random_log_weights((n_samples, 500), np.float32)
    source = kind.put(values)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        log_w = torch.full_like(source, np.nan)
        torch.cuda._sleep(100_000_000)
        log_w.copy_(source)
        got = importance_weights(log_w)
        bound = iwae_bound(log_w)
        log_w.fill_(np.nan)
        copies = [result.clone() for result in (*got, bound)]
    stream.synchronize()
    *results, bound = map(kind.get, copies)
    assert_matches(ImportanceWeights(*results), values, 0)
    assert_same_bytes(bound, results[0])


def test_a_full_device_is_a_memory_error_and_no_more() -> None:
    from fastnotes._cuda import load, state

    elements = int(0.6 * state()["devices"][0]["memory"]) // 4
    held = load("test").allocate((elements,), "float32", 0)
    with pytest.raises(MemoryError, match="CUDA is out of memory"):
        importance_weights(held)
    del held
    assert_right(random_log_weights((30, 20)), 0)


# ------------------------------------------------------------------- bad input


@pytest.mark.parametrize("function", [importance_weights, iwae_bound])
def test_what_is_refused(kind: ArrayKind, function: Any) -> None:
    where = rf"^\[evidence\.{function.__name__}\] expected .*, got "
    good = kind.put(np.zeros((3, 4)))
    for axis, error in ((2, ValueError), (-3, ValueError), (0.0, TypeError)):
        with pytest.raises(error, match=where):
            function(good, axis, **kind.options)
    with pytest.raises(ValueError, match=where):
        function(kind.put(np.zeros((0, 4))), **kind.options)
    with pytest.raises(ValueError, match=where):
        function(kind.put(np.float64(1.0)), **kind.options)


@pytest.mark.parametrize("function", [importance_weights, iwae_bound])
def test_what_is_refused_of_torch(function: Any) -> None:
    import torch

    kind = KINDS["torch"]()
    where = rf"^\[evidence\.{function.__name__}\] expected .*, got "
    good = kind.put(np.zeros((4, 4)))
    refused = [
        (good.half(), TypeError),
        (good.int(), TypeError),
        (good.to(torch.complex64), TypeError),
        (good.T, ValueError),
        (good[:, ::2], ValueError),
        (good.clone().requires_grad_(), TypeError),
    ]
    for value, error in refused:
        with pytest.raises(error, match=where):
            function(value)
