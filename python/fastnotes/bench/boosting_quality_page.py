"""Table and picture of test losses and training times."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastnotes.bench.case import OURS
from fastnotes.bench.quality_record import by_subject, put_between

START, END = "<!-- quality: start -->", "<!-- quality: end -->"
WITHIN = 0.002
"""A figure this near to the best peer's counts as level with it."""
FAR = 0.005
"""A figure farther than this behind the best peer's fails."""

_COLOURS = {
    OURS: "#1f2328",
    "xgboost": "#009E73",
    "lightgbm": "#E69F00",
    "scikit-learn": "#CC79A7",
}


def _upward(outcome: Any) -> bool:
    return bool(outcome.metric.startswith("NDCG"))


def _best_other(row: dict[str, Any]) -> Any:
    others = [outcome for name, outcome in row.items() if name != OURS]
    pick = max if _upward(row[OURS]) else min
    return pick(others, key=lambda outcome: outcome.mean)


def excess(row: dict[str, Any]) -> tuple[float, float]:
    """How much worse ours is than the best other, as a share, and its standard error.

    Negative is better. The error is that of the differences fit by fit; NaN of one.
    """
    best = _best_other(row)
    sign = -1.0 if _upward(best) else 1.0
    pairs = zip(row[OURS].figures, best.figures, strict=True)
    behind = [sign * (ours - theirs) / best.mean for ours, theirs in pairs]
    spread = statistics.stdev(behind) if len(behind) > 1 else math.nan
    return statistics.fmean(behind), spread / math.sqrt(len(behind))


def table(outcomes: Sequence[Any]) -> str:
    """Return the Markdown table: mean figures and median seconds of a fit."""
    libraries = list(_COLOURS)
    lines = [
        f"| set | metric | {' | '.join(libraries)} | ours to best other | seconds |",
        f"| --- | --- |{' ---: |' * len(libraries)} ---: | ---: |",
    ]
    gaps = []
    for subject, row in by_subject(outcomes).items():
        best = _best_other(row).mean
        cells = []
        for name in libraries:
            if name not in row:
                cells.append("—")
                continue
            text = f"{row[name].mean:.4f}"
            cells.append(f"**{text}**" if row[name].mean == best else text)
        behind, error = excess(row)
        gaps.append(behind)
        spread = "" if math.isnan(error) else f" ± {100 * error:.2f}"
        seconds = " / ".join(
            f"{statistics.median(row[name].seconds):.2g}" if name in row else "—"
            for name in libraries
        )
        lines.append(
            f"| {subject} | {row[OURS].metric} | {' | '.join(cells)} | "
            f"{100 * behind:+.2f}{spread} % | {seconds} |"
        )
    level = sum(gap <= WITHIN for gap in gaps)
    far = sum(gap > FAR for gap in gaps)
    lines += [
        "",
        f"Better than the best other or within {WITHIN:.1%} of it on {level} of "
        f"{len(gaps)}, more than {FAR:.1%} behind on {far}.",
    ]
    return "\n".join(lines) + "\n"


def replace_table(page: Path, outcomes: Sequence[Any]) -> None:
    """Put the table between the page's marks."""
    put_between(page, START, END, table(outcomes), "bench.boosting_quality")


def draw(path: Path, outcomes: Sequence[Any]) -> None:
    """Draw time against quality: one panel a set, lower left is better."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    rows = by_subject(outcomes)
    columns = 4
    lines = -(-len(rows) // columns)
    figure: Any = Figure(figsize=(11, 2.7 * lines + 0.7), facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel, (subject, row) in zip(panels, rows.items(), strict=False):
        for name, colour in _COLOURS.items():
            if name not in row:
                continue
            seconds, value = statistics.median(row[name].seconds), row[name].mean
            panel.scatter(
                seconds,
                value,
                s=90 if name == OURS else 55,
                marker="D" if name == OURS else "o",
                color=colour,
                zorder=3,
                label=name,
            )
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.margins(0.25)
        panel.set_title(f"{subject}: {row[OURS].metric}", fontsize=9, loc="left")
        panel.grid(True, color="#e5e7eb", zorder=0)
        panel.tick_params(labelsize=7, colors="#6b7280")
        if row[OURS].metric.startswith("NDCG"):
            panel.invert_yaxis()
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    for panel in panels[len(rows) :]:
        panel.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncol=4, frameon=False, fontsize=9)
    figure.suptitle(
        "seconds to train (log scale) against test figure: lower left is better",
        x=0.01,
        y=0.995,
        ha="left",
        fontsize=10,
    )
    figure.tight_layout(rect=(0, 0, 1, 0.975))
    figure.savefig(path, dpi=140)
