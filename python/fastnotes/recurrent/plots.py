"""Pictures of a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastnotes._plots import draw_curves
from fastnotes._validation import as_real_array, fail, fail_type
from fastnotes.nn.training import History


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
    where = "recurrent.plot_history"
    history: Any = model
    if isinstance(model, History):
        history, best = model.as_dict(), model.best_epoch
    else:
        history = getattr(model, "history_", model)
        best = getattr(model, "best_epoch_", None)
    if not isinstance(history, Mapping):
        fail_type(where, "a fitted estimator or its history_", type(model).__name__)
    if not isinstance(metric, str):
        fail_type(where, "metric as a string", type(metric).__name__)
    names = {"training": metric, "validation": f"validation_{metric}"}
    curves = {
        label: as_real_array(history[name], where, name, ndim=1)
        for label, name in names.items()
        if name in history
    }
    curves = {label: values for label, values in curves.items() if len(values)}
    if not curves:
        known = ", ".join(map(repr, history)) or "none"
        fail(where, f"a metric among {known}", repr(metric))
    return draw_curves(
        curves,  # type: ignore[arg-type]
        where,
        unit="epoch",
        best=best if best_epoch is None else best_epoch,
        ylabel=metric.replace("_", " "),
        ax=ax,
    )
