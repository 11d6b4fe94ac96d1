"""Layers of graph networks, with their gradients written out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from fastnotes._core import native
from fastnotes._memory import empty
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_dropout,
    as_float_dtype,
    as_integer,
    as_real_array,
    as_seed,
    fail,
)
from fastnotes.graph._features import (
    DenseFeatures,
    Features,
    as_features,
    describe_features,
)
from fastnotes.graph._scaled import scaled_laplacian
from fastnotes.graph.chebyshev import clenshaw, terms
from fastnotes.graph.laplacian import GraphOperator
from fastnotes.nn.gemm import matmul

#: Philox purposes, with the layer's number added: first weights; dropout.
WEIGHTS_PURPOSE, DROPOUT_PURPOSE = 0x67720100, 0x67720200
_MOST_LAYERS = 0x100


class _Trace(NamedTuple):
    """What a training pass leaves for the backward pass."""

    operator: Any
    x: Features
    scale: RealArray | None  # of what entered: 0 where it was dropped


class GraphLayer(ABC):
    """What :class:`GraphConvolution` and :class:`ChebyshevConvolution` share.

    Attributes
    ----------
    parameters : dict of str to ndarray
        ``weight`` and, if asked for, ``bias`` (F,). They may be changed in place.
    gradients : dict of str to ndarray
        Of the last :meth:`backward`, under the same names.
    """

    #: Of the operators it takes.
    _kind: str

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        dropout: float = 0.0,
        bias: bool = False,
        layer: int = 0,
        random_state: int = 0,
        dtype: DTypeLike = np.float32,
        n_threads: int | None = None,
    ) -> None:
        where = self._where()
        self.input_size = as_integer(input_size, where, "input_size", low=1)
        self.output_size = as_integer(output_size, where, "output_size", low=1)
        self.dropout = as_dropout(dropout, where)
        self.layer = as_integer(layer, where, "layer", low=0, high=_MOST_LAYERS - 1)
        self.random_state = as_seed(random_state, where)
        self.dtype = as_float_dtype(dtype, where)
        self._n_threads = resolve_n_threads(n_threads, where)
        shape = self._weight_shape()
        # Glorot and Bengio (2010), eq. 16.
        limit = math.sqrt(6 / (self.input_size + self.output_size))
        weight = empty(shape, self.dtype, where)
        purpose = WEIGHTS_PURPOSE + self.layer
        native.runtime.fill_uniform(self.random_state, purpose, 0, weight.reshape(-1))
        weight *= 2 * limit
        weight -= limit
        self.parameters: dict[str, RealArray] = {"weight": weight}
        if bias:
            self.parameters["bias"] = np.zeros(self.output_size, self.dtype)
        self.gradients: dict[str, RealArray] = {}
        self._n_drawn = 0
        self._trace: _Trace | None = None

    def _where(self, method: str = "") -> str:
        name = f"graph.{type(self).__name__}"
        return f"{name}.{method}" if method else name

    @abstractmethod
    def _weight_shape(self) -> tuple[int, ...]:
        """Shape of the weights."""

    @abstractmethod
    def _prepare(self, graph: Any, where: str) -> Any:
        """Return what multiplies, from an adjacency or an operator."""

    @abstractmethod
    def _n_nodes(self, operator: Any) -> int:
        """Rows of what multiplies."""

    @abstractmethod
    def _apply(self, operator: Any, x: Features, where: str) -> RealArray:
        """Return the outputs without the bias."""

    @abstractmethod
    def _gradients_of(
        self,
        operator: Any,
        x: Features,
        dY: RealArray,
        dX: RealArray | None,
        where: str,
    ) -> RealArray:
        """Return the weights' gradient, and write that of x to ``dX``, if given."""

    def forward(self, graph: Any, X: Any, *, training: bool = False) -> RealArray:
        """Return the layer's outputs.

        Parameters
        ----------
        graph
            A :class:`GraphOperator` on the CPU, prepared once for many calls, or an
            adjacency (n, n).
        X
            (n, C), dense or a SciPy sparse matrix, which stays sparse; converted to the
            layer's dtype.
        training
            Apply dropout, and keep what :meth:`backward` needs.

        Returns
        -------
        ndarray of shape (n, F)

        Raises
        ------
        TypeError, ValueError
            For a graph or X that is none, or does not fit.
        """
        where = self._where("forward")
        operator = self._prepare(graph, where)
        x = as_features(X, self.dtype, where, self._n_threads)
        shape = (self._n_nodes(operator), self.input_size)
        if x.shape != shape:
            fail(where, f"X of shape {shape}", describe_features(x))
        scale = self._draw(x.values) if training else None
        if scale is not None:
            x = x.with_values(x.values * scale)
        y = self._apply(operator, x, where)
        if "bias" in self.parameters:
            y += self.parameters["bias"]
        if training:
            self._trace = _Trace(operator, x, scale)
        return y

    def backward(self, dY: Any, *, input_gradient: bool = True) -> RealArray | None:
        """Compute the gradients after a training pass.

        Parameters
        ----------
        dY
            (n, F), gradient by the outputs; converted to the layer's dtype.
        input_gradient
            False: that of X is not needed.

        Returns
        -------
        ndarray of shape (n, C), or None
            Gradient by X; None for sparse X, and where it is not needed.

        Raises
        ------
        ValueError
            Without a training pass before, or for dY that does not fit.
        """
        where = self._where("backward")
        if self._trace is None:
            fail(where, "a forward pass with training=True before", "none")
        operator, x, scale = self._trace
        dy = as_real_array(dY, where, "dY", ndim=2).astype(self.dtype, copy=False)
        if dy.shape != (x.shape[0], self.output_size):
            wanted = f"dY of shape {(x.shape[0], self.output_size)}"
            fail(where, wanted, str(dy.shape))
        self._trace = None
        dx = None
        if input_gradient and isinstance(x, DenseFeatures):
            dx = empty(x.shape, self.dtype, where)
        self.gradients = {"weight": self._gradients_of(operator, x, dy, dx, where)}
        if "bias" in self.parameters:
            self.gradients["bias"] = dy.sum(axis=0)
        if dx is not None and scale is not None:
            dx *= scale
        return dx

    def _draw(self, values: RealArray) -> RealArray | None:
        """0 for what is dropped, else what makes up for it; stored values alone."""
        if self.dropout == 0:
            return None
        uniform = np.empty(values.size, self.dtype)
        purpose = DROPOUT_PURPOSE + self.layer
        native.runtime.fill_uniform(self.random_state, purpose, self._n_drawn, uniform)
        self._n_drawn += values.size
        scale: RealArray = (uniform >= self.dropout).astype(self.dtype)
        scale *= 1 / (1 - self.dropout)
        return scale.reshape(values.shape)


class GraphConvolution(GraphLayer):
    """Y = op (X W) [+ b]: features of neighbours, mixed.

    Parameters
    ----------
    input_size, output_size
        C and F.
    dropout
        Part of X that is set to 0 in training, the rest scaled up; of sparse X, part of
        what is stored.
    bias
        Add a vector to the outputs. The paper's layers have none.
    layer
        Number of the layer in its network: layers of different numbers draw other
        weights and dropout from one ``random_state``.
    random_state
        Seed of the first weights (Glorot's) and of dropout.
    dtype
        float32 or float64; X is converted to it.
    n_threads
        Threads; None takes the default. The same bytes for any count.

    Notes
    -----
    ``op`` is the operator given to :meth:`forward`, ``"renormalized"`` for an
    adjacency. Products come in the cheaper order. Gradients, with dZ = op^T dY::

        dW = X^T dZ,  dX = dZ W^T,  db = sum over nodes of dY

    References
    ----------
    Kipf and Welling, "Semi-supervised classification with graph convolutional
    networks", ICLR 2017, eq. 2 and 8.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from fastnotes.graph import GraphConvolution
    >>> path = scipy.sparse.csr_array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> layer = GraphConvolution(4, 2)
    >>> layer.forward(path, np.ones((3, 4)), training=True).shape
    (3, 2)
    >>> layer.backward(np.ones((3, 2))).shape
    (3, 4)
    """

    def _weight_shape(self) -> tuple[int, ...]:
        return self.input_size, self.output_size

    def _prepare(self, graph: Any, where: str) -> GraphOperator:
        if isinstance(graph, GraphOperator):
            if graph.device != "cpu":
                fail(where, "a graph on the CPU", graph.device)
            return graph
        operator = GraphOperator.__new__(GraphOperator)
        operator._prepare(graph, "renormalized", "one", self._n_threads, where, "cpu")
        return operator

    def _n_nodes(self, operator: GraphOperator) -> int:
        return operator.shape[0]

    def _apply(self, operator: GraphOperator, x: Features, where: str) -> RealArray:
        weight = self.parameters["weight"]
        out = empty((x.shape[0], self.output_size), self.dtype, where)
        if isinstance(x, DenseFeatures) and self.input_size < self.output_size:
            mixed = operator.matmul(x.values)
            return matmul(mixed, weight, out=out, n_threads=self._n_threads)
        narrow = x.times(weight, empty(out.shape, self.dtype, where), self._n_threads)
        return operator.matmul(narrow, out=out)  # type: ignore[no-any-return]

    def _gradients_of(
        self,
        operator: GraphOperator,
        x: Features,
        dY: RealArray,
        dX: RealArray | None,
        where: str,
    ) -> RealArray:
        weight = self.parameters["weight"]
        dZ = operator.rmatmul(dY)
        if dX is not None:
            matmul(dZ, weight, transpose_b=True, out=dX, n_threads=self._n_threads)
        out = empty(weight.shape, self.dtype, where)
        return x.transposed_times(dZ, out, self._n_threads)


class ChebyshevConvolution(GraphLayer):
    """Y = sum_{k=0..degree} T_k(L~) X W_k [+ b]: filters of the graph's spectrum.

    Parameters
    ----------
    input_size, output_size
        C and F.
    degree
        Of the polynomials: ``weight`` is (degree + 1, C, F), and a node hears of nodes
        up to ``degree`` hops away.
    lmax
        As in :func:`chebyshev_filter`.
    dropout, bias, layer, random_state, dtype, n_threads
        As in :class:`GraphConvolution`.

    Notes
    -----
    :meth:`forward` takes a GraphOperator of kind ``"laplacian"``, or an adjacency.
    ``degree`` products of F columns each way (of C, forward, where C < F and X is
    dense): gradients come from the terms S_k = T_k(L~^T) dY::

        dW_k = X^T S_k,  dX = sum_k S_k W_k^T

    References
    ----------
    Defferrard, Bresson and Vandergheynst, "Convolutional neural networks on graphs
    with fast localized spectral filtering", NIPS 2016.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from fastnotes.graph import ChebyshevConvolution
    >>> path = scipy.sparse.csr_array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> layer = ChebyshevConvolution(4, 2, degree=2)
    >>> layer.forward(path, np.ones((3, 4)), training=True).shape
    (3, 2)
    >>> layer.backward(np.ones((3, 2))).shape, layer.gradients["weight"].shape
    ((3, 4), (3, 4, 2))
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        degree: int,
        *,
        lmax: float | str = 2.0,
        dropout: float = 0.0,
        bias: bool = False,
        layer: int = 0,
        random_state: int = 0,
        dtype: DTypeLike = np.float32,
        n_threads: int | None = None,
    ) -> None:
        self.degree = as_integer(degree, self._where(), "degree", low=0, high=2**20)
        self.lmax = lmax
        super().__init__(
            input_size,
            output_size,
            dropout=dropout,
            bias=bias,
            layer=layer,
            random_state=random_state,
            dtype=dtype,
            n_threads=n_threads,
        )

    def _weight_shape(self) -> tuple[int, ...]:
        return self.degree + 1, self.input_size, self.output_size

    def _prepare(self, graph: Any, where: str) -> Any:
        scaled, _ = scaled_laplacian(
            graph, None, self.lmax, "one", self._n_threads, where
        )
        return scaled

    def _n_nodes(self, operator: Any) -> int:
        return int(operator.n)

    def _multiply(
        self, operator: Any, where: str, transpose: bool
    ) -> Callable[..., Any]:
        return partial(
            operator.product,
            where=where,
            n_threads=self._n_threads,
            transpose=transpose,
        )

    def _apply(self, operator: Any, x: Features, where: str) -> RealArray:
        weight, threads = self.parameters["weight"], self._n_threads
        shape = (x.shape[0], self.output_size)
        multiply = self._multiply(operator, where, False)
        if isinstance(x, DenseFeatures) and self.input_size < self.output_size:
            y = np.zeros(shape, self.dtype)
            for k, term in terms(multiply, x.values, len(weight), where):
                matmul(term, weight[k], out=y, accumulate=True, n_threads=threads)
            return y
        return clenshaw(
            multiply,
            lambda k, out: x.times(weight[k], out, threads),
            len(weight),
            shape,
            self.dtype,
            where,
        )

    def _gradients_of(
        self,
        operator: Any,
        x: Features,
        dY: RealArray,
        dX: RealArray | None,
        where: str,
    ) -> RealArray:
        weight, threads = self.parameters["weight"], self._n_threads
        dweight = np.empty_like(weight)
        multiply = self._multiply(operator, where, True)
        for k, term in terms(multiply, dY, len(weight), where):
            x.transposed_times(term, dweight[k], threads)
            if dX is not None:
                matmul(
                    term,
                    weight[k],
                    transpose_b=True,
                    out=dX,
                    accumulate=k > 0,
                    n_threads=threads,
                )
        return dweight
