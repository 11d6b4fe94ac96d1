"""What estimators of sequences share: training, validation, prediction."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from fastnotes._threads import resolve_n_jobs
from fastnotes._validation import (
    RealArray,
    as_integer,
    as_real,
    as_real_array,
    as_seed,
    check_choice,
    check_finite,
    fail,
    fail_type,
)
from fastnotes.nn import SGD, Adam, Optimizer
from fastnotes.nn.optimizers import as_max_norm
from fastnotes.nn.training import History, Loop
from fastnotes.recurrent import _estimator_files
from fastnotes.recurrent._network import Network, Part, Task
from fastnotes.recurrent._options import LSTMOptions
from fastnotes.recurrent._sequences import Ragged, as_ragged
from fastnotes.recurrent._targets import Rows, Targets, step_rows
from fastnotes.recurrent.layers import LSTM, RNN
from fastnotes.recurrent.pooling import POOLINGS, STEPS
from fastnotes.recurrent.stack import Stack

Array = RealArray
_Model = TypeVar("_Model", bound="SequenceEstimator")


class SequenceEstimator(BaseEstimator):  # type: ignore[misc]
    """What the classifier and the regressor share."""

    history_: dict[str, list[float]]
    n_features_in_: int
    _network: Network
    _targets: Any

    def __init__(
        self,
        cell: str = "lstm",
        hidden_size: int = 64,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        pooling: str = "last",
        return_sequences: bool = False,
        dropout: float = 0.0,
        peephole: bool = False,
        proj_size: int = 0,
        zoneout: float | tuple[float, float] = 0.0,
        layer_norm: bool = False,
        optimizer: str = "adam",
        learning_rate: float = 0.005,
        learning_rate_decay: float = 1.0,
        decay_after: int = 0,
        weight_decay: float = 0.0,
        max_norm: float = 5.0,
        n_epochs: int = 50,
        batch_size: int = 32,
        standardize: bool = True,
        validation_fraction: float | None = None,
        patience: int | None = 10,
        random_state: int = 0,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.return_sequences = return_sequences
        self.dropout = dropout
        self.peephole = peephole
        self.proj_size = proj_size
        self.zoneout = zoneout
        self.layer_norm = layer_norm
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_decay = learning_rate_decay
        self.decay_after = decay_after
        self.weight_decay = weight_decay
        self.max_norm = max_norm
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.standardize = standardize
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _where(self, method: str) -> str:
        return f"recurrent.{type(self).__name__}.{method}"

    @abstractmethod
    def _kind(self, where: str) -> type[Targets]:
        """What is learned."""

    def _class_weight(self, y: NDArray[Any]) -> Any:
        """Factors of the training weights, for rows that have a target."""
        del y
        return 1.0

    # ------------------------------------------------------------ fitting

    def _fit(
        self, X: Any, y: Any, lengths: Any, sample_weight: Any, validation: Any
    ) -> None:
        where = self._where("fit")
        loop, fraction = self._loop(where), self._fraction_held_out(where)
        data = as_ragged(X, lengths, where)
        n_features = data.steps.shape[1]
        stack = self._stack(n_features, loop.n_threads, where)
        kind, per_step = self._kind(where), bool(self.return_sequences)
        y, present = _rows(kind, y, data, per_step, where)
        if not present.any():
            fail(where, "at least one target", "none")
        targets = kind.learn(y[present], where)
        weight = _as_weight(sample_weight, data, per_step, where) * present
        weight[present] *= self._class_weight(y[present])
        scaling = _scaling(data) if self.standardize else None
        values = targets.encode((y, present), where)
        train = Part(_scaled(data, scaling), values, weight, per_step)
        held_out = None
        if validation is not None:
            held_out = self._validation(validation, targets, n_features, scaling, where)
        elif fraction > 0:
            train, held_out = self._split(train, fraction, where)
        network = self._network_on(stack, targets.n_outputs, loop.n_threads)
        optimizer = self._new_optimizer(network.parameters, where)
        task, history = Task(network, targets, train, held_out), History()
        try:
            loop.run(task, len(train.data.lengths), optimizer, where, history)
        finally:
            if history.loss:  # also after Ctrl-C: what the finished epochs reached
                self._network, self._targets = network, targets
                self._scaling = scaling
                self.n_features_in_ = n_features
                self._keep(history)

    def _network_on(self, stack: Stack, n_outputs: int, n_threads: int) -> Network:
        pooling = STEPS if self.return_sequences else self.pooling
        return Network(stack, pooling, n_outputs, n_threads)

    def _keep(self, history: History) -> None:
        self.history_ = history.as_dict()
        self.best_epoch_ = history.best_epoch
        self.n_epochs_ = len(history.loss)

    def _loop(self, where: str) -> Loop:
        check_choice(self.pooling, where, "pooling", POOLINGS)
        patience = self.patience
        if patience is not None:
            patience = as_integer(patience, where, "patience", low=1)
        return Loop(
            n_epochs=as_integer(self.n_epochs, where, "n_epochs", low=1),
            batch_size=as_integer(self.batch_size, where, "batch_size", low=1),
            seed=as_seed(self.random_state, where),
            max_norm=as_max_norm(self.max_norm, where),
            patience=patience,
            verbose=as_integer(self.verbose, where, "verbose", low=0) > 0,
            n_threads=resolve_n_jobs(self.n_jobs, where),
            learning_rate_decay=as_real(
                self.learning_rate_decay, where, "learning_rate_decay", low=0, high=1
            ),
            decay_after=as_integer(self.decay_after, where, "decay_after", low=0),
        )

    def _stack(self, n_features: int, n_threads: int, where: str) -> Stack:
        parts = LSTMOptions.of(self, where)
        make: Any = RNN
        if self.cell == "lstm":
            make = partial(LSTM, **asdict(parts))
        return make(  # type: ignore[no-any-return]
            n_features,
            self.hidden_size,
            self.num_layers,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            random_state=self.random_state,
            n_threads=n_threads,
        )

    def _new_optimizer(self, parameters: dict[str, RealArray], where: str) -> Optimizer:
        check_choice(self.optimizer, where, "optimizer", ("adam", "sgd"))
        decay = {
            name: as_real(self.weight_decay, where, "weight_decay", low=0.0)
            for name in parameters
            if "weight" in name
        }
        rate = as_real(self.learning_rate, where, "learning_rate", low=0.0)
        if self.optimizer == "adam":
            return Adam(parameters, rate, weight_decay=decay)
        return SGD(parameters, rate, momentum=0.9, weight_decay=decay)

    def _fraction_held_out(self, where: str) -> float:
        if self.validation_fraction is None:
            return 0.0
        name = "validation_fraction"
        return as_real(self.validation_fraction, where, name, low=0.0, high=1.0)

    def _split(self, part: Part, fraction: float, where: str) -> tuple[Part, Part]:
        """Training part and held-out part."""
        by_class = isinstance(self, ClassifierMixin) and part.values.ndim == 1
        try:
            rows, held_out = train_test_split(
                np.arange(len(part.data.lengths)),
                test_size=fraction,
                random_state=self.random_state % 2**32,
                stratify=part.values if by_class and not part.per_step else None,
            )
        except ValueError as error:
            fail(where, "validation_fraction that leaves both parts", str(error))
        return part.take(rows), part.take(held_out)

    def _validation(
        self,
        given: Any,
        targets: Targets,
        n_features: int,
        scaling: tuple[Array, Array] | None,
        where: str,
    ) -> Part:
        if self._fraction_held_out(where) > 0:
            fail(where, "validation or validation_fraction", "both")
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            fail_type(
                where,
                "validation as a tuple (X, y) or (X, y, lengths)",
                type(given).__name__,
            )
        X, y, *lengths = given
        data = as_ragged(X, lengths[0] if lengths else None, where, n_features)
        return self._weighed(_scaled(data, scaling), y, None, targets, where)

    def _weighed(
        self, data: Ragged, y: Any, sample_weight: Any, targets: Targets, where: str
    ) -> Part:
        """Data that training did not learn its targets from."""
        per_step = bool(self.return_sequences)
        rows = _rows(type(targets), y, data, per_step, where)
        weight = _as_weight(sample_weight, data, per_step, where) * rows[1]
        return Part(data, targets.encode(rows, where), weight, per_step)

    # ------------------------------------------------------------ predicting

    def _data(self, X: Any, lengths: Any, method: str) -> Ragged:
        check_is_fitted(self)
        data = as_ragged(X, lengths, self._where(method), self.n_features_in_)
        return _scaled(data, self._scaling)

    def _shaped(self, data: Ragged, values: NDArray[Any], fill: Any) -> Any:
        return data.shaped(values, fill) if self.return_sequences else values

    def predict(self, X: Any, *, lengths: ArrayLike | None = None) -> Any:
        """Return what is expected of each sequence, or of each of its steps.

        Parameters
        ----------
        X, lengths
            As in :meth:`fit`.

        Returns
        -------
        ndarray of shape (B,) or (B, K), or list of ndarray
            As y was in :meth:`fit`. With ``return_sequences`` a list of arrays (T_i,)
            or (T_i, K) where X is a list, else (B, T) or (B, T, K); past the ends the
            regressor puts NaN, the classifier -1 (or an empty text).
        """
        data = self._data(X, lengths, "predict")
        decided = self._targets.decide(self._network.outputs(data))
        return self._shaped(data, decided, self._targets.nothing)

    def _compared(
        self, X: Any, y: Any, sample_weight: Any, lengths: Any
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float32]]:
        """What is predicted and what is true, with weights, where there is a target."""
        where, per_step = self._where("score"), bool(self.return_sequences)
        data = self._data(X, lengths, "score")
        rows, present = _rows(type(self._targets), y, data, per_step, where)
        if not present.any():
            fail(where, "at least one target", "none")
        weight = _as_weight(sample_weight, data, per_step, where)
        decided = self._targets.decide(self._network.outputs(data))
        return decided[present], rows[present], weight[present]

    # ------------------------------------------------------------ files

    def save(self, path: Any) -> None:
        """Write parameters, weights and history to a safetensors file.

        Another file under that name is replaced as a whole, or kept.

        Raises
        ------
        ImportError
            Without safetensors.
        NotFittedError
            Before :meth:`fit`.
        TypeError
            For classes that are neither numbers nor text.
        """
        check_is_fitted(self)
        _estimator_files.save(self, path, self._where("save"))

    @classmethod
    def load(cls: type[_Model], path: Any) -> _Model:
        """Return the estimator that :meth:`save` wrote; nothing in a file is executed.

        It predicts to the byte what the saved one did.

        Raises
        ------
        ImportError
            Without safetensors.
        TypeError, ValueError
            For anything but a whole file of this class.
        OSError
            If there is no file, or it cannot be read.
        """
        where = f"recurrent.{cls.__name__}.load"
        return _estimator_files.load(cls, path, where)  # type: ignore[no-any-return]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_network")


def _rows(
    kind: type[Targets], y: Any, data: Ragged, per_step: bool, where: str
) -> Rows:
    """Return y with a row for each sequence, or each step."""
    rows = kind.read(step_rows(y, data, where) if per_step else y, per_step, where)
    n = len(data.steps) if per_step else len(data.lengths)
    if len(rows[0]) != n:
        fail(where, f"y for {n} sequences", str(len(rows[0])))
    return rows


def _as_weight(
    sample_weight: Any, data: Ragged, per_step: bool, where: str
) -> NDArray[np.float32]:
    """Weights of sequences, or of their steps."""
    n = len(data.lengths)
    weight = np.ones(n, np.float32)
    if sample_weight is not None:
        given = as_real_array(sample_weight, where, "sample_weight", ndim=1)
        check_finite(given, where, "sample_weight")
        if len(given) != n:
            fail(where, f"sample_weight of shape ({n},)", str(given.shape))
        if (given < 0).any() or not given.any():
            fail(where, "sample_weight >= 0, not all 0", "others")
        weight = given.astype(np.float32)
    return np.repeat(weight, data.lengths) if per_step else weight


def _scaling(data: Ragged) -> tuple[Array, Array]:
    """Mean and reciprocal deviation of each feature over the steps."""
    steps = data.steps.astype(np.float64)
    if len(steps) == 0:
        steps = np.zeros((1, steps.shape[1]))
    deviation = steps.std(axis=0)
    factor = 1 / np.where(deviation > 0, deviation, 1.0)
    return steps.mean(axis=0).astype(np.float32), factor.astype(np.float32)


def _scaled(data: Ragged, scaling: tuple[Array, Array] | None) -> Ragged:
    if scaling is None:
        return data
    mean, factor = scaling
    steps = ((data.steps - mean) * factor).astype(np.float32, copy=False)
    return data._replace(steps=steps)
