"""Estimators of sequences in scikit-learn's shape, on layers of this room."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.class_weight import compute_sample_weight

from fastnotes._validation import check_choice, fail
from fastnotes.recurrent._estimator import SequenceEstimator
from fastnotes.recurrent._network import mean_loss
from fastnotes.recurrent._targets import Classes, Labels, Numbers, Targets

LOSSES = ("softmax", "bernoulli")


class SequenceClassifier(ClassifierMixin, SequenceEstimator):  # type: ignore[misc]
    """Classes of sequences by a recurrent network, a pooling and a linear head.

    Parameters
    ----------
    cell : {"lstm", "rnn"}
    hidden_size, num_layers, bidirectional, dropout
        Of the layers, as in :class:`LSTM`.
    peephole, proj_size, zoneout, layer_norm
        Optional parts, as in :class:`LSTM`; not of the vanilla network.
    pooling : {"last", "mean", "max"}
        What the head sees: the state after each sequence's last step (for the second
        direction, its first), or the mean or largest outputs over its steps.
    return_sequences : bool
        Predict at every step instead, from the outputs there; nothing is pooled.
    loss : {"softmax", "bernoulli"}
        One class of several; or K labels that do not exclude one another, y of 0 and 1.
    optimizer : {"adam", "sgd"}
        SGD has momentum 0.9.
    learning_rate, learning_rate_decay, decay_after
        The learning rate of epoch e = 1, 2, ... is ``learning_rate *
        learning_rate_decay ** max(0, e - decay_after)``.
    weight_decay, max_norm
        The decay is of weights, not biases; gradients are clipped to the norm.
    n_epochs, batch_size
        Passes over the sequences, and sequences of a step.
    standardize : bool
        Bring every feature to mean 0 and deviation 1 over the training steps.
    validation_fraction : float or None
        Part of the sequences that is held out, stratified; the epoch with the least
        loss on it is kept. None or 0: nothing. By steps or labels: not stratified.
    patience : int or None
        Epochs without a better validation loss after which training stops.
    class_weight : dict, "balanced" or None
        Factors of the training loss; with the softmax alone.
    random_state : int
        Seed of weights, order, dropout, zoneout and split.
    n_jobs : int or None
        Threads. The model is the same to the byte for any number.
    verbose : int
        Above 0: a progress bar with losses and the time left.

    Attributes
    ----------
    classes_ : ndarray
        Sorted; the numbers of the labels with ``loss="bernoulli"``.
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
        return_sequences: bool = False,
        loss: str = "softmax",
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
            return_sequences=return_sequences,
            dropout=dropout,
            peephole=peephole,
            proj_size=proj_size,
            zoneout=zoneout,
            layer_norm=layer_norm,
            optimizer=optimizer,
            learning_rate=learning_rate,
            learning_rate_decay=learning_rate_decay,
            decay_after=decay_after,
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
        self.loss = loss
        self.class_weight = class_weight

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        validation: tuple[Any, ...] | None = None,
    ) -> SequenceClassifier:
        """Train.

        Parameters
        ----------
        X : list of (T_i, D) arrays, or array (B, T, D)
        y : array of shape (B,)
            Classes: numbers or strings, at least two of them. With
            ``loss="bernoulli"`` (B, K) of 0 and 1. With ``return_sequences`` a list of
            such arrays, (T_i,) or (T_i, K), or one array (B, T) or (B, T, K); steps of
            -1 or NaN have no target, and padding is not read.
        lengths : array of shape (B,), optional
            For one array (B, T, D): steps from the length on are not read.
        sample_weight : array of shape (B,), optional
            Of sequences, all their steps alike.
        validation : tuple (X, y) or (X, y, lengths), optional
            Sequences to hold out, in place of ``validation_fraction``.

        Raises
        ------
        ValueError
            For sequences that do not agree, a NaN in a step (named), one class alone,
            parameters out of range.
        FloatingPointError
            If the loss becomes infinite or NaN.
        """
        self._fit(X, y, lengths, sample_weight, validation)
        return self

    def _kind(self, where: str) -> type[Targets]:
        loss = check_choice(self.loss, where, "loss", LOSSES)
        if loss == "softmax":
            return Classes
        if self.class_weight is not None:
            fail(where, "class_weight None for the bernoulli loss", "another")
        return Labels

    def _class_weight(self, y: NDArray[Any]) -> Any:
        if self.class_weight is None:
            return 1.0
        return compute_sample_weight(self.class_weight, y).astype(np.float32)

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes, sorted."""
        return self._targets.classes  # type: ignore[no-any-return]

    def predict_proba(self, X: Any, *, lengths: ArrayLike | None = None) -> Any:
        """Return the probabilities of the classes, or of each label.

        Returns
        -------
        ndarray of shape (B, n_classes), or list of ndarray
            With ``return_sequences`` (T_i, n_classes) each, or (B, T, n_classes) with 0
            past the ends.
        """
        data = self._data(X, lengths, "predict_proba")
        outputs = self._network.outputs(data)
        found = self._targets.probabilities(outputs, self._network.n_threads)
        return self._shaped(data, found, 0)

    def score(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        lengths: ArrayLike | None = None,
    ) -> float:
        """Return the part of sequences, or steps with a target, that are right.

        All labels of a row must be, with ``loss="bernoulli"``.
        """
        decided, y, weight = self._compared(X, y, sample_weight, lengths)
        right = np.reshape(decided == y, (len(y), -1)).all(axis=1)
        return float(np.average(right, weights=weight))

    def log_loss(
        self,
        X: Any,
        y: Any,
        *,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Return the mean negative log-likelihood in nats.

        Over sequences, or with ``return_sequences`` over the steps with a target;
        summed over labels with ``loss="bernoulli"``.
        """
        where = self._where("log_loss")
        data = self._data(X, lengths, "log_loss")
        part = self._weighed(data, y, sample_weight, self._targets, where)
        return mean_loss(self._network, self._targets, part)


class SequenceRegressor(RegressorMixin, SequenceEstimator):  # type: ignore[misc]
    """Numbers from sequences: :class:`SequenceClassifier` with the squared loss.

    Parameters and attributes are those of the classifier, without classes; ``history_``
    holds half the mean squared error of targets brought to deviation 1.
    """

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        validation: tuple[Any, ...] | None = None,
    ) -> SequenceRegressor:
        """Train: y is (B,) or (B, K), the rest as in the classifier.

        With ``return_sequences`` a list of (T_i,) or (T_i, K) arrays, or one array
        (B, T) or (B, T, K); steps of NaN have no target.
        """
        self._fit(X, y, lengths, sample_weight, validation)
        return self

    def _kind(self, where: str) -> type[Targets]:
        del where
        return Numbers

    def score(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        lengths: ArrayLike | None = None,
    ) -> float:
        """Return R squared, over sequences or the steps with a target."""
        decided, y, weight = self._compared(X, y, sample_weight, lengths)
        return float(r2_score(y, decided, sample_weight=weight))
