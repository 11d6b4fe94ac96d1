"""Cross-entropies of a softmax and of sigmoids, with their gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._core import native
from fastnotes._memory import empty, memory_of
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_index_array,
    as_real_array,
    check_out,
    check_shape,
    fail,
)
from fastnotes.nn.elementwise import sigmoid, softplus


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
    weights = _as_weight(weight, where, shape, values.dtype)
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
        None if weights is None else weights.reshape(-1),
        loss.reshape(-1),
        None if out is None else np.asarray(out).reshape(n_rows, classes),
        threads,
    )
    return CrossEntropy(loss, out)


def sigmoid_cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    keep_gradient: bool = True,
    n_threads: int | None = None,
) -> CrossEntropy:
    """Return the negative log-likelihood of independent labels, and its gradient.

    With p the sigmoids of a row and t its targets::

        loss = -weight * sum_j (t_j log p_j + (1 - t_j) log(1 - p_j))
        d loss / d logits_j = weight * (p_j - t_j)

    Parameters
    ----------
    logits
        (..., C), the labels along the last axis.
    target
        (..., C), from 0 to 1.
    weight
        (...), a factor for each loss, or None for ones. A row of weight 0 has loss 0,
        whatever its logits.
    keep_gradient
        Compute the gradient too.
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
        For arrays that are not real.
    ValueError
        For shapes that do not agree, targets out of range.

    Notes
    -----
    Logits of any size are safe, and a nearly certain label keeps the relative accuracy
    of its small loss and gradient. Sums over labels run in float64. NaN gives NaN in
    its row; an infinite logit has loss 0 where the target agrees, else inf.

    Examples
    --------
    >>> from fastnotes.nn import sigmoid_cross_entropy
    >>> loss, gradient = sigmoid_cross_entropy([[0.0, 0.0], [1000.0, -1000.0]],
    ...                                        [[1.0, 0.0], [1.0, 0.0]])
    >>> loss.round(6)
    array([1.386294, 0.      ])
    >>> gradient
    array([[-0.5,  0.5],
           [ 0. ,  0. ]])
    """
    where = "nn.sigmoid_cross_entropy"
    a = as_real_array(logits, where, "logits")
    if a.ndim == 0:
        fail(where, "logits with the labels along the last axis", "a number")
    t = as_real_array(target, where, "target")
    check_shape(t, where, "target", a.shape, "(..., C)")
    outside = ~((t >= 0) & (t <= 1))
    if outside.any():
        at = tuple(int(i) for i in np.argwhere(outside)[0])
        fail(where, "targets from 0 to 1", f"{t[at]} at index {at}")
    weights = _as_weight(weight, where, a.shape[:-1], a.dtype)
    threads = resolve_n_threads(n_threads, where)
    with memory_of(where), np.errstate(all="ignore"):
        t = t.astype(a.dtype, copy=False)
        far = -np.abs(a)  # how sure: all exponentials are of what is not positive
        # How much of the target is on the other side.
        against = np.where(a > 0, 1 - t, t)
        terms = np.where(against > 0, -far * against, far.dtype.type(0))
        terms += softplus(far, n_threads=threads)
        loss = _weighted(terms.astype(np.float64).sum(axis=-1), weights)
        if not keep_gradient:
            return CrossEntropy(loss.astype(a.dtype), None)
        beyond = sigmoid(far, n_threads=threads)
        gradient = np.where(a > 0, against - beyond, beyond - against)
        scale = None if weights is None else weights[..., None]
        return CrossEntropy(loss.astype(a.dtype), _weighted(gradient, scale))


def _as_weight(
    weight: ArrayLike | None, where: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> RealArray | None:
    if weight is None:
        return None
    weights = as_real_array(weight, where, "weight")
    check_shape(weights, where, "weight", shape, "(...)")
    with np.errstate(over="ignore"):  # inf, as in any other float32 arithmetic
        return weights.astype(dtype, copy=False)


def _weighted(values: RealArray, weight: RealArray | None) -> RealArray:
    """Their product; 0 where the weight is, also for NaN."""
    if weight is None:
        return values
    return np.asarray(np.where(weight == 0, values.dtype.type(0), values * weight))
