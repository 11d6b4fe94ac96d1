"""Estimators of sequences in scikit-learn's shape, on layers of this room."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_is_fitted, column_or_1d

from fastnotes._threads import resolve_n_jobs
from fastnotes._validation import (
    RealArray,
    as_integer,
    as_real,
    as_real_array,
    check_choice,
    check_finite,
    fail,
)
from fastnotes.evidence import softmax
from fastnotes.nn import SGD, Adam, Optimizer, softmax_cross_entropy
from fastnotes.nn.training import History, Loop
from fastnotes.recurrent._network import Network, Task
from fastnotes.recurrent._sequences import Batch, as_batch
from fastnotes.recurrent.layers import LSTM, RNN
from fastnotes.recurrent.pooling import POOLINGS
from fastnotes.recurrent.stack import Stack

Array = RealArray


class _SequenceEstimator(BaseEstimator):  # type: ignore[misc]
    """What the classifier and the regressor share."""

    history_: dict[str, list[float]]
    n_features_in_: int
    _network: Network

    def __init__(
        self,
        cell: str = "lstm",
        hidden_size: int = 64,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        pooling: str = "last",
        dropout: float = 0.0,
        optimizer: str = "adam",
        learning_rate: float = 0.005,
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
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
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

    def _loss(
        self, output: Array, y: Any, weight: Array, n_threads: int
    ) -> tuple[float, Array]:
        """Weighted sum of losses, and its gradient."""
        raise NotImplementedError

    # ------------------------------------------------------------ fitting

    def _fit(
        self, X: Any, y: Any, lengths: Any, weight: Any, n_outputs: int, **found: Any
    ) -> None:
        """Train; ``found`` joins the fitted attributes."""
        where = self._where("fit")
        loop = self._loop(where)
        batch = as_batch(X, lengths, where)
        n = len(batch.lengths)
        if len(y) != n:
            fail(where, f"y for {n} sequences", str(len(y)))
        weight = _as_weight(weight, n, where)
        stack = self._stack(batch.x.shape[2], loop.n_threads, where)
        scaling = _scaling(batch) if self.standardize else None
        batch = _scaled(batch, scaling)
        train, held_out = self._split(batch, y, weight, where)
        network = Network(stack, self.pooling, n_outputs, loop.n_threads)
        optimizer = self._new_optimizer(network.parameters, where)
        history = History()
        try:
            task = Task(network, self._loss, train, held_out)
            loop.run(task, len(train[2]), optimizer, where, history)
        finally:
            if history.loss:  # also after Ctrl-C: what the finished epochs reached
                self.__dict__.update(found)
                self._network, self._scaling = network, scaling
                self.n_features_in_ = batch.x.shape[2]
                self.history_ = history.as_dict()
                self.best_epoch_ = history.best_epoch
                self.n_epochs_ = len(history.loss)

    def _loop(self, where: str) -> Loop:
        check_choice(self.pooling, where, "pooling", POOLINGS)
        patience = self.patience
        if patience is not None:
            patience = as_integer(patience, where, "patience", low=1)
        max_norm = self.max_norm
        if max_norm != math.inf:
            max_norm = as_real(max_norm, where, "max_norm")
        if max_norm <= 0:
            fail(where, "max_norm > 0", str(max_norm))
        return Loop(
            n_epochs=as_integer(self.n_epochs, where, "n_epochs", low=1),
            batch_size=as_integer(self.batch_size, where, "batch_size", low=1),
            seed=as_integer(
                self.random_state, where, "random_state", low=0, high=2**63 - 1
            ),
            max_norm=max_norm,
            patience=patience,
            verbose=as_integer(self.verbose, where, "verbose", low=0) > 0,
            n_threads=resolve_n_jobs(self.n_jobs, where),
        )

    def _stack(self, n_features: int, n_threads: int, where: str) -> Stack:
        check_choice(self.cell, where, "cell", ("lstm", "rnn"))
        return (LSTM if self.cell == "lstm" else RNN)(
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

    def _split(self, batch: Batch, y: Any, weight: Array, where: str) -> Any:
        """Training part and held-out part (or None) of the data."""
        if self.validation_fraction is None:
            return (batch, y, weight), None
        fraction = as_real(
            self.validation_fraction, where, "validation_fraction", low=0.0, high=1.0
        )
        try:
            parts = train_test_split(
                np.arange(len(weight)),
                test_size=fraction,
                random_state=self.random_state % 2**32,
                stratify=y if isinstance(self, ClassifierMixin) else None,
            )
        except ValueError as error:
            fail(where, "validation_fraction that leaves both parts", str(error))
        return tuple((batch.part(rows), y[rows], weight[rows]) for rows in parts)

    # ------------------------------------------------------------ predicting

    def _outputs(self, X: Any, lengths: Any, method: str) -> Array:
        check_is_fitted(self)
        batch = as_batch(X, lengths, self._where(method), self.n_features_in_)
        return self._network.outputs(_scaled(batch, self._scaling))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_network")


class SequenceClassifier(ClassifierMixin, _SequenceEstimator):  # type: ignore[misc]
    """Classes of sequences by a recurrent network, a pooling and a linear head.

    Parameters
    ----------
    cell : {"lstm", "rnn"}
    hidden_size, num_layers, bidirectional, dropout
        Of the layers, as in :class:`LSTM`.
    pooling : {"last", "mean", "max"}
        What the head sees: the state after each sequence's last step (for the second
        direction, its first), or the mean or largest outputs over its steps.
    optimizer : {"adam", "sgd"}
        SGD has momentum 0.9.
    learning_rate, weight_decay, max_norm
        Steps; the decay is of weights, not biases; gradients are clipped to the norm.
    n_epochs, batch_size
        Passes over the sequences, and sequences of a step.
    standardize : bool
        Bring every feature to mean 0 and deviation 1 over the training steps.
    validation_fraction : float or None
        Part of the sequences that is held out, stratified; the epoch with the least
        loss on it is kept. None holds nothing out.
    patience : int or None
        Epochs without a better validation loss after which training stops.
    class_weight : dict, "balanced" or None
    random_state : int
        Seed of weights, order, dropout and split.
    n_jobs : int or None
        Threads. The model is the same to the byte for any number.
    verbose : int
        Above 0: a progress bar with losses and the time left.

    Attributes
    ----------
    classes_ : ndarray
    history_ : dict of str to list
        ``loss`` and, with a validation part, ``validation_loss`` of the epochs.
    best_epoch_, n_epochs_ : int
        The epoch, from 0 on, that was kept (None without validation); epochs done.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.recurrent import SequenceClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(n, 2)) + n % 2 for n in range(5, 45)]
    >>> y = ["odd" if n % 2 else "even" for n in range(5, 45)]
    >>> model = SequenceClassifier(hidden_size=8, n_epochs=20).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    def __init__(
        self,
        cell: str = "lstm",
        hidden_size: int = 64,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        pooling: str = "last",
        dropout: float = 0.0,
        optimizer: str = "adam",
        learning_rate: float = 0.005,
        weight_decay: float = 0.0,
        max_norm: float = 5.0,
        n_epochs: int = 50,
        batch_size: int = 32,
        standardize: bool = True,
        validation_fraction: float | None = None,
        patience: int | None = 10,
        class_weight: Any = None,
        random_state: int = 0,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            cell,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            pooling=pooling,
            dropout=dropout,
            optimizer=optimizer,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            max_norm=max_norm,
            n_epochs=n_epochs,
            batch_size=batch_size,
            standardize=standardize,
            validation_fraction=validation_fraction,
            patience=patience,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> SequenceClassifier:
        """Train.

        Parameters
        ----------
        X : list of (T_i, D) arrays, or array (B, T, D)
        y : array of shape (B,)
            Classes: numbers or strings, at least two of them.
        lengths : array of shape (B,), optional
            For one array (B, T, D): steps from the length on are not read.
        sample_weight : array of shape (B,), optional

        Raises
        ------
        ValueError
            For sequences that do not agree, a NaN in a step (named), one class alone,
            parameters out of range.
        FloatingPointError
            If the loss becomes infinite or NaN.
        """
        where = self._where("fit")
        encoder = LabelEncoder()
        codes = encoder.fit_transform(column_or_1d(y))
        if len(encoder.classes_) < 2:
            fail(where, "at least two classes", str(len(encoder.classes_)))
        n = len(codes)
        weight = _as_weight(sample_weight, n, where)
        if self.class_weight is not None:
            weight = weight * compute_sample_weight(self.class_weight, y)
        codes = codes.astype(np.int64)
        classes = encoder.classes_
        self._fit(X, codes, lengths, weight, len(classes), classes_=classes)
        return self

    def _loss(
        self, output: Array, y: Any, weight: Array, n_threads: int
    ) -> tuple[float, Array]:
        loss, gradient = softmax_cross_entropy(
            output, y, weight=weight, n_threads=n_threads
        )
        assert gradient is not None  # noqa: S101
        return float(loss.sum(dtype=np.float64)), gradient

    def predict_proba(
        self, X: Any, *, lengths: ArrayLike | None = None
    ) -> NDArray[np.float32]:
        """Return the probabilities (B, n_classes)."""
        return np.asarray(softmax(self._outputs(X, lengths, "predict_proba"), axis=1))

    def predict(self, X: Any, *, lengths: ArrayLike | None = None) -> NDArray[Any]:
        """Return the likeliest classes (B,)."""
        outputs = self._outputs(X, lengths, "predict")
        return np.asarray(self.classes_[outputs.argmax(axis=1)])


class SequenceRegressor(RegressorMixin, _SequenceEstimator):  # type: ignore[misc]
    """Numbers from sequences: :class:`SequenceClassifier` with the squared loss.

    Parameters and attributes are those of the classifier, without classes; ``history_``
    holds half the mean squared error of targets brought to deviation 1.
    """

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> SequenceRegressor:
        """Train: y is (B,) or (B, K), the rest as in the classifier."""
        where = self._where("fit")
        target = as_real_array(y, where, "y", ndim=(1, 2)).astype(np.float64)
        check_finite(target, where, "y")
        if target.size == 0:
            fail(where, "at least one target", f"y of shape {target.shape}")
        mean, deviation = target.mean(axis=0), target.std(axis=0)
        deviation = np.where(deviation > 0, deviation, 1.0)
        scaled = ((target - mean) / deviation).astype(np.float32)
        columns = scaled.reshape(len(scaled), -1)
        n_outputs, scaling = columns.shape[1], (mean, deviation)
        self._fit(
            X, columns, lengths, sample_weight, n_outputs, _target_scaling=scaling
        )
        return self

    def _loss(
        self, output: Array, y: Any, weight: Array, n_threads: int
    ) -> tuple[float, Array]:
        del n_threads
        residual = output - y
        gradient = residual * weight[:, None]
        return float(0.5 * np.vdot(gradient, residual)), gradient

    def predict(self, X: Any, *, lengths: ArrayLike | None = None) -> NDArray[Any]:
        """Return the numbers, (B,) or (B, K) as y was."""
        outputs = self._outputs(X, lengths, "predict")
        mean, deviation = self._target_scaling
        shaped = outputs.reshape(len(outputs), *np.shape(mean))
        return np.asarray(shaped * deviation + mean)


def _as_weight(sample_weight: Any, n: int, where: str) -> Array:
    if sample_weight is None:
        return np.ones(n, np.float32)
    weight = as_real_array(sample_weight, where, "sample_weight", ndim=1)
    check_finite(weight, where, "sample_weight")
    if len(weight) != n:
        fail(where, f"sample_weight of shape ({n},)", str(weight.shape))
    if (weight < 0).any() or not weight.any():
        fail(where, "sample_weight >= 0, not all 0", "others")
    return weight.astype(np.float32)


def _scaling(batch: Batch) -> tuple[Array, Array]:
    """Mean and reciprocal deviation of each feature over the steps that there are."""
    steps = batch.x[batch.valid].astype(np.float64)
    if len(steps) == 0:
        steps = np.zeros((1, batch.x.shape[2]))
    deviation = steps.std(axis=0)
    factor = 1 / np.where(deviation > 0, deviation, 1.0)
    return steps.mean(axis=0).astype(np.float32), factor.astype(np.float32)


def _scaled(batch: Batch, scaling: tuple[Array, Array] | None) -> Batch:
    if scaling is None:
        return batch
    mean, factor = scaling
    x = ((batch.x - mean) * factor).astype(np.float32, copy=False)
    x[~batch.valid] = 0
    return batch._replace(x=x)
