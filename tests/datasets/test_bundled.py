"""scikit-learn's sets and the generated graph."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes import datasets


@pytest.mark.parametrize(
    ("name", "shape", "n_classes"),
    [
        ("breast_cancer", (569, 30), 2),
        ("diabetes", (442, 10), 0),
        ("iris", (150, 4), 3),
        ("wine", (178, 13), 3),
    ],
)
def test_tables(name, shape, n_classes):
    data = getattr(datasets, f"load_{name}")()
    assert data.X.shape == shape
    assert data.X.dtype == np.float64
    assert data.X.flags.c_contiguous
    assert len(data.feature_names) == shape[1]
    assert len(data.target_names) == n_classes
    assert data.y.dtype == (np.int64 if n_classes else np.float64)


def test_digits():
    data = datasets.load_digits()
    assert data.images.shape == (1797, 8, 8)
    assert data.images.dtype == np.uint8
    assert data.images.max() == 16
    assert np.unique(data.y).tolist() == list(range(10))
    assert repr(data) == "ImageDataset(digits, images=(1797, 8, 8), y=(1797,))"


def test_power_law_graph():
    graph = datasets.make_power_law_graph(3000, 8.0, 2.5, random_state=1)
    assert graph.shape == (3000, 3000)
    assert graph.nnz == 24000
    assert graph.dtype == np.float32
    assert graph.has_canonical_format
    assert (graph.diagonal() == 0).all()
    assert (graph != graph.T).nnz == 0
    degrees = np.diff(graph.indptr)
    assert degrees.max() > 20 * degrees.mean()
    again = datasets.make_power_law_graph(3000, 8.0, 2.5, random_state=1)
    assert np.array_equal(graph.indices, again.indices)
    other = datasets.make_power_law_graph(3000, 8.0, 2.5, random_state=2)
    assert not np.array_equal(graph.indices, other.indices)


def test_power_law_tail_has_the_exponent():
    # The number of nodes of degree >= d falls as d ** (1 - exponent).
    graph = datasets.make_power_law_graph(50000, 10.0, 3.0, random_state=0)
    degrees = np.diff(graph.indptr)
    ratio = (degrees >= 20).sum() / (degrees >= 80).sum()
    assert 8 < ratio < 32  # 4 ** 2 = 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1,), "n_nodes >= 2, got 1"),
        ((10, 0.0), "mean_degree"),
        ((10, 4.6), "mean_degree <= 4.5, got 4.6"),
        ((10, float("nan")), "mean_degree"),
        ((10, 2.0, 2.0), "exponent > 2, got 2.0"),
        ((10, 2.0, float("nan")), "exponent"),
    ],
)
def test_power_law_graph_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.make_power_law_graph(*arguments)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [((10.5,), {}), (("10",), {}), ((10, 2j), {}), ((10, 2.0), {"random_state": "x"})],
)
def test_power_law_graph_refuses_what_is_no_number(arguments, options):
    with pytest.raises(TypeError, match=r"\[datasets.make_power_law_graph\] expected"):
        datasets.make_power_law_graph(*arguments, **options)


@pytest.mark.parametrize("n_nodes", [3, 7, 16])
def test_smallest_power_law_graphs(n_nodes):
    graph = datasets.make_power_law_graph(n_nodes, (n_nodes - 1) / 2, 2.1)
    assert 0 < graph.nnz <= 2 * round(n_nodes * (n_nodes - 1) / 4)
