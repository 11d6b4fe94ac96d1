"""Classifiers of nodes in scikit-learn's shape, on layers of this room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnotes.graph._estimator import NodeClassifier
from fastnotes.graph.layers import ChebyshevConvolution, GraphConvolution, GraphLayer


class GCNClassifier(NodeClassifier):
    """Classes of nodes by a graph convolutional network.

    Parameters
    ----------
    hidden_size, num_layers
        Units of the hidden layers, and layers with the last one.
    dropout
        Part of what enters each layer that is set to 0 in training.
    bias
        Add vectors to the layers' outputs; the paper has none.
    learning_rate
        Adam's.
    weight_decay
        w in the penalty w / 2 * |W|^2 on the first layer's weights, as in the paper.
    n_epochs : int
        Steps: each takes all nodes.
    patience : int or None
        Epochs without a better validation loss after which training stops; only where
        :meth:`fit` is given validation nodes.
    normalize_features : bool
        Divide every row of X by its sum.
    random_state : int
        Seed of weights and dropout.
    n_jobs : int or None
        Threads. The model is the same to the byte for any number.
    verbose : int
        Above 0: a progress bar with losses and the time left.
    callbacks : list, optional
        Objects with ``before_training(model)``, ``after_iteration(model, epoch,
        history)``, which stops the training by returning True, or
        ``after_training(model)``. The model predicts as of the last epoch.

    Attributes
    ----------
    classes_ : ndarray
        Sorted classes in training.
    history_ : dict of str to list
        ``loss`` and, with validation nodes, ``validation_loss`` of the epochs, without
        the penalty.
    best_epoch_, n_epochs_ : int
        The epoch, from 0 on, that was kept (None without validation); epochs done.
    n_features_in_ : int

    Notes
    -----
    The defaults are the paper's recipe. Its early stopping, against the mean of the
    last ten validation losses, is replaced by the patience, and the best epoch is kept
    in place of the last one.

    References
    ----------
    Kipf and Welling, "Semi-supervised classification with graph convolutional
    networks", ICLR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.graph import GCNClassifier, from_edges
    >>> two_rings = np.array([[0, 1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 0, 5, 6, 7, 4]])
    >>> A = from_edges(two_rings, 8)
    >>> model = GCNClassifier(random_state=1)
    >>> model.fit(np.eye(8), [0, -1, -1, -1, 1, -1, -1, -1], graph=A).predict()
    array([0, 0, 0, 0, 1, 1, 1, 1])
    """

    _operator_kind = "renormalized"

    def __init__(
        self,
        hidden_size: int = 16,
        num_layers: int = 2,
        *,
        dropout: float = 0.5,
        bias: bool = False,
        learning_rate: float = 0.01,
        weight_decay: float = 5e-4,
        n_epochs: int = 200,
        patience: int | None = 10,
        normalize_features: bool = True,
        random_state: int = 0,
        n_jobs: int | None = None,
        verbose: int = 0,
        callbacks: Sequence[Any] | None = None,
    ) -> None:
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.dropout = dropout
        self.bias = bias
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.n_epochs = n_epochs
        self.patience = patience
        self.normalize_features = normalize_features
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.callbacks = callbacks

    def _layer(self, input_size: int, output_size: int, **options: Any) -> GraphLayer:
        return GraphConvolution(input_size, output_size, **options)


class ChebNetClassifier(NodeClassifier):
    """Classes of nodes by Chebyshev filters: :class:`GCNClassifier` with other layers.

    Parameters
    ----------
    degree
        Of the polynomials; the K of Kipf and Welling's table. A layer has degree + 1
        matrices.
    lmax
        As in :func:`chebyshev_filter`.
    others
        As for :class:`GCNClassifier`.

    References
    ----------
    Defferrard, Bresson and Vandergheynst, "Convolutional neural networks on graphs
    with fast localized spectral filtering", NIPS 2016.
    """

    _operator_kind = "laplacian"

    def __init__(
        self,
        degree: int = 2,
        hidden_size: int = 16,
        num_layers: int = 2,
        *,
        lmax: float | str = 2.0,
        dropout: float = 0.5,
        bias: bool = False,
        learning_rate: float = 0.01,
        weight_decay: float = 5e-4,
        n_epochs: int = 200,
        patience: int | None = 10,
        normalize_features: bool = True,
        random_state: int = 0,
        n_jobs: int | None = None,
        verbose: int = 0,
        callbacks: Sequence[Any] | None = None,
    ) -> None:
        self.degree = degree
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.lmax = lmax
        self.dropout = dropout
        self.bias = bias
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.n_epochs = n_epochs
        self.patience = patience
        self.normalize_features = normalize_features
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.callbacks = callbacks

    def _layer(self, input_size: int, output_size: int, **options: Any) -> GraphLayer:
        return ChebyshevConvolution(
            input_size, output_size, self.degree, lmax=self.lmax, **options
        )
