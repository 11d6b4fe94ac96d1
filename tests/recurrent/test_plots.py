"""Learning curves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fastnotes.nn.training import History
from fastnotes.recurrent import SequenceClassifier, plot_history

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


def test_a_fitted_estimator() -> None:
    X = np.random.default_rng(0).normal(size=(40, 5, 2))
    model = SequenceClassifier(hidden_size=4, n_epochs=6, validation_fraction=0.5)
    model.fit(X, X[:, 0, 0] > 0)
    ax = plot_history(model)
    best = f"best epoch: {model.best_epoch_}"
    assert labels(ax) == ["training", "validation", best]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), model.history_["loss"])
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel() == "loss"
    assert labels(plot_history(model.history_)) == ["training", "validation"]


def test_a_history() -> None:
    history = History()
    assert history.add(2.0, None) is False
    assert labels(plot_history(history)) == ["training"]
    history.add(1.0, None)
    ax = matplotlib.pyplot.subplots()[1]
    assert plot_history(history, best_epoch=1, ax=ax) is ax
    assert labels(ax) == ["training", "best epoch: 1"]
    more = {"loss": [1.0], "gradient_norm": [3.0, 2.0]}
    assert plot_history(more, metric="gradient_norm").get_ylabel() == "gradient norm"


@pytest.mark.parametrize(
    ("model", "options", "error", "words"),
    [
        (None, {}, TypeError, "a fitted estimator or its history_, got NoneType"),
        (SequenceClassifier(), {}, TypeError, "got SequenceClassifier"),
        ({}, {}, ValueError, "a metric among none, got 'loss'"),
        ({"loss": []}, {}, ValueError, "a metric among 'loss', got 'loss'"),
        ({"loss": [1.0]}, {"metric": []}, TypeError, "metric as a string"),
        ({"loss": ["a"]}, {}, TypeError, "loss of real numbers"),
        ({"loss": [1.0]}, {"best_epoch": 1}, ValueError, "best_epoch from 0 to 0"),
        ({"loss": [1.0]}, {"best_epoch": 0.5}, TypeError, "best_epoch as an integer"),
    ],
)
def test_bad_input(
    model: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=rf"^\[recurrent.plot_history\] expected .*{words}"):
        plot_history(model, **options)
