"""The loop that trains a network: batches, validation, early stopping, progress."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnotes import _saving as saving
from fastnotes._core import native
from fastnotes._progress import Progress
from fastnotes._validation import RealArray, as_integer, as_real, fail
from fastnotes.nn.optimizers import Optimizer, clip_gradients

#: Philox purpose of the order of rows.
ORDER_PURPOSE = 0x6E6E0001


class Task(Protocol):
    """What is trained."""

    #: Changed in place.
    parameters: dict[str, RealArray]

    def gradients(
        self, rows: NDArray[np.int64]
    ) -> tuple[float, float, Mapping[str, RealArray]]:
        """Loss summed over a batch, its weight, and the gradients of their quotient."""

    def validate(self) -> float | None:
        """Loss on what is held out, or None."""


@dataclass(frozen=True)
class Loop:
    """How a task is trained.

    Parameters
    ----------
    n_epochs, batch_size
        Passes over the rows, and rows of a step.
    seed
        Of the order of rows.
    max_norm
        Gradients are clipped to it; infinity leaves them.
    patience
        Epochs without a better validation loss after which training stops; None: never.
        The best epoch's parameters are kept wherever there is a validation loss.
    verbose
        Whether to show progress.
    n_threads
        Threads for the optimizer.
    learning_rate_decay, decay_after
        See :func:`decayed`; the rate is the optimizer's.
    after_epoch
        Called with the epoch, from 0 on, once it is over; True stops the training.
    """

    n_epochs: int
    batch_size: int
    seed: int
    max_norm: float = math.inf
    patience: int | None = None
    verbose: bool = False
    n_threads: int = 1
    learning_rate_decay: float = 1.0
    decay_after: int = 0
    after_epoch: Callable[[int], bool] | None = None

    def run(
        self,
        task: Task,
        n_rows: int,
        optimizer: Optimizer,
        where: str,
        history: History,
    ) -> None:
        """Train; ``history`` and the parameters are those of finished epochs always.

        Raises
        ------
        FloatingPointError
            If the loss is not finite any more, naming the epoch.
        KeyboardInterrupt
            After Ctrl-C.
        """
        best = kept = copied(task.parameters)
        rate = optimizer.learning_rate
        progress = Progress(self.n_epochs, self.verbose, "epoch")
        try:
            for epoch in range(self.n_epochs):
                optimizer.learning_rate = decayed(
                    rate, self.learning_rate_decay, self.decay_after, epoch
                )
                loss = self._epoch(task, n_rows, optimizer, epoch, where)
                validation = task.validate()
                kept = copied(task.parameters)
                if history.add(loss, validation):
                    best = kept
                progress.update(epoch + 1, history.line)
                asked = self.after_epoch is not None and self.after_epoch(epoch)
                if asked or history.is_stale(self.patience):
                    break
        except BaseException:
            restore(task.parameters, kept)
            raise
        finally:
            progress.close(len(history.loss), history.line)
        if history.best_epoch is not None:
            restore(task.parameters, best)

    def _epoch(
        self, task: Task, n_rows: int, optimizer: Optimizer, epoch: int, where: str
    ) -> float:
        order = shuffled(n_rows, self.seed, epoch)
        total = weights = 0.0
        for first in range(0, n_rows, self.batch_size):
            rows = order[first : first + self.batch_size]
            loss, weight, gradients = task.gradients(rows)
            clipped_step(
                optimizer, gradients, loss, self.max_norm, epoch, where, self.n_threads
            )
            total += loss
            weights += weight
        return total / weights if weights else 0.0


@dataclass
class History:
    """Losses of the epochs.

    Attributes
    ----------
    loss, validation_loss : list of float
        Mean training loss during each epoch, and the loss on what is held out after it
        (empty without).
    best_epoch : int or None
        The epoch, from 0 on, whose parameters are kept; None without validation.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    best_epoch: int | None = None

    def add(self, loss: float, validation: float | None) -> bool:
        """Add an epoch; True if it is the best one so far."""
        self.loss.append(loss)
        if validation is None:
            return False
        self.validation_loss.append(validation)
        best = self.best_epoch is None or (
            validation < self.validation_loss[self.best_epoch]
        )
        if best:
            self.best_epoch = len(self.loss) - 1
        return best

    def is_stale(self, patience: int | None) -> bool:
        """Whether the last ``patience`` epochs (None: any number) were no better."""
        if patience is None or self.best_epoch is None:
            return False
        return len(self.loss) - 1 - self.best_epoch >= patience

    def line(self) -> str:
        """The last losses, for the progress bar."""
        text = f"loss {self.loss[-1]:.4f}" if self.loss else ""
        if self.validation_loss:
            text += f", validation {self.validation_loss[-1]:.4f}"
        return text

    def as_dict(self) -> dict[str, Any]:
        """Return the lists by name, those that are not empty."""
        named = {"loss": self.loss, "validation_loss": self.validation_loss}
        return {name: list(values) for name, values in named.items() if values}

    @classmethod
    def from_note(cls, note: Mapping[str, Any], where: str) -> History:
        """The ``"history"``, of :meth:`as_dict`, and best epoch in the note of a file.

        Raises
        ------
        ValueError
            For anything else.
        """
        lists = saving.decode(saving.entry(note, "history", dict, where), where)
        losses = lists.get("loss") if isinstance(lists, dict) else None
        if not isinstance(losses, list) or not losses:
            fail(where, "losses of epochs in the file's history", "none")
        for name, values in lists.items():
            if name not in ("loss", "validation_loss") or not isinstance(values, list):
                fail(where, "losses in the file's history", "another entry")
            lists[name] = [as_real(value, where, name) for value in values]
        best = saving.entry(note, "best_epoch", (int, type(None)), where)
        if best is not None:
            best = as_integer(best, where, "best_epoch", low=0, high=len(losses) - 1)
        return cls(lists["loss"], lists.get("validation_loss", []), best)


def decayed(rate: float, decay: float, after: int, epoch: int) -> float:
    """Return the learning rate of an epoch, from 0 on: the first ``after`` have all."""
    return float(rate * decay ** max(0, epoch + 1 - after))


def clipped_step(
    optimizer: Optimizer,
    gradients: Mapping[str, RealArray],
    loss: float,
    max_norm: float,
    epoch: int,
    where: str,
    n_threads: int,
) -> float:
    """Clip gradients in place, then take a step; return their norm before.

    Raises
    ------
    FloatingPointError
        If the loss or the norm is not finite, naming the epoch (from 0 on); no
        parameter has changed then.
    """
    norm = clip_gradients(gradients, max_norm, n_threads=n_threads)
    if not math.isfinite(loss + norm):
        raise FloatingPointError(
            f"[{where}] expected a finite loss and gradient, got {loss} and a norm of "
            f"{norm} in epoch {epoch + 1}: lower the learning rate"
        )
    optimizer.step(gradients, n_threads=n_threads)
    return norm


def shuffled(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return 0 to n - 1 in an order drawn by Philox from (seed, epoch)."""
    keys = np.empty(n, np.float64)
    native.runtime.fill_uniform(seed, ORDER_PURPOSE, epoch * n, keys)
    return np.argsort(keys, kind="stable")


def copied(parameters: Mapping[str, RealArray]) -> dict[str, RealArray]:
    """Return copies of arrays."""
    return {name: values.copy() for name, values in parameters.items()}


def restore(
    parameters: Mapping[str, RealArray], copy: Mapping[str, NDArray[Any]]
) -> None:
    """Write copies back into the arrays."""
    for name, values in parameters.items():
        values[...] = copy[name]
