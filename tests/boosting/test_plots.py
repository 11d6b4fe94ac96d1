from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from fastnotes.boosting.plots import plot_history, plot_importance, plot_tree
from support.forests import random_forest

matplotlib = pytest.importorskip("matplotlib")
pyplot = pytest.importorskip("matplotlib.pyplot")

HISTORY = {
    "train": {"error": [0.4, 0.3, 0.3], "logloss": [0.6, 0.4, 0.3]},
    "valid": {"error": [0.4, 0.4, 0.4], "logloss": [0.7, 0.5, 0.6]},
}


@pytest.fixture(autouse=True)
def _close_figures():
    matplotlib.use("Agg")
    yield
    pyplot.close("all")


def drawn(ax):
    """Draw for real: a warning about fonts or layout is an error."""
    ax.figure.canvas.draw()
    return [text.get_text() for text in ax.texts]


def test_importance():
    ax = plot_importance({"a": 1.0, "b": 3.5, "c": 0.0}, max_features=2, xlabel="gain")
    assert drawn(ax) == ["3.5", "1"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"]
    widths = {bar.get_y() + bar.get_height() / 2: bar.get_width() for bar in ax.patches}
    assert max(widths) == pytest.approx(1)
    assert widths[max(widths)] == 3.5  # the largest on top
    assert ax.get_title(loc="right") == "2 of 3 columns"
    assert ax.get_xlabel() == "gain"


def test_importance_of_long_names():
    ax = plot_importance({"x" * 100: 1.0})
    assert len(ax.get_yticklabels()[0].get_text()) == 28


def test_tree():
    trees = random_forest(np.random.default_rng(3), n_inner=4)
    names, levels = ["age", "b", "c", "town"], [None, None, None, ["A"] * 64]
    ax = plot_tree(trees, 1, feature_names=names, categories=levels, max_depth=None)
    texts = drawn(ax)
    boxes = [text for text in texts if "cover" in text]
    assert len(boxes) == 9
    assert sum("gain" in text for text in boxes) == 4
    assert sorted(text.split(",")[0] for text in texts if "cover" not in text) == [
        "no",
        "yes",
    ]


def test_leaves_are_coloured_by_sign():
    trees = random_forest(np.random.default_rng(0), n_inner=4)
    ax = plot_tree(trees, 0)
    for text in ax.texts:
        if text.get_text().startswith(("+", "-")):
            red, _, blue, _ = text.get_bbox_patch().get_facecolor()
            assert (blue > red) == text.get_text().startswith("+")


def test_no_boxes_overlap():
    trees = random_forest(np.random.default_rng(1), n_inner=12, n_rounds=1)
    ax = plot_tree(trees, feature_names=["a name of some length"] * 4, max_depth=None)
    ax.figure.canvas.draw()
    boxes = [
        t.get_bbox_patch().get_window_extent() for t in ax.texts if "c" in t.get_text()
    ]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_what_lies_too_deep_is_counted():
    trees = random_forest(np.random.default_rng(0), n_inner=6)
    ax = plot_tree(trees, max_depth=0)
    assert drawn(ax)[0].startswith("13 nodes\n")


def test_a_leaf_alone():
    trees = random_forest(np.random.default_rng(0), n_inner=0)
    assert len(drawn(plot_tree(trees))) == 1


def test_history():
    ax = plot_history(HISTORY, best_round=1)
    drawn(ax)
    assert ax.get_ylabel() == "logloss"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["train", "valid", "best round: 1"]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.6, 0.4, 0.3])
    assert plot_history(HISTORY, metric="error").get_ylabel() == "error"


@pytest.mark.parametrize("scores", [[1.0], [1.0, 0.5], [1.0, 0.5, 0.4]])
def test_rounds_are_whole_numbers(scores):
    ax = plot_history({"train": {"rmse": scores}}, best_round=0)
    assert drawn(ax) == []
    assert all(tick == round(tick) for tick in ax.get_xticks())


def test_importances_of_no_split():
    ax = plot_importance({"age": 0.0, "town": 0.0})
    assert drawn(ax)[:2] == ["0", "0"]
    assert ax.get_xlim() == (0, 1)


def test_a_leaf_that_adds_nothing():
    trees = random_forest(np.random.default_rng(0), n_inner=0)
    ax = plot_tree(replace(trees, value=np.zeros_like(trees.value)))
    assert drawn(ax)[0].startswith("0\n")
    red, green, blue, _ = ax.texts[0].get_bbox_patch().get_edgecolor()
    assert red == green == blue


def test_a_picture_has_its_largest_size():
    trees = random_forest(np.random.default_rng(0), n_inner=400, n_rounds=1)
    ax = plot_tree(trees, max_depth=None)
    assert ax.figure.get_size_inches().max() <= 400


@pytest.mark.parametrize(
    "plot",
    [
        lambda ax: plot_importance({"a": 1.0}, ax=ax),
        lambda ax: plot_tree(random_forest(np.random.default_rng(0)), ax=ax),
        lambda ax: plot_history(HISTORY, ax=ax),
    ],
)
def test_given_axes(plot):
    figure = pyplot.figure()
    ax = figure.add_subplot()
    assert plot(ax) is ax
    assert len(pyplot.get_fignums()) == 1
    drawn(ax)


@pytest.mark.parametrize(
    ("plot", "message"),
    [
        (lambda: plot_importance({}), "at least one column"),
        (lambda: plot_importance({"a": np.nan}), "a finite"),
        (lambda: plot_importance({"a": 1.0}, max_features=0), "max_features"),
        (lambda: plot_history({}), "with a metric"),
        (lambda: plot_history(HISTORY, metric="auc"), "of 'error', 'logloss'"),
        (lambda: plot_history(HISTORY, best_round=3), "best_round from 0 to 2"),
        (lambda: plot_tree(random_forest(np.random.default_rng(0)), 3), "tree from 0"),
    ],
)
def test_nothing_to_draw(plot, message):
    with pytest.raises(ValueError, match=message):
        plot()
    assert pyplot.get_fignums() == []


def test_wrong_kinds():
    with pytest.raises(TypeError, match="importances as a mapping"):
        plot_importance([1.0])
    with pytest.raises(TypeError, match="evals_result as a mapping"):
        plot_history([1.0])
    with pytest.raises(TypeError, match="a TreeEnsemble"):
        plot_tree([1.0])


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="expected matplotlib to be installed"):
        plot_importance({"a": 1.0})
