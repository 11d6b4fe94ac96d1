"""Distributions, energies and samples of this room as nobody should pass them.

See tests/test_awkward_inputs.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastnotes import information
from support.awkward import EXTENTS, SCALARS, SHAPES, Shape, check, inputs, reduced


def call_of(data: Any, *names: str) -> Callable[..., Any]:
    """One of the room's functions."""
    return getattr(information, data.draw(st.sampled_from(names)))


def probabilities(data: Any, shape: Shape) -> Any:
    """Equal ones along the last axis, one time in two; or anything."""
    good = np.full(shape, 1 / shape[-1]) if shape and shape[-1] else np.ones(shape)
    return good if data.draw(st.booleans()) else data.draw(inputs(shape))


@given(st.data())
def test_entropies(data):
    one = call_of(data, "entropy", "joint_entropy", "conditional_entropy")
    two = call_of(data, "cross_entropy", "kl_divergence", "f_divergence")
    shape = data.draw(SHAPES)
    axis, _ = reduced(data, shape)
    p, q = probabilities(data, shape), probabilities(data, shape)
    options = {
        "base": data.draw(st.none() | SCALARS),
        "normalize": data.draw(st.booleans()),
    }
    check(lambda: one(p, axis, **options), p)
    check(lambda: two(p, q, axis=axis, **options), p, q)
    roles = {"other": data.draw(st.just(0) | SCALARS), "given": data.draw(SCALARS)}
    check(lambda: information.mutual_information(p, axis, **roles, **options), p)
    x, reduction = data.draw(inputs((3,))), data.draw(SCALARS | st.just("sum"))
    likelihood = information.negative_log_likelihood
    check(lambda: likelihood(p, x, reduction=reduction, **options), p, x)


@given(st.data())
def test_functions_of_divergences(data):
    function = call_of(data, "f_generator", "f_derivative", "f_conjugate")
    name = st.sampled_from(["kl", "js", "alpha", "le_cam", "jeffreys"]) | SCALARS
    f, alpha = data.draw(name), data.draw(st.none() | SCALARS)
    shape = data.draw(SHAPES)
    u, v = data.draw(inputs(shape)), data.draw(inputs(shape))
    check(lambda: function(u, f, alpha=alpha), u)
    axis, _ = reduced(data, shape)
    weights = {"p": data.draw(st.none() | inputs(shape)), "q": None}
    bound = information.variational_lower_bound
    check(lambda: bound(u, v, f, axis, alpha=alpha, **weights), u, v, weights["p"])
    slope = data.draw(SCALARS)
    p, q = probabilities(data, (3,)), probabilities(data, (3,))
    divergence = information.f_divergence
    check(lambda: divergence(p, q, np.square, slope_at_infinity=slope), p, q)
    check(lambda: divergence(p, q, lambda u: u * 0, slope_at_infinity=slope), p, q)


@given(st.data())
def test_closed_forms(data):
    shape = data.draw(SHAPES)
    arguments = [data.draw(inputs(shape) | SCALARS) for _ in range(5)]
    a, b, c, d, _ = arguments
    two = call_of(data, "bernoulli_kl", "poisson_kl", "exponential_kl")
    calls: list[Callable[[], Any]] = [
        lambda: information.bernoulli_entropy(a),
        lambda: two(a, b),
        lambda: information.gamma_kl(a, b, c, d),
        lambda: information.categorical_entropy(a, data.draw(SCALARS)),
        lambda: information.categorical_kl(a, b),
        lambda: information.exponential_family_kl(*arguments),
        lambda: information.gaussian_kl(a, np.eye(2), c, np.eye(2)),
        lambda: information.gaussian_kl(a, b, c, d),
        lambda: information.gaussian_entropy(a),
        lambda: information.gaussian_mutual_information(a, data.draw(SCALARS)),
    ]
    for call in calls:
        check(call, *arguments)


@given(st.data())
def test_energies(data):
    shape = data.draw(SHAPES)
    axis, _ = reduced(data, shape)
    temperature = data.draw(st.just(0.5) | SCALARS)
    energies, q = data.draw(inputs(shape)), probabilities(data, shape)
    options = {"degeneracy": data.draw(st.none() | inputs(shape))}
    arguments = energies, q, options["degeneracy"]
    bound, equilibrium = information.variational_free_energy, information.free_energy
    check(lambda: bound(q, energies, temperature, axis, **options), *arguments)
    check(lambda: equilibrium(energies, temperature, axis, **options), *arguments)
    check(lambda: information.gibbs(energies, temperature, axis), energies)
    numbers = [data.draw(SCALARS) for _ in range(4)]
    check(lambda: information.ising_ring(*numbers))


@given(st.data())
def test_estimates(data):
    methods = st.sampled_from(["ksg1", "ksg2", "mixed", "gaussian", "plugin"]) | SCALARS
    method, n = data.draw(methods), data.draw(EXTENTS)
    x, y, z = (data.draw(inputs((n,)) | inputs((n, 2))) for _ in range(3))
    options = {"n_neighbors": data.draw(st.just(1) | SCALARS)}
    threads = {"n_threads": data.draw(st.none() | SCALARS)}
    estimate = information.mutual_information_from_samples
    check(lambda: estimate(x, y, method=method, **options, **threads), x, y)
    given_z = information.conditional_mutual_information_from_samples
    check(lambda: given_z(x, y, z, method=method, **options), x, y, z)
    pairwise = information.pairwise_mutual_information
    check(lambda: pairwise(x, method=method, **options), x)
    check(lambda: information.kl_from_samples(x, y, **options), x, y)
    score = call_of(data, "mutual_info_classif", "mutual_info_regression")
    discrete = data.draw(st.just("auto") | inputs((2,)) | SCALARS)
    check(lambda: score(x, y, discrete_features=discrete, **options), x, y)
