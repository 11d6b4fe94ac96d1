"""Estimators from samples: reference, truth, invariances, ties, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnotes import information as info
from fastnotes._reference import information as reference
from fastnotes.information._samples import standardised
from support.sweeps import same_bytes_for_threads
from support.tolerances import COMPOSITE, REDUCTION

estimate = info.mutual_information_from_samples
conditional = info.conditional_mutual_information_from_samples


def gaussian_pair(n, rho, seed=0):
    x, noise = np.random.default_rng(seed).standard_normal((2, n))
    return x, rho * x + np.sqrt(1 - rho**2) * noise


def columns(*arrays):
    return [standardised(np.asarray(a, float).reshape(len(a), -1)) for a in arrays]


# ------------------------------------------------------------------- reference


@pytest.mark.parametrize("method", ["ksg1", "ksg2", "mixed"])
@pytest.mark.parametrize("dims", [(1, 1), (2, 1), (3, 2)])
def test_against_brute_force(method, dims):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((120, dims[0])), rng.standard_normal((120, dims[1]))
    y[:, 0] += x[:, 0]
    function = reference.ksg2 if method == "ksg2" else reference.ksg1
    for k in (1, 3, 20):
        terms = function(*columns(x, y), k)
        got = estimate(x, y, method=method, n_neighbors=k, return_standard_error=True)
        REDUCTION.assert_close(got.value, terms.mean())
        REDUCTION.assert_close(got.standard_error, terms.std() / np.sqrt(120))


@pytest.mark.parametrize("method", ["ksg1", "ksg2"])
def test_ties_against_brute_force(method):
    rng = np.random.default_rng(1)
    function = reference.ksg2 if method == "ksg2" else reference.ksg1
    for x in (rng.integers(0, 3, 150), rng.integers(0, 40, 150), np.zeros(150)):
        for y in (x + rng.integers(0, 2, 150), rng.standard_normal(150) + x):
            terms = function(*columns(x, y), 3)
            REDUCTION.assert_close(estimate(x, y, method=method), terms.mean())


def test_conditional_against_brute_force():
    x, y, z = np.random.default_rng(2).standard_normal((3, 150))
    x, y = x + z, y + z
    for given_z in (z, np.round(z), np.stack([z, z**2], axis=1)):
        a, b, c = columns(x, y, given_z)
        terms = reference.ksg1(a, b, 4, c)
        REDUCTION.assert_close(conditional(x, y, given_z, n_neighbors=4), terms.mean())


def test_divergence_against_brute_force():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((100, 2)), rng.standard_normal((150, 2)) * 2
    together = standardised(np.concatenate([x, y]))
    for k in (1, 5):
        REDUCTION.assert_close(
            info.kl_from_samples(x, y, n_neighbors=k),
            np.float64(reference.kl(together[:100], together[100:], k)),
        )


# ------------------------------------------------------------------- truth


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("method", ["ksg1", "ksg2", "gaussian"])
def test_gaussians(rho, method):
    x, y = gaussian_pair(4000, rho)
    got = estimate(x, y, method=method, return_standard_error=True)
    truth = info.gaussian_mutual_information([[1, rho], [rho, 1]])
    assert abs(got.value - truth) < 4 * got.standard_error + 0.01


def test_standard_errors_are_those_of_repetition():
    values, errors = [], []
    for seed in range(60):
        got = estimate(*gaussian_pair(400, 0.7, seed), return_standard_error=True)
        values.append(got.value)
        errors.append(got.standard_error)
    assert 0.6 < np.mean(errors) / np.std(values) < 1.6


def test_conditioning_explains_away():
    z, a, b = np.random.default_rng(0).standard_normal((3, 3000))
    for method in ("ksg1", "gaussian"):
        assert estimate(z + a, z + b, method=method) > 0.1
        assert abs(conditional(z + a, z + b, z, method=method)) < 0.05
    labels = np.random.default_rng(0).integers(0, 3, 3000)
    assert abs(conditional(labels, labels + 3, labels, method="plugin")) < 1e-12


def test_divergence_of_gaussians():
    x, y = np.random.default_rng(0).standard_normal((2, 6000, 2))
    x[:, 0] = 1.5 * x[:, 0] + 0.5
    truth = info.gaussian_kl([0.5, 0], np.diag([2.25, 1]), [0, 0], np.eye(2))
    assert abs(info.kl_from_samples(x, y) - truth) < 0.08  # low in the tails
    assert abs(info.kl_from_samples(y[:3000], y[3000:])) < 0.06


def test_discrete_data_get_nearly_the_plug_in():
    rng = np.random.default_rng(4)
    x = rng.integers(0, 4, 4000)
    y = np.where(rng.random(4000) < 0.7, x, rng.integers(0, 4, 4000))
    plain = estimate(x, y, method="plugin")
    for method in ("ksg1", "ksg2", "mixed"):
        assert abs(estimate(x, y, method=method) - plain) < 0.005


def test_plug_in_and_its_correction():
    x, y = [0, 0, 1, 1, 1], ["a", "a", "b", "b", "a"]
    table = np.array([[2, 0], [1, 2]])
    exact = info.mutual_information(table, normalize=True)
    REDUCTION.assert_close(
        estimate(x, y, method="plugin"), exact - (3 + 1 - 2 - 2) / 10
    )
    x, y = np.random.default_rng(0).integers(0, 8, (2, 300))
    table = np.histogram2d(x, y, bins=8)[0]
    cells = np.count_nonzero(table)
    REDUCTION.assert_close(
        estimate(x, y, method="plugin", base=2) * np.log(2),
        info.mutual_information(table, normalize=True) - (cells + 1 - 16) / 600,
    )
    rows = np.stack([x, y], axis=1)
    REDUCTION.assert_close(
        estimate(rows, x, method="plugin"), estimate(x * 8 + y, x, method="plugin")
    )


# ------------------------------------------------------------------- invariances


@given(st.sampled_from(["ksg1", "ksg2", "gaussian"]), st.integers(0, 50))
def test_units_and_order_do_not_matter(method, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, 60)) + rng.standard_normal(60)
    plain = estimate(x, y, method=method)
    scale = 10.0 ** rng.integers(-6, 6)
    moved = estimate(-scale * x + scale, scale * y - 2 * scale, method=method)
    COMPOSITE.assert_close(moved, plain)
    COMPOSITE.assert_close(estimate(y, x, method=method), plain)
    order = rng.permutation(60)
    COMPOSITE.assert_close(estimate(x[order], y[order], method=method), plain)


@pytest.mark.parametrize("method", ["ksg1", "ksg2", "gaussian", "plugin"])
@pytest.mark.parametrize("constant", [0.0, 1e300, -5e-324, 0.1])
def test_a_constant_tells_nothing(method, constant):
    y = np.random.default_rng(0).standard_normal(300)
    got = estimate(np.full(300, constant), y, method=method, return_standard_error=True)
    assert abs(got.value) < 1e-13
    assert abs(estimate(y, np.full(300, constant), method=method)) < 1e-13
    if method in ("ksg1", "ksg2"):
        both = np.stack([y, np.full(300, constant)], axis=1)
        x = np.roll(y, 1)
        COMPOSITE.assert_close(
            estimate(both, x, method=method), estimate(y, x, method=method)
        )


@pytest.mark.parametrize("method", ["ksg1", "ksg2", "mixed"])
def test_any_number_may_coincide(method):
    x = np.random.default_rng(0).integers(0, 2, (30_000, 2))  # 10^9 pairs, if visited
    assert abs(estimate(x, x[:, 0], method=method) - np.log(2)) < 1e-3
    assert abs(estimate(np.zeros((30_000, 2)), x[:, 0], method=method)) < 1e-12


def test_extreme_values_are_data_too():
    x, y = gaussian_pair(200, 0.8)
    plain = estimate(x, y)
    for scale in (1e300, 1e-300):
        COMPOSITE.assert_close(estimate(x * scale, y), plain)
    assert np.isfinite(estimate([1e308, -1e308, 0, 1], [0, 1, 2, 5e-324]))
    assert estimate(x, x, method="gaussian") == np.inf


def test_same_bytes_for_threads():
    x, y = gaussian_pair(6000, 0.6)
    for method in ("ksg1", "ksg2"):
        same_bytes_for_threads(
            lambda n, method=method: estimate(
                x, y, method=method, return_standard_error=True, n_threads=n
            )
        )
    same_bytes_for_threads(lambda n: info.kl_from_samples(x, y, n_threads=n))


# ------------------------------------------------------------------- every pair


@pytest.mark.parametrize("method", ["ksg1", "ksg2", "mixed", "gaussian", "plugin"])
def test_pairwise(method):
    X = np.random.default_rng(0).standard_normal((90, 4))
    X[:, 3] += X[:, 0]
    X = np.round(X, 1) if method == "plugin" else X
    matrix = info.pairwise_mutual_information(X, method=method, base=2)
    assert matrix.shape == (4, 4)
    np.testing.assert_array_equal(matrix, matrix.T)
    for i in range(4):
        assert np.isnan(matrix[i, i]) == (method != "plugin")
        for j in range(i):
            alone = estimate(X[:, i], X[:, j], method=method, base=2)
            COMPOSITE.assert_close(matrix[i, j], alone)
    assert info.pairwise_mutual_information(X[:, :1], method="ksg1").shape == (1, 1)


# ------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (([1, 2, 3], [1, 2]), {}, ValueError),
        (([1], [1]), {}, ValueError),
        (([], []), {}, ValueError),
        (([1, np.nan, 3], [1, 2, 3]), {}, ValueError),
        (([1, np.inf, 3], [1, 2, 3]), {}, ValueError),
        ((np.zeros((3, 0)), [1, 2, 3]), {}, ValueError),
        ((np.zeros((3, 1, 1)), [1, 2, 3]), {}, ValueError),
        (([1, 2, 3], [1, 2, 3]), {"n_neighbors": 3}, ValueError),
        (([1, 2, 3], [1, 2, 3]), {"n_neighbors": 0}, ValueError),
        (([1, 2, 3], [1, 2, 3]), {"n_neighbors": 1.5}, TypeError),
        (([1, 2, 3], [1, 2, 3]), {"method": "ksg3"}, ValueError),
        (([1, 2, 3], [1, 2, 3]), {"method": None}, TypeError),
        (([1, 2, 3], [1, 2, 3]), {"base": 1}, ValueError),
        (([1, 2, 3], [1, 2, 3]), {"n_threads": 0}, ValueError),
        ((["a", "b"], [1, 2]), {}, TypeError),
        (([1, np.nan], [1, 2]), {"method": "plugin"}, ValueError),
        (([1, None], [1, 2]), {"method": "plugin"}, TypeError),
    ],
)
def test_refusals(arguments, options, error):
    where = r"^\[information\.{}\] expected .*, got "
    options = {"n_neighbors": 1, **options}
    name = "mutual_information_from_samples"
    with pytest.raises(error, match=where.format(name)):
        estimate(*arguments, **options)
    with pytest.raises(error, match=where.format(f"conditional_{name}")):
        conditional(*arguments, arguments[0], **options)


def test_refusals_of_divergence():
    where = r"^\[information\.kl_from_samples\] expected .*, got "
    x = np.arange(20.0)
    for arguments, options in (
        ((x[:5], x), {}),
        ((x, x[:4]), {}),
        ((x, np.zeros((20, 2))), {}),
        ((np.zeros(20), x), {}),
        ((x, np.repeat(x[:4], 5)), {}),
        ((x, x), {"n_neighbors": 0}),
        ((x, [np.nan] * 20), {}),
    ):
        with pytest.raises(ValueError, match=where):
            info.kl_from_samples(*arguments, **{"n_neighbors": 5, **options})
    for bad in ([1.0, 2.0], np.zeros((1, 3)), [[np.nan], [1.0]]):
        with pytest.raises(ValueError, match=r"^\[information\.pairwise"):
            info.pairwise_mutual_information(bad, n_neighbors=1)
