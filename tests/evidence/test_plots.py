"""plot_pareto_k and plot_bound_vs_k."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fastnotes.evidence import (
    iwae_bound,
    plot_bound_vs_k,
    plot_pareto_k,
    psis,
    psis_loo,
)
from fastnotes.evidence.oracles import TwoPointWeights
from support.tolerances import REDUCTION

matplotlib = pytest.importorskip("matplotlib")
pyplot = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    matplotlib.use("Agg")
    yield
    pyplot.close("all")


def labels(ax: Any) -> list[str]:
    """Draw for real: a warning about fonts or layout is an error."""
    ax.figure.canvas.draw()
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_pareto_k_by_kind() -> None:
    k = [0.1, 0.2, 0.8, 1.2, 1.3, 1.4, np.inf, np.nan]
    ax = plot_pareto_k(k)
    assert labels(ax) == ["good: 2", "bad: 1", "very bad: 3", "not fitted: 2"]
    assert ax.get_xlabel() == "sum"
    assert plot_pareto_k(k, good_k=0.15, ax=ax) is ax


def test_pareto_k_of_results() -> None:
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.normal(size=(100, 7))
    assert labels(plot_pareto_k(psis(noise))) == ["good: 7"]
    assert labels(plot_pareto_k(psis(np.zeros(3)))) == ["not fitted: 1"]
    ax = plot_pareto_k(psis_loo(noise))
    assert sum(int(text.split(": ")[1]) for text in labels(ax)) == 7
    assert ax.get_xlabel() == "observation"


def test_bound_against_k() -> None:
    weights = TwoPointWeights()
    log_w = weights.sample((512, 3), 0)
    ax = plot_bound_vs_k(log_w, weights.log_evidence, orders=(0, 1, 2), counts=(2, 8))
    assert labels(ax) == [
        "bound (order 0)",
        "jackknife, order 1",
        "jackknife, order 2",
        "log p(x)",
    ]
    bound = ax.lines[0].get_ydata()
    expected = [iwae_bound(log_w.reshape(-1, k, 3), 1).mean() for k in (2, 8)]
    REDUCTION.assert_close(np.asarray(bound), expected)
    assert ax.lines[2].get_xdata().tolist() == [8]  # order 2 needs more than 2 samples
    assert len(labels(plot_bound_vs_k(log_w[:, 0]))) == 4


def test_what_cannot_be_drawn() -> None:
    log_w = np.zeros((64, 2))
    voice = r"^\[evidence\.plot_\w+\] expected "
    for error, call in (
        (ValueError, lambda: plot_pareto_k([])),
        (TypeError, lambda: plot_pareto_k("k")),
        (TypeError, lambda: plot_pareto_k([0.1], good_k="a")),
        (ValueError, lambda: plot_bound_vs_k(np.full((8, 2), -np.inf))),
        (ValueError, lambda: plot_bound_vs_k(np.zeros((4, 2)))),
        (ValueError, lambda: plot_bound_vs_k(log_w, [1, 2, 3])),
        (ValueError, lambda: plot_bound_vs_k(log_w, orders=(6,))),
        (ValueError, lambda: plot_bound_vs_k(log_w, orders=())),
        (ValueError, lambda: plot_bound_vs_k(log_w, orders=(3,), counts=(3,))),
        (TypeError, lambda: plot_bound_vs_k(log_w, counts="12")),
        (TypeError, lambda: plot_bound_vs_k(log_w, counts=(1.5,))),
    ):
        with pytest.raises(error, match=voice):
            call()
    assert pyplot.get_fignums() == []
