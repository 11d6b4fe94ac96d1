"""Pictures: tails of weights, and how bounds close in on the evidence."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._plots import GRID, INK, LINES, QUIET, new_axes, plain
from fastnotes._validation import as_integer, as_real, as_real_array, fail, fail_type
from fastnotes.evidence.jackknife import MAX_ORDER, JackknifeWarning, jackknife_bound


def plot_pareto_k(k: Any, *, good_k: float | None = None, ax: Any = None) -> Any:
    """Draw Pareto k of every sum or observation, with the limits of what is reliable.

    Parameters
    ----------
    k
        The result of :func:`psis` or :func:`psis_loo`, or an array of k.
    good_k
        Up to there k is good; None means that of ``psis_loo``, else 0.7.
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
        If ``k`` holds no numbers.
    """
    where = "evidence.plot_pareto_k"
    limit = getattr(k, "good_k", 0.7) if good_k is None else good_k
    limit = as_real(limit, where, "good_k")
    values = as_real_array(getattr(k, "pareto_k", k), where, "k").ravel()
    if values.size == 0:
        fail(where, "at least one k", "none")
    if ax is None:
        ax = new_axes(where, (6.4, 4.0))
    places, shown = np.arange(values.size), np.isfinite(values)
    edges = (-math.inf, limit, max(limit, 1.0), math.inf)
    names = ("good", "bad", "very bad")
    colours = (LINES[0], LINES[1], INK)
    size = 5.0 if values.size <= 500 else 2.5
    for low, high, name, colour in zip(edges, edges[1:], names, colours, strict=False):
        some = shown & (values > low) & (values <= high)
        if some.any():
            label = f"{name}: {np.count_nonzero(some)}"
            ax.plot(places[some], values[some], "o", ms=size, color=colour, label=label)
    without = values.size - np.count_nonzero(shown)
    if without:
        ax.plot([], [], " ", label=f"not fitted: {without}")
    for edge in edges[1:3]:
        ax.axhline(edge, color=QUIET, lw=1, ls=(0, (4, 3)))
    ax.set_xlabel("sum" if not hasattr(k, "elpd_i") else "observation")
    ax.set_ylabel("Pareto k")
    ax.margins(x=0.02)
    ax.grid(color=GRID)
    plain(ax, ("top", "right"))
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def plot_bound_vs_k(
    log_w: ArrayLike,
    truth: ArrayLike | None = None,
    *,
    orders: Sequence[int] = (0, 1, 2, 3),
    counts: Sequence[int] | None = None,
    ax: Any = None,
) -> Any:
    """Draw the bound and jackknife estimates against the number of samples K.

    Every K uses all samples, in disjoint groups of K, and averages over groups and
    columns; bands are two standard errors wide on either side.

    Parameters
    ----------
    log_w
        Log-weights of shape (samples,) or (samples, columns), -inf excluded.
    truth
        log p(x), one number or one for each column; drawn as a line, if given.
    orders
        Of the jackknife; 0 is the bound.
    counts
        Values of K; None means powers of 2 that leave at least 8 groups.
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
        If an argument does not fit; with no K larger than an order.
    """
    where = "evidence.plot_bound_vs_k"
    array = as_real_array(log_w, where, "log_w", ndim=(1, 2)).astype(np.float64)
    array = array.reshape(len(array), -1)
    if 0 in array.shape or not np.isfinite(array).all():
        fail(where, "finite log_w of at least one sample", f"shape {array.shape}")
    if counts is None:
        counts = [2**i for i in range(1, 20) if 8 * 2**i <= len(array)]
    sizes = _integers(counts, where, "counts", 1, len(array))
    wanted = _integers(orders, where, "orders", 0, MAX_ORDER)
    if max(sizes) <= max(wanted):
        fail(where, f"a K above order {max(wanted)}", str(max(sizes)))
    level = None
    if truth is not None:
        exact = as_real_array(truth, where, "truth", ndim=(0, 1))
        if exact.size not in (1, array.shape[1]):
            fail(where, f"truth of {array.shape[1]} columns", str(exact.shape))
        level = float(exact.mean())
    if ax is None:
        ax = new_axes(where, (6.4, 4.0))
    for i, order in enumerate(wanted):
        able = [size for size in sizes if size > order]
        mean, error = np.array([_group_mean(array, size, order) for size in able]).T
        label = f"jackknife, order {order}" if order else "bound (order 0)"
        colour = LINES[i % len(LINES)]
        ax.plot(able, mean, "o-", ms=4, lw=1.8, color=colour, label=label)
        ax.fill_between(
            able, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.15, lw=0
        )
    if level is not None:
        ax.axhline(level, color=INK, lw=1.2, ls=(0, (4, 3)), label="log p(x)")
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("samples K")
    ax.set_ylabel("nats")
    ax.grid(color=GRID)
    plain(ax, ("top", "right"))
    ax.legend(frameon=False)
    return ax


def _group_mean(log_w: Any, size: int, order: int) -> tuple[float, float]:
    """Mean over all groups of ``size`` samples, and its standard error."""
    groups = len(log_w) // size
    parts = log_w[: groups * size].reshape(groups, size, -1)
    with warnings.catch_warnings():  # the picture shows it
        warnings.simplefilter("ignore", JackknifeWarning)
        values = jackknife_bound(parts, order, 1)
    each = values.mean(axis=1) if groups > 1 else values.ravel()
    spread = each.std(ddof=1) / math.sqrt(each.size) if each.size > 1 else 0.0
    return float(values.mean()), float(spread)


def _integers(
    values: Any, where: str, name: str, low: int, high: int
) -> tuple[int, ...]:
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        fail_type(where, f"{name} as a sequence of integers", type(values).__name__)
    found = tuple(as_integer(v, where, name, low=low, high=high) for v in values)
    if not found:
        fail(where, f"at least one of {name}", "none")
    return tuple(sorted(set(found)))
