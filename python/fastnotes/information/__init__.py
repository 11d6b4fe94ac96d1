"""Information: entropies, divergences, mutual information, free energy.

Exact, from probabilities. In nats unless a base is given; 0 log 0 = 0, and an infinite
divergence is a result.
"""

from __future__ import annotations

from fastnotes.information.divergences import (
    f_conjugate,
    f_derivative,
    f_divergence,
    f_generator,
    variational_lower_bound,
)
from fastnotes.information.energy import (
    FreeEnergy,
    free_energy,
    gibbs,
    ising_ring,
    variational_free_energy,
)
from fastnotes.information.entropies import (
    conditional_entropy,
    cross_entropy,
    entropy,
    joint_entropy,
    kl_divergence,
    mutual_information,
    negative_log_likelihood,
)
from fastnotes.information.families import (
    bernoulli_entropy,
    bernoulli_kl,
    categorical_entropy,
    categorical_kl,
    exponential_family_kl,
    exponential_kl,
    gamma_kl,
    poisson_kl,
)
from fastnotes.information.gaussians import (
    gaussian_entropy,
    gaussian_kl,
    gaussian_mutual_information,
)

__all__ = [
    "FreeEnergy",
    "bernoulli_entropy",
    "bernoulli_kl",
    "categorical_entropy",
    "categorical_kl",
    "conditional_entropy",
    "cross_entropy",
    "entropy",
    "exponential_family_kl",
    "exponential_kl",
    "f_conjugate",
    "f_derivative",
    "f_divergence",
    "f_generator",
    "free_energy",
    "gamma_kl",
    "gaussian_entropy",
    "gaussian_kl",
    "gaussian_mutual_information",
    "gibbs",
    "ising_ring",
    "joint_entropy",
    "kl_divergence",
    "mutual_information",
    "negative_log_likelihood",
    "poisson_kl",
    "variational_free_energy",
    "variational_lower_bound",
]
