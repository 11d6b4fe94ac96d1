"""Information: entropies, divergences, mutual information, free energy.

Exact, from probabilities, and estimated, from samples. In nats unless a base is given;
0 log 0 = 0, and an infinite divergence is a result.
"""

from __future__ import annotations

from fastnotes.information._estimates import Estimate
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
from fastnotes.information.estimators import (
    conditional_mutual_information_from_samples,
    kl_from_samples,
    mutual_information_from_samples,
    pairwise_mutual_information,
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
from fastnotes.information.selection import mutual_info_classif, mutual_info_regression

__all__ = [
    "Estimate",
    "FreeEnergy",
    "bernoulli_entropy",
    "bernoulli_kl",
    "categorical_entropy",
    "categorical_kl",
    "conditional_entropy",
    "conditional_mutual_information_from_samples",
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
    "kl_from_samples",
    "mutual_info_classif",
    "mutual_info_regression",
    "mutual_information",
    "mutual_information_from_samples",
    "negative_log_likelihood",
    "pairwise_mutual_information",
    "poisson_kl",
    "variational_free_energy",
    "variational_lower_bound",
]
