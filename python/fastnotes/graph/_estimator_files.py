"""Files of the classifiers of nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnotes import _saving as saving
from fastnotes._threads import resolve_n_jobs
from fastnotes._validation import as_integer, fail
from fastnotes.graph._network import Outputs
from fastnotes.nn.training import History


def save(model: Any, path: Any, where: str) -> None:
    """Write a fitted classifier."""
    arrays = {
        **model._network.parameters,
        "classes": model.classes_,
        **model._outputs._asdict(),
    }
    note = {
        **saving.estimator_note(model),
        "n_features": model.n_features_in_,
        "n_nodes": len(model._outputs.logits),
        "history": saving.encode(model.history_),
        "best_epoch": model.best_epoch_,
    }
    saving.write_file(path, arrays, note, where)


def load(kind: Any, path: Any, where: str) -> Any:
    """Read a classifier of class ``kind``."""
    arrays, note = saving.read_file(path, where)
    model = kind(**saving.constructor_parameters(note, kind, where))
    n_threads = resolve_n_jobs(model.n_jobs, where)
    n_features, n_nodes = (
        as_integer(saving.entry(note, name, int, where), where, name, low=low)
        for name, low in (("n_features", 1), ("n_nodes", 0))
    )
    n_classes = arrays["classes"].size if "classes" in arrays else 0
    if n_classes < 2:
        fail(where, "classes in the file", f"{n_classes}")
    sizes = model._sizes(n_features, n_classes, where)
    _check_sizes(sizes, arrays, where)
    network = model._network_of(n_features, n_classes, n_threads, where)
    expected = {
        name: saving.Expected(array.shape, array.dtype)
        for name, array in network.parameters.items()
    }
    expected["classes"] = saving.Expected((n_classes,), np.int64)
    for name, columns in (("logits", n_classes), ("embedding", sizes[-2])):
        wide = n_classes if len(sizes) == 2 else columns
        expected[name] = saving.Expected((n_nodes, wide), np.float32)
    saving.check_arrays(arrays, expected, where)
    if (np.diff(arrays["classes"]) <= 0).any() or arrays["classes"][0] < 0:
        fail(where, "classes in ascending order", "others")
    for name, array in network.parameters.items():
        array[...] = arrays[name]
    model._network, model.classes_ = network, arrays["classes"]
    model._outputs = Outputs(arrays["logits"], arrays["embedding"])
    model.n_features_in_ = n_features
    model._keep(History.from_note(note, where))
    return model


def _check_sizes(sizes: list[int], arrays: saving.Arrays, where: str) -> None:
    """Refuse sizes that the file's weights have not, before memory is asked for."""
    for i in range(len(sizes) - 1):
        name, ends = f"weight_{i}", (sizes[i], sizes[i + 1])
        shape = arrays[name].shape if name in arrays else ()
        if shape[-2:] != ends:
            fail(where, f"{name} of shape {ends} in the file", f"shape {shape}")
