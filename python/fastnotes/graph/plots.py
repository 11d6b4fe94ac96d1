"""Pictures of a training and of what it found."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnotes._plots import LINES, draw_history, new_axes, plain
from fastnotes._validation import (
    RealArray,
    as_array,
    as_real_array,
    check_choice,
    check_finite,
    describe,
    fail,
)

METHODS = ("pca", "tsne")


def plot_history(
    model: Any, *, metric: str = "loss", best_epoch: int | None = None, ax: Any = None
) -> Any:
    """Draw learning curves: a value of every epoch, in training and on held-out nodes.

    Parameters
    ----------
    model : estimator or mapping
        A fitted classifier of this room, or its ``history_``.
    metric : str
        Which value; ``validation_`` and its name are drawn beside it, if there are any.
    best_epoch : int, optional
        Epoch to mark, from 0 on; default the classifier's ``best_epoch_``.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError, ValueError
        If there is no such history, or no such epoch.
    """
    return draw_history(model, metric, best_epoch, ax, "graph.plot_history")


def plot_embedding(
    model: Any, y: Any = None, *, method: str = "pca", ax: Any = None
) -> Any:
    """Draw nodes in the plane, coloured by class.

    Parameters
    ----------
    model : estimator or array of shape (n, d)
        A fitted classifier of this room, whose ``transform()`` is drawn, or points.
    y : array of shape (n,), optional
        Classes; nodes of class -1 are drawn in grey. None: what the classifier
        predicts, or one colour for points.
    method : {"pca", "tsne"}
        From d dimensions to two: the two principal components, or scikit-learn's
        t-SNE, with a fixed seed. Points of two dimensions are drawn as they are.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError, ValueError
        For points or classes that do not fit.
    """
    where = "graph.plot_embedding"
    check_choice(method, where, "method", METHODS)
    fitted = hasattr(model, "transform")
    points = as_real_array(
        model.transform() if fitted else model, where, "points", ndim=2
    )
    check_finite(points, where, "points")
    if points.shape[1] < 1 or len(points) < 2:
        fail(where, "at least two points with a column", describe(points))
    if y is None:
        y = model.predict() if fitted else np.zeros(len(points), np.int64)
    classes = as_array(y, where, "y")
    if classes.shape != (len(points),):
        fail(where, f"y of shape ({len(points)},)", str(classes.shape))
    plane = _in_plane(points, method)
    if ax is None:
        ax = new_axes(where, (6.4, 5.2))
    for i, each in enumerate(np.unique(classes)):  # -1 first: below all others
        unknown = classes.dtype.kind in "if" and each == -1
        at = plane[classes == each]
        colour = "#c8c8c8" if unknown else _colour(i)
        label = "unknown" if unknown else str(each)
        ax.scatter(at[:, 0], at[:, 1], s=7, lw=0, color=colour, label=label)
    ax.set_xticks([])
    ax.set_yticks([])
    plain(ax, ("top", "right", "left", "bottom"))
    if len(np.unique(classes)) > 1:
        ax.legend(frameon=False, markerscale=2.5)
    return ax


def _colour(i: int) -> Any:
    """A colour of its own for some classes, shades of the map after that."""
    if i < len(LINES):
        return LINES[i]
    import matplotlib as mpl

    return mpl.colormaps["tab20"](i % 20)


def _in_plane(points: RealArray, method: str) -> RealArray:
    n, d = points.shape
    if d == 2:
        return points
    if d == 1:
        return np.concatenate([points, np.zeros_like(points)], axis=1)
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, max(1.0, (n - 1) / 3))
        found = TSNE(init="pca", random_state=0, perplexity=perplexity)
        return np.asarray(found.fit_transform(points))
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.sign(axes[np.arange(len(axes)), largest])[:, None]
    return np.asarray(centred @ axes.T)
