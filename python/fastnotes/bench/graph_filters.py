"""Cases of the graph room: lists of edges, Chebyshev filters, training on Cora."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from fastnotes.bench import peers
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run, Score, Work
from fastnotes.bench.torch_sparse import csr_tensor

N_FEATURES = 64
THETA = np.array([0.5, -1.0, 0.25, 2.0, -0.75], np.float32)
"""Degree 4: four products."""
FILTER_BOUND = 2e-5
"""For five float32 terms of a recurrence, each a sum over neighbours."""
EXACT = 1e-15
"""Structures and ones: equal."""
N_EPOCHS = 200
ACCURACY_BOUND = 0.04
"""Of two trainings of one recipe: four deviations of their difference, 0.0064 each."""


# ------------------------------------------------------------ edges


def shuffled_edges(graph: str) -> Inputs:
    """Every edge of a generated graph once, in any order, either way round."""
    import scipy.sparse

    from fastnotes.bench.graph_inputs import GRAPHS

    A = GRAPHS[graph]()
    rng = np.random.default_rng(0)
    edges = np.stack(scipy.sparse.triu(A).nonzero()).astype(np.int64)
    turned = rng.random(edges.shape[1]) < 0.5
    edges[:, turned] = edges[::-1, turned]
    return {
        "edges": np.ascontiguousarray(edges[:, rng.permutation(edges.shape[1])]),
        "n": A.shape[0],
    }


def _edges_work(inputs: Inputs) -> Work:
    """Edges read once; row starts, columns and float64 ones written once."""
    n_edges = inputs["edges"].shape[1]
    n_bytes = inputs["edges"].nbytes + 4.0 * inputs["n"] + 2.0 * n_edges * 12
    return Work(n_bytes=n_bytes, flops=0.0)


def _parts(matrix: Any) -> tuple[Any, ...]:
    return matrix.indptr, matrix.indices, matrix.data


def _our_edges(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.graph import from_edges

    edges, n = inputs["edges"], inputs["n"]
    return lambda: from_edges(edges, n, n_threads=n_threads)


def _scipy_edges(inputs: Inputs, n_threads: int) -> Run:
    from scipy.sparse import coo_array

    (u, v), n = inputs["edges"], inputs["n"]

    def run() -> Any:
        pairs = np.concatenate([u, v]), np.concatenate([v, u])
        return coo_array((np.ones(len(pairs[0])), pairs), shape=(n, n)).tocsr()

    return run


def _torch_edges(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)
    edges, n = torch.from_numpy(inputs["edges"]), inputs["n"]

    def run() -> Any:
        both = torch.cat([edges, edges.flip(0)], dim=1)
        ones = torch.ones(both.shape[1], dtype=torch.float64)
        return torch.sparse_coo_tensor(both, ones, (n, n)).coalesce().to_sparse_csr()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls its CSR support a beta, once
        run()
    return run


def _torch_parts(matrix: Any) -> tuple[Any, ...]:
    found = matrix.crow_indices(), matrix.col_indices(), matrix.values()
    return tuple(each.numpy() for each in found)


_EDGES = (
    Contender(OURS, "from_edges", _our_edges, answer=_parts),
    Contender("scipy", "coo_array of both directions", _scipy_edges, "scipy", _parts),
    Contender("torch", "COO, coalesced, to CSR", _torch_edges, "torch", _torch_parts),
)

# ------------------------------------------------------------ filters


def filter_inputs(graph: str) -> Inputs:
    """Return a generated graph, L~ = -D^-1/2 A D^-1/2 as float32 CSR, X and dY."""
    import scipy.sparse

    from fastnotes.bench.graph_inputs import GRAPHS

    A = GRAPHS[graph]()
    n = A.shape[0]
    degree = np.diff(A.indptr).astype(np.float64)
    scale = np.divide(1.0, np.sqrt(degree), out=np.zeros(n), where=degree > 0)
    rows = np.repeat(np.arange(n), np.diff(A.indptr))
    values = -(scale[rows] * scale[A.indices]).astype(np.float32)
    scaled = scipy.sparse.csr_array(
        (values, A.indices.astype(np.int32), A.indptr.astype(np.int32)), shape=A.shape
    )
    x, dy = np.random.default_rng(0).standard_normal(
        (2, n, N_FEATURES), dtype=np.float32
    )
    return {"A": A, "scaled": scaled, "x": x, "dy": dy}


def _filter_work(inputs: Inputs) -> Work:
    """Graph and X read once, Y written once; four products."""
    n_entries, x = inputs["scaled"].nnz, inputs["x"]
    return Work(
        n_bytes=4.0 * n_entries + 4.0 * len(x) + 2.0 * x.nbytes,
        flops=4 * 2.0 * n_entries * x.shape[1],
    )


def _our_filter(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.graph import GraphOperator, chebyshev_filter

    operator = GraphOperator(inputs["A"], "laplacian", n_threads=n_threads)
    x = inputs["x"]
    return lambda: chebyshev_filter(operator, x, THETA)


def _our_filter_gradients(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.graph import GraphOperator, chebyshev_filter_backward

    operator = GraphOperator(inputs["A"], "laplacian", n_threads=n_threads)
    x, dy = inputs["x"], inputs["dy"]
    return lambda: chebyshev_filter_backward(dy, operator, x, THETA)


def _filtered(scaled: Any, x: Any, theta: Any) -> Any:
    """The recurrence, as torch's users write it."""
    before, term = x, scaled @ x
    y = theta[0] * before + theta[1] * term
    for k in range(2, len(THETA)):
        before, term = term, 2 * (scaled @ term) - before
        y = y + theta[k] * term
    return y


def _torch_filter(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)
    scaled = csr_tensor(torch, inputs["scaled"])
    x, theta = torch.from_numpy(inputs["x"]), torch.from_numpy(THETA)

    def run() -> Any:
        with torch.inference_mode():
            return _filtered(scaled, x, theta)

    return run


def _torch_filter_gradients(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)
    scaled = csr_tensor(torch, inputs["scaled"])
    x = torch.from_numpy(inputs["x"]).requires_grad_()
    theta = torch.from_numpy(THETA.copy()).requires_grad_()
    dy = torch.from_numpy(inputs["dy"])
    y = _filtered(scaled, x, theta)
    return lambda: torch.autograd.grad(y, (x, theta), dy, retain_graph=True)


_FILTER = (
    Contender(OURS, "chebyshev_filter", _our_filter),
    Contender("torch", "CSR (int32 indices), T_k by axpys", _torch_filter, "torch"),
)
_FILTER_GRADIENTS = (
    Contender(OURS, "chebyshev_filter_backward", _our_filter_gradients),
    Contender("torch", "autograd through the same", _torch_filter_gradients, "torch"),
)

# ------------------------------------------------------------ training


def cora() -> Inputs:
    """Return Cora, with the classes of its training and its test nodes."""
    from fastnotes import datasets

    data: Any = datasets.load_cora()  # its y is there
    known = np.full((2, len(data.y)), -1)
    for labels, nodes in zip(known, (data.train_idx, data.test_idx), strict=True):
        labels[nodes] = data.y[nodes]
    return {"A": data.adjacency, "X": data.X, "train": known[0], "test": known[1]}


def _accuracy(inputs: Inputs, predicted: Any) -> float:
    known = inputs["test"] >= 0
    return float((np.asarray(predicted) == inputs["test"])[known].mean())


def _accuracy_gap(inputs: Inputs, answer: Any, reference: Any) -> float:
    return abs(_accuracy(inputs, answer) - _accuracy(inputs, reference))


def _our_training(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.graph import GCNClassifier

    X, A, y = inputs["X"], inputs["A"], inputs["train"]
    model = GCNClassifier(n_epochs=N_EPOCHS, n_jobs=n_threads)
    return lambda: model.fit(X, y, graph=A).predict()


def _torch_training(inputs: Inputs, n_threads: int) -> Run:
    """Kipf and Welling's network on sparse X and A, both CSR; all of it is timed."""
    import scipy.sparse

    torch = peers.torch_with(n_threads)
    functional = torch.nn.functional
    X, A, y = inputs["X"], inputs["A"], torch.from_numpy(inputs["train"])
    known = torch.nonzero(y >= 0)[:, 0]
    n_classes = int(y.max()) + 1

    def run() -> Any:
        torch.manual_seed(0)
        looped = A + scipy.sparse.eye_array(len(y), dtype=np.float32, format="csr")
        scale = scipy.sparse.diags_array(1 / np.sqrt(looped.sum(axis=1)))
        graph = csr_tensor(torch, (scale @ looped @ scale).tocsr().astype(np.float32))
        rows = scipy.sparse.diags_array(1 / np.maximum(X.sum(axis=1), 1))
        x = csr_tensor(torch, (rows @ X).tocsr().astype(np.float32))
        weights = [
            torch.nn.init.xavier_uniform_(torch.empty(shape)).requires_grad_()
            for shape in ((X.shape[1], 16), (16, n_classes))
        ]
        groups = [
            {"params": weights[:1], "weight_decay": 5e-4},
            {"params": weights[1:]},
        ]
        optimizer = torch.optim.Adam(groups, lr=0.01)
        shape = x.shape

        def outputs(training: bool) -> Any:
            values = functional.dropout(x.values(), 0.5, training)
            dropped = torch.sparse_csr_tensor(
                x.crow_indices(), x.col_indices(), values, shape
            )
            hidden = torch.relu(graph @ (dropped @ weights[0]))
            return graph @ (functional.dropout(hidden, 0.5, training) @ weights[1])

        for _ in range(N_EPOCHS):
            optimizer.zero_grad()
            functional.cross_entropy(outputs(True)[known], y[known]).backward()
            optimizer.step()
        with torch.no_grad():
            return outputs(False).argmax(dim=1)

    return run


_TRAINING = (
    Contender(OURS, "GCNClassifier.fit", _our_training),
    Contender("torch", "CSR X and A, Adam", _torch_training, "torch"),
)

# ------------------------------------------------------------ all


def _cases_of(graph: str, name: str, title: str, **options: Any) -> tuple[Case, ...]:
    def case(
        task: str, what: str, contenders: tuple[Contender, ...], **more: Any
    ) -> Case:
        return Case(
            room="graph",
            name=f"{task}-{name}",
            title=f"{what}, {title}",
            contenders=contenders,
            full={"graph": graph},
            **options,
            **more,
        )

    wide = f"degree 4, {N_FEATURES} float32 features"
    return (
        case(
            "edges",
            "edges to CSR",
            _EDGES,
            build=shuffled_edges,
            bound=EXACT,
            work=_edges_work,
        ),
        case(
            "chebyshev",
            f"Chebyshev filter, {wide}",
            _FILTER,
            build=filter_inputs,
            bound=FILTER_BOUND,
            work=_filter_work,
        ),
        case(
            "chebyshev-backward",
            f"its gradients, {wide}",
            _FILTER_GRADIENTS,
            build=filter_inputs,
            bound=FILTER_BOUND,
        ),
    )


CASES = (
    *_cases_of(
        "cora_like", "like-cora", "generated, Cora's size", quick={"graph": "cora_like"}
    ),
    *_cases_of("pubmed_like", "like-pubmed", "generated, Pubmed's size"),
    *_cases_of("grid_1m", "grid", "square grid of a million nodes"),
    *_cases_of("reddit_like", "like-reddit", "generated, 20 million entries"),
    *_cases_of("rmat_1m", "rmat", "recursive-matrix graph of a million nodes"),
    Case(
        room="graph",
        name="train-cora",
        title=f"{N_EPOCHS} epochs of a graph convolutional network, Cora",
        build=cora,
        contenders=_TRAINING,
        bound=ACCURACY_BOUND,
        error=_accuracy_gap,
        error_name="difference of test accuracies",
        score=Score("test accuracy", _accuracy),
        quick={},
        needs_data=True,
    ),
)
