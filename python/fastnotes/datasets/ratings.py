"""Loaders of ratings."""

from __future__ import annotations

import numpy as np

from fastnotes.datasets._describe import documented
from fastnotes.datasets._files import DataHome, read_single_npz
from fastnotes.datasets._registry import REGISTRY
from fastnotes.datasets._results import FloatArray, IndexArray, RatingsDataset
from fastnotes.datasets.graphs import symmetric_adjacency


@documented("flixster")
def load_flixster(*, data_home: DataHome = None) -> RatingsDataset:
    """Flixster: film ratings with a neighbour graph of users and one of films.

    Returns
    -------
    RatingsDataset
        3,000 users, 3,000 items, 26,173 ratings from 0.5 to 5 in steps of 0.5;
        29,677 links between users, 25,459 between items.
    """
    info = REGISTRY["flixster"]
    parts = ("train", "test")
    keys = [f"{part}_{key}" for part in parts for key in ("user", "item", "rating_x2")]
    graphs = ("user_graph_edges", "item_graph_edges")
    arrays = read_single_npz(info, data_home, *keys, *graphs, "shape")
    n_users, n_items = arrays["shape"].tolist()

    def pairs(part: str) -> IndexArray:
        columns = [arrays[f"{part}_user"], arrays[f"{part}_item"]]
        return np.stack(columns, axis=1).astype(np.int64)

    def ratings(part: str) -> FloatArray:
        return np.divide(arrays[f"{part}_rating_x2"], 2, dtype=np.float32)

    return RatingsDataset(
        info=info,
        shape=(n_users, n_items),
        train_pairs=pairs("train"),
        train_ratings=ratings("train"),
        test_pairs=pairs("test"),
        test_ratings=ratings("test"),
        user_graph=symmetric_adjacency(arrays["user_graph_edges"], n_users),
        item_graph=symmetric_adjacency(arrays["item_graph_edges"], n_items),
    )
