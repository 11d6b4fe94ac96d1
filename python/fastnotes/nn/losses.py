"""Softmax cross-entropy with its gradient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._core import native
from fastnotes._memory import empty
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_index_array,
    as_real_array,
    check_out,
    check_shape,
    fail,
)


class CrossEntropy(NamedTuple):
    """Losses, and their gradient with respect to the logits (None: not asked for)."""

    loss: RealArray
    gradient: RealArray | None


def softmax_cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    keep_gradient: bool = True,
    out: RealArray | None = None,
    n_threads: int | None = None,
) -> CrossEntropy:
    """Return -log softmax(logits)[target], row by row, and its gradient.

    With p the softmax of a row and t its target::

        loss = weight * (log sum_j exp(logits_j) - logits_t)
        d loss / d logits_j = weight * (p_j - [j = t])

    Parameters
    ----------
    logits
        (..., C), the classes along the last axis.
    target
        (...) integers from 0 to C - 1, or -1: no loss there, the logits are not read.
    weight
        (...), a factor for each loss, or None for ones. 0 counts as target -1.
    keep_gradient
        Compute the gradient too.
    out
        Array for the gradient: the shape and dtype of ``logits``, C-contiguous.
        ``logits`` itself may be given, and is overwritten.
    n_threads
        Threads; None takes the default. The result is the same bytes for any count.

    Returns
    -------
    CrossEntropy
        ``(loss, gradient)``, of shapes (...) and (..., C), in nats; float32 if the
        logits are float32, else float64.

    Raises
    ------
    TypeError
        For arrays that are not real, targets that are not integers.
    ValueError
        For shapes that do not agree, targets out of range, an unfit ``out``.

    Notes
    -----
    Logits of any size are safe. NaN gives NaN in its row. n logits +inf share the
    probability: the loss is log n where the target is one of them, else inf. A target
    whose logit is -inf has loss inf.

    Examples
    --------
    >>> from fastnotes.nn import softmax_cross_entropy
    >>> loss, gradient = softmax_cross_entropy([[2.0, 2.0], [0.0, -1000.0]], [0, -1])
    >>> loss.round(6)
    array([0.693147, 0.      ])
    >>> gradient
    array([[-0.5,  0.5],
           [ 0. ,  0. ]])
    """
    where = "nn.softmax_cross_entropy"
    values = as_real_array(logits, where, "logits")
    if values.ndim == 0:
        fail(where, "logits with the classes along the last axis", "a number")
    shape, classes = values.shape[:-1], values.shape[-1]
    targets = as_index_array(target, where, "target", ndim=len(shape))
    check_shape(targets, where, "target", shape, "(...)")
    weights = None
    if weight is not None:
        weights = as_real_array(weight, where, "weight")
        check_shape(weights, where, "weight", shape, "(...)")
        with np.errstate(over="ignore"):  # inf, as in any other float32 arithmetic
            weights = weights.astype(values.dtype, copy=False).reshape(-1)
    threads = resolve_n_threads(n_threads, where)
    if out is not None:
        apart = () if out is values else (values,)
        check_out(out, where, values.shape, values.dtype, *apart)
    elif keep_gradient:
        out = empty(values.shape, values.dtype, where)
    n_rows = targets.size
    loss = empty(shape, values.dtype, where)
    native.nn.cross_entropy(
        values.reshape(n_rows, classes),
        targets.reshape(-1),
        weights,
        loss.reshape(-1),
        None if out is None else np.asarray(out).reshape(n_rows, classes),
        threads,
    )
    return CrossEntropy(loss, out)
