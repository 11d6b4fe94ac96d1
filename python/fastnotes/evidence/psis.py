"""Pareto smoothed importance sampling, and leave-one-out cross-validation by it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnotes._core import native
from fastnotes._memory import empty
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import RealArray, as_real, as_real_array, fail, fail_type
from fastnotes.evidence._samples import read_log_weights
from fastnotes.evidence.logsumexp import logmeanexp, logsumexp


class PSIS(NamedTuple):
    """Smoothed importance weights and how far to trust them.

    Attributes
    ----------
    log_weights
        Smoothed and normalised: their exponentials sum to 1. The shape of ``log_w``.
    pareto_k
        Shape of the generalised Pareto distribution that fits the largest weights; from
        1/2 on their variance is infinite, above 0.7 estimates are unreliable. inf where
        nothing could be fitted. The shape of ``log_w`` without ``axis``.
    ess
        1 / sum_k exp(log_weights_k)^2, as many as the shape of ``pareto_k``.
    """

    log_weights: RealArray
    pareto_k: Any
    ess: Any


def psis(
    log_w: ArrayLike,
    axis: int = 0,
    *,
    r_eff: float = 1.0,
    n_threads: int | None = None,
) -> PSIS:
    """Pareto smoothed importance sampling: tame the largest weights, and judge them.

    The M largest weights are replaced by quantiles of the generalised Pareto
    distribution fitted to them, M = floor(3 sqrt(K / r_eff)) for K r_eff > 225 and
    floor(K / 5) below, as in ArviZ.

    Parameters
    ----------
    log_w
        Log-weights with the K samples along ``axis``. float32 stays float32, everything
        else becomes float64; the arithmetic is in float64.
    axis
        The axis of the K samples.
    r_eff
        Relative efficiency of the samples, 1 for independent ones.
    n_threads
        See :doc:`threads`; the result does not depend on it.

    Returns
    -------
    PSIS
        ``(log_weights, pareto_k, ess)``.

    Raises
    ------
    TypeError
        If ``log_w`` or ``r_eff`` is not real, or ``axis`` not an integer.
    ValueError
        If ``axis`` or ``r_eff`` is out of range, or K = 0.

    Notes
    -----
    Not smoothed, with ``pareto_k`` inf: M < 5, so K < 25 for independent samples; tails
    of equal weights, or with the lowest quarter equal to the next weight below. ArviZ
    raises an error in these cases. All -inf: -inf, ess 0. Any NaN: nan. n entries +inf:
    1/n each, as for :func:`importance_weights`.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao, Gabry, "Pareto smoothed importance sampling", JMLR 25
    (2024). Zhang, Stephens, "A new and efficient estimation method for the generalized
    Pareto distribution", Technometrics 51 (2009).

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.evidence import psis
    >>> log_w = -0.4 * np.log(np.random.default_rng(0).random(40_000))  # k = 0.4
    >>> round(float(psis(log_w).pareto_k), 1)
    0.4
    """
    where = "evidence.psis"
    array, axis = read_log_weights(log_w, axis, where)
    count = array.shape[axis]
    tail = _tail_size(count, r_eff, where)
    threads = resolve_n_threads(n_threads, where)
    rest = array.shape[:axis] + array.shape[axis + 1 :]
    k, ess = np.empty(rest, array.dtype), np.empty(rest, array.dtype)
    log_weights = empty(array.shape, array.dtype, where)
    native.evidence.psis(array, axis, log_weights, k, ess, tail, threads)
    return PSIS(log_weights, k, ess) if rest else PSIS(log_weights, k[()], ess[()])


@dataclass(frozen=True)
class PSISLOO:
    """Leave-one-out cross-validation of a model, observation by observation.

    Attributes
    ----------
    elpd, se, p_loo : float
        Expected log pointwise predictive density in nats, its standard error, and the
        effective number of parameters.
    elpd_i, p_loo_i, pareto_k : numpy.ndarray
        The same, and the shape of the weights' tail, for each observation.
    good_k : float
        min(1 - 1 / log10(samples), 0.7): up to there elpd_i is reliable.
    """

    elpd: float
    se: float
    p_loo: float
    elpd_i: RealArray
    p_loo_i: RealArray
    pareto_k: RealArray
    good_k: float

    @property
    def k_table(self) -> dict[str, int]:
        """How many observations are good, bad and very bad; NaN counts as very bad."""
        k = self.pareto_k
        good, bad = (int(np.count_nonzero(k <= limit)) for limit in (self.good_k, 1.0))
        return {"good": good, "bad": bad - good, "very bad": k.size - bad}

    def __str__(self) -> str:
        limit, table = f"{self.good_k:.2f}", self.k_table
        return "\n".join(
            [
                f"elpd {self.elpd:12.2f}   se {self.se:.2f}",
                f"p_loo {self.p_loo:11.2f}",
                f"Pareto k  (-inf, {limit}]  good      {table['good']:6}",
                f"          ({limit}, 1]     bad       {table['bad']:6}",
                f"          (1, inf)      very bad  {table['very bad']:6}",
            ]
        )


def psis_loo(
    log_lik: Any, *, r_eff: float = 1.0, n_threads: int | None = None
) -> PSISLOO:
    """Leave-one-out cross-validation from pointwise log-likelihoods, by PSIS.

    Parameters
    ----------
    log_lik
        log p(y_i | theta_s) as (samples, observations). Or an xarray DataArray with
        dimensions ``chain`` and ``draw``, a Dataset with one such variable, or an ArviZ
        object with a group ``log_likelihood``; other dimensions are observations.
    r_eff
        Relative efficiency of the samples, 1 for independent ones.
    n_threads
        See :doc:`threads`; the result does not depend on it.

    Returns
    -------
    PSISLOO

    Raises
    ------
    TypeError
        If ``log_lik`` is not real, or holds no or several variables.
    ValueError
        If it has another shape, or no samples or observations.

    References
    ----------
    Vehtari, Gelman, Gabry, "Practical Bayesian model evaluation using leave-one-out
    cross-validation and WAIC", Statistics and Computing 27 (2017).

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.evidence import psis_loo
    >>> theta = np.random.default_rng(0).normal(0, 0.1, (1000, 1))
    >>> loo = psis_loo(-0.5 * (np.linspace(-1, 1, 100) - theta) ** 2)
    >>> loo.k_table
    {'good': 100, 'bad': 0, 'very bad': 0}
    """
    where = "evidence.psis_loo"
    array = as_real_array(_samples_first(log_lik, where), where, "log_lik", ndim=2)
    if 0 in array.shape:
        fail(where, "at least one sample and observation", f"shape {array.shape}")
    _tail_size(len(array), r_eff, where)
    smoothed = psis(-array, r_eff=r_eff, n_threads=n_threads)
    with np.errstate(invalid="ignore"):
        elpd_i = logsumexp(smoothed.log_weights + array, 0, n_threads=n_threads)
        p_loo_i = logmeanexp(array, 0, n_threads=n_threads) - elpd_i
        n_observations = array.shape[1]
        variance = np.var(elpd_i, dtype=np.float64)
        elpd, p_loo = (float(np.sum(x, dtype=np.float64)) for x in (elpd_i, p_loo_i))
    digits = math.log10(len(array))
    return PSISLOO(
        elpd=elpd,
        se=float(np.sqrt(n_observations * variance)),
        p_loo=p_loo,
        elpd_i=elpd_i,
        p_loo_i=p_loo_i,
        pareto_k=smoothed.pareto_k,
        good_k=min(1 - 1 / digits, 0.7) if digits > 0 else -math.inf,
    )


def _tail_size(count: int, r_eff: Any, where: str) -> int:
    """M, below K."""
    r = as_real(r_eff, where, "r_eff", low=1e-6, high=1e6)
    wanted = 3 * math.sqrt(count / r) if count * r > 225 else count / 5
    return min(math.floor(wanted), count - 1)


def _samples_first(log_lik: Any, where: str) -> Any:
    """Turn xarray and ArviZ objects into (samples, observations); leave the rest."""
    if isinstance(log_lik, np.ndarray | list | tuple):
        return log_lik
    if hasattr(log_lik, "log_likelihood"):
        log_lik = log_lik.log_likelihood
    variables = getattr(log_lik, "data_vars", None)
    if variables is not None:
        if len(variables) != 1:
            names = ", ".join(map(str, variables)) or "none"
            fail_type(where, "a log-likelihood of one variable", names)
        log_lik = next(iter(variables.values()))
    dims = getattr(log_lik, "dims", None)
    if not isinstance(dims, tuple) or not hasattr(log_lik, "transpose"):
        return log_lik
    if not {"chain", "draw"} <= set(dims):
        got = ", ".join(map(str, dims))
        fail(where, "log_lik with dimensions chain and draw", f"dimensions {got}")
    values: NDArray[Any] = log_lik.transpose("chain", "draw", ...).values
    return values.reshape(values.shape[0] * values.shape[1], -1)
