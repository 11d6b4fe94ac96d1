"""Entropies, divergence and mutual information: vectors, digits, laws, edges."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from fastnotes import information
from fastnotes.information import (
    conditional_entropy,
    cross_entropy,
    entropy,
    joint_entropy,
    kl_divergence,
    mutual_information,
    negative_log_likelihood,
)
from support.distributions import (
    TABLE,
    distributions,
    exact_sum,
    joint_tables,
    random_distributions,
)
from support.sweeps import AWKWARD_SIZES, DTYPES
from support.tolerances import LOG_OF_SUM, NEAR_DIVERGENCE, PUBLISHED, REDUCTION

LOG_2 = np.log(2)


# ------------------------------------------------------------------- known values


def test_published_table():
    PUBLISHED.assert_close(mutual_information(TABLE), 0.00402174323048243)
    PUBLISHED.assert_close(conditional_entropy(TABLE), 0.668989923778774)
    PUBLISHED.assert_close(kl_divergence([0.3, 0.7], [0.6, 0.4]), 0.183786897386812)


def test_values_known_by_hand():
    assert entropy([0.5, 0.5], base=2) == 1
    assert entropy(np.full(8, 0.125), base=2) == 3
    assert entropy([1.0, 0.0]) == 0
    assert not np.signbit(entropy([1.0, 0.0]))
    assert joint_entropy(np.full((2, 4), 0.125), base=2) == 3
    assert mutual_information(np.eye(4) / 4, base=2) == 2
    assert mutual_information(np.full((3, 3), 1 / 9)) == 0
    assert conditional_entropy(np.eye(4) / 4) == 0
    assert cross_entropy([0.5, 0.5], [0.25, 0.75], base=4) == pytest.approx(
        (2 + np.log2(4 / 3)) / 4
    )


@pytest.mark.parametrize("n", [1, 2, 17, 300])
def test_fifty_digits(n):
    p, q = random_distributions((2, n), seed=n, spread=8.0)
    LOG_OF_SUM.assert_close(entropy(p), exact_sum(lambda a: -a * mpmath.log(a), p))
    cross = exact_sum(lambda a, b: -a * mpmath.log(b), p, q)
    REDUCTION.assert_close(cross_entropy(p, q), cross)
    divergence = exact_sum(lambda a, b: a * mpmath.log(a / b), p, q)
    LOG_OF_SUM.assert_close(kl_divergence(p, q), divergence)


def near(distance):
    """Distributions whose ratios are 1 +- distance."""
    p = np.full(16, 1 / 16)
    return p, p * (1 + distance * np.where(np.arange(16) % 2, 1.0, -1.0))


@pytest.mark.parametrize("distance", [1e-1, 1e-3, 1e-6, 1e-9, 1e-12])
def test_small_divergences_keep_their_digits(distance):
    # Entropies' differences, and sums of p log (p / q), would have errors of 1e-16
    # where the divergence is 1e-24.
    p, q = near(distance)
    expected = exact_sum(lambda a, b: a * mpmath.log(a / b), p, q)
    NEAR_DIVERGENCE.assert_close(kl_divergence(p, q), expected, distance)
    NEAR_DIVERGENCE.assert_close(
        kl_divergence(q, p),
        exact_sum(lambda a, b: a * mpmath.log(a / b), q, p),
        distance,
    )
    table = np.concatenate([q, q[::-1]]).reshape(2, 16) / 2
    product = np.full(32, 1 / 32)
    expected = exact_sum(lambda a, b: a * mpmath.log(a / b), table.ravel(), product)
    NEAR_DIVERGENCE.assert_close(mutual_information(table), expected, distance)


# ------------------------------------------------------------------- shapes and dtypes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", AWKWARD_SIZES)
def test_against_scipy(n, dtype):
    if n == 0:
        return
    p = random_distributions((5, n), dtype, seed=n)
    q = random_distributions((5, n), dtype, seed=n + 1)
    for base in (None, 2, 10):
        got = entropy(p, base=base)
        assert got.dtype == dtype
        REDUCTION.assert_close(got, scipy.stats.entropy(p, base=base, axis=1))
        got = kl_divergence(p, q, base=base)
        REDUCTION.assert_close(got, scipy.stats.entropy(p, q, base=base, axis=1))


def test_axes():
    p = random_distributions((3, 4, 20)).reshape(3, 4, 4, 5)
    flat = entropy(p.reshape(3, 4, 20))
    REDUCTION.assert_close(entropy(p, (2, 3)), flat)
    REDUCTION.assert_close(entropy(np.moveaxis(p, 3, 0), (0, -1)), flat)
    REDUCTION.assert_close(joint_entropy(p[0, 0]), flat[0, 0])
    REDUCTION.assert_close(mutual_information(p)[1, 2], mutual_information(p[1, 2]))
    REDUCTION.assert_close(
        conditional_entropy(p, 2, given=3)[1, 2], conditional_entropy(p[1, 2].T)
    )
    assert entropy(p, (2, 3)).shape == (3, 4)


def test_pairs_broadcast():
    p, q = random_distributions((4, 1, 6)), random_distributions((3, 6), seed=1)
    got = kl_divergence(p, q)
    assert got.shape == (4, 3)
    assert got[2, 1] == kl_divergence(p[2, 0], q[1])
    assert cross_entropy(p, q)[3, 2] == cross_entropy(p[3, 0], q[2])


def test_dtypes():
    assert entropy(np.float16([0.5, 0.5])).dtype == np.float64
    assert entropy([1, 0, 0]).dtype == np.float64
    assert entropy([True, False]) == 0
    single = np.float32([0.25, 0.75])
    assert isinstance(entropy(single), np.float32)
    assert isinstance(mutual_information(np.float32(TABLE)), np.float32)
    assert isinstance(kl_divergence(single, np.float64(single)), np.float64)
    assert entropy(np.float16([0.1, 0.9]), normalize=True).dtype == np.float64


def test_counts_are_normalised_only_where_asked():
    counts = np.array([[3, 1], [0, 4]])
    assert entropy(counts, normalize=True, base=2)[1] == 0
    REDUCTION.assert_close(
        mutual_information(counts, normalize=True), mutual_information(counts / 8)
    )
    with pytest.raises(ValueError, match=r"a sum of 1 within 1.5e-08 \(or normalize"):
        entropy(counts)
    with pytest.raises(ValueError, match=r"a positive, finite sum, got 0.0 at index"):
        entropy([0, 0], normalize=True)


@pytest.mark.parametrize(("dtype", "within"), [(np.float32, 3e-4), (np.float64, 1e-8)])
def test_what_is_left_of_a_sum_is_divided_away(dtype, within):
    p = np.array([0.25, 0.75], dtype)
    near = (p * (1 + within)).astype(dtype)
    REDUCTION.assert_close(entropy(near), entropy(p))
    REDUCTION.assert_close(kl_divergence(near, p), np.zeros((), dtype))
    with pytest.raises(ValueError, match="a sum of 1 within"):
        entropy((p * (1 + 3 * within)).astype(dtype))


def test_inputs_are_not_written():
    p = np.array([0.25, 0.75])
    entropy(p)
    kl_divergence(p, p)
    assert p.tolist() == [0.25, 0.75]


# ------------------------------------------------------------------- edge values


def test_infinities_are_results():
    assert kl_divergence([0.5, 0.5], [1, 0]) == np.inf
    assert kl_divergence([1, 0], [0.5, 0.5]) == LOG_2
    assert cross_entropy([0.5, 0.5], [1, 0]) == np.inf
    assert cross_entropy([1, 0], [1, 0]) == 0
    assert kl_divergence([1, 0], [0, 1]) == np.inf
    assert kl_divergence([1, 0, 0], [1, 0, 0]) == 0


def test_probabilities_near_underflow():
    tiny = 1e-200
    table = np.array([[tiny, 0], [0, 1 - tiny]])
    PUBLISHED.assert_close(mutual_information(table), tiny * (1 + 200 * np.log(10)))
    PUBLISHED.assert_close(
        kl_divergence([1e-300, 1], [1e-5, 1 - 1e-5]), -np.log1p(-1e-5)
    )
    assert kl_divergence([1, 0], [5e-324, 1]) == -np.log(5e-324)


def test_empty_batches():
    assert entropy(np.zeros((0, 3))).shape == (0,)
    assert mutual_information(np.zeros((0, 2, 2))).shape == (0,)
    assert kl_divergence(np.zeros((0, 3)), [0.5, 0.25, 0.25]).shape == (0,)


# ------------------------------------------------------------------- laws


@given(st.data())
def test_gibbs_and_bounds(data):
    p, q = data.draw(distributions(2))
    assert kl_divergence(p, q) >= 0
    assert kl_divergence(p, p) == 0
    assert 0 <= entropy(p) <= np.log(len(p)) * (1 + 1e-15)
    LOG_OF_SUM.assert_close(
        cross_entropy(p, q), np.float64(entropy(p)) + kl_divergence(p, q)
    )


@given(joint_tables(3))
def test_chain_rules(pxyz):
    pxy, px = pxyz.sum(2), pxyz.sum((1, 2))
    LOG_OF_SUM.assert_close(joint_entropy(pxy), entropy(px) + conditional_entropy(pxy))
    both = mutual_information(pxyz, axis=0, other=(1, 2))
    parts = mutual_information(pxyz.sum(1)) + mutual_information(
        pxyz, axis=0, other=1, given=2
    )
    LOG_OF_SUM.assert_close(both, parts)
    LOG_OF_SUM.assert_close(
        conditional_entropy(pxyz, (0, 1), given=2),
        joint_entropy(pxyz) - entropy(pxyz.sum((0, 1))),
    )
    assert mutual_information(pxyz, 0, None) == both


@given(joint_tables(2))
def test_mutual_information(pxy):
    mutual = mutual_information(pxy)
    smaller = min(entropy(pxy.sum(0)), entropy(pxy.sum(1)))
    assert 0 <= mutual <= smaller + 1e-14
    LOG_OF_SUM.assert_close(mutual_information(pxy.T), mutual)
    LOG_OF_SUM.assert_close(mutual_information(pxy[::-1, ::-1]), mutual)
    product = np.outer(pxy.sum(1), pxy.sum(0))
    LOG_OF_SUM.assert_close(mutual, kl_divergence(pxy, product, (0, 1)))
    LOG_OF_SUM.assert_close(mutual, entropy(pxy.sum(0)) - conditional_entropy(pxy))


@given(st.data())
def test_processing_loses_information(data):
    pxy = data.draw(joint_tables(2))
    n = pxy.shape[1]
    channel = np.stack(data.draw(distributions(n)))
    processed = np.einsum("xy,yz->xz", pxy, channel)
    slack = 1e-14
    assert mutual_information(processed) <= mutual_information(pxy) + slack
    p, q = pxy[0] / max(pxy[0].sum(), 1e-300), pxy.sum(0)
    if pxy[0].sum() > 0:
        assert kl_divergence(p @ channel, q @ channel) <= kl_divergence(p, q) + slack


# ------------------------------------------------------------------- likelihood


def test_likelihood_is_cross_entropy():
    x = np.random.default_rng(0).integers(0, 5, 1000)
    frequencies = np.bincount(x, minlength=5) / 1000
    for q in random_distributions((20, 5)):
        losses = negative_log_likelihood(q, x, reduction="none")
        assert losses.shape == (1000,)
        mean = negative_log_likelihood(q, x)
        REDUCTION.assert_close(mean, losses.mean())
        REDUCTION.assert_close(mean, cross_entropy(frequencies, q))
        assert mean >= negative_log_likelihood(frequencies, x)
        total = negative_log_likelihood(q, x, reduction="sum", base=2)
        REDUCTION.assert_close(total, losses.sum() / LOG_2)
    REDUCTION.assert_close(
        negative_log_likelihood(frequencies, x), entropy(frequencies)
    )


def test_conditional_likelihood():
    q = np.float32([[0.5, 0.5], [1, 0], [0, 1]])
    losses = negative_log_likelihood(q, [0, 1, 1], reduction="none")
    assert losses.dtype == np.float32
    np.testing.assert_array_equal(losses, np.float32([LOG_2, np.inf, 0]))
    assert negative_log_likelihood(q, [1, 0, 1], reduction="sum") == np.float32(LOG_2)
    assert negative_log_likelihood(q[:0], [], reduction="sum") == 0


def test_the_room_is_reached_from_the_package():
    import fastnotes

    assert fastnotes.information is information
