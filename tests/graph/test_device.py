"""What needs no GPU: who is sent to a CUDA device, and what is refused before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes import _cuda
from fastnotes.graph import GraphOperator, laplacian_matmul
from fastnotes.graph._adjacency import StoredRows, read_adjacency
from fastnotes.graph._cuda import long_rows
from support.graphs import random_graph

A = random_graph(4, weighted=True, degree=6.0)
HOST = np.ones((4, 2))


class FakeCudaArray:
    """What an array on a CUDA device shows of itself, without one."""

    shape = (4, 2)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0


class FakeTensor:
    """A CUDA matrix of torch, without one."""

    is_cuda = True
    device = type("Device", (), {"index": 0})()
    layout = "torch.sparse_csr"


FakeTensor.__module__ = "torch"


def test_a_cuda_array_and_a_graph_on_the_cpu():
    wanted = r'GraphOperator\(A, device="cuda"\).* got A on the CPU and {} on a CUDA'
    cuda: Any = FakeCudaArray()
    with pytest.raises(TypeError, match=wanted.format("X")):
        laplacian_matmul(A, cuda)
    operator = GraphOperator(A)
    for call in (operator.matmul, operator.__matmul__):
        with pytest.raises(TypeError, match=wanted.format("X")):
            call(cuda)
    with pytest.raises(TypeError, match=wanted.format("Y")):
        operator.T @ cuda
    with pytest.raises(TypeError, match=wanted.format("dY")):
        operator.backward(cuda)
    with pytest.raises(TypeError, match=wanted.format("X")):
        operator.backward(HOST, cuda, edge_weights=True)
    with pytest.raises(TypeError, match=wanted.format("out")):
        operator.matmul(HOST, out=cuda)


@pytest.mark.parametrize(
    ("device", "error", "text"),
    [
        ("gpu", ValueError, "expected device as 'cpu', 'cuda' or"),
        ("cuda:x", ValueError, "expected device as 'cpu', 'cuda' or"),
        (0, TypeError, "expected device as a string or None, got int"),
    ],
)
def test_wrong_devices(device, error, text):
    with pytest.raises(error, match=rf"\[graph.GraphOperator\] {text}"):
        GraphOperator(A, device=device)
    with pytest.raises(error, match=rf"\[graph.laplacian_matmul\] {text}"):
        laplacian_matmul(A, HOST, device=device)


def test_the_cpu_can_be_named():
    assert GraphOperator(A).device == GraphOperator(A, device="cpu").device == "cpu"
    assert (laplacian_matmul(A, HOST, device="cpu") == GraphOperator(A) @ HOST).all()


def test_a_cuda_matrix_is_not_taken_to_the_cpu():
    with pytest.raises(TypeError, match="got A on a CUDA device and device on the CPU"):
        GraphOperator(FakeTensor(), device="cpu")
    with pytest.raises(ValueError, match="expected A on cuda:1, got A on cuda:0"):
        GraphOperator(FakeTensor(), device="cuda:1")


@pytest.mark.parametrize("matrix", [A, FakeTensor()])
def test_cuda_where_it_is_absent(matrix):
    if _cuda.state()["available"]:
        pytest.skip("CUDA is available here")
    with pytest.raises(RuntimeError, match=r"^\[graph.GraphOperator\] CUDA is not"):
        GraphOperator(matrix, device="cuda")


def test_matrices_brought_to_the_host_are_checked():
    rows = StoredRows((4, 4), A.indptr, A.indices, A.data)
    read, expected = (read_adjacency(B, "graph.test", 1) for B in (rows, A))
    assert read.has_same_entries(expected)
    for bad in (rows._replace(shape=(4, 5)), rows._replace(indices=A.indices + 4)):
        with pytest.raises(ValueError, match=r"\[graph.test\] expected"):
            read_adjacency(bad, "graph.test", 1)


def test_rows_are_cut_into_runs():
    lengths = [3, 4, 5, 0, 9, 8, 1]
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    rows, first_run, owner = long_rows(indptr, 4)
    assert rows.tolist() == [2, 4, 5]
    assert first_run.tolist() == [0, 2, 5, 7]
    assert owner.tolist() == [0, 0, 1, 1, 1, 2, 2]
    for array in long_rows(np.zeros(1, np.int64), 4):
        assert array.sum() == 0
