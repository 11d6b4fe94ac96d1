"""The picture of a run: how many times faster, case by case, room by room."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastnotes.bench.report import conditions
from fastnotes.bench.results import CaseResult, Report, Row

# Okabe and Ito's colours, told apart by all common kinds of colour vision. Each bar
# also carries its name, so nothing is said by colour alone.
_COLOURS = {
    "torch": "#D55E00",
    "scipy": "#0072B2",
    "numpy": "#56B4E9",
    "xgboost": "#009E73",
    "lightgbm": "#E69F00",
    "scikit-learn": "#CC79A7",
    "jax": "#7A6FAC",
    "onnxruntime": "#9A8B1F",
}
_OTHER = "#8C8C8C"
_INK = "#1f2328"
_SOFT = "#6b7280"
_GRID = "#e5e7eb"
_LOSS = "#fdf3ec"

_BAR = 0.78
_CASE_GAP = 0.55
_ROOM_GAP = 1.5
_INCHES_PER_UNIT = 0.185
_LEFT, _WIDTH = 0.275, 0.695


@dataclass(frozen=True)
class _Bar:
    y: float
    ratio: float
    peer: str
    decided: bool


@dataclass(frozen=True)
class _Label:
    y: float
    text: str


@dataclass
class _Layout:
    bars: list[_Bar]
    cases: list[_Label]
    rooms: list[_Label]
    height: float


def write(report: Report, path: Path) -> None:
    """Draw the run's ratios into `path` (PNG, SVG or PDF by its ending).

    Raises
    ------
    ValueError
        No case of the run has a peer's time to compare with.
    """
    layout = _arrange(report)
    if not layout.bars:
        raise ValueError("[bench.plot] expected at least one timed peer, got none")

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = layout.height * _INCHES_PER_UNIT + 1.75
    figure: Any = Figure(figsize=(9.6, height), facecolor="white")
    FigureCanvasAgg(figure)
    top, bottom = 1 - 0.9 / height, 0.85 / height
    axes = figure.add_axes((_LEFT, bottom, _WIDTH, top - bottom))
    _draw_bars(axes, layout)
    _draw_scale(axes, layout)
    _draw_labels(axes, layout)
    _draw_captions(figure, report, height)
    figure.savefig(path, dpi=160)


def _arrange(report: Report) -> _Layout:
    """Places from top to bottom, in units of one bar."""
    layout = _Layout([], [], [], 0.0)
    y = 0.0
    room = None
    for case, rows in _comparisons(report):
        if case.room != room:
            y += _ROOM_GAP if room is not None else 0.0
            room = case.room
            layout.rooms.append(_Label(y, room))
            y += 1.35
        layout.cases.append(_Label(y + (len(rows) - 1) / 2, case.name))
        for row in rows:
            ratio = case.ratio(row)
            decided = case.verdict(row) != "undecided"
            layout.bars.append(_Bar(y, ratio or math.nan, row.contender, decided))
            y += 1.0
        y += _CASE_GAP
    layout.height = y
    return layout


def _comparisons(report: Report) -> Iterator[tuple[CaseResult, list[Row]]]:
    rooms = list(dict.fromkeys(case.room for case in report.cases))
    for case in sorted(report.cases, key=lambda case: rooms.index(case.room)):
        rows = [row for row in case.peers if case.ratio(row) is not None]
        if rows:
            yield case, rows


def _draw_bars(axes: Any, layout: _Layout) -> None:
    for bar in layout.bars:
        start, length = min(1.0, bar.ratio), abs(bar.ratio - 1.0)
        axes.barh(
            bar.y,
            length,
            _BAR,
            left=start,
            color=_COLOURS.get(bar.peer.split()[0], _OTHER),
            alpha=1.0 if bar.decided else 0.4,
            linewidth=0,
            zorder=3,
        )
        ratio = f"{bar.ratio:.0f}" if bar.ratio >= 99.5 else f"{bar.ratio:.2g}"
        axes.annotate(
            f"{ratio}x  {bar.peer}",
            (max(1.0, bar.ratio), bar.y),
            xytext=(5, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=7.6,
            color=_INK if bar.decided else _SOFT,
            zorder=4,
        )


def _draw_scale(axes: Any, layout: _Layout) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    ratios = [bar.ratio for bar in layout.bars]
    low, high = min(0.8, *ratios) / 1.1, max(2.0, *ratios) * 2.4
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(layout.height, -1.2)
    steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
    ticks = [step for step in steps if low <= step <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{tick:g}x" for tick in ticks], fontsize=8.5, color=_SOFT)
    axes.tick_params(length=0, pad=6)
    axes.set_yticks([])
    axes.grid(axis="x", color=_GRID, linewidth=0.8, zorder=0)
    axes.axvspan(low, 1, color=_LOSS, zorder=-1, linewidth=0)
    axes.axvline(1, color=_INK, linewidth=1.1, zorder=5)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_labels(axes: Any, layout: _Layout) -> None:
    place = axes.get_yaxis_transform()
    for label in layout.cases:
        axes.text(
            -0.02,
            label.y,
            label.text,
            transform=place,
            ha="right",
            va="center",
            fontsize=8.8,
            color=_INK,
        )
    margin = -(_LEFT - 0.02) / _WIDTH
    for label in layout.rooms:
        axes.text(
            margin,
            label.y,
            label.text,
            transform=place,
            ha="left",
            va="center",
            fontsize=10.5,
            fontweight="bold",
            color=_INK,
        )
        axes.plot(
            (margin, 1.0),
            (label.y - 0.85, label.y - 0.85),
            transform=place,
            color=_GRID,
            linewidth=1.0,
            clip_on=False,
        )


def _draw_captions(figure: Any, report: Report, height: float) -> None:
    lines = (
        (0.30, "How much longer the others take", 15.0, "bold", _INK),
        (
            0.60,
            "Median time over that of fastnotes, same answers, same threads. "
            "Left of the line fastnotes is slower; pale bars are too close to call.",
            8.8,
            "normal",
            _SOFT,
        ),
        (height - 0.22, conditions(report), 8.0, "normal", _SOFT),
    )
    for inches, text, points, weight, colour in lines:
        figure.text(
            0.02,
            1 - inches / height,
            text,
            fontsize=points,
            fontweight=weight,
            color=colour,
            va="center",
        )
