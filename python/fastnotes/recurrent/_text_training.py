"""The training of a text network, epoch by epoch, and all that it depends on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from fastnotes import _saving as saving
from fastnotes._progress import Progress
from fastnotes._validation import RealArray, fail
from fastnotes.nn import SGD, Adam, Optimizer
from fastnotes.nn.training import History, clipped_step, copied, decayed, restore
from fastnotes.recurrent._streams import Streams, Window
from fastnotes.recurrent._text_network import Loss, TextNetwork


@dataclass(frozen=True)
class Schedule:
    """How a network is trained; see the estimator."""

    optimizer: str
    learning_rate: float
    learning_rate_decay: float
    decay_after: int
    momentum: float
    max_norm: float
    seq_length: int
    n_epochs: int
    patience: int | None

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch, from 0 on."""
        return decayed(
            self.learning_rate, self.learning_rate_decay, self.decay_after, epoch
        )

    def new_optimizer(self, parameters: dict[str, RealArray]) -> Optimizer:
        """Return the optimizer of some parameters, before its first step."""
        if self.optimizer == "adam":
            return Adam(parameters, self.learning_rate)
        return SGD(parameters, self.learning_rate, momentum=self.momentum)


def train_by(
    network: TextNetwork,
    optimizer: Optimizer,
    window: Window,
    state: Any,
    max_norm: float,
    epoch: int,
    where: str,
) -> tuple[Loss, float]:
    """Take a step along the gradients of a window, read after ``state``.

    Its loss comes back, and the norm of the gradients before clipping. Raises as
    :func:`clipped_step`.
    """
    loss = network.loss(window, state, training=True)
    threads = network.n_threads
    norm = clipped_step(
        optimizer, network.gradients(), loss.total, max_norm, epoch, where, threads
    )
    return loss, norm


class Training:
    """A network, its optimizer and its history.

    Attributes
    ----------
    network : TextNetwork
    record : Record
    """

    def __init__(
        self,
        network: TextNetwork,
        schedule: Schedule,
        streams: Streams,
        held_out: Streams | None,
    ) -> None:
        self.network, self._schedule = network, schedule
        self._streams, self._held_out = streams, held_out
        self._optimizer = schedule.new_optimizer(network.parameters)
        self.record = Record()
        self._best: dict[str, RealArray] | None = None

    def run(self, after_epoch: Callable[[], bool], shown: bool, where: str) -> None:
        """Train; parameters and history are those of finished epochs always.

        ``after_epoch`` is called after each, and ends the training by True.

        Raises
        ------
        FloatingPointError
            If the loss is not finite any more, naming the epoch.
        KeyboardInterrupt
            After Ctrl-C.
        """
        parameters, record = self.network.parameters, self.record
        kept = copied(parameters)
        tokens = _Tokens(
            record, self._schedule.n_epochs, self._streams.n_targets, shown
        )
        try:
            while not self._is_over:
                loss, norm = self._epoch(tokens, where)
                validation = self._validate()
                kept = copied(parameters)
                if record.add(loss, validation, norm):
                    self._best = kept
                if after_epoch():
                    break
        except BaseException:
            restore(parameters, kept)
            raise
        finally:
            self.network.forget()
            tokens.close()
        if self._best is not None:
            restore(parameters, self._best)

    @property
    def _is_over(self) -> bool:
        """Whether all epochs are done, or patience has run out."""
        schedule, record = self._schedule, self.record
        done = record.n_epochs >= schedule.n_epochs
        return done or record.history.is_stale(schedule.patience)

    def _epoch(self, tokens: _Tokens, where: str) -> tuple[float, float]:
        """Mean loss and mean norm of the gradients, over one reading of the text."""
        network, schedule, epoch = self.network, self._schedule, self.record.n_epochs
        self._optimizer.learning_rate = schedule.rate(epoch)
        total = norms = 0.0
        n_steps, n_losses, state = 0, 0, None
        for window in self._streams.windows(schedule.seq_length):
            loss, norm = train_by(
                network, self._optimizer, window, state, schedule.max_norm, epoch, where
            )
            total, norms, state = total + loss.total, norms + norm, loss.state
            n_steps, n_losses = n_steps + 1, n_losses + loss.n_losses
            tokens.add(loss.n_losses, total / n_losses)
        return total / n_losses, norms / n_steps

    def _validate(self) -> float | None:
        if self._held_out is None:
            return None
        return self.network.mean_loss(self._held_out, self._schedule.seq_length)

    # ------------------------------------------------------------ checkpoints

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a checkpoint holds beside its note, after an epoch."""
        found: dict[str, NDArray[Any]] = dict(self.network.parameters)
        for key, array in self._optimizer.state.items():
            found[f"optimizer/{key}"] = array
        if self._held_out is not None:
            best = self.network.parameters if self._best is None else self._best
            found |= {f"best/{name}": array for name, array in best.items()}
        return found

    def expected(self) -> dict[str, saving.Expected]:
        """Return what the arrays of a checkpoint of this training must be."""
        return {
            name: saving.Expected(array.shape, array.dtype)
            for name, array in self.arrays().items()
        }

    def resume(
        self, arrays: saving.Arrays, record: Record, n_tokens: int, where: str
    ) -> None:
        """Become what a checkpoint holds, whose arrays are as expected.

        Raises
        ------
        ValueError
            If its numbers do not go together; nothing has changed then.
        """
        wanted = record.n_epochs * self._streams.n_targets
        if n_tokens != wanted:
            fail(where, f"{wanted} tokens read in the checkpoint", str(n_tokens))
        best = record.history.best_epoch
        if record.n_epochs and (best is None) != (self._held_out is None):
            fail(where, "validation losses where there is a validation text", "others")
        self._optimizer.state = {
            key: arrays[f"optimizer/{key}"] for key in self._optimizer.state
        }
        parameters = self.network.parameters
        restore(parameters, arrays)
        network, self.record = self.network, record
        network.n_tokens = n_tokens
        network.n_sequences = record.n_epochs * self._streams.n_rows(
            self._schedule.seq_length
        )
        if best is not None:
            self._best = {name: arrays[f"best/{name}"] for name in parameters}


@dataclass
class Record:
    """What the epochs of a training have reached.

    Attributes
    ----------
    history : History
        Losses in nats per token.
    gradient_norm : list of float
        For each epoch the mean over its steps, before clipping.
    """

    history: History = field(default_factory=History)
    gradient_norm: list[float] = field(default_factory=list)

    @property
    def n_epochs(self) -> int:
        """Epochs done."""
        return len(self.gradient_norm)

    def add(self, loss: float, validation: float | None, norm: float) -> bool:
        """Add an epoch; True if it is the best one so far."""
        self.gradient_norm.append(norm)
        return self.history.add(loss, validation)

    def as_dict(self) -> dict[str, list[float]]:
        """Return the lists by name."""
        return {**self.history.as_dict(), "gradient_norm": list(self.gradient_norm)}

    def note(self) -> dict[str, Any]:
        """Return all of it for a file's note."""
        history = self.history
        return {
            "loss": saving.encode(history.loss),
            "validation_loss": saving.encode(history.validation_loss),
            "gradient_norm": saving.encode(self.gradient_norm),
        }

    @classmethod
    def of(cls, note: Mapping[str, Any], where: str) -> Record:
        """Return that of a file's note.

        Raises
        ------
        ValueError
            If it is none.
        """
        names = ("loss", "validation_loss", "gradient_norm")
        found = []
        for name in names:
            values = saving.decode(saving.entry(note, name, list, where), where)
            if not all(type(each) is float for each in values):
                fail(where, f"{name!r} in the file's note as numbers", "others")
            found.append(values)
        loss, validation, norms = found
        if not len(norms) == len(loss) > 0 or len(validation) not in (0, len(loss)):
            fail(where, "a history of as many losses as epochs", f"{map(len, found)}")
        record = cls()
        for epoch, norm in enumerate(norms):
            record.add(loss[epoch], validation[epoch] if validation else None, norm)
        return record


class _Tokens:
    """Progress in tokens: the bar shows how many a second, and the time left."""

    def __init__(self, record: Record, n_epochs: int, each: int, shown: bool) -> None:
        self._record, self._n_epochs = record, n_epochs
        self._done, self._epoch, self._loss = record.n_epochs * each, 0, math.nan
        self._progress = Progress(n_epochs * each, shown, "token", self._done)

    def add(self, n_tokens: int, loss: float) -> None:
        """Add a window; ``loss`` is the epoch's mean so far."""
        self._done, self._loss = self._done + n_tokens, loss
        self._epoch = self._record.n_epochs + 1
        self._progress.update(self._done, self._line)

    def close(self) -> None:
        """Show the end."""
        self._progress.close(self._done, self._line)

    def _line(self) -> str:
        text = f"epoch {self._epoch}/{self._n_epochs}, loss {self._loss:.4f}"
        validation = self._record.history.validation_loss
        return text + (f", validation {validation[-1]:.4f}" if validation else "")
