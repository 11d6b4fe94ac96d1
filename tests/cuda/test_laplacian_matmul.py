"""Products on a CUDA device: against the reference, and the bytes of the CPU."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse

from fastnotes import _core
from fastnotes._reference import graph as reference
from fastnotes.graph import GraphOperator, laplacian_matmul
from support.cuda import ArrayKind
from support.graphs import KINDS, hub_graph, random_graph
from support.sweeps import AWKWARD_SIZES, DTYPES, assert_same_bytes
from support.tolerances import REDUCTION

WIDTHS = (*AWKWARD_SIZES, 4, 12, 20, 63, 64, 65, 100, 128)


def features(n: int, *shape: int, dtype: type = np.float64):
    return np.random.default_rng(1).standard_normal((n, *shape)).astype(dtype)


def on_cuda(A, operator_kind: str = "renormalized", **options) -> GraphOperator:
    return GraphOperator(A, operator_kind, device="cuda", **options)


def assert_like_the_cpu(got: np.ndarray, expected: np.ndarray) -> None:
    """The same bytes where the CPU has the device's fused multiply-add."""
    if _core.describe()["active"] != "v2":
        assert_same_bytes(got, expected)
    else:
        REDUCTION.assert_close(got, expected)


# ------------------------------------------------------------------ against reference


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operator_kind", KINDS)
@pytest.mark.parametrize("n", AWKWARD_SIZES)
def test_any_number_of_nodes(n, operator_kind, dtype):
    for weighted, directed in [(False, False), (True, False), (True, True)]:
        A = random_graph(n, weighted=weighted, directed=directed, seed=n)
        X = features(n, 5, dtype=dtype)
        operator, host = on_cuda(A, operator_kind), GraphOperator(A, operator_kind)
        expected = reference.laplacian_matrix(A, operator_kind)
        got, transposed = operator @ X, operator.T @ X
        assert got.dtype == transposed.dtype == dtype
        REDUCTION.assert_close(got, expected @ X.astype(float))
        REDUCTION.assert_close(transposed, expected.T @ X.astype(float))
        assert_like_the_cpu(got, host @ X)
        assert_like_the_cpu(transposed, host.T @ X)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_columns", WIDTHS)
def test_any_number_of_columns(n_columns, dtype):
    """Sparse graphs gather in place, the denser one from packed features."""
    for degree in (3.0, 20.0):
        for weighted in (False, True):
            A = random_graph(60, weighted=weighted, directed=True, degree=degree)
            X = features(60, n_columns, dtype=dtype)
            for operator_kind in ("laplacian", "random_walk"):
                expected = GraphOperator(A, operator_kind)
                got = on_cuda(A, operator_kind)
                assert_like_the_cpu(got @ X, expected @ X)
                assert_like_the_cpu(got.T @ X, expected.T @ X)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("operator_kind", KINDS)
def test_rows_longer_than_a_run(operator_kind, weighted, dtype):
    A = hub_graph(weighted=weighted)
    host, operator = GraphOperator(A, operator_kind), on_cuda(A, operator_kind)
    for n_columns in (1, 3, 20, 64, 70):
        X = features(777, n_columns, dtype=dtype)
        got = operator @ X
        assert_like_the_cpu(got, host @ X)
        expected = reference.laplacian_matmul(A, X.astype(float), operator_kind)
        REDUCTION.assert_close(got, expected)
        assert_like_the_cpu(operator.T @ X, host.T @ X)


def test_a_hub_of_many_runs():
    n = 40_000
    hub = scipy.sparse.coo_array((np.ones(n), (np.zeros(n, int), np.arange(n))), (n, n))
    A = (hub + hub.T).tocsr()
    X = features(n, 33, dtype=np.float32)
    assert_like_the_cpu(on_cuda(A) @ X, GraphOperator(A) @ X)


def test_more_features_than_one_pass_holds():
    A = random_graph(600, degree=20.0)
    X = np.random.default_rng(1).random((600, 90_001), np.float32)  # over 192 MiB
    assert_like_the_cpu(on_cuda(A) @ X, GraphOperator(A) @ X)


# ------------------------------------------------------------------ kinds of arrays


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_kind_of_array(kind: ArrayKind, dtype):
    A = random_graph(50, weighted=True, directed=True)
    X = features(50, 12, dtype=dtype)
    host, operator = GraphOperator(A), on_cuda(A)
    got = operator @ kind.put(X)
    assert isinstance(got, kind.type)
    assert_like_the_cpu(kind.get(got), host @ X)
    assert_like_the_cpu(
        kind.get(operator.T @ kind.put(X[:, 0].copy())), host.T @ X[:, 0]
    )
    got = laplacian_matmul(A, kind.put(X), kind="laplacian", device="cuda")
    assert isinstance(got, kind.type)
    assert_like_the_cpu(kind.get(got), laplacian_matmul(A, X, kind="laplacian"))


def test_out_is_filled_and_returned(kind: ArrayKind):
    if kind.name == "jax":
        pytest.skip("JAX arrays are not written to")
    A = random_graph(30, weighted=True)
    X = features(30, 9)
    out = kind.put(np.full((30, 9), np.nan))
    operator = on_cuda(A)
    assert operator.matmul(kind.put(X), out=out) is out
    assert_like_the_cpu(kind.get(out), GraphOperator(A) @ X)
    assert operator.rmatmul(kind.put(X), out=out) is out


def test_unaligned_features(kind: ArrayKind):
    if kind.name not in ("torch", "cupy"):
        pytest.skip("only torch and CuPy cut views out of an array")
    flat = features(60 * 8 + 1, dtype=np.float32)
    for degree in (3.0, 30.0):
        A = random_graph(60, degree=degree)
        X = kind.put(flat)[1:].reshape(60, 8)
        out = kind.put(flat)[1:].reshape(60, 8)
        expected = GraphOperator(A) @ flat[1:].reshape(60, 8)
        on_cuda(A).matmul(X, out=out)
        assert_like_the_cpu(kind.get(out), expected)


def torch_csr(A, index="int64"):
    torch = pytest.importorskip("torch")
    arrays = (torch.from_numpy(a).cuda() for a in (A.indptr, A.indices))
    starts, columns = (a.to(getattr(torch, index)) for a in arrays)
    values = torch.from_numpy(A.data).cuda()
    with warnings.catch_warnings():  # torch's own: the layout is in beta, unchecked
        warnings.simplefilter("ignore")
        return torch.sparse_csr_tensor(starts, columns, values, size=A.shape)


def cupy_csr(A):
    return pytest.importorskip("cupyx.scipy.sparse").csr_matrix(A)


@pytest.mark.parametrize("make", [torch_csr, cupy_csr])
def test_sparse_matrices_on_the_device(make):
    A = random_graph(40, weighted=True, directed=True)
    X = features(40, 6)
    B = make(A)
    put = pytest.importorskip("torch").from_numpy(X).cuda()
    operator = GraphOperator(B, "laplacian")
    assert operator.device == "cuda:0"
    got = (operator @ put).cpu().numpy()
    assert_like_the_cpu(got, laplacian_matmul(A, X, kind="laplacian"))
    assert_same_bytes(laplacian_matmul(B, put, kind="laplacian").cpu().numpy(), got)
    moved = laplacian_matmul(B, X, kind="laplacian", device="cuda")
    assert_same_bytes(moved, got)
    with pytest.raises(TypeError, match="got A on a CUDA device and X on the CPU"):
        operator @ X
    with pytest.raises(TypeError, match="got A on a CUDA device and device on the CPU"):
        GraphOperator(B, device="cpu")
    with pytest.raises(ValueError, match="A on cuda:7"):
        GraphOperator(B, device="cuda:7")


def test_hostile_matrices_on_the_device():
    torch = pytest.importorskip("torch")
    parts = [torch.tensor(v).cuda() for v in ([0, 1, 1], [5], [1.0])]
    with torch.sparse.check_sparse_tensor_invariants(enable=False):
        wild = torch.sparse_csr_tensor(*parts, size=(2, 2))
    with pytest.raises(ValueError, match=r"\[graph.GraphOperator\] expected indices"):
        GraphOperator(wild)
    tensor = torch_csr(random_graph(4))
    with pytest.raises(TypeError, match="expected A as torch.sparse_csr, got"):
        GraphOperator(tensor.to_sparse_coo())
    with pytest.raises(TypeError, match="expected A as a SciPy sparse"):
        GraphOperator(tensor.to_dense())
    with pytest.raises(TypeError, match="A detached from autograd"):
        GraphOperator(tensor.requires_grad_())


# ------------------------------------------------------------------ bits and streams


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_same_bytes_every_time(weighted, dtype):
    A = hub_graph(weighted=weighted)
    X = features(777, 70, dtype=dtype)
    operator = on_cuda(A)
    first = operator @ X
    for _ in range(5):
        assert_same_bytes(operator @ X, first)


def test_a_column_does_not_depend_on_the_other_columns():
    A = hub_graph(weighted=True)
    X = features(777, 70, dtype=np.float32)
    operator = on_cuda(A, "laplacian")
    whole = operator @ X
    for first, last in [(0, 1), (3, 20), (5, 69), (64, 70)]:
        part = np.ascontiguousarray(X[:, first:last])
        assert_same_bytes(operator @ part, np.ascontiguousarray(whole[:, first:last]))


def test_another_stream():
    torch = pytest.importorskip("torch")
    A = hub_graph()
    X = features(777, 64, dtype=np.float32)
    expected = GraphOperator(A) @ X
    operator = on_cuda(A)  # its arrays are copied on the first use, in the stream
    source = torch.from_numpy(X).cuda()
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        late = torch.zeros_like(source)
        torch.cuda._sleep(20_000_000)
        late.copy_(source)
        got = operator @ late
        late.zero_()
    stream.synchronize()
    assert_like_the_cpu(got.cpu().numpy(), expected)


# ------------------------------------------------------------------ edges


@pytest.mark.parametrize("isolated", ["one", "zero"])
def test_isolated_nodes_follow_the_policy(isolated):
    A = scipy.sparse.csr_array(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0.0]]))
    X = features(3, 4)
    for operator_kind in KINDS:
        got = on_cuda(A, operator_kind, isolated=isolated) @ X
        assert_same_bytes(got, GraphOperator(A, operator_kind, isolated=isolated) @ X)


@pytest.mark.parametrize("degree", [2.0, 20.0])
def test_nan_reaches_only_neighbours(degree):
    A = random_graph(200, degree=degree)
    X = features(200, 8)
    X[0], X[1] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        expected = GraphOperator(A, "adjacency") @ X
    got = on_cuda(A, "adjacency") @ X
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    np.testing.assert_array_equal(np.nan_to_num(got), np.nan_to_num(expected))


def test_an_operator_is_pickled_without_its_device_arrays():
    A = random_graph(20, weighted=True)
    X = features(20, 3)
    operator = on_cuda(A)
    expected = operator @ X
    again = pickle.loads(pickle.dumps(operator))
    assert again.device == "cuda"
    assert_same_bytes(again @ X, expected)


# ------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda a: a[:3], ValueError, "X of 4 rows, got float64 of shape"),
        (lambda a: a.reshape(2, 2, 3), ValueError, "X with 1 or 2 dimension"),
        (lambda a: a.astype(np.int32), TypeError, "X of dtype float32 or float64"),
        (lambda a: a.astype(np.float16), TypeError, "X of dtype float32 or float64"),
    ],
)
def test_wrong_features(kind: ArrayKind, change, error, text):
    if kind.name == "numpy" and error is TypeError:
        pytest.skip("NumPy arrays of other dtypes are converted")
    operator = on_cuda(random_graph(4))
    with pytest.raises(error, match=rf"\[graph.GraphOperator.matmul\] expected {text}"):
        operator @ kind.put(change(np.ones((4, 3))))


def test_strided_arrays_are_refused():
    torch = pytest.importorskip("torch")
    X = torch.ones((4, 6), device="cuda")
    operator = on_cuda(random_graph(4))
    for strided in (X[:, ::2], torch.ones((3, 4), device="cuda").T):
        with pytest.raises(ValueError, match="expected X C-contiguous"):
            operator @ strided
    with pytest.raises(ValueError, match="expected out C-contiguous"):
        operator.matmul(X[:, :3].contiguous(), out=X[:, ::2])


def test_wrong_out(kind: ArrayKind):
    if kind.name == "jax":
        pytest.skip("JAX arrays are not written to")
    operator = on_cuda(random_graph(4))
    X = kind.put(np.ones((4, 2)))
    for out in (np.empty((4, 3)), np.empty((4, 2), np.float32)):
        with pytest.raises(ValueError, match="expected out as float64 of shape"):
            operator.matmul(X, out=kind.put(out))
    with pytest.raises(ValueError, match="expected out apart from"):
        operator.matmul(X, out=X)


def test_arrays_in_two_places_are_refused():
    torch = pytest.importorskip("torch")
    A, X = random_graph(4), np.ones((4, 2))
    cuda = torch.from_numpy(X).cuda()
    with pytest.raises(TypeError, match="got A on the CPU and X on a CUDA device"):
        laplacian_matmul(A, cuda)
    with pytest.raises(TypeError, match="got X on a CUDA device and out on the CPU"):
        on_cuda(A).matmul(cuda, out=np.empty((4, 2)))
    with pytest.raises(TypeError, match="got out on a CUDA device and X on the CPU"):
        on_cuda(A).matmul(X, out=cuda)


def test_running_out_of_memory_leaves_everything_usable():
    torch = pytest.importorskip("torch")
    A = random_graph(200_000, degree=20.0)
    X = features(200_000, dtype=np.float32)
    operator, cuda = on_cuda(A), torch.from_numpy(X).cuda()
    out = torch.empty_like(cuda)
    taken, size = [], torch.cuda.mem_get_info()[0]
    while size >= 1 << 21:
        try:
            taken.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
        except torch.OutOfMemoryError:  # noqa: PERF203 (that it fails is the point)
            size //= 2
    with pytest.raises(MemoryError, match="CUDA is out of memory"):
        operator.matmul(cuda, out=out)
    taken.clear()
    torch.cuda.empty_cache()
    operator.matmul(cuda, out=out)
    assert_like_the_cpu(out.cpu().numpy(), GraphOperator(A) @ X)
