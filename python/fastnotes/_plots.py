"""What pictures of the rooms share: colours, axes, and curves over rounds or epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastnotes._validation import as_integer, as_real_array, fail, fail_type

INK, QUIET, GRID = "#222222", "#6b6b6b", "#e4e4e4"
#: Apart for every kind of colour vision: blue and orange first.
LINES = ("#2f6db3", "#d9731a", "#3a8a5f", "#8a56a8", "#b3924a", "#5a5a5a")
#: The largest picture's side, in inches.
_LARGEST_SIDE = 400.0


def new_axes(where: str, size: tuple[float, float]) -> Any:
    """Return the axes of a new figure.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"[{where}] expected matplotlib to be installed, got none"
        ) from error
    figsize = tuple(min(side, _LARGEST_SIDE) for side in size)
    return plt.subplots(figsize=figsize, layout="constrained")[1]


def plain(ax: Any, without: Sequence[str]) -> None:
    """Leave some sides of the frame out, and the others quiet."""
    ax.set_axisbelow(True)
    for side in without:
        ax.spines[side].set_visible(False)
    for side in {"left", "bottom"} - set(without):
        ax.spines[side].set_color("#b0b0b0")


def draw_history(model: Any, metric: Any, best_epoch: Any, ax: Any, where: str) -> Any:
    """Draw a metric of a fitted estimator's epochs, of its history, or of a mapping.

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError, ValueError
        If there is no such history, or no such epoch.
    """
    from fastnotes.nn.training import History

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


def draw_curves(
    curves: Mapping[str, Sequence[float]],
    where: str,
    *,
    unit: str,
    best: Any,
    ylabel: str,
    ax: Any,
) -> Any:
    """Draw values by round or epoch (the ``unit``), from 0 on, and mark the best one.

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError, ValueError
        If ``best`` is no place in the longest curve.
    """
    if best is not None:
        count = max(len(values) for values in curves.values())
        best = as_integer(best, where, f"best_{unit}", low=0)
        if best >= count:
            fail(where, f"best_{unit} from 0 to {count - 1}", str(best))
    if ax is None:
        ax = new_axes(where, (6.4, 4.0))
    for i, (name, values) in enumerate(curves.items()):
        colour = LINES[i % len(LINES)]
        style = "-" if len(values) > 1 else "o"
        ax.plot(np.arange(len(values)), values, style, color=colour, lw=1.8, label=name)
        if best is not None and best < len(values):
            ax.plot(best, values[best], "o", color=colour, ms=5, zorder=3)
    if best is not None:
        label = f"best {unit}: {best}"
        ax.axvline(best, color=QUIET, lw=1, ls=(0, (4, 3)), label=label)
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    ax.set_xlabel(unit)
    ax.set_ylabel(ylabel)
    ax.margins(x=0.02)
    ax.grid(color=GRID)
    plain(ax, ("top", "right"))
    ax.legend(frameon=False)
    return ax
