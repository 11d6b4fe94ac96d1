"""Evidence: log-sum-exp, importance weights and bounds on log p(x).

Everything is in nats, works along any axis, and keeps its precision at any offset of
the log-weights.
"""

from __future__ import annotations

from fastnotes.evidence import oracles
from fastnotes.evidence.bounds import BiasVariance, elbo, iwae_bias_variance
from fastnotes.evidence.gradient_weights import gradient_weights
from fastnotes.evidence.importance_weights import (
    ImportanceWeights,
    importance_weights,
    iwae_bound,
)
from fastnotes.evidence.jackknife import (
    JackknifeWarning,
    jackknife_bound,
    jackknife_coefficients,
)
from fastnotes.evidence.logsumexp import log_softmax, logmeanexp, logsumexp, softmax
from fastnotes.evidence.plots import plot_bound_vs_k, plot_pareto_k
from fastnotes.evidence.psis import PSIS, PSISLOO, psis, psis_loo
from fastnotes.evidence.streaming import StreamingEvidence

__all__ = [
    "PSIS",
    "PSISLOO",
    "BiasVariance",
    "ImportanceWeights",
    "JackknifeWarning",
    "StreamingEvidence",
    "elbo",
    "gradient_weights",
    "importance_weights",
    "iwae_bias_variance",
    "iwae_bound",
    "jackknife_bound",
    "jackknife_coefficients",
    "log_softmax",
    "logmeanexp",
    "logsumexp",
    "oracles",
    "plot_bound_vs_k",
    "plot_pareto_k",
    "psis",
    "psis_loo",
    "softmax",
]
