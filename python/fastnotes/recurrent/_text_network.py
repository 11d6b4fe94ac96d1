"""Embedding, layers and a head over the vocabulary, trained window by window."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import DTypeLike, NDArray

from fastnotes._core import native
from fastnotes._validation import RealArray
from fastnotes.nn import PackedMatrix, matmul, softmax_cross_entropy
from fastnotes.recurrent._options import LSTMOptions
from fastnotes.recurrent._shapes import Shapes, kinds_of, shapes_of
from fastnotes.recurrent._streams import Streams, Window
from fastnotes.recurrent.layers import LSTM, RNN
from fastnotes.recurrent.stack import DROPOUT_PURPOSE, Stream

Ids = NDArray[np.int64]

#: Philox purpose of the weights that are not the stack's own.
TEXT_WEIGHTS_PURPOSE = 0x74780001

_FIRST = "weight_ih_l0"


class Loss(NamedTuple):
    """Losses summed over a window, how many there were, and the state after it."""

    total: float
    n_losses: int
    state: Any


@dataclass(frozen=True)
class TextSizes:
    """What decides the parameters of a network and how it computes.

    Attributes
    ----------
    window_size
        Tokens of a training step, B T.
    parts
        Of an LSTM.
    """

    cell: str
    vocabulary_size: int
    embedding_size: int
    hidden_size: int
    num_layers: int
    tie_weights: bool
    dropout: float
    window_size: int
    parts: LSTMOptions = field(default_factory=LSTMOptions)

    @property
    def output_size(self) -> int:
        """Columns of what the layers put out."""
        return self.parts.proj_size or self.hidden_size

    @property
    def folded(self) -> bool:
        """Whether the first layer reads one-hot tokens, by weights times embedding.

        It is the same function, in fewer operations where the embedding is wider than
        the vocabulary and a window longer than either.
        """
        tokens, width = self.vocabulary_size, self.embedding_size
        saved = self.window_size * (width - tokens)
        return self.dropout == 0 and saved > tokens * width

    def shapes(self) -> Shapes:
        """Return the shapes of the parameters, in their order."""
        parts, tokens, outputs = self.parts, self.vocabulary_size, self.output_size
        kinds = kinds_of(parts.peephole, parts.proj_size, parts.layer_norm)
        n_gates = (LSTM if self.cell == "lstm" else RNN)._n_gates
        shapes: Shapes = {"embedding": (tokens, self.embedding_size)}
        for layer in range(self.num_layers):
            below = outputs if layer else self.embedding_size
            own = shapes_of(kinds, n_gates, below, self.hidden_size, outputs)
            shapes |= {f"{kind}_l{layer}": shape for kind, shape in own.items()}
        if not self.tie_weights:
            shapes["head_weight"] = tokens, outputs
        shapes["head_bias"] = (tokens,)
        return shapes


class TextNetwork:
    """The network of a language model.

    Attributes
    ----------
    parameters : dict of str to ndarray
        ``embedding`` (V, E), the stack's, ``head_weight`` (V, H or R) unless it is the
        embedding, ``head_bias`` (V,). Changed in place.
    n_tokens : int
        Tokens that training has read, from which dropout counts.
    n_sequences : int
        Rows of windows that it has read, from which zoneout counts.
    """

    def __init__(
        self,
        sizes: TextSizes,
        *,
        random_state: int,
        n_threads: int,
        init_scale: float | None = None,
        forget_bias: float = 1.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.sizes, self.n_threads = sizes, n_threads
        self._seed, self._dtype = random_state, np.dtype(dtype)
        self.n_tokens = self.n_sequences = 0
        options: dict[str, Any] = {"random_state": random_state, "dtype": dtype}
        make: Any = RNN
        if sizes.cell == "lstm":
            make = LSTM
            options |= {"forget_bias": forget_bias, **asdict(sizes.parts)}
        width = sizes.vocabulary_size if sizes.folded else sizes.embedding_size
        self._stack: Any = make(
            width,
            sizes.hidden_size,
            sizes.num_layers,
            dropout=sizes.dropout,
            n_threads=n_threads,
            **options,
        )
        self._one_hot = np.eye(width, dtype=dtype) if sizes.folded else None
        self.parameters = self._start(init_scale)
        self._trace: Any = None

    @property
    def _head(self) -> RealArray:
        name = "embedding" if self.sizes.tie_weights else "head_weight"
        return self.parameters[name]

    def _start(self, scale: float | None) -> dict[str, RealArray]:
        """Weights uniform in +-scale; without one as torch starts them.

        The embedding is then normal, with deviation 1, or E**-0.5 where it is the head
        too; layers and head are uniform in +-H**-0.5.
        """
        bound = self.sizes.hidden_size**-0.5 if scale is None else scale
        found, drawn = {}, 0
        for name, shape in self.sizes.shapes().items():
            own = self._stack.parameters.get(name)
            if name.startswith(("bias", "gain", "head_bias")):
                found[name] = np.zeros(shape, self._dtype) if own is None else own
                continue
            values = np.empty(shape, self._dtype)
            normal = name == "embedding" and scale is None
            fill = native.runtime.fill_normal if normal else native.runtime.fill_uniform
            fill(self._seed, TEXT_WEIGHTS_PURPOSE, drawn, values.reshape(-1))
            drawn += values.size
            if not normal:
                values[...] = bound * (2 * values - 1)
            elif self.sizes.tie_weights:
                values *= shape[1] ** -0.5
            if own is not None and own.shape == shape:
                own[...] = values
                values = own
            found[name] = values
        return found

    def ready_stack(self) -> Any:
        """Return the layers, ready to read :meth:`inputs`."""
        if self.sizes.folded:
            matmul(
                self.parameters[_FIRST],
                self.parameters["embedding"],
                transpose_b=True,
                out=self._stack.parameters[_FIRST],
                n_threads=self.n_threads,
            )
        return self._stack

    # ------------------------------------------------------------ training

    def loss(self, window: Window, state: Any, *, training: bool = False) -> Loss:
        """Read a window after ``state``; in training keep what :meth:`gradients` needs.

        The loss is counted in nats.
        """
        stack, mask_below, mask = self.ready_stack(), None, None
        x = self.inputs(window.inputs)
        if training:
            x, mask_below = self._dropped(x, 0)
            stack.draw_as_after(self.n_tokens, self.n_sequences)
        h, state = stack.forward(x, state, training=training)
        flat = h.reshape(-1, h.shape[2])
        if training:
            flat, mask = self._dropped(flat, self.sizes.num_layers)
        logits = self.logits(flat)
        losses, gradient = softmax_cross_entropy(
            logits,
            window.targets.reshape(-1),
            keep_gradient=training,
            out=logits if training else None,
            n_threads=self.n_threads,
        )
        n_losses = int(np.count_nonzero(window.targets >= 0))
        if training:
            self._trace = window.inputs, mask_below, flat, mask, gradient, n_losses
            self.n_tokens += window.inputs.size
            self.n_sequences += len(window.inputs)
        return Loss(float(losses.sum(dtype=np.float64)), n_losses, state)

    def gradients(self) -> dict[str, RealArray]:
        """Return those of the last training window's mean loss.

        Truncated there: nothing flows into the state before it.
        """
        ids, mask_below, flat, mask, dlogits, n_losses = self._trace
        self._trace = None
        dlogits *= self._dtype.type(1 / max(n_losses, 1))
        threads, head = self.n_threads, self._head
        dhead = matmul(dlogits, flat, transpose_a=True, n_threads=threads)
        dflat = matmul(dlogits, head, n_threads=threads)
        if mask is not None:
            dflat *= mask
        dx = self._stack.backward(dflat.reshape(*ids.shape, -1))
        found = {**self._stack.gradients, "head_bias": dlogits.sum(axis=0)}
        if self.sizes.folded:
            # The stack's first weights are F = U E^T, for U the layer's.
            dfolded, first = found[_FIRST], self.parameters[_FIRST]
            found[_FIRST] = matmul(
                dfolded, self.parameters["embedding"], n_threads=threads
            )
            found["embedding"] = matmul(
                dfolded, first, transpose_a=True, n_threads=threads
            )
        else:
            dx = dx if mask_below is None else dx * mask_below
            found["embedding"] = scatter_add(ids, dx, self.sizes.vocabulary_size)
        if self.sizes.tie_weights:
            found["embedding"] += dhead
        else:
            found["head_weight"] = dhead
        return {name: found[name] for name in self.parameters}

    def _dropped(
        self, values: RealArray, layer: int
    ) -> tuple[RealArray, RealArray | None]:
        """What enters a layer after dropout, and the mask; the head is the last."""
        if self.sizes.dropout == 0:
            return values, None
        uniform = np.empty(values.shape, values.dtype)
        first = self.n_tokens * values.shape[-1]
        native.runtime.fill_uniform(
            self._seed, DROPOUT_PURPOSE + layer, first, uniform.reshape(-1)
        )
        kept = uniform >= self.sizes.dropout
        mask = kept * values.dtype.type(1 / (1 - self.sizes.dropout))
        return values * mask, mask

    def forget(self) -> None:
        """Drop what an interrupted step has left."""
        self._trace = self._stack._trace = None

    # ------------------------------------------------------------ reading

    def inputs(self, ids: Ids) -> RealArray:
        """(..., D), what the stack reads for tokens."""
        table = self._one_hot
        if table is None:
            table = self.parameters["embedding"]
        return np.asarray(table[ids])

    def logits(self, h: RealArray, head: PackedMatrix | None = None) -> RealArray:
        """(n, V) from outputs (n, H) of the stack."""
        if head is None:
            product = matmul(h, self._head, transpose_b=True, n_threads=self.n_threads)
        else:
            product = head.matmul(h, n_threads=1)
        product += self.parameters["head_bias"]
        return np.asarray(product)

    def mean_loss(self, streams: Streams, n_steps: int) -> float:
        """Nats per token of streams, each read with the state carried."""
        total, state = 0.0, None
        for window in streams.windows(n_steps):
            loss = self.loss(window, state)
            total, state = total + loss.total, loss.state
        return total / streams.n_targets

    def reader(self) -> Reader:
        """Begin to read token by token, with the weights as they are now."""
        return Reader(self)


class Reader:
    """A state that advances token by token, on the calling thread."""

    def __init__(self, network: TextNetwork) -> None:
        self._network = network
        self._stack = network.ready_stack()
        self._head = PackedMatrix(network._head, transpose=True)
        self._stream: Stream | None = None

    def read(self, token: int) -> RealArray:
        """Read a token; return the logits (V,) of the next one."""
        x = self._network.inputs(np.array([token]))
        h, self._stream = self._stack.step(x, self._stream)
        logits: RealArray = self._network.logits(h, self._head)[0]
        return logits


def scatter_add(ids: Ids, values: RealArray, n_rows: int) -> RealArray:
    """(n_rows, E): the sum of the values (..., E) of each id, in order of place."""
    flat = ids.reshape(-1)
    order = np.argsort(flat, kind="stable")
    ends = np.cumsum(np.bincount(flat, minlength=n_rows))
    ones = np.ones(flat.size, values.dtype)
    chosen = scipy.sparse.csr_array(
        (ones, order, np.concatenate(([0], ends))), shape=(n_rows, flat.size)
    )
    return np.asarray(chosen @ values.reshape(flat.size, -1))
