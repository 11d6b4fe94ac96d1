"""What estimators learn to give: classes, labels or numbers, of sequences or steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.validation import column_or_1d

from fastnotes import _saving as saving
from fastnotes._validation import (
    RealArray,
    as_array,
    as_integer,
    as_real_array,
    check_finite,
    fail,
    fail_type,
)
from fastnotes.evidence import softmax
from fastnotes.nn import sigmoid, sigmoid_cross_entropy, softmax_cross_entropy
from fastnotes.recurrent._sequences import Ragged, is_list

Array = RealArray
#: Of dtypes that files hold, and the most outputs that a file may ask for.
_CLASS_KINDS, _MOST_OUTPUTS = "biufU", 2**20
#: y with a row for each sequence or step, and which of them have a target.
Rows = tuple[NDArray[Any], NDArray[np.bool_]]


class Targets(ABC):
    """How y becomes targets, and how outputs of the head become losses and results."""

    n_outputs: int
    #: What stands for the result at a step that there is not.
    nothing: Any

    @staticmethod
    @abstractmethod
    def read(y: Any, per_step: bool, where: str) -> Rows:
        """Check y; without ``per_step`` every row has a target."""

    @classmethod
    @abstractmethod
    def learn(cls, y: NDArray[Any], where: str) -> Targets:
        """See what there is, in rows that have a target."""

    @abstractmethod
    def encode(self, rows: Rows, where: str) -> NDArray[Any]:
        """Targets as the loss takes them, anything where there is none."""

    @abstractmethod
    def loss(
        self, output: Array, target: Any, weight: Array, n_threads: int
    ) -> tuple[float, Array]:
        """Weighted sum of losses, and its gradient."""

    @abstractmethod
    def decide(self, output: Array) -> NDArray[Any]:
        """What is predicted."""

    @abstractmethod
    def state(self, where: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and a note from which :meth:`from_note` makes it again."""

    @classmethod
    @abstractmethod
    def from_note(cls, note: dict[str, Any], where: str) -> Targets:
        """As :meth:`state` noted it, the arrays not yet filled."""


class Classes(Targets):
    """One class of several, by a softmax."""

    def __init__(self, classes: NDArray[Any]) -> None:
        self.classes = classes
        self.n_outputs = len(classes)
        self.nothing = -1 if classes.dtype.kind in "fi" else classes.dtype.type()

    @staticmethod
    def read(y: Any, per_step: bool, where: str) -> Rows:
        if not per_step:
            rows = column_or_1d(y)
            return rows, np.ones(len(rows), bool)
        if y.ndim != 1:
            fail(where, "one class a step", f"targets of shape {y.shape[1:]}")
        if y.dtype.kind == "u":
            y = y.astype(np.int64)  # where -1 has a place
        if y.dtype.kind not in "fi":
            return y, np.ones(len(y), bool)
        return y, ~(np.isnan(y) | (y == -1))

    @classmethod
    def learn(cls, y: NDArray[Any], where: str) -> Classes:
        classes = LabelEncoder().fit(y).classes_
        if len(classes) < 2:
            fail(where, "at least two classes", str(len(classes)))
        return cls(classes)

    def encode(self, rows: Rows, where: str) -> NDArray[np.int64]:
        y, present = rows
        codes = np.zeros(len(y), np.int64)
        encoder = LabelEncoder()
        encoder.classes_ = self.classes
        try:
            codes[present] = encoder.transform(y[present])
        except ValueError as error:
            fail(where, "classes that training had", str(error))
        return codes

    def loss(
        self, output: Array, target: Any, weight: Array, n_threads: int
    ) -> tuple[float, Array]:
        loss, gradient = softmax_cross_entropy(
            output, target, weight=weight, n_threads=n_threads
        )
        assert gradient is not None  # noqa: S101
        return float(loss.sum(dtype=np.float64)), gradient

    def state(self, where: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        kind = self.classes.dtype.str
        if self.classes.dtype.kind not in _CLASS_KINDS:
            fail_type(where, "classes of numbers or text", kind)
        return {}, {"classes": saving.encode(self.classes), "dtype": kind}

    @classmethod
    def from_note(cls, note: dict[str, Any], where: str) -> Classes:
        listed = saving.decode(saving.entry(note, "classes", list, where), where)
        kind = saving.entry(note, "dtype", str, where)
        try:
            dtype = np.dtype(kind)
            classes = np.array(listed, dtype)
        except (TypeError, ValueError, OverflowError, SyntaxError):
            fail(where, "classes of the dtype in the file's note", "others")
        if dtype.kind not in _CLASS_KINDS or classes.shape != (len(listed),):
            fail(where, "classes of numbers or text in the file", f"{dtype}")
        if len(classes) < 2 or (np.unique(classes) != classes).any():
            fail(where, "at least two classes in the file, sorted", "others")
        return cls(classes)

    def probabilities(self, output: Array, n_threads: int) -> Array:
        del n_threads
        return np.asarray(softmax(output, axis=1))

    def decide(self, output: Array) -> NDArray[Any]:
        return np.asarray(self.classes[output.argmax(axis=1)])


class Labels(Targets):
    """Labels that do not exclude one another, each by a sigmoid."""

    nothing = -1

    def __init__(self, n_outputs: int) -> None:
        self.n_outputs = n_outputs
        self.classes = np.arange(n_outputs)

    @staticmethod
    def read(y: Any, per_step: bool, where: str) -> Rows:
        rows = as_real_array(y, where, "y", ndim=2)
        absent = np.asarray((np.isnan(rows) | (rows == -1)).all(axis=1))
        present = ~absent if per_step else np.ones(len(rows), bool)
        if not ((rows == 0) | (rows == 1) | ~present[:, None]).all():
            fail(where, "y of 0 and 1", "others")
        return rows, present

    @classmethod
    def learn(cls, y: NDArray[Any], where: str) -> Labels:
        if y.shape[1] == 0:
            fail(where, "y with at least one label", "none")
        return cls(y.shape[1])

    def encode(self, rows: Rows, where: str) -> NDArray[np.float32]:
        y, present = rows
        if y.shape[1] != self.n_outputs:
            fail(where, f"y with {self.n_outputs} labels", str(y.shape[1]))
        return np.where(present[:, None], y, 0).astype(np.float32)

    def loss(
        self, output: Array, target: Any, weight: Array, n_threads: int
    ) -> tuple[float, Array]:
        loss, gradient = sigmoid_cross_entropy(
            output, target, weight=weight, n_threads=n_threads
        )
        assert gradient is not None  # noqa: S101
        return float(loss.sum(dtype=np.float64)), gradient

    def state(self, where: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        del where
        return {}, {"n_labels": self.n_outputs}

    @classmethod
    def from_note(cls, note: dict[str, Any], where: str) -> Labels:
        count = saving.entry(note, "n_labels", int, where)
        return cls(as_integer(count, where, "n_labels", low=1, high=_MOST_OUTPUTS))

    def probabilities(self, output: Array, n_threads: int) -> Array:
        return sigmoid(output, n_threads=n_threads)

    def decide(self, output: Array) -> NDArray[np.int64]:
        return (output > 0).astype(np.int64)


class Numbers(Targets):
    """Numbers, by the squared loss; the head sees them with deviation 1."""

    def __init__(self, mean: NDArray[np.float64], deviation: Any) -> None:
        self.mean, self.deviation = mean, deviation
        self.n_outputs = mean.size

    @staticmethod
    def read(y: Any, per_step: bool, where: str) -> Rows:
        rows = as_real_array(y, where, "y", ndim=(1, 2)).astype(np.float64)
        absent = np.asarray(np.isnan(rows.reshape(len(rows), -1)).all(axis=1))
        present = ~absent if per_step else np.ones(len(rows), bool)
        check_finite(rows[present], where, "y")
        return rows, present

    @classmethod
    def learn(cls, y: NDArray[Any], where: str) -> Numbers:
        if y.size == 0:
            fail(where, "at least one target", f"y of shape {y.shape}")
        deviation = y.std(axis=0)
        return cls(y.mean(axis=0), np.where(deviation > 0, deviation, 1.0))

    def encode(self, rows: Rows, where: str) -> NDArray[np.float32]:
        y, present = rows
        if y.shape[1:] != self.mean.shape:
            fail(where, f"targets of shape {self.mean.shape}", str(y.shape[1:]))
        scaled = ((y - self.mean) / self.deviation).reshape(len(y), -1)
        return np.where(present[:, None], scaled, 0).astype(np.float32)

    def loss(
        self, output: Array, target: Any, weight: Array, n_threads: int
    ) -> tuple[float, Array]:
        del n_threads
        residual = output - target
        gradient = residual * weight[:, None]
        return float(0.5 * np.vdot(gradient, residual)), gradient

    nothing = np.nan

    def decide(self, output: Array) -> NDArray[np.float64]:
        shaped = output.reshape(len(output), *self.mean.shape)
        return np.asarray(shaped * self.deviation + self.mean)

    def state(self, where: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        del where
        arrays = {
            "target_mean": self.mean.reshape(-1),
            "target_deviation": self.deviation.reshape(-1),
        }
        return arrays, {"target_shape": list(self.mean.shape)}

    @classmethod
    def from_note(cls, note: dict[str, Any], where: str) -> Numbers:
        shape = saving.entry(note, "target_shape", list, where)
        if len(shape) > 1:
            fail(where, "target_shape of at most one number in the file", "more")
        counts = [
            as_integer(n, where, "target_shape", low=1, high=_MOST_OUTPUTS)
            for n in shape
        ]
        return cls(np.zeros(counts), np.ones(counts))


def step_rows(y: Any, data: Ragged, where: str) -> NDArray[Any]:
    """Targets of steps, one after another: a list of (T_i, ...), or (B, T, ...).

    Raises
    ------
    TypeError
        For what is neither, or text beside numbers.
    ValueError
        For other shapes, naming the first sequence that has them.
    """
    count = len(data.lengths)
    if isinstance(y, np.ndarray) and y.dtype != object:
        time = int(data.lengths.max()) if data.time is None else data.time
        if y.shape[:2] != (count, time):
            fail(where, f"y of shape ({count}, {time}, ...)", str(y.shape))
        return np.asarray(y[np.arange(time) < data.lengths[:, None]])
    if not is_list(y):
        fail_type(where, "y as a list of arrays, or (B, T, ...)", type(y).__name__)
    if len(y) != count:
        fail(where, f"y for {count} sequences", str(len(y)))
    arrays = []
    for b, (each, length) in enumerate(zip(y, data.lengths, strict=True)):
        array = as_array(each, where, f"y[{b}]")
        if array.shape[:1] != (length,):
            fail(where, f"y[{b}] for {length} steps", f"shape {array.shape}")
        if length > 0:
            arrays.append(array)
    if not arrays:
        fail(where, "at least one step", "none")
    for b, array in enumerate(arrays):
        if array.shape[1:] != arrays[0].shape[1:]:
            expected = f"targets of shape {arrays[0].shape[1:]} at every step"
            fail(where, expected, str(array.shape[1:]))
        if (array.dtype.kind in "US") != (arrays[0].dtype.kind in "US"):
            fail_type(where, "targets of one kind", f"text and numbers in y[{b}]")
    return np.concatenate(arrays)
