"""Evidence from samples that come in chunks, in constant memory."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._memory import empty
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import as_real_array, check_fits, fail, fail_type
from fastnotes.evidence.importance_weights import importance_weights

Array = NDArray[np.float64]


class StreamingEvidence:
    """The bound and its diagnostics from any number of samples, a chunk at a time.

    Keeps five numbers per sum, whatever K. Two streams may be merged.

    Parameters
    ----------
    shape
        Shape of one sample's log-weights, ``()`` for a single sum; an integer counts as
        one dimension.
    n_threads
        See :doc:`threads`; results do not depend on it.

    Raises
    ------
    TypeError, ValueError
        If ``shape`` is not made of integers >= 0.

    Notes
    -----
    The largest log-weight m, which is exact, and the sums of exp(log_w - m) and of its
    square, in float64 with a running compensation. Another order of the samples, or
    another cut into chunks, changes the bound by a few eps of a nat, not by more for
    more chunks. Bit for bit equal are: the same chunks in the same order, with any
    number of threads and beside any other sums; and ``a.merge(b)`` and ``b.merge(a)``.

    Without samples, or with -inf alone: bound -inf, ess 0, standard error nan. Any NaN:
    nan. n entries +inf: bound +inf, ess n.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.evidence import StreamingEvidence
    >>> stream = StreamingEvidence(())
    >>> stream.update(np.log([1.0, 2.0])).update(np.log([3.0, 4.0, 5.0]))
    StreamingEvidence(shape=(), n_samples=5)
    >>> round(float(np.exp(stream.bound)), 12)
    3.0
    """

    def __init__(
        self, shape: int | tuple[int, ...] = (), *, n_threads: int | None = None
    ) -> None:
        where = "evidence.StreamingEvidence"
        self.shape = _as_shape(shape, where)
        resolve_n_threads(n_threads, where)
        self.n_threads = n_threads
        self.n_samples = 0
        self._largest = np.full(self.shape, -np.inf)
        #: Sum of weights and of their squares; what their additions have lost.
        self._sums = np.zeros((2, *self.shape))
        self._lost = np.zeros((2, *self.shape))

    def __repr__(self) -> str:
        return f"StreamingEvidence(shape={self.shape}, n_samples={self.n_samples})"

    def update(self, log_w: ArrayLike) -> StreamingEvidence:
        """Take in log-weights of shape ``(k, *shape)``, any k >= 0; return ``self``.

        Raises
        ------
        TypeError, ValueError
            If they are not real or have another shape; nothing is taken in then.
        """
        where = "evidence.StreamingEvidence.update"
        chunk = as_real_array(log_w, where, "log_w")
        if chunk.ndim == 0 or chunk.shape[1:] != self.shape:
            wanted = ", ".join(map(str, ("k", *self.shape)))
            fail(where, f"log_w of shape ({wanted})", str(chunk.shape))
        if len(chunk) == 0:
            return self
        largest = chunk.max(axis=0).astype(np.float64)
        shifted = empty(chunk.shape, np.dtype(np.float64), where)
        with np.errstate(invalid="ignore"):
            np.subtract(chunk, largest, out=shifted)
        infinite = np.isinf(largest)
        if infinite.any():  # infinity less itself
            equal = chunk == largest
            shifted[equal & infinite] = 0.0
        bound, _, ess = importance_weights(shifted, 0, n_threads=self.n_threads)
        total = np.exp(bound) * len(chunk)
        total = np.where(largest == -np.inf, 0.0, total)
        squares = np.where(total == 0, 0.0, total * total / np.asarray(ess))
        self._add(largest, np.stack([total, squares]), np.zeros_like(self._lost))
        self.n_samples += len(chunk)
        return self

    def merge(self, other: StreamingEvidence) -> StreamingEvidence:
        """Take in all that ``other`` has seen; return ``self``. ``other`` is kept.

        Raises
        ------
        TypeError, ValueError
            If ``other`` is no stream, or of another shape.
        """
        where = "evidence.StreamingEvidence.merge"
        if not isinstance(other, StreamingEvidence):
            fail_type(where, "a StreamingEvidence", type(other).__name__)
        if other.shape != self.shape:
            fail(where, f"a stream of shape {self.shape}", str(other.shape))
        self._add(other._largest, other._sums, other._lost)
        self.n_samples += other.n_samples
        return self

    @property
    def bound(self) -> Any:
        """The K-sample bound log (1/K) sum_k w_k, over all samples so far, in nats."""
        with np.errstate(divide="ignore"):
            total = self._sums[0] + self._lost[0]
            mean = np.log(total / max(self.n_samples, 1))
            return np.where(total == 0, -np.inf, self._largest + mean)[()]

    @property
    def ess(self) -> Any:
        """(sum_k w_k)^2 / sum_k w_k^2, from 1 to K; 0 where no weight is positive."""
        total, squares = self._sums + self._lost
        return (total**2 / np.where(squares == 0, 1.0, squares))[()]

    @property
    def standard_error(self) -> Any:
        """Standard error of the bound, in nats, by the delta method.

        sqrt((1 / ess - 1 / K) K / (K - 1)); nan for K < 2 or without weight. Too small
        where the weights have no variance: a large Pareto k (:func:`psis`) says so.
        """
        n, ess = self.n_samples, np.asarray(self.ess)
        if n < 2:
            return np.full(self.shape, np.nan)[()]
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = np.maximum(1 / ess - 1 / n, 0.0) * n / (n - 1)
            return np.where(ess == 0, np.nan, np.sqrt(variance))[()]

    def _add(self, largest: Array, sums: Array, lost: Array) -> None:
        """Add sums relative to their own largest log-weight."""
        target = np.maximum(self._largest, largest)  # NaN passes through
        mine, theirs = (_rescaled(each, target) for each in (self._largest, largest))
        ours, added = self._sums * mine, sums * theirs
        with np.errstate(invalid="ignore"):
            total = ours + added
            error = np.where(
                ours >= added, (ours - total) + added, (added - total) + ours
            )
        self._lost = (self._lost * mine + lost * theirs) + error
        self._sums, self._largest = total, target


def _rescaled(largest: Array, target: Array) -> Array:
    """Factors of a sum and of a sum of squares when the anchor moves to ``target``."""
    with np.errstate(invalid="ignore"):
        distance = np.where(largest == target, 0.0, largest - target)
    return np.stack([np.exp(distance), np.exp(2 * distance)])


def _as_shape(shape: Any, where: str) -> tuple[int, ...]:
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    found = []
    for size in sizes:
        if isinstance(size, (bool, np.bool_)):
            fail_type(where, "shape made of integers", "a bool")
        try:
            found.append(operator.index(size))
        except TypeError:
            fail_type(where, "shape made of integers", type(size).__name__)
        if found[-1] < 0:
            fail(where, "shape made of integers >= 0", str(found[-1]))
    check_fits(where, "sums", (2, *found), np.float64)
    return tuple(found)
