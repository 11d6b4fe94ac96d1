"""Cases of the graph room: products with a normalised graph operator, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnotes.bench import graph_filters, peers
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run, Work
from fastnotes.bench.torch_sparse import csr_tensor

N_FEATURES = 64
FLOAT32_BOUND = 1e-5
"""For float32 sums over a node's neighbours, in any order."""


def with_features(A: Any) -> Inputs:
    """Return A, D~^-1/2 (A + I) D~^-1/2 as float32 CSR, features and a gradient."""
    import scipy.sparse

    n = A.shape[0]
    looped = (A + scipy.sparse.eye_array(n, dtype=np.float32, format="csr")).tocsr()
    scale = 1 / np.sqrt(looped.sum(axis=1, dtype=np.float64))
    rows = np.repeat(np.arange(n), np.diff(looped.indptr))
    values = (scale[rows] * scale[looped.indices]).astype(np.float32)
    normalized = scipy.sparse.csr_array(
        (values, looped.indices.astype(np.int32), looped.indptr.astype(np.int32)),
        shape=A.shape,
    )
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, n, N_FEATURES), dtype=np.float32)
    return {"A": A, "normalized": normalized, "x": x, "dy": dy}


def power_law(n_nodes: int, mean_degree: float) -> Inputs:
    """Return a generated graph whose degrees follow a power law."""
    from fastnotes import datasets

    return with_features(datasets.make_power_law_graph(n_nodes, mean_degree))


def loaded(dataset: str) -> Inputs:
    """Return a real graph, by the name of its loader."""
    from fastnotes import datasets

    return with_features(getattr(datasets, f"load_{dataset}")().adjacency)


def generated(graph: str) -> Inputs:
    """Return one of the generated graphs of `fastnotes.bench.graph_inputs`."""
    from fastnotes.bench.graph_inputs import GRAPHS

    return with_features(GRAPHS[graph]())


def _exact_product(inputs: Inputs) -> Any:
    return _float64_operator(inputs) @ inputs["x"].astype(np.float64)


def _exact_gradient(inputs: Inputs) -> Any:
    return _float64_operator(inputs).T @ inputs["dy"].astype(np.float64)


def _float64_operator(inputs: Inputs) -> Any:
    # float32 values are within an ulp of the exact ones: far below the bound.
    return inputs["normalized"].astype(np.float64)


def _work(inputs: Inputs) -> Work:
    """One 4-byte index per entry, X read once, Y written once; an add per entry."""
    n_entries = inputs["normalized"].nnz
    x = inputs["x"]
    return Work(
        n_bytes=4.0 * n_entries + 4.0 * len(x) + 2.0 * x.nbytes,
        flops=2.0 * n_entries * x.shape[1],
    )


def _our_product(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.graph import GraphOperator

    operator, x = GraphOperator(inputs["A"], n_threads=n_threads), inputs["x"]
    return lambda: operator.matmul(x)


def _our_product_out(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.graph import GraphOperator

    operator, x = GraphOperator(inputs["A"], n_threads=n_threads), inputs["x"]
    out = np.empty_like(x)
    return lambda: operator.matmul(x, out=out)


def _our_gradient(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.graph import GraphOperator

    operator, dy = GraphOperator(inputs["A"], n_threads=n_threads), inputs["dy"]
    return lambda: operator.backward(dy)


def _scipy_product(inputs: Inputs, n_threads: int) -> Run:
    matrix, x = inputs["normalized"], inputs["x"]
    return lambda: matrix @ x


def _scipy_gradient(inputs: Inputs, n_threads: int) -> Run:
    matrix, dy = inputs["normalized"], inputs["dy"]
    return lambda: matrix.T @ dy


def _torch_product(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)
    matrix = csr_tensor(torch, inputs["normalized"])
    x = torch.from_numpy(inputs["x"])

    def run() -> Any:
        with torch.inference_mode():
            return matrix @ x

    return run


def _torch_gradient(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)
    matrix = csr_tensor(torch, inputs["normalized"])
    x = torch.from_numpy(inputs["x"]).requires_grad_()
    dy = torch.from_numpy(inputs["dy"])
    y = matrix @ x
    return lambda: torch.autograd.grad(y, x, dy, retain_graph=True)[0]


def _mkl_product(inputs: Inputs, n_threads: int) -> Run:
    mkl = peers.mkl_sparse_with(n_threads)
    matrix, x = _mkl_matrix(inputs), inputs["x"]
    return lambda: mkl.dot_product_mkl(matrix, x)


def _mkl_product_out(inputs: Inputs, n_threads: int) -> Run:
    mkl = peers.mkl_sparse_with(n_threads)
    matrix, x = _mkl_matrix(inputs), inputs["x"]
    out = np.zeros_like(x)
    return lambda: mkl.dot_product_mkl(matrix, x, out=out, out_scalar=0.0)


def _mkl_matrix(inputs: Inputs) -> Any:
    import scipy.sparse

    return scipy.sparse.csr_matrix(inputs["normalized"])


_FRESH = (
    Contender(OURS, "GraphOperator.matmul", _our_product),
    Contender("scipy", "csr_array @ X", _scipy_product, "scipy"),
    Contender("torch", "CSR (int32 indices) @ X", _torch_product, "torch"),
    Contender("mkl", "dot_product_mkl", _mkl_product, "sparse_dot_mkl"),
)
_OUT = (
    Contender(OURS, "GraphOperator.matmul, out=", _our_product_out),
    Contender("mkl", "dot_product_mkl, out=", _mkl_product_out, "sparse_dot_mkl"),
)
_BACKWARD = (
    Contender(OURS, "GraphOperator.backward", _our_gradient),
    Contender("scipy", "csr_array.T @ dY", _scipy_gradient, "scipy"),
    Contender("torch", "autograd through CSR @ X", _torch_gradient, "torch"),
)


def _cases_of(name: str, title: str, **options: Any) -> tuple[Case, ...]:
    """Forward with fresh and with given outputs, and backward, on one graph."""

    def case(
        task: str,
        what: str,
        contenders: tuple[Contender, ...],
        reference: Callable[[Inputs], Any],
        **more: Any,
    ) -> Case:
        return Case(
            room="graph",
            name=f"{task}-{name}",
            title=f"{what}, 64 float32 features, {title}",
            contenders=contenders,
            reference=reference,
            work=_work,
            bound=FLOAT32_BOUND,
            **options,
            **more,
        )

    forward = "renormalised product"
    return (
        case("matmul", forward, _FRESH, _exact_product),
        case("matmul-out", forward, _OUT, _exact_product, allocation="preallocated"),
        case("backward", "gradient of the features", _BACKWARD, _exact_gradient),
    )


def _real(name: str, dataset: str, title: str) -> tuple[Case, ...]:
    parameters = {"dataset": dataset}
    return _cases_of(
        name, title, build=loaded, full=parameters, quick=parameters, needs_data=True
    )


def _generated(name: str, graph: str, title: str) -> tuple[Case, ...]:
    return _cases_of(name, title, build=generated, full={"graph": graph})


CASES = (
    *_real("cora", "cora", "Cora"),
    *_real("amazon-computers", "amazon_computers", "Amazon Computers"),
    *_real("coauthor-physics", "coauthor_physics", "Coauthor Physics"),
    *_cases_of(
        "power-law",
        "generated power-law graph",
        build=power_law,
        full={"n_nodes": 200_000, "mean_degree": 16.0},
        quick={"n_nodes": 30_000, "mean_degree": 16.0},
    ),
    *_generated("like-cora", "cora_like", "generated, Cora's size"),
    *_generated("like-pubmed", "pubmed_like", "generated, Pubmed's size"),
    *_generated("grid", "grid_1m", "square grid of a million nodes"),
    *_generated("like-reddit", "reddit_like", "generated, 20 million entries"),
    *_generated("rmat", "rmat_1m", "recursive-matrix graph of a million nodes"),
    *graph_filters.CASES,
)
