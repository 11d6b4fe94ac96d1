"""Language models and checkpoints of their training in files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes import _saving as saving
from fastnotes._validation import check_choice, describe, fail
from fastnotes.nn.training import restore
from fastnotes.recurrent._streams import Streams
from fastnotes.recurrent._text_settings import network_of, schedule_of, sizes_of
from fastnotes.recurrent._text_training import Record, Training
from fastnotes.recurrent._vocabulary import LEVELS, Vocabulary

#: Parameters that may differ when a training is resumed.
FREE = {"n_epochs", "patience", "n_jobs", "verbose", "callbacks"}


class Origin(NamedTuple):
    """What a training learns from."""

    vocabulary: Vocabulary
    #: (V,), how often each stands in the text.
    counts: NDArray[np.int64]
    digest: str


def digest(streams: Streams, held_out: Streams | None) -> str:
    """Return a hash of the texts."""
    found = hashlib.sha256()
    for each in (streams, held_out):
        for window in () if each is None else each.windows(2**16):
            for ids in window:
                found.update(ids.astype("<i8").tobytes())
        found.update(b"end")
    return found.hexdigest()


# ------------------------------------------------------------ writing


def write_model(model: Any, path: Any, where: str) -> None:
    """Write a fitted estimator."""
    arrays = {**model._network.parameters, "counts": model._origin.counts}
    saving.write_file(path, arrays, _note(model, model._origin, model._record), where)


def write_checkpoint(
    model: Any, training: Training, origin: Origin, path: Any, where: str
) -> None:
    """Write an estimator in training, with all that the next epoch depends on."""
    arrays = {**training.arrays(), "counts": origin.counts}
    state = {"n_tokens": training.network.n_tokens, "texts": origin.digest}
    note = {**_note(model, origin, training.record), "training": state}
    saving.write_file(path, arrays, note, where)


def _note(model: Any, origin: Origin, record: Record) -> dict[str, Any]:
    names = origin.vocabulary.names
    return {
        **saving.estimator_note(model),
        "vocabulary": None if names is None else list(names),
        "history": record.note(),
    }


# ------------------------------------------------------------ reading


def read_model(kind: Any, path: Any, where: str) -> Any:
    """Return the estimator of a file: all of it is checked before one is built."""
    arrays, note = saving.read_file(path, where)
    model = kind(**saving.constructor_parameters(note, kind, where))
    schedule_of(model, where)
    record = Record.of(saving.entry(note, "history", dict, where), where)
    counts = _counts(arrays.pop("counts", None), where)
    vocabulary = _vocabulary(model, note, counts.size, where)
    shapes = sizes_of(model, vocabulary.size, where).shapes()
    if "training" in note:
        arrays = _of_checkpoint(arrays, record)
    expected = {
        name: saving.Expected(each, np.float32) for name, each in shapes.items()
    }
    saving.check_arrays(arrays, expected, where)
    network = network_of(model, vocabulary.size, where)
    restore(network.parameters, arrays)
    model._keep(network, Origin(vocabulary, counts, ""), record)
    return model


def _of_checkpoint(arrays: saving.Arrays, record: Record) -> dict[str, Any]:
    """The parameters that a training would have kept: the best, or the last."""
    if record.history.best_epoch is None:
        return {name: array for name, array in arrays.items() if "/" not in name}
    return {
        name.removeprefix("best/"): array
        for name, array in arrays.items()
        if name.startswith("best/")
    }


def _counts(counts: Any, where: str) -> NDArray[np.int64]:
    if counts is None or counts.ndim != 1 or counts.dtype != np.int64:
        got = "none" if counts is None else describe(counts)
        fail(where, "counts in the file as int64 of shape (V,)", got)
    if not counts.any() or counts.min() < 0:
        fail(where, "counts in the file that are >= 0, not all 0", "others")
    return counts  # type: ignore[no-any-return]


def _vocabulary(
    model: Any, note: Mapping[str, Any], size: int, where: str
) -> Vocabulary:
    names = saving.entry(note, "vocabulary", (list, type(None)), where)
    level = check_choice(model.level, where, "level", LEVELS)
    if names is None:
        return Vocabulary(level, None, size, None)
    if not all(isinstance(name, str) for name in names):
        fail(where, "'vocabulary' in the file's note as strings", "others")
    if not len(set(names)) == len(names) == size:
        got = f"{len(set(names))} of {len(names)}"
        fail(where, f"{size} distinct names in the file's vocabulary", got)
    if model.unknown is not None and model.unknown not in names:
        fail(where, "unknown in the file's vocabulary", "another")
    return Vocabulary(level, tuple(names), size, model.unknown)


def resume(
    model: Any, training: Training, origin: Origin, path: Any, where: str
) -> None:
    """Make a training the one of a checkpoint."""
    arrays, note = saving.read_file(path, where)
    given = saving.constructor_parameters(note, type(model), where)
    for name, value in model.get_params(deep=False).items():
        if name not in FREE and (name not in given or given[name] != value):
            got = f"{value!r}, and {given.get(name)!r} in the checkpoint"
            fail(where, f"{name} as in the checkpoint", got)
    names = saving.entry(note, "vocabulary", (list, type(None)), where)
    mine = origin.vocabulary.names
    state = saving.entry(note, "training", dict, where)
    same = saving.entry(state, "texts", str, where) == origin.digest
    if not same or names != (None if mine is None else list(mine)):
        fail(where, "text and validation as in the checkpoint", "others")
    record = Record.of(saving.entry(note, "history", dict, where), where)
    n_tokens = saving.entry(state, "n_tokens", int, where)
    counts = saving.Expected(origin.counts.shape, np.int64)
    saving.check_arrays(arrays, {**training.expected(), "counts": counts}, where)
    training.resume(arrays, record, n_tokens, where)
