"""A language model of characters or tokens in scikit-learn's shape."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fastnotes import _saving as saving
from fastnotes._callbacks import as_callbacks, call_all
from fastnotes._validation import (
    as_integer,
    fail,
    fail_type,
)
from fastnotes.recurrent import _text_files as files
from fastnotes.recurrent._streams import Streams
from fastnotes.recurrent._text_network import TextNetwork
from fastnotes.recurrent._text_sampling import Choice, drawn
from fastnotes.recurrent._text_settings import network_of, schedule_of, vocabulary_of
from fastnotes.recurrent._text_training import Record, Training

Ids = NDArray[np.int64]

#: Tokens that an evaluation reads in one call.
_EVALUATION_STEPS = 1024


class LanguageModel(BaseEstimator):  # type: ignore[misc]
    """Probabilities of the next character or token, by a recurrent network.

    Parameters
    ----------
    cell : {"lstm", "rnn"}
    hidden_size, num_layers
        Units H of a layer, and layers.
    embedding_size : int or None
        Numbers E that stand for a token; None: H, or ``proj_size``.
    level : {"char", "token"}
        Whether a string is read as characters, or split at white space, every line end
        then being a token ``"<eos>"``.
    seq_length, batch_size
        The text is cut into ``batch_size`` streams that are read side by side, by
        windows of ``seq_length`` tokens: a window is a step of the training, and the
        state after it goes into the next one, but no gradient flows back (truncated
        backpropagation through time). Every epoch begins with a state of zeros.
    n_epochs
        Readings of the text.
    optimizer : {"adam", "sgd"}
    learning_rate, learning_rate_decay, decay_after
        The learning rate of epoch e = 1, 2, ... is ``learning_rate *
        learning_rate_decay ** max(0, e - decay_after)``.
    momentum
        Of SGD.
    max_norm
        Gradients of the mean loss of a window are clipped to it.
    dropout
        Part of what enters the layers and the head that training sets to 0; what flows
        in time is left alone.
    peephole, proj_size, zoneout, layer_norm
        Optional parts of the layers, as in :class:`LSTM`; not of the vanilla network.
    tie_weights
        The embedding is the head's weights too; E must be H, or ``proj_size``.
    init_scale, forget_bias
        First weights are uniform in +- ``init_scale``; None: as torch starts them (of
        tied weights: normal with variance 1 / E). Biases start with 0, that of the
        forget gate of an LSTM with ``forget_bias``.
    min_count, unknown
        ``unknown`` stands for what the vocabulary does not hold: whatever the training
        text has fewer than ``min_count`` times, or not at all. It may be one of the
        text's own tokens. None: there is none, and other characters or tokens are
        refused.
    patience : int or None
        Epochs without a better validation loss after which training stops.
    random_state : int
        Seed of weights, dropout and zoneout.
    n_jobs : int or None
        Threads. The model is the same to the byte for any number.
    verbose : int
        Above 0: a bar with losses, tokens a second and the time left.
    callbacks : list or None
        Objects with methods of :class:`fastnotes.boosting.TrainingCallback`, called
        after every epoch with ``history_``; True from one stops the training.

    Attributes
    ----------
    vocabulary_ : tuple of str or None
        Characters or tokens by their integers; None after integers.
    vocabulary_size_ : int
    history_ : dict of str to list
        ``loss`` and, with a validation text, ``validation_loss`` in nats per token, and
        ``gradient_norm``, the mean before clipping, of the epochs.
    best_epoch_, n_epochs_ : int
        The epoch, from 0 on, that was kept (None without validation); epochs done.

    References
    ----------
    Zaremba, Sutskever and Vinyals (2014), "Recurrent neural network regularization";
    Press and Wolf (2017), "Using the output embedding to improve language models".

    Examples
    --------
    >>> from fastnotes.recurrent import LanguageModel
    >>> text = "to be or not to be. " * 50
    >>> model = LanguageModel(
    ...     hidden_size=32, num_layers=1, batch_size=8, n_epochs=30, learning_rate=0.01
    ... ).fit(text)
    >>> model.sample(12, "or not", temperature=0)
    ' to be. to b'
    >>> model.perplexity("to be or not to be.") < 2
    True
    """

    history_: dict[str, list[float]]
    _network: TextNetwork
    _origin: files.Origin
    _record: Record

    def __init__(
        self,
        cell: str = "lstm",
        hidden_size: int = 256,
        num_layers: int = 2,
        *,
        embedding_size: int | None = None,
        level: str = "char",
        seq_length: int = 64,
        batch_size: int = 32,
        n_epochs: int = 10,
        optimizer: str = "adam",
        learning_rate: float = 0.002,
        learning_rate_decay: float = 1.0,
        decay_after: int = 0,
        momentum: float = 0.0,
        max_norm: float = 5.0,
        dropout: float = 0.0,
        peephole: bool = False,
        proj_size: int = 0,
        zoneout: float | tuple[float, float] = 0.0,
        layer_norm: bool = False,
        tie_weights: bool = False,
        init_scale: float | None = None,
        forget_bias: float = 1.0,
        min_count: int = 1,
        unknown: str | None = None,
        patience: int | None = None,
        random_state: int = 0,
        n_jobs: int | None = None,
        verbose: int = 0,
        callbacks: list[Any] | None = None,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.embedding_size = embedding_size
        self.level = level
        self.seq_length = seq_length
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_decay = learning_rate_decay
        self.decay_after = decay_after
        self.momentum = momentum
        self.max_norm = max_norm
        self.dropout = dropout
        self.peephole = peephole
        self.proj_size = proj_size
        self.zoneout = zoneout
        self.layer_norm = layer_norm
        self.tie_weights = tie_weights
        self.init_scale = init_scale
        self.forget_bias = forget_bias
        self.min_count = min_count
        self.unknown = unknown
        self.patience = patience
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.callbacks = callbacks

    # ------------------------------------------------------------ fitting

    def fit(
        self,
        text: Any,
        *,
        validation: Any = None,
        checkpoint: Any = None,
        resume_from: Any = None,
    ) -> LanguageModel:
        """Train.

        Parameters
        ----------
        text : str, list of str, or array of integers
            A list of tokens at their level; integers stand for themselves, from 0 on.
            The last tokens are left out where they do not fill all streams.
        validation
            Another text, read by as many streams after every epoch; the epoch with the
            least loss on it is kept.
        checkpoint : path, optional
            File that is replaced after every epoch, for ``resume_from`` and
            :meth:`load`.
        resume_from : path, optional
            Checkpoint to go on from: what comes is, to the byte, what would have come
            without the interruption. Parameters and texts must be those of the file,
            but for ``n_epochs``, ``patience``, ``n_jobs``, ``verbose``, ``callbacks``.

        Raises
        ------
        TypeError, ValueError
            For parameters, texts or a checkpoint that do not fit.
        FloatingPointError
            If the loss becomes infinite or NaN.
        """
        where = self._where("fit")
        schedule = schedule_of(self, where)
        callbacks = as_callbacks(self.callbacks, where)
        if checkpoint is not None:
            saving.check_target(checkpoint, where)
        vocabulary = vocabulary_of(self, text, where)
        ids = vocabulary.encode(text, where)
        streams = self._streams(ids, where, "text", whole=False)
        held_out = None
        if validation is not None:
            read = vocabulary.encode(validation, where, "validation")
            held_out = self._streams(read, where, "validation", whole=True)
        network = network_of(self, vocabulary.size, where)
        counts = np.bincount(ids, minlength=vocabulary.size)
        training = Training(network, schedule, streams, held_out)
        origin = files.Origin(vocabulary, counts, files.digest(streams, held_out))
        if resume_from is not None:
            files.resume(self, training, origin, resume_from, where)

        def after_epoch() -> bool:
            self._keep(network, origin, training.record)
            if checkpoint is not None:
                files.write_checkpoint(self, training, origin, checkpoint, where)
            epoch = training.record.n_epochs - 1
            return call_all(callbacks, "after_iteration", self, epoch, self.history_)

        call_all(callbacks, "before_training", self)
        try:
            training.run(after_epoch, self.verbose > 0, where)
        finally:
            if training.record.n_epochs:  # also after Ctrl-C
                self._keep(network, origin, training.record)
        call_all(callbacks, "after_training", self)
        return self

    def _where(self, method: str) -> str:
        return f"recurrent.{type(self).__name__}.{method}"

    def _keep(self, network: TextNetwork, origin: files.Origin, record: Record) -> None:
        """Take what a training has reached."""
        self._network, self._origin, self._record = network, origin, record
        self.vocabulary_ = origin.vocabulary.names
        self.vocabulary_size_ = origin.vocabulary.size
        self.history_ = record.as_dict()
        self.best_epoch_ = record.history.best_epoch
        self.n_epochs_ = record.n_epochs

    def _streams(self, ids: Ids, where: str, name: str, *, whole: bool) -> Streams:
        """A training text fills all streams; of another some may be left out."""
        n_streams = as_integer(self.batch_size, where, "batch_size", low=1)
        least = 2 if whole else n_streams + 1
        if len(ids) < least:
            fail(where, f"{name} of at least {least} tokens", str(len(ids)))
        return Streams(ids, min(n_streams, len(ids) - 1), whole=whole)

    # ------------------------------------------------------------ judging texts

    def perplexity(self, text: Any, *, n_streams: int = 1) -> float:
        """Return exp of the mean loss per token.

        Parameters
        ----------
        text : str, list of str, or array of integers
            Two tokens at least: each but the first has a loss, given all before it.
        n_streams : int
            More than 1 cuts the text into streams that know nothing of each other, and
            reads them side by side: faster, and a little worse.

        Raises
        ------
        ValueError
            For what the vocabulary does not hold, unless something stands for it.
        """
        loss = self._mean_loss(text, n_streams, "perplexity")
        with np.errstate(over="ignore"):
            return float(np.exp(loss))

    def bits_per_character(self, text: Any, *, n_streams: int = 1) -> float:
        """Return the mean loss per character, in bits; arguments as in `perplexity`.

        Of tokens the text must be a string: the loss of all is spread over all its
        characters, those between tokens included.
        """
        nats = self._mean_loss(text, n_streams, "bits_per_character")
        if self._origin.vocabulary.level == "token":
            if not isinstance(text, str):
                where = self._where("bits_per_character")
                fail_type(where, "text as a string", type(text).__name__)
            n_losses = len(self._origin.vocabulary.encode(text, "")) - 1
            nats *= n_losses / len(text)
        return nats / math.log(2)

    def score(self, text: Any, y: None = None) -> float:
        """Return the mean log-likelihood per token in nats: higher is better."""
        del y  # as scikit-learn passes it
        return -self._mean_loss(text, 1, "score")

    def _mean_loss(self, text: Any, n_streams: int, method: str) -> float:
        check_is_fitted(self)
        where = self._where(method)
        n_streams = as_integer(n_streams, where, "n_streams", low=1)
        ids = self._origin.vocabulary.encode(text, where)
        if len(ids) < 2:
            fail(where, "text of at least 2 tokens", str(len(ids)))
        streams = Streams(ids, min(n_streams, len(ids) - 1), whole=True)
        return self._network.mean_loss(streams, -(-_EVALUATION_STEPS // n_streams))

    # ------------------------------------------------------------ writing texts

    def sample(
        self,
        n: int,
        prompt: Any = "",
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        random_state: int | None = None,
    ) -> Any:
        """Return n tokens that go on from a prompt.

        Parameters
        ----------
        n : int
            Tokens.
        prompt : str, list of str, or array of integers
            What is read before; it is not returned. Without one the first token is
            drawn by how often each stands in the training text.
        temperature : float
            Logits are divided by it: less than 1 prefers the likely. 0 takes the
            likeliest, of equals the first.
        top_k : int or None
            Only so many of the likeliest tokens may come; 1 is the likeliest alone.
        random_state : int or None
            Seed: the same text for the same seed. None: another text each time.

        Returns
        -------
        str or ndarray of int64
            A string; integers after a fit to integers. Tokens are followed by a space,
            ``"<eos>"`` is a line end.
        """
        where = self._where("sample")
        check_is_fitted(self)
        number = as_integer(n, where, "n", low=0)
        tokens = self._tokens(number, prompt, temperature, top_k, random_state, where)
        return self._origin.vocabulary.joined(tokens)

    def stream(
        self,
        prompt: Any = "",
        *,
        n: int | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        random_state: int | None = None,
    ) -> Iterator[Any]:
        """Return an iterator over what :meth:`sample` returns, piece by piece.

        Parameters
        ----------
        n : int or None
            Tokens; None: without end.
        others
            As in :meth:`sample`.
        """
        where = self._where("stream")
        check_is_fitted(self)
        number = None if n is None else as_integer(n, where, "n", low=0)
        tokens = self._tokens(number, prompt, temperature, top_k, random_state, where)
        return map(self._origin.vocabulary.piece, tokens)

    def _tokens(
        self,
        n: int | None,
        prompt: Any,
        temperature: float,
        top_k: int | None,
        random_state: int | None,
        where: str,
    ) -> Iterator[int]:
        choice = Choice.of(temperature, top_k, random_state, where)
        ids = np.empty(0, np.int64)
        if not isinstance(prompt, str) or prompt:
            ids = self._origin.vocabulary.encode(prompt, where, "prompt")
        with np.errstate(divide="ignore"):  # what never came has no chance
            first = np.log(self._origin.counts)
        return drawn(self._network, ids, first, n, choice)

    # ------------------------------------------------------------ files

    def save(self, path: Any) -> None:
        """Write the model as a safetensors file, for :meth:`load`.

        Raises
        ------
        ImportError
            Without safetensors.
        """
        check_is_fitted(self)
        files.write_model(self, path, self._where("save"))

    @classmethod
    def load(cls, path: Any) -> LanguageModel:
        """Return the model of a file from :meth:`save`, or of a checkpoint.

        Raises
        ------
        TypeError, ValueError
            For anything but a whole file of such a model; nothing in it is executed.
        """
        model: LanguageModel = files.read_model(
            cls, path, f"recurrent.{cls.__name__}.load"
        )
        return model

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_network")
