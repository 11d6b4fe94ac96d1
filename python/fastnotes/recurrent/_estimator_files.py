"""Files of the estimators of sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnotes import _saving as saving
from fastnotes._validation import as_integer, fail
from fastnotes.nn.training import History
from fastnotes.recurrent._options import LSTMOptions

#: Names of what :func:`fastnotes.recurrent._estimator._scaling` finds.
SCALING = ("feature_mean", "feature_factor")


def save(model: Any, path: Any, where: str) -> None:
    """Write a fitted estimator."""
    arrays, learned = model._targets.state(where)
    arrays.update(model._network.parameters)
    if model._scaling is not None:
        arrays.update(zip(SCALING, model._scaling, strict=True))
    note = {
        **saving.estimator_note(model),
        "n_features": model.n_features_in_,
        "standardized": model._scaling is not None,
        "targets": learned,
        "history": saving.encode(model.history_),
        "best_epoch": model.best_epoch_,
    }
    saving.write_file(path, arrays, note, where)


def load(kind: Any, path: Any, where: str) -> Any:
    """Read an estimator of class ``kind``."""
    arrays, note = saving.read_file(path, where)
    model = kind(**saving.constructor_parameters(note, kind, where))
    n_threads = model._loop(where).n_threads
    n_features = saving.entry(note, "n_features", int, where)
    learned = saving.entry(note, "targets", dict, where)
    targets = model._kind(where).from_note(learned, where)
    _check_sizes(model, n_features, targets.n_outputs, arrays, where)
    stack = model._stack(n_features, n_threads, where)
    network = model._network_on(stack, targets.n_outputs, n_threads)
    into = {**targets.state(where)[0], **network.parameters}
    if saving.entry(note, "standardized", bool, where):
        into.update({name: np.empty(n_features, np.float32) for name in SCALING})
    expected = {name: saving.Expected(a.shape, a.dtype) for name, a in into.items()}
    saving.check_arrays(arrays, expected, where)
    for name, array in into.items():
        array[...] = arrays[name]
    model._network, model._targets = network, targets
    model._scaling = tuple(into[n] for n in SCALING) if SCALING[0] in into else None
    model.n_features_in_ = n_features
    model._keep(History.from_note(note, where))
    return model


def _check_sizes(
    model: Any, n_features: int, n_outputs: int, arrays: saving.Arrays, where: str
) -> None:
    """Refuse sizes that the file's arrays have not, before memory is asked for."""
    hidden = as_integer(model.hidden_size, where, "hidden_size", low=1)
    n_layers = as_integer(model.num_layers, where, "num_layers", low=1, high=1024)
    outputs = LSTMOptions.of(model, where).proj_size or hidden
    sizes = {f"weight_hh_l{layer}": (hidden, outputs) for layer in range(n_layers)}
    sizes |= {"weight_ih_l0": (hidden, n_features), "head_weight": (outputs, n_outputs)}
    for name, (least, count) in sizes.items():
        shape = arrays[name].shape if name in arrays else ()
        if len(shape) != 2 or shape[0] < least or shape[1] != count:
            fail(where, f"{name} with {count} columns in the file", f"shape {shape}")
