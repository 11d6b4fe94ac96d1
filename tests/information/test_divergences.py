"""f-divergences, their functions and bounds: vectors, laws, edges."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnotes.information import (
    f_conjugate,
    f_derivative,
    f_divergence,
    f_generator,
    kl_divergence,
    variational_lower_bound,
)
from support.distributions import distributions, exact_sum, random_distributions
from support.gradcheck import STEP
from support.sweeps import DTYPES
from support.tolerances import GRADIENT, LOG_OF_SUM, PUBLISHED, REDUCTION

LOG_2 = np.log(2)
ALPHAS = (-1.5, -1e-9, 0, 0.3, 0.5, 1 - 1e-9, 1, 2, 3.5)
#: name, alpha, and f itself, for mpmath.
PLAIN = {
    "kl": lambda u: u * mpmath.log(u),
    "reverse_kl": lambda u: -mpmath.log(u),
    "js": lambda u: (u * mpmath.log(2 * u / (1 + u)) + mpmath.log(2 / (1 + u))) / 2,
    "tv": lambda u: abs(u - 1) / 2,
    "chi2": lambda u: (u - 1) ** 2,
    "hellinger": lambda u: (mpmath.sqrt(u) - 1) ** 2 / 2,
    "jeffreys": lambda u: (u - 1) * mpmath.log(u),
    "le_cam": lambda u: (u - 1) ** 2 / (2 * u + 2),
}
NAMED = [(name, None) for name in PLAIN] + [("alpha", alpha) for alpha in ALPHAS]


def plain(name, alpha):
    if name != "alpha" or alpha in (0, 1):
        return PLAIN[{0: "reverse_kl", 1: "kl"}.get(alpha, name)]
    a = mpmath.mpf(alpha)
    return lambda u: (u**a - a * u - (1 - a)) / (a * (a - 1))


# ------------------------------------------------------------------- known values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kl", 0.183786897386812),
        ("reverse_kl", 0.192041993161798),
        ("js", 0.0462008291815135),
        ("tv", 0.3),
        ("chi2", 0.375),
        ("hellinger", 0.0465856690751534),
        ("jeffreys", 0.375828890548610),
        ("le_cam", 0.3**2 / 2 / 0.9 + 0.3**2 / 2 / 1.1),
    ],
)
def test_published_bernoulli(name, value):
    PUBLISHED.assert_close(f_divergence([0.3, 0.7], [0.6, 0.4], name), value)


def test_alpha_meets_the_others():
    p, q = random_distributions((2, 9))
    for alpha, name, factor in (
        (1, "kl", 1),
        (0, "reverse_kl", 1),
        (2, "chi2", 0.5),
        (-1, None, 0.5),
        (0.5, "hellinger", 4),
    ):
        other = f_divergence(p, q, name) if name else f_divergence(q, p, "chi2")
        got = f_divergence(p, q, "alpha", alpha=alpha)
        REDUCTION.assert_close(got, factor * other)


@pytest.mark.parametrize(("name", "alpha"), NAMED)
def test_fifty_digits(name, alpha):
    with mpmath.workdps(50):
        f = plain(name, alpha)
        for seed, spread in ((1, 0.05), (2, 1.0), (3, 4.0)):
            p, q = random_distributions((2, 20), seed=seed, spread=spread)
            expected = exact_sum(lambda a, b, f=f: b * f(a / b), p, q)
            got = f_divergence(p, q, name, alpha=alpha)
            REDUCTION.assert_close(got, expected)
            assert got > 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_axes_and_base(dtype):
    p, q = random_distributions((2, 3, 5), dtype)
    got = f_divergence(p, q, "js", base=2)
    assert got.dtype == dtype
    assert got.shape == (3,)
    REDUCTION.assert_close(f_divergence(p.T, q.T, "js", 0, base=2), got)
    REDUCTION.assert_close(got, f_divergence(p, q, "js").astype(np.float64) / LOG_2)
    assert f_divergence([1, 0], [0, 1], "js", base=2) == 1


# ------------------------------------------------------------------- edges


@pytest.mark.parametrize(
    ("name", "alpha", "no_p", "no_q"),
    [
        ("kl", None, LOG_2, np.inf),
        ("reverse_kl", None, np.inf, LOG_2),
        ("js", None, *[0.75 * np.log(4 / 3)] * 2),
        ("tv", None, 0.5, 0.5),
        ("chi2", None, 1, np.inf),
        ("hellinger", None, 1 - np.sqrt(0.5), 1 - np.sqrt(0.5)),
        ("jeffreys", None, np.inf, np.inf),
        ("le_cam", None, 1 / 3, 1 / 3),
        ("alpha", -0.5, np.inf, (np.sqrt(2) - 1) / 0.75),
        ("alpha", 0.5, 4 - np.sqrt(8), 4 - np.sqrt(8)),
        ("alpha", 2, 0.5, np.inf),
    ],
)
def test_outcomes_that_one_excludes(name, alpha, no_p, no_q):
    one, two = [1.0, 0.0, 0.0], [0.5, 0.5, 0.0]
    got = f_divergence(one, two, name, alpha=alpha)
    REDUCTION.assert_close(got, no_p)
    REDUCTION.assert_close(f_divergence(two, one, name, alpha=alpha), no_q)


def test_far_apart():
    p, q = [0.5, 0.5], [1e-300, 1.0]
    assert np.isfinite(f_divergence(p, q, "kl"))
    assert f_divergence(p, q, "chi2") == pytest.approx(0.25e300)
    assert f_divergence(np.float32(p), np.float32([1e-42, 1]), "chi2") == np.inf


# ------------------------------------------------------------------- laws


@given(st.data())
def test_bounds_between_divergences(data):
    p, q = data.draw(distributions(2))
    values = {name: f_divergence(p, q, name) for name in PLAIN}
    slack = 1e-12
    tv, hellinger, kl, chi2 = (values[n] for n in ("tv", "hellinger", "kl", "chi2"))
    assert all(value >= 0 for value in values.values())
    assert tv <= 1 + slack
    assert tv <= np.sqrt(kl / 2) + slack  # Pinsker
    assert hellinger <= tv + slack
    assert tv <= np.sqrt(hellinger * (2 - hellinger)) + slack
    assert kl <= np.log1p(chi2) + slack
    assert 2 * hellinger <= kl + slack
    assert values["js"] <= min(LOG_2 * tv, LOG_2) + slack
    assert tv**2 <= values["le_cam"] + slack
    assert values["le_cam"] <= tv + slack
    LOG_OF_SUM.assert_close(kl, kl_divergence(p, q))
    REDUCTION.assert_close(values["jeffreys"], kl + f_divergence(p, q, "reverse_kl"))


@given(st.data())
def test_processing_draws_together(data):
    p, q = data.draw(distributions(2))
    channel = np.stack(data.draw(distributions(len(p))))
    for name, alpha in NAMED:
        before = f_divergence(p, q, name, alpha=alpha)
        after = f_divergence(p @ channel, q @ channel, name, alpha=alpha)
        assert after <= before * (1 + 1e-9) + 1e-12, name


@given(st.data())
def test_symmetry(data):
    p, q = data.draw(distributions(2))
    for name in ("js", "tv", "hellinger", "jeffreys", "le_cam"):
        REDUCTION.assert_close(f_divergence(p, q, name), f_divergence(q, p, name))
    for alpha in ALPHAS:
        REDUCTION.assert_close(
            f_divergence(p, q, "alpha", alpha=alpha),
            f_divergence(q, p, "alpha", alpha=1 - alpha),
        )
    assert f_divergence(p, p, "chi2") == 0


# ------------------------------------------------------------------- functions of f


@pytest.mark.parametrize(("name", "alpha"), NAMED)
def test_generator_derivative_and_conjugate(name, alpha):
    u = np.geomspace(0.02, 50, 41)  # 1 is among them
    f = f_generator(u, name, alpha=alpha)
    slope = f_derivative(u, name, alpha=alpha)
    assert (f >= 0).all()
    assert f[20] == 0
    assert abs(slope[20]) <= 1e-15
    away = np.abs(u - 1) > STEP if name == "tv" else np.ones(41, bool)
    ahead, behind = (f_generator(u + h, name, alpha=alpha) for h in (STEP, -STEP))
    GRADIENT.assert_close(slope[away], ((ahead - behind) / (2 * STEP))[away])
    # Young's inequality, with equality at t = f'(u).
    conjugate = f_conjugate(slope, name, alpha=alpha)
    REDUCTION.assert_close(conjugate, u * slope - f)
    t = np.linspace(-3, 2, 31)[:, None]
    assert (f_conjugate(t, name, alpha=alpha) >= u * t - f - 1e-12).all()
    assert f_conjugate(0.0, name, alpha=alpha) == pytest.approx(0, abs=1e-15)
    assert np.isnan(f_conjugate(np.nan, name, alpha=alpha))


@pytest.mark.parametrize(
    ("name", "alpha", "limit"),
    [
        ("reverse_kl", None, 1),
        ("js", None, LOG_2 / 2),
        ("tv", None, 0.5),
        ("hellinger", None, 0.5),
        ("le_cam", None, 0.5),
        ("alpha", 0.5, 2),
        ("alpha", -1, 0.5),
    ],
)
def test_conjugates_end_at_the_slope_of_f(name, alpha, limit):
    inside, beyond = f_conjugate([limit - 1e-6, limit + 1e-6], name, alpha=alpha)
    assert np.isfinite(inside)
    assert beyond == np.inf


def test_generators_at_the_ends():
    ends = [0.0, np.inf]
    for name, no_p in (("kl", 1), ("reverse_kl", np.inf), ("tv", 0.5), ("chi2", 1)):
        assert f_generator(ends, name).tolist() == [no_p, np.inf]
    assert f_derivative(ends, "kl").tolist() == [-np.inf, np.inf]
    assert f_derivative(ends, "js").tolist() == [-np.inf, pytest.approx(LOG_2 / 2)]
    assert f_conjugate(np.float32(0.25), "tv").dtype == np.float32


# ------------------------------------------------------------------- lower bounds


@given(st.data())
def test_lower_bounds(data):
    p, q = data.draw(distributions(2))
    p, q = (0.9 * each + 0.1 / len(p) for each in (p, q))
    noise = np.random.default_rng(len(p)).uniform(-0.1, 0.1, len(p))
    for name, alpha in NAMED:
        divergence = f_divergence(p, q, name, alpha=alpha)
        critic = f_derivative(p / q, name, alpha=alpha)
        tight = variational_lower_bound(critic, critic, name, alpha=alpha, p=p, q=q)
        REDUCTION.assert_close(tight, divergence)
        other = critic + noise
        loose = variational_lower_bound(other, other, name, alpha=alpha, p=p, q=q)
        assert loose <= divergence + 1e-12


def test_lower_bounds_from_samples():
    critic_p = np.float32([[0.5, 0.25], [0.0, 0.5]])
    critic_q = np.float32([[0.0, 0.0, 0.0], [0.5, 0.5, 2.0]])
    got = variational_lower_bound(critic_p, critic_q, "tv")
    assert got.dtype == np.float32
    assert got.tolist() == [0.375, -np.inf]
    assert variational_lower_bound(critic_p, critic_q, "tv", None) == -np.inf


# ------------------------------------------------------------------- own functions


def test_functions_of_ones_own():
    p, q = random_distributions((2, 12))
    for name, own in (
        ("kl", lambda u: u * np.log(u)),
        ("chi2", lambda u: (u - 1) ** 2),
        ("tv", lambda u: np.abs(u - 1) / 2),
        ("hellinger", lambda u: 1 - np.sqrt(u)),
        ("reverse_kl", lambda u: -np.log(u)),
    ):
        REDUCTION.assert_close(f_divergence(p, q, own), f_divergence(p, q, name))


def test_limits_of_ones_own():
    def tv(u):
        return np.abs(u - 1) / 2

    assert f_divergence([0.0, 1.0], [0.5, 0.5], tv) == 0.5
    assert f_divergence([0.5, 0.5], [0, 1], tv, slope_at_infinity=0.5) == 0.5
    chi2 = f_divergence(
        [0.5, 0.5], [0, 1], lambda u: (u - 1) ** 2, slope_at_infinity=np.inf
    )
    assert chi2 == np.inf
    with pytest.raises(
        ValueError, match=r"slope_at_infinity, where q = 0 < p, got none"
    ):
        f_divergence([0.5, 0.5], [0, 1], tv)
    with pytest.raises(
        ValueError, match=r"without nan \(f\(0\) is its limit\), got nan"
    ):
        f_divergence([0, 1], [0.5, 0.5], lambda u: u * np.log(u))


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (lambda u: u, r"f\(1\) = 0, got 1"),
        (lambda u: -((u - 1) ** 2), "a convex f, got slopes that fall"),
        (np.log, "a convex f, got slopes that fall"),
        (lambda u: np.sin(u - 1), "a convex f, got slopes that fall"),
        (lambda u: np.full_like(u, np.nan), r"f\(1\) = 0|without nan"),
        (lambda u: 0.0, r"f\(u\) of the shape of u"),
        (lambda u: ["a"] * len(u), r"f\(u\) of real numbers"),
    ],
)
def test_functions_that_are_none(own, words):
    with pytest.raises((TypeError, ValueError), match=rf"^\[information.*{words}"):
        f_divergence([0.3, 0.7], [0.6, 0.4], own)
