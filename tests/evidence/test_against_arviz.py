"""PSIS as ArviZ does it, to 1e-10 and better."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes.evidence import psis, psis_loo
from support.log_weights import random_log_weights
from support.tolerances import COMPOSITE

arviz = pytest.importorskip("arviz_stats.base").array_stats


@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("count", [25, 100, 225, 226, 1000, 4000])
def test_weights_and_k(count, spread):
    log_w = random_log_weights((7, count), spread=spread, offset=-100, seed=count)
    log_weights, k = arviz.psislw(-log_w, axis=-1)
    got = psis(log_w, axis=1)
    COMPOSITE.assert_close(got.log_weights, log_weights)
    COMPOSITE.assert_close(got.pareto_k, k)


@pytest.mark.parametrize("r_eff", [0.3, 0.9, 2.0])
def test_efficiency(r_eff):
    log_w = random_log_weights((3, 1000), spread=2.0)
    log_weights, k = arviz.psislw(-log_w, r_eff=r_eff, axis=-1)
    got = psis(log_w, axis=1, r_eff=r_eff)
    COMPOSITE.assert_close(got.log_weights, log_weights)
    COMPOSITE.assert_close(got.pareto_k, k)


def test_leave_one_out():
    theta = np.random.default_rng(0).normal(0, 0.3, (2000, 1))
    log_lik = -0.5 * (np.linspace(-2, 4, 30) - theta) ** 2
    got = psis_loo(log_lik)
    for i, column in enumerate(log_lik.T):
        elpd, k, p_loo = arviz._loo(column[None])
        COMPOSITE.assert_close(got.elpd_i[i], elpd)
        COMPOSITE.assert_close(got.pareto_k[i], k)
        COMPOSITE.assert_close(got.p_loo_i[i], p_loo)
