"""The softmax over classes at every step, and the loss of a sequence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._memory import memory_of
from fastnotes._validation import (
    RealArray,
    as_index_array,
    as_real_array,
    check_choice,
    check_fits,
    check_shape,
    fail,
)
from fastnotes.nn.losses import softmax_cross_entropy
from fastnotes.recurrent._arguments import as_lengths


class SequenceNLL(NamedTuple):
    """Loss, and its gradient with respect to the logits (None: not asked for)."""

    loss: RealArray
    gradient: RealArray | None


def softmax_jacobian(probabilities: ArrayLike) -> RealArray:
    """Return d softmax / d logits = diag(S) - S S^T, from the softmax itself.

    Parameters
    ----------
    probabilities
        (..., C), S = softmax(logits).

    Returns
    -------
    RealArray
        (..., C, C), symmetric; each row sums to 0. For a product with a vector,
        :func:`softmax_vjp` needs no matrix.

    Examples
    --------
    >>> from fastnotes.recurrent import softmax_jacobian
    >>> softmax_jacobian([0.25, 0.75])
    array([[ 0.1875, -0.1875],
           [-0.1875,  0.1875]])
    """
    where = "recurrent.softmax_jacobian"
    s = _as_probabilities(probabilities, where)
    check_fits(where, "a result", (*s.shape, s.shape[-1]), s.dtype)
    with memory_of(where), np.errstate(all="ignore"):  # NaN where S is no softmax
        jacobian = -s[..., :, None] * s[..., None, :]
        diagonal = np.arange(s.shape[-1])
        jacobian[..., diagonal, diagonal] += s
    return jacobian


def softmax_vjp(probabilities: ArrayLike, gradient: ArrayLike) -> RealArray:
    """Return the gradient at the logits, S * (g - <g, S>), from the one at S.

    Parameters
    ----------
    probabilities
        (..., C), S = softmax(logits).
    gradient
        (..., C), g, the gradient with respect to S.

    Returns
    -------
    RealArray
        (..., C), the product of g and :func:`softmax_jacobian`.
    """
    where = "recurrent.softmax_vjp"
    s = _as_probabilities(probabilities, where)
    g = as_real_array(gradient, where, "gradient")
    check_shape(g, where, "gradient", s.shape, "(..., C)")
    with memory_of(where), np.errstate(all="ignore"):
        mean: RealArray = np.einsum("...c,...c->...", g, s)[..., None]
        return np.asarray(s * (g - mean))


def _as_probabilities(probabilities: ArrayLike, where: str) -> RealArray:
    s = as_real_array(probabilities, where, "probabilities")
    if s.ndim == 0:
        fail(where, "probabilities with the classes along the last axis", "a number")
    return s


def sequence_nll(
    logits: ArrayLike,
    target: ArrayLike,
    *,
    lengths: ArrayLike | None = None,
    reduction: str = "none",
    keep_gradient: bool = True,
    n_threads: int | None = None,
) -> SequenceNLL:
    """Return the negative log-likelihood of target classes, step by step or in all.

    Parameters
    ----------
    logits
        (B, T, C), o_t in the notes; not read where there is no loss.
    target
        (B, T) integers from 0 to C - 1, or -1 where a step has no loss. Steps past a
        sequence's length have none, whatever the target.
    lengths
        (B,) integers from 0 to T; None: every sequence has T steps.
    reduction
        ``"none"``: a loss for each step; ``"sequence"``: their sums over each sequence;
        ``"sum"``: one sum; ``"mean"``: the sum over the number of steps with a loss (0
        where there is none). The gradient is that of the sum of what is returned.
    keep_gradient
        Compute the gradient too.
    n_threads
        Threads; None takes the default. The result is the same bytes for any count.

    Returns
    -------
    SequenceNLL
        ``(loss, gradient)``: (B, T), (B,) or a number in nats, and (B, T, C).

    Raises
    ------
    TypeError
        For arrays that are not real, targets or lengths that are not integers.
    ValueError
        For shapes that do not agree, targets or lengths out of range.

    Notes
    -----
    The gradient of a step is ``softmax(o_t) - one_hot(y_t)``, from which the notes'
    chain rule starts. Sums over steps run in float64.

    References
    ----------
    Goodfellow, Bengio and Courville (2016), "Deep Learning", section 10.2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.recurrent import sequence_nll
    >>> logits = np.zeros((2, 3, 4))
    >>> loss, gradient = sequence_nll(
    ...     logits, np.ones((2, 3), int), lengths=[3, 1], reduction="sequence"
    ... )
    >>> loss / np.log(4)
    array([3., 1.])
    """
    where = "recurrent.sequence_nll"
    check_choice(reduction, where, "reduction", ("none", "sequence", "sum", "mean"))
    o = as_real_array(logits, where, "logits", ndim=3)
    batch, time, classes = o.shape
    y = as_index_array(target, where, "target", ndim=2)
    check_shape(y, where, "target", (batch, time), "(B, T)")
    ends = as_lengths(lengths, where, batch, time)
    if ends is not None:
        y = np.where(np.arange(time) < ends[:, None], y, -1)
    _check_classes(y, classes, where)
    n_losses = int(np.count_nonzero(y >= 0))
    weight = None
    if reduction == "mean":
        weight = np.full(y.shape, 1 / max(n_losses, 1), o.dtype)
    loss, gradient = softmax_cross_entropy(
        o, y, weight=weight, keep_gradient=keep_gradient, n_threads=n_threads
    )
    if reduction == "none":
        return SequenceNLL(loss, gradient)
    axes = (1,) if reduction == "sequence" else (0, 1)
    with np.errstate(all="ignore"):  # inf where a target has probability 0
        total = np.asarray(loss.sum(axis=axes, dtype=np.float64).astype(o.dtype))
    return SequenceNLL(total, gradient)


def _check_classes(target: NDArray[np.int64], classes: int, where: str) -> None:
    wrong = (target < -1) | (target >= classes)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        fail(where, f"targets from -1 to {classes - 1}", f"{target[at]} at index {at}")
