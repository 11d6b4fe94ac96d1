"""Products and gradients of a graph operator against cuSPARSE, through torch and CuPy.

The limit is the time to move what is gathered (entries x F numbers), the indices, X and
Y once each at the speed of a copy. Hubs are read from the L2 again and again, so a
share over 100 % is possible.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from harness import (
    Calls,
    Row,
    compare_and_time,
    copy_bandwidth,
    relative_error,
    time_all,
)

from fastnotes.graph import GraphOperator

N_NODES = 1_000_000
N_EDGES = 16_000_000
BOUND = 1e-5
"""For float32 sums over a node's neighbours, in any order."""


class Graph(NamedTuple):
    """An undirected graph without loops, and D~^-1/2 (A + I) D~^-1/2, on the device."""

    adjacency: torch.Tensor
    normalized: torch.Tensor
    scale: torch.Tensor
    n_entries: int


def power_law(n: int, m: int, *, skewed: bool = True) -> Graph:
    """Return m distinct edges; degrees fall as ``d ** -2.5`` if skewed."""
    generator = torch.Generator("cuda").manual_seed(0)
    draws = torch.rand(
        (2, m + m // 2), generator=generator, device="cuda", dtype=torch.float64
    )
    rank = (n * (draws**3 if skewed else draws)).long().clamp_(max=n - 1)
    names = torch.randperm(n, generator=generator, device="cuda")
    ends = names[rank]
    ends = ends[:, ends[0] != ends[1]]
    keys = torch.unique(ends.min(0).values * n + ends.max(0).values)
    kept = torch.randperm(len(keys), generator=generator, device="cuda")[:m]
    low, high = keys[kept] // n, keys[kept] % n
    links = torch.cat([low * n + high, high * n + low])
    adjacency = _csr(links, n, lambda rows, columns: torch.ones_like(rows).float())
    degree = torch.diff(adjacency.crow_indices()).double() + 1
    scale = degree.rsqrt()
    loops = torch.arange(n, device="cuda") * (n + 1)
    normalized = _csr(
        torch.cat([links, loops]), n, lambda i, j: (scale[i] * scale[j]).float()
    )
    return Graph(adjacency, normalized, scale, len(links))


def rows(quick: bool) -> Iterator[Row]:
    """Yield every contender of every case."""
    n, m = (N_NODES // 20, N_EDGES // 20) if quick else (N_NODES, N_EDGES)
    bandwidth = copy_bandwidth()
    for name, skewed in (("power law", True), ("uniform", False)):
        graph = power_law(n, m, skewed=skewed)
        operator = GraphOperator(graph.adjacency)
        case = f"{name}, {n} nodes, {graph.n_entries} entries, F="
        for width in (64,) if quick or not skewed else (64, 16, 256):
            yield from _products(f"{case}{width}", graph, operator, width, bandwidth)
        if skewed:
            yield from _gradients(f"{case}64, both gradients", graph, operator)
        del operator, graph
        torch.cuda.empty_cache()


def _products(
    case: str, graph: Graph, operator: GraphOperator, width: int, bandwidth: float
) -> Iterator[Row]:
    n = graph.normalized.shape[0]
    x = torch.randn((n, width), device="cuda")
    calls: Calls = {
        "fastnotes": lambda: operator @ x,
        "torch CSR": lambda: graph.normalized @ x,
    }
    cupy_product = _cupy_product(graph, x)
    if cupy_product is not None:
        calls["cupy CSR"] = cupy_product
    exact = (graph.normalized.double() @ x.double()).cpu().numpy()
    n_bytes = 4.0 * graph.n_entries * (width + 1) + 2.0 * x.nbytes
    yield from compare_and_time(
        case,
        calls,
        lambda got: relative_error(_host(got), exact),
        BOUND,
        n_bytes / bandwidth,
    )


def _gradients(case: str, graph: Graph, operator: GraphOperator) -> Iterator[Row]:
    """Ours has the derivative of the degrees in it, torch's sampled product has not."""
    n = graph.normalized.shape[0]
    x, dy = torch.randn((2, n, 64), device="cuda")
    pattern, xt = graph.normalized, x.t()

    def torch_parts() -> Any:
        return pattern @ dy, torch.sparse.sampled_addmm(pattern, dy, xt, beta=0.0)

    calls: Calls = {
        "fastnotes": lambda: operator.backward(dy, x, edge_weights=True),
        "torch CSR + sampled_addmm": torch_parts,
    }
    dx, dweights = operator.backward(dy, x, edge_weights=True)
    exact = _exact_weight_gradient(graph, x.double(), dy.double())
    exact_dx = (graph.normalized.double() @ dy.double()).cpu().numpy()
    error = max(relative_error(dweights, exact), relative_error(dx, exact_dx))
    if not error <= 10 * BOUND:
        raise AssertionError(f"{case}: answers differ by {error}")
    for who, milliseconds in time_all(calls, repeats=5).items():
        yield Row(case, who, milliseconds, None, error if who == "fastnotes" else None)


def _exact_weight_gradient(graph: Graph, x: torch.Tensor, dy: torch.Tensor) -> Any:
    """Quotient rule in float64: e_ij + h_i, with h_i through the degree of node i."""
    starts, columns = graph.adjacency.crow_indices(), graph.adjacency.col_indices()
    nodes = torch.arange(len(x), device="cuda")
    rows = torch.repeat_interleave(nodes, torch.diff(starts))
    scale = graph.scale
    direct = torch.empty(graph.n_entries, dtype=torch.float64, device="cuda")
    for part in torch.arange(graph.n_entries, device="cuda").split(1 << 22):
        i, j = rows[part], columns[part].long()
        direct[part] = scale[i] * scale[j] * (dy[i] * x[j]).sum(1)
    dx = graph.normalized.double() @ dy
    total = torch.zeros_like(scale).index_add_(0, rows, direct)
    total += scale**2 * (dy * x).sum(1) + (dx * x).sum(1)
    return (direct - 0.5 * (scale**2 * total)[rows]).cpu().numpy()


def _csr(keys: torch.Tensor, n: int, values: Any) -> torch.Tensor:
    keys = torch.sort(keys).values
    i, j = keys // n, keys % n
    counts = torch.bincount(i, minlength=n)
    starts = torch.zeros(n + 1, dtype=torch.int64, device="cuda")
    starts[1:] = torch.cumsum(counts, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls its CSR support a beta
        return torch.sparse_csr_tensor(starts.int(), j.int(), values(i, j), (n, n))


def _cupy_product(graph: Graph, x: torch.Tensor) -> Any:
    try:
        cupy = importlib.import_module("cupy")
        sparse = importlib.import_module("cupyx.scipy.sparse")
    except ImportError:
        return None
    s = graph.normalized
    parts = (s.values(), s.col_indices(), s.crow_indices())
    arrays = tuple(cupy.from_dlpack(part) for part in parts)
    matrix = sparse.csr_matrix(arrays, shape=tuple(s.shape))
    features = cupy.from_dlpack(x)
    return lambda: matrix @ features


def _host(result: Any) -> np.ndarray:
    return result.cpu().numpy() if isinstance(result, torch.Tensor) else result.get()
