"""What classifiers of nodes share: training, prediction, files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from fastnotes._callbacks import as_callbacks, call_all
from fastnotes._threads import resolve_n_jobs
from fastnotes._validation import (
    RealArray,
    as_array,
    as_index_array,
    as_integer,
    as_real,
    as_seed,
    describe,
    fail,
    fail_type,
)
from fastnotes.evidence.logsumexp import softmax
from fastnotes.graph import _estimator_files
from fastnotes.graph._features import Features, as_features, row_normalized
from fastnotes.graph._network import Network, Outputs, Task
from fastnotes.graph.laplacian import GraphOperator
from fastnotes.graph.layers import GraphLayer
from fastnotes.nn.optimizers import Adam
from fastnotes.nn.training import History, Loop

_Model = TypeVar("_Model", bound="NodeClassifier")

#: Of a node whose class is not known.
UNLABELLED = -1
_FLOAT32 = np.dtype(np.float32)


class NodeClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What the classifiers share; see them for parameters and attributes."""

    classes_: NDArray[np.int64]
    history_: dict[str, list[float]]
    n_features_in_: int
    _network: Network
    _outputs: Outputs

    #: Of the operators that the layers take.
    _operator_kind: str

    # What constructors of the classes store, all of it.
    hidden_size: int
    num_layers: int
    dropout: float
    bias: bool
    learning_rate: float
    weight_decay: float
    n_epochs: int
    patience: int | None
    normalize_features: bool
    random_state: int
    n_jobs: int | None
    verbose: int
    callbacks: Sequence[Any] | None

    def _where(self, method: str) -> str:
        return f"graph.{type(self).__name__}.{method}"

    @abstractmethod
    def _layer(self, input_size: int, output_size: int, **options: Any) -> GraphLayer:
        """Return one layer."""

    # ------------------------------------------------------------ fitting

    def fit(
        self, X: Any, y: Any, *, graph: Any, validation: Any = None
    ) -> NodeClassifier:
        """Train on the nodes whose class is known, over the whole graph.

        Parameters
        ----------
        X : array or SciPy sparse matrix of shape (n, C)
            Features, finite. Sparse ones stay sparse.
        y : array of shape (n,)
            Integer classes, at least 0; -1: not known.
        graph : SciPy sparse matrix of shape (n, n)
            Adjacency, as for :class:`GraphOperator`.
        validation : indices or mask, optional
            Nodes, of known class, to hold out: the epoch with the least loss on them is
            kept, and training stops after ``patience`` epochs without a better one.
            None: nothing is held out, all epochs are run and the last one is kept.

        Raises
        ------
        TypeError, ValueError
            For what does not fit together, fewer than two classes, parameters out of
            range.
        FloatingPointError
            If the loss becomes infinite or NaN.
        """
        where = self._where("fit")
        n_threads = resolve_n_jobs(self.n_jobs, where)
        operator = self._operator(graph, n_threads, where)
        n_nodes = operator.shape[0]
        features = self._features(X, n_nodes, n_threads, where)
        classes, target, held_out = _read_targets(y, validation, n_nodes, where)
        n_labelled = int((target >= 0).sum())
        network = self._network_of(features.shape[1], len(classes), n_threads, where)
        decay = as_real(self.weight_decay, where, "weight_decay", low=0.0)
        rate = as_real(self.learning_rate, where, "learning_rate", low=0.0)
        optimizer = Adam(network.parameters, rate, weight_decay={"weight_0": decay})
        callbacks = as_callbacks(self.callbacks, where)
        task = Task(network, operator, features, target, held_out, n_threads)
        history = History()

        def keep() -> None:
            self.n_features_in_, self.classes_ = features.shape[1], classes
            self._network = network
            self._outputs = network.forward(operator, features)
            self._keep(history)

        def after_epoch(epoch: int) -> bool:
            keep()
            scores = history.as_dict()
            return call_all(callbacks, "after_iteration", self, epoch, scores)

        loop = self._loop(n_labelled, n_threads, where)
        if callbacks:
            loop = replace(loop, after_epoch=after_epoch)
        call_all(callbacks, "before_training", self)
        try:
            loop.run(task, n_labelled, optimizer, where, history)
        finally:
            if history.loss:  # also after Ctrl-C: what the finished epochs reached
                keep()
        call_all(callbacks, "after_training", self)
        return self

    def _loop(self, n_labelled: int, n_threads: int, where: str) -> Loop:
        patience = self.patience
        if patience is not None:
            patience = as_integer(patience, where, "patience", low=1)
        return Loop(
            n_epochs=as_integer(self.n_epochs, where, "n_epochs", low=1),
            batch_size=n_labelled,
            seed=as_seed(self.random_state, where),
            patience=patience,
            verbose=as_integer(self.verbose, where, "verbose", low=0) > 0,
            n_threads=n_threads,
        )

    def _keep(self, history: History) -> None:
        self.history_ = history.as_dict()
        self.best_epoch_ = history.best_epoch
        self.n_epochs_ = len(history.loss)

    def _operator(self, graph: Any, n_threads: int, where: str) -> GraphOperator:
        operator = GraphOperator.__new__(GraphOperator)
        operator._prepare(graph, self._operator_kind, "one", n_threads, where, "cpu")
        return operator

    def _features(self, X: Any, n_nodes: int, n_threads: int, where: str) -> Features:
        features = as_features(X, _FLOAT32, where, n_threads)
        if features.shape[0] != n_nodes:
            fail(where, f"X of {n_nodes} rows, as the graph", f"{features.shape[0]}")
        if features.shape[1] < 1:
            fail(where, "X of at least one column", str(features.shape))
        if not np.isfinite(features.values).all():
            fail(where, "X finite in float32", "a NaN or infinity")
        return row_normalized(features) if self.normalize_features else features

    def _sizes(self, n_features: int, n_classes: int, where: str) -> list[int]:
        """Columns before and after every layer."""
        hidden = as_integer(self.hidden_size, where, "hidden_size", low=1)
        n_layers = as_integer(self.num_layers, where, "num_layers", low=1, high=256)
        return [n_features, *[hidden] * (n_layers - 1), n_classes]

    def _network_of(
        self, n_features: int, n_classes: int, n_threads: int, where: str
    ) -> Network:
        sizes = self._sizes(n_features, n_classes, where)
        return Network(
            [
                self._layer(
                    sizes[i],
                    sizes[i + 1],
                    dropout=self.dropout,
                    bias=bool(self.bias),
                    layer=i,
                    random_state=self.random_state,
                    n_threads=n_threads,
                )
                for i in range(len(sizes) - 1)
            ]
        )

    # ------------------------------------------------------------ predicting

    def _of(self, X: Any, graph: Any, method: str) -> Outputs:
        """Outputs for the nodes of fit, or of another graph."""
        check_is_fitted(self)
        where = self._where(method)
        if (X is None) != (graph is None):
            got = "X alone" if graph is None else "a graph alone"
            fail(where, "X and graph, or neither for the nodes of fit", got)
        if X is None:
            return self._outputs
        n_threads = resolve_n_jobs(self.n_jobs, where)
        operator = self._operator(graph, n_threads, where)
        features = self._features(X, operator.shape[0], n_threads, where)
        if features.shape[1] != self.n_features_in_:
            fail(where, f"X of {self.n_features_in_} columns", str(features.shape))
        return self._network.forward(operator, features)

    def predict(self, X: Any = None, *, graph: Any = None) -> NDArray[np.int64]:
        """Return the class of every node.

        Parameters
        ----------
        X, graph : optional
            Features and adjacency of other nodes; neither for those of :meth:`fit`.

        Returns
        -------
        ndarray of shape (n,)
        """
        logits = self._of(X, graph, "predict").logits
        return np.asarray(self.classes_[logits.argmax(axis=1)])

    def predict_proba(self, X: Any = None, *, graph: Any = None) -> RealArray:
        """Return (n, n_classes) probabilities; X and graph as in :meth:`predict`."""
        logits = self._of(X, graph, "predict_proba").logits
        return softmax(logits, axis=1)

    def transform(self, X: Any = None, *, graph: Any = None) -> RealArray:
        """Return embeddings (n, hidden_size): what enters the last layer.

        X and graph as in :meth:`predict`. With one layer the outputs themselves.
        """
        return np.array(self._of(X, graph, "transform").embedding)

    def score(self, X: Any = None, y: Any = None, *, graph: Any = None) -> float:
        """Return the accuracy over the nodes whose y is not -1.

        X and graph as in :meth:`predict`: ``score(None, y)`` is of the nodes of fit.
        """
        where = self._where("score")
        decided = self.predict(X, graph=graph)
        truth = _read_classes(y, len(decided), where)
        known = truth != UNLABELLED
        if not known.any():
            fail(where, "at least one node with a class", "none")
        return float((decided == truth)[known].mean())

    # ------------------------------------------------------------ files

    def save(self, path: Any) -> None:
        """Write parameters, history and what is predicted for the nodes of fit.

        A safetensors file; another file under that name is replaced as a whole, or
        kept. The graph and its features are not in it.

        Raises
        ------
        ImportError
            Without safetensors.
        NotFittedError
            Before :meth:`fit`.
        """
        check_is_fitted(self)
        _estimator_files.save(self, path, self._where("save"))

    @classmethod
    def load(cls: type[_Model], path: Any) -> _Model:
        """Return the classifier that :meth:`save` wrote; nothing in a file is executed.

        Raises
        ------
        ImportError
            Without safetensors.
        TypeError, ValueError
            For anything but a whole file of this class.
        OSError
            If there is no file, or it cannot be read.
        """
        where = f"graph.{cls.__name__}.load"
        return _estimator_files.load(cls, path, where)  # type: ignore[no-any-return]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_outputs")


def _read_classes(y: Any, n_nodes: int, where: str) -> NDArray[np.int64]:
    """Classes of nodes, -1 where they are not known."""
    array = as_array(y, where, "y")
    if array.dtype.kind == "f" and array.ndim == 1 and (array == array.round()).all():
        with np.errstate(invalid="ignore"):
            array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        fail_type(where, "y of integers, -1 where not known", describe(array))
    classes = as_index_array(array, where, "y")
    if len(classes) != n_nodes:
        fail(where, f"y of shape ({n_nodes},)", str(classes.shape))
    if (classes < UNLABELLED).any():
        fail(where, "y of at least -1", str(classes.min()))
    return classes


def _read_targets(
    y: Any, validation: Any, n_nodes: int, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None]:
    """Classes, and their places among them for nodes in training and held out."""
    labels = _read_classes(y, n_nodes, where)
    mask = _as_mask(validation, n_nodes, where)
    train = labels.copy()
    held_out = None
    if mask is not None:
        if (labels[mask] == UNLABELLED).any() or not mask.any():
            fail(where, "validation nodes of known class", "others, or none")
        train[mask] = UNLABELLED
    classes = np.unique(train[train != UNLABELLED])
    if len(classes) < 2:
        fail(where, "training nodes of at least two classes", f"{len(classes)}")
    if mask is not None:
        new = ~np.isin(labels[mask], classes)
        if new.any():
            got = f"class {labels[mask][new][0]}"
            fail(where, "validation nodes of classes in training", got)
        held_out = np.where(mask, np.searchsorted(classes, labels), UNLABELLED)
    known = train != UNLABELLED
    target = np.where(known, np.searchsorted(classes, train), UNLABELLED)
    return classes, target, held_out


def _as_mask(nodes: Any, n_nodes: int, where: str) -> NDArray[np.bool_] | None:
    if nodes is None:
        return None
    given = as_array(nodes, where, "validation")
    if given.dtype == np.bool_:
        if given.shape != (n_nodes,):
            fail(where, f"a validation mask of shape ({n_nodes},)", describe(given))
        return given
    indices = as_index_array(nodes, where, "validation")
    if ((indices < 0) | (indices >= n_nodes)).any():
        fail(where, f"validation nodes from 0 to {n_nodes - 1}", "others")
    mask = np.zeros(n_nodes, dtype=bool)
    mask[indices] = True
    return mask
