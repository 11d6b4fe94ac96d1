"""Evidence: log-sum-exp, importance weights and bounds on log p(x).

Everything is in nats, works along any axis, and keeps its precision at any offset of
the log-weights.
"""

from __future__ import annotations

from fastnotes.evidence.importance_weights import (
    ImportanceWeights,
    importance_weights,
    iwae_bound,
)
from fastnotes.evidence.logsumexp import log_softmax, logmeanexp, logsumexp, softmax

__all__ = [
    "ImportanceWeights",
    "importance_weights",
    "iwae_bound",
    "log_softmax",
    "logmeanexp",
    "logsumexp",
    "softmax",
]
