"""From the parameters of a language model to what trains, checked on the way."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnotes._memory import memory_of
from fastnotes._threads import resolve_n_jobs
from fastnotes._validation import (
    as_integer,
    as_real,
    as_seed,
    check_choice,
    check_fits,
    fail,
    fail_type,
)
from fastnotes.nn.optimizers import as_max_norm
from fastnotes.recurrent._options import LSTMOptions
from fastnotes.recurrent._text_network import TextNetwork, TextSizes
from fastnotes.recurrent._text_training import Schedule
from fastnotes.recurrent._vocabulary import LEVELS, Vocabulary


def schedule_of(model: Any, where: str) -> Schedule:
    """How a model is trained."""

    def integer(name: str, low: int) -> int:
        return as_integer(getattr(model, name), where, name, low=low)

    def real(name: str, high: float | None = None) -> float:
        return as_real(getattr(model, name), where, name, low=0.0, high=high)

    check_choice(model.optimizer, where, "optimizer", ("adam", "sgd"))
    momentum = real("momentum")
    if momentum >= 1:
        fail(where, "momentum below 1", str(momentum))
    integer("verbose", 0)
    return Schedule(
        optimizer=model.optimizer,
        learning_rate=real("learning_rate"),
        learning_rate_decay=real("learning_rate_decay", high=1.0),
        decay_after=integer("decay_after", 0),
        momentum=momentum,
        max_norm=as_max_norm(model.max_norm, where),
        seq_length=integer("seq_length", 1),
        n_epochs=integer("n_epochs", 1),
        patience=None if model.patience is None else integer("patience", 1),
    )


def vocabulary_of(model: Any, text: Any, where: str) -> Vocabulary:
    """Return that of a training text."""
    level = check_choice(model.level, where, "level", LEVELS)
    if model.unknown is not None and not isinstance(model.unknown, str):
        fail_type(where, "unknown as a string or None", type(model.unknown).__name__)
    min_count = as_integer(model.min_count, where, "min_count", low=1)
    return Vocabulary.of(text, level, min_count, model.unknown, where)


def sizes_of(model: Any, vocabulary_size: int, where: str) -> TextSizes:
    """What decides the shapes of the parameters."""

    def size(name: str, high: int | None = None) -> int:
        return as_integer(getattr(model, name), where, name, low=1, high=high)

    parts = LSTMOptions.of(model, where)
    hidden = size("hidden_size")
    outputs = parts.proj_size or hidden
    embedding = outputs if model.embedding_size is None else size("embedding_size")
    if model.tie_weights and embedding != outputs:
        got = f"{embedding} and {outputs}"
        name = "proj_size" if parts.proj_size else "hidden_size"
        fail(where, f"embedding_size equal to {name} to tie weights", got)
    dropout = as_real(model.dropout, where, "dropout", low=0.0)
    if dropout >= 1:
        fail(where, "dropout below 1", str(dropout))
    return TextSizes(
        cell=model.cell,
        vocabulary_size=vocabulary_size,
        embedding_size=embedding,
        hidden_size=hidden,
        num_layers=size("num_layers", 1024),
        tie_weights=bool(model.tie_weights),
        dropout=dropout,
        window_size=size("batch_size") * size("seq_length"),
        parts=parts,
    )


def network_of(model: Any, vocabulary_size: int, where: str) -> TextNetwork:
    """Return a network before its training."""
    sizes, scale = sizes_of(model, vocabulary_size, where), model.init_scale
    options: dict[str, Any] = {
        "random_state": as_seed(model.random_state, where),
        "n_threads": resolve_n_jobs(model.n_jobs, where),
        "init_scale": None if scale is None else as_real(scale, where, "init_scale"),
        "forget_bias": as_real(model.forget_bias, where, "forget_bias"),
    }
    for name, shape in sizes.shapes().items():
        check_fits(where, name, shape, np.float32)
    with memory_of(where):
        return TextNetwork(sizes, **options)
