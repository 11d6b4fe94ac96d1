from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes._reference import boosting as reference
from fastnotes.boosting import Split, build_histogram, find_best_split
from support.cuda import ArrayKind
from support.sweeps import AWKWARD_SIZES

RULES: list[dict[str, float]] = [
    {},
    {"reg_lambda": 0.0, "min_child_weight": 0.0},
    {"gamma": 0.3},
    {"reg_alpha": 0.7, "reg_lambda": 0.1},
    {"min_child_weight": 20.0},
]


def random_histogram(n_columns: int, n_bins: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    histogram = rng.standard_normal((n_columns, n_bins, 2))
    histogram[..., 1] = np.abs(histogram[..., 1])
    histogram[rng.random((n_columns, n_bins)) < 0.2] = 0.0
    if seed % 2 == 0:
        histogram[:, -1] = 0.0
    return histogram


def on_cuda(kind: ArrayKind, histogram: Any, **rules: Any) -> Split | None:
    return find_best_split(kind.put(np.asarray(histogram)), **rules, **kind.options)


def histogram_of(*columns: Any) -> Any:
    return np.array(columns, dtype=np.float64)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("n_bins", [n for n in AWKWARD_SIZES if 2 <= n <= 256] + [256])
def test_equals_reference_and_cpu(
    kind: ArrayKind, n_bins: int, rules: dict[str, float]
) -> None:
    for seed in range(4):
        histogram = random_histogram(6, n_bins, seed)
        got = on_cuda(kind, histogram, **rules)
        assert got == find_best_split(histogram, **rules)
        assert got == reference.find_best_split(histogram, **rules)


@pytest.mark.parametrize("n_columns", [0, 1, 2, 31, 257, 3000])
def test_columns(kind: ArrayKind, n_columns: int) -> None:
    histogram = random_histogram(n_columns, 256, 1)
    first = on_cuda(kind, histogram)
    assert first == find_best_split(histogram)
    assert all(on_cuda(kind, histogram) == first for _ in range(5))


def test_single_precision(kind: ArrayKind) -> None:
    histogram = random_histogram(3, 32).astype(np.float32)
    assert on_cuda(kind, histogram) == find_best_split(histogram)


def test_ties(kind: ArrayKind) -> None:
    best = [[-5.0, 5.0], [0.0, 0.0], [5.0, 5.0], [0.0, 0.0]]
    worse = [[-4.0, 5.0], [0.0, 0.0], [4.0, 5.0], [0.0, 0.0]]
    balanced = [[-5.0, 5.0], [5.0, 5.0], [0.0, 2.0]]
    for histogram in (histogram_of(worse, best, best), histogram_of(balanced)):
        assert on_cuda(kind, histogram) == find_best_split(histogram)
    for first in (0, 13, 31, 32, 200):
        column = np.zeros((256, 2))
        column[first], column[240] = [-5.0, 5.0], [5.0, 5.0]
        split = on_cuda(kind, np.stack([column] * 40))
        assert split is not None
        assert split[:2] == (0, first)


def test_edges(kind: ArrayKind) -> None:
    pure = histogram_of([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    assert on_cuda(kind, pure, reg_lambda=0.0) is None
    good = histogram_of([[-5.0, 5.0], [5.0, 5.0], [0.0, 0.0]])
    split = on_cuda(kind, good)
    assert split is not None
    assert on_cuda(kind, good, gamma=split.gain) is None
    assert on_cuda(kind, good, gamma=np.nextafter(split.gain, 0.0)) is not None
    known_or_missing = histogram_of([[3.0, 4.0], [3.0, 4.0], [-6.0, 5.0]])
    huge = random_histogram(4, 9) * 4e307
    no_minimum = histogram_of([[-5.0, 5.0], [5.0, -8.0], [0.0, 0.0]])
    for histogram in (known_or_missing, huge, no_minimum, np.zeros((3, 256, 2))):
        for weight in (0.0, 1.0):
            got = on_cuda(kind, histogram, min_child_weight=weight)
            assert got == find_best_split(histogram, min_child_weight=weight)


def test_takes_the_histogram_as_it_comes(kind: ArrayKind) -> None:
    rng = np.random.default_rng(0)
    bins = rng.integers(0, 256, (999, 4), dtype=np.uint8)
    grad, hess = rng.standard_normal(999), np.ones(999)
    histogram = build_histogram(*kind.put_all(bins, grad, hess), **kind.options)
    split = find_best_split(histogram, **kind.options)
    assert split == find_best_split(build_histogram(bins, grad, hess))
    assert [type(v) for v in split or ()] == [int, int, float, bool, *[float] * 4]


def test_follows_the_stream_of_torch() -> None:
    torch = pytest.importorskip("torch")
    histogram = random_histogram(28, 256)
    source = torch.from_numpy(histogram).cuda()
    late = torch.zeros_like(source)
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda._sleep(50_000_000)
        late.copy_(source)
        split = find_best_split(late)
    assert split == find_best_split(histogram)


@pytest.mark.parametrize("place", range(8))
def test_looks_at_every_entry(kind: ArrayKind, place: int) -> None:
    for value in (np.nan, np.inf, -np.inf):
        histogram = np.ones((300, 4, 2))
        histogram[17 * place].flat[place] = value
        with pytest.raises(ValueError, match="histogram finite, got NaN or infinity"):
            on_cuda(kind, histogram)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"histogram": np.ones((4, 2))}, ValueError, "dimension"),
        ({"histogram": np.ones((2, 4, 1))}, ValueError, "shape"),
        ({"histogram": np.ones((2, 1, 2))}, ValueError, "shape"),
        ({"histogram": np.ones((1, 257, 2))}, ValueError, "shape"),
        ({"reg_lambda": -1.0}, ValueError, "reg_lambda"),
        ({"reg_alpha": "1"}, TypeError, "reg_alpha"),
    ],
)
def test_refuses(
    kind: ArrayKind, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments = {"histogram": np.ones((2, 4, 2)), **change}
    with pytest.raises(error, match=rf"\[boosting\.find_best_split\] .*{message}"):
        on_cuda(kind, **arguments)


def test_nothing_is_converted_on_the_device() -> None:
    torch = pytest.importorskip("torch")
    sums = torch.ones((2, 4, 2), device="cuda")
    where = r"\[boosting\.find_best_split\] .*"
    with pytest.raises(ValueError, match=where + "C-contiguous"):
        find_best_split(sums.transpose(0, 1))
    with pytest.raises(TypeError, match=where + "histogram of dtype"):
        find_best_split(sums.long())
    with pytest.raises(TypeError, match=where + "device='cpu'"):
        find_best_split(sums, device="cpu")
