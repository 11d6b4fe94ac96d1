"""Pictures of a training."""

from __future__ import annotations

from typing import Any

from fastnotes._plots import draw_history


def plot_history(
    model: Any, *, metric: str = "loss", best_epoch: int | None = None, ax: Any = None
) -> Any:
    """Draw learning curves: a value of every epoch, in training and on held-out data.

    Parameters
    ----------
    model : estimator, mapping or History
        A fitted estimator of this room, or its ``history_``.
    metric : str
        Which value; ``validation_`` and its name are drawn beside it, if there are any.
    best_epoch : int, optional
        Epoch to mark, from 0 on; default the estimator's ``best_epoch_``.
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
    return draw_history(model, metric, best_epoch, ax, "recurrent.plot_history")
