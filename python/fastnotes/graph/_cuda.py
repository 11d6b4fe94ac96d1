"""Graph operators on CUDA devices.

The host checks and prepares a graph once, with the code of the CPU; what the kernels
need of it is copied to the device at its first use there and kept. Products and
gradients stay on the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastnotes._cuda import Call, describe, load
from fastnotes._device import device_index, is_cuda_array, wants_cuda
from fastnotes._validation import as_real_array, check_out, fail, fail_type
from fastnotes.graph._adjacency import StoredRows, sparse_device

if TYPE_CHECKING:
    from fastnotes._core_cuda import DeviceArray
    from fastnotes.graph.laplacian import GraphOperator


def place(A: Any, device: str | None, where: str) -> tuple[str, bool, Any]:
    """Return where an operator on A runs, whether it takes NumPy arrays, and A.

    A CUDA matrix comes back as StoredRows or as a SciPy matrix.
    """
    named = wants_cuda(where, device)
    index = sparse_device(A)
    if index is None:
        load(where)
        return device or "cuda", True, A
    if device is not None and not named:
        refuse_mixture(where, A="CUDA", device="CPU")
    if device is not None and ":" in device and device_index(where, device) != index:
        fail(where, f"A on {device}", f"A on cuda:{index}")
    load(where)
    return f"cuda:{index}", device is not None, _on_host(A, where)


def refuse_mixture(where: str, **places: str) -> NoReturn:
    """Raise the TypeError for a graph and arrays that are apart."""
    text = " and ".join(
        f"{name} on {'a CUDA device' if at == 'CUDA' else 'the CPU'}"
        for name, at in places.items()
    )
    fail_type(
        where,
        'graph and arrays in one place (GraphOperator(A, device="cuda") puts a graph '
        "on a CUDA device, and copies NumPy arrays there and back)",
        text,
    )


def multiply(
    operator: GraphOperator, X: Any, out: Any, transpose: bool, where: str, name: str
) -> Any:
    """Operator, or its transpose, times X."""
    _check_places(operator, where, **{name: X, "out": out})
    n = operator.shape[0]
    on_host = not is_cuda_array(X)
    if on_host:
        X = as_real_array(X, where, name, ndim=(1, 2))
    call = Call(where, operator.device, **{name: X})
    x = _with_rows(call, name, n)
    host_out = None
    if on_host and out is not None:
        check_out(out, where, X.shape, X.dtype, X)
        host_out, out = out, None
    facts = (x.shape, x.dtype)
    y = call.empty(*facts) if out is None else call.out(out, *facts)
    factors = _graph_on(operator, call).factors(operator, x.dtype, transpose)
    call.native.graph.laplacian_matmul(*factors, x, y, call.stream)
    result = call.give(y)
    if host_out is None:
        return result
    host_out[...] = result
    return host_out


def backward(
    operator: GraphOperator, dY: Any, X: Any, edge_weights: bool, where: str
) -> Any:
    """Gradient by the features, and by the edge weights if asked for."""
    if not edge_weights:
        X = None
    elif X is None:
        fail(where, "X together with edge_weights=True", "None")
    _check_places(operator, where, dY=dY, X=X)
    if not is_cuda_array(dY):
        dY = as_real_array(dY, where, "dY", ndim=(1, 2))
        X = None if X is None else as_real_array(X, where, "X", ndim=(1, 2))
    call = Call(where, operator.device, dY=dY, X=X)
    dy = _with_rows(call, "dY", operator.shape[0])
    if edge_weights:
        x = call.real("X", (1, 2))
        if x.dtype != dy.dtype or x.shape != dy.shape:
            fail(where, f"X like dY, {describe(dy)}", describe(x))
    graph = _graph_on(operator, call)
    dx = call.empty(dy.shape, dy.dtype)
    call.native.graph.laplacian_matmul(
        *graph.factors(operator, dy.dtype, True), dy, dx, call.stream
    )
    if not edge_weights:
        return call.give(dx)
    dweights = call.empty((operator.n_entries,), dy.dtype)
    call.native.graph.edge_weight_gradients(
        *graph.normalization(operator), x, dy, dx, dweights, call.stream
    )
    return call.give(dx), call.give(dweights)


class DeviceGraph:
    """What one operator keeps on one CUDA device."""

    def __init__(self, native: Any, device: int) -> None:
        self._native = native
        self._device = device
        self._structures: dict[bool, tuple[DeviceArray, ...]] = {}
        self._factors: dict[tuple[str, bool], tuple[Any, ...]] = {}
        self._normalization: tuple[Any, ...] | None = None

    def factors(
        self, operator: GraphOperator, dtype: str, transpose: bool
    ) -> tuple[Any, ...]:
        """Arguments of the product kernel that don't depend on X."""
        key = (dtype, transpose)
        if key not in self._factors:
            _, _, *rest = operator._make_factors(np.dtype(dtype), transpose)
            structure = self._structure(operator, transpose)
            self._factors[key] = (structure, *map(self._put, rest))
        return self._factors[key]

    def normalization(self, operator: GraphOperator) -> tuple[Any, ...]:
        """Arguments of the gradient kernel that don't depend on the features."""
        if self._normalization is None:
            laplacian = operator.kind == "laplacian"
            self._normalization = (
                self._structure(operator, False),
                self._put(operator._graph.order),
                self._put(operator._graph.weights),
                self._put(operator._degree),
                self._put(operator._scale),
                self._put(operator._raised),
                self._put(operator._diagonal() if laplacian else None),
                -1.0 if laplacian else 1.0,
                operator.kind != "random_walk",
            )
        return self._normalization

    def _structure(
        self, operator: GraphOperator, transpose: bool
    ) -> tuple[DeviceArray, ...]:
        graph = operator._transposed() if transpose else operator._graph
        transpose = graph is not operator._graph
        if transpose not in self._structures:
            runs = long_rows(graph.indptr, self._native.graph.run_entries)
            arrays = (graph.indptr, graph.indices, *runs)
            self._structures[transpose] = tuple(self._put(a) for a in arrays)
        return self._structures[transpose]

    def _put(self, array: NDArray[Any] | None) -> Any:
        if array is None:
            return None
        return self._native.copy_to_device(np.ascontiguousarray(array), self._device)


def long_rows(
    indptr: NDArray[np.int64], run_entries: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
    """Rows of more than ``run_entries`` entries and the runs they are cut into.

    Returns
    -------
    rows : (count,)
        The long rows.
    first_run : (count + 1,)
        Runs of the long rows before.
    run_owner : (runs,)
        Index into ``rows``.
    """
    lengths = np.diff(indptr)
    rows = np.flatnonzero(lengths > run_entries)
    runs = -(-lengths[rows] // run_entries)
    first_run = np.concatenate([[0], np.cumsum(runs)])
    owner = np.repeat(np.arange(len(rows)), runs)
    return (
        rows.astype(np.int32),
        first_run.astype(np.int64),
        owner.astype(np.int32),
    )


def _graph_on(operator: GraphOperator, call: Call) -> DeviceGraph:
    graphs: dict[int, DeviceGraph] = operator._on_devices
    if call.device not in graphs:
        graphs[call.device] = DeviceGraph(call.native, call.device)
    return graphs[call.device]


def _with_rows(call: Call, name: str, n: int) -> DeviceArray:
    array = call.real(name, (1, 2))
    if array.shape[0] != n:
        fail(call.where, f"{name} of {n} rows", describe(array))
    return array


def _check_places(operator: GraphOperator, where: str, **arrays: Any) -> None:
    """Check that the arrays are where the operator is, or can be copied there."""
    on_cpu = operator.device == "cpu"
    for name, value in arrays.items():
        if value is None or is_cuda_array(value) != on_cpu:
            continue
        if on_cpu:
            refuse_mixture(where, A="CPU", **{name: "CUDA"})
        if not operator._takes_host_arrays:
            refuse_mixture(where, A="CUDA", **{name: "CPU"})
    wants_cuda(where, operator.device, **arrays)


def _on_host(A: Any, where: str) -> Any:
    if type(A).__module__.partition(".")[0] != "torch":
        return A.get()  # a SciPy matrix of the same format
    if str(A.layout) != "torch.sparse_csr":
        fail_type(where, "A as torch.sparse_csr", str(A.layout))
    if A.requires_grad:
        fail_type(where, "A detached from autograd", "a tensor that requires grad")
    values = A.values()
    if not values.is_complex():
        values = values.double()
    arrays = (A.crow_indices(), A.col_indices(), values)
    return StoredRows(tuple(A.shape), *(array.cpu().numpy() for array in arrays))
