"""Importance weights: the bound, the normalised weights and their effective number."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._core import native
from fastnotes._device import wants_cuda
from fastnotes._memory import empty
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import RealArray
from fastnotes.evidence._samples import read_log_weights
from fastnotes.evidence.logsumexp import reduce_exponentials


class ImportanceWeights(NamedTuple):
    """What K log-weights say about one integral.

    Attributes
    ----------
    bound
        log (1/K) sum_k w_k, in nats: the K-sample (IWAE) bound on log p(x). The shape
        of ``log_w`` without ``axis``; a scalar if nothing is left.
    weights
        w_k / sum_j w_j, of the shape of ``log_w``: also the gradient of the bound.
    ess
        1 / sum_k weights_k**2, from 1 to K. The shape of ``bound``.
    """

    bound: Any
    weights: RealArray
    ess: Any


def importance_weights(
    log_w: ArrayLike,
    axis: int = 0,
    *,
    n_threads: int | None = None,
    device: str | None = None,
) -> ImportanceWeights:
    """Bound, normalised weights and effective sample size of log-weights.

    Parameters
    ----------
    log_w
        Log-weights, log p(x, z_k) - log q(z_k | x), with the K samples along ``axis``.
        float32 stays float32, everything else becomes float64.
    axis
        The axis of the K samples.
    n_threads
        See :doc:`threads`; the result does not depend on it. No meaning on CUDA.
    device
        None: where ``log_w`` is. ``"cuda"``: copy a host array there, results back.

    Returns
    -------
    ImportanceWeights
        ``(bound, weights, ess)``; for a CUDA array, arrays of the same library, with no
        dimensions where a scalar is meant.

    Raises
    ------
    TypeError
        If ``log_w`` is not real, or ``axis`` not an integer.
    ValueError
        If ``axis`` is out of range, or K = 0.

    Notes
    -----
    With m the largest log-weight, weights are exp(log_w - m) / sum and never
    exp(log_w - bound), which loses eps * abs(bound); so an offset of -10000 costs no
    precision, even in float32.

    ========================= ======= ========================= ===========
    log-weights               bound   weights                   ess
    ========================= ======= ========================= ===========
    all -inf                  -inf    0                         0
    any NaN                   nan     nan                       nan
    n of them +inf, no NaN    +inf    1/n there, 0 elsewhere    n
    ========================= ======= ========================= ===========

    References
    ----------
    Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016,
    equations 8 and 13. Kong, "A note on importance sampling using standardized
    weights", 1992 (the effective sample size).

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.evidence import importance_weights
    >>> result = importance_weights(np.log([1.0, 1.0, 2.0]))
    >>> result.weights
    array([0.25, 0.25, 0.5 ])
    >>> float(np.round(result.ess, 6))
    2.666667
    """
    where = "evidence.importance_weights"
    if wants_cuda(where, device, log_w=log_w):
        from fastnotes.evidence import _cuda

        return _cuda.importance_weights(log_w, axis, device)
    log_w, axis = read_log_weights(log_w, axis, where)
    threads = resolve_n_threads(n_threads, where)
    shape, dtype = log_w.shape, log_w.dtype
    rest = shape[:axis] + shape[axis + 1 :]
    bound, ess = np.empty(rest, dtype), np.empty(rest, dtype)
    weights = empty(shape, dtype, where)
    native.evidence.importance_weights(log_w, axis, bound, weights, ess, threads)
    if not rest:
        return ImportanceWeights(bound[()], weights, ess[()])
    return ImportanceWeights(bound, weights, ess)


def iwae_bound(
    log_w: ArrayLike,
    axis: int = 0,
    *,
    n_threads: int | None = None,
    device: str | None = None,
) -> Any:
    """The K-sample bound log (1/K) sum_k w_k on log p(x), in nats.

    The bound alone of :func:`importance_weights`, and :func:`logmeanexp` under the name
    that the notes use. Its expectation grows with K, from the ELBO at K = 1
    to log p(x).

    Parameters
    ----------
    log_w
        Log-weights with the K samples along ``axis``.
    axis
        The axis of the K samples.
    n_threads, device
        As for :func:`importance_weights`.

    Returns
    -------
    numpy.ndarray or scalar
        The shape of ``log_w`` without ``axis``.

    Raises
    ------
    TypeError, ValueError
        As :func:`importance_weights`.

    References
    ----------
    Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016,
    equation 8.
    """
    where = "evidence.iwae_bound"
    if wants_cuda(where, device, log_w=log_w):
        from fastnotes.evidence import _cuda

        return _cuda.reduce_exponentials(
            log_w,
            None,
            axis,
            False,
            None,
            device,
            mean=True,
            where=where,
            name="log_w",
            one_axis=True,
        )
    log_w, axis = read_log_weights(log_w, axis, where)
    return reduce_exponentials(
        log_w, None, axis, False, None, n_threads, mean=True, where=where
    )
