"""Table and picture of test losses and training times."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastnotes.bench.case import OURS

START, END = "<!-- quality: start -->", "<!-- quality: end -->"
WITHIN = 0.002
"""A figure this near to the best peer's counts as level with it."""

_COLOURS = {
    OURS: "#1f2328",
    "xgboost": "#009E73",
    "lightgbm": "#E69F00",
    "scikit-learn": "#CC79A7",
}


def _by_subject(outcomes: Sequence[Any]) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = {}
    for outcome in outcomes:
        table.setdefault(outcome.subject, {})[outcome.contender] = outcome
    return table


def _excess(row: dict[str, Any], library: str) -> float:
    """How much worse than the best other library, as a share: negative is better."""
    best = _best_other(row, library)
    behind = float(row[library].mean) - best
    return (-behind if row[library].metric.startswith("NDCG") else behind) / best


def _best_other(row: dict[str, Any], library: str) -> float:
    others: list[float] = [o.mean for name, o in row.items() if name != library]
    return max(others) if row[library].metric.startswith("NDCG") else min(others)


def table(outcomes: Sequence[Any]) -> str:
    """Return the Markdown table: mean figures and median seconds."""
    libraries = list(_COLOURS)
    lines = [
        f"| set | metric | {' | '.join(libraries)} | ours to best other | seconds |",
        f"| --- | --- |{' ---: |' * len(libraries)} ---: | ---: |",
    ]
    level = 0
    for subject, row in _by_subject(outcomes).items():
        best = _best_other(row, OURS)
        cells = []
        for name in libraries:
            if name not in row:
                cells.append("—")
                continue
            text = f"{row[name].mean:.4f}"
            cells.append(f"**{text}**" if row[name].mean == best else text)
        excess = _excess(row, OURS)
        level += excess <= WITHIN
        seconds = " / ".join(
            f"{statistics.median(row[name].seconds):.2g}" if name in row else "—"
            for name in libraries
        )
        lines.append(
            f"| {subject} | {row[OURS].metric} | {' | '.join(cells)} | "
            f"{100 * excess:+.2f} % | {seconds} |"
        )
    n = len(_by_subject(outcomes))
    lines += [
        "",
        f"Better than the best other or within 0.2 % of it on {level} of {n}.",
    ]
    return "\n".join(lines) + "\n"


def replace_table(page: Path, outcomes: Sequence[Any]) -> None:
    """Put the table between the page's marks."""
    text = page.read_text(encoding="utf-8")
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"[bench.boosting_quality] expected marks in {page}, got none")
    made = f"{before}{START}\n\n{table(outcomes)}\n{END}{after}"
    page.write_text(made, encoding="utf-8")


def draw(path: Path, outcomes: Sequence[Any]) -> None:
    """Draw time against quality: one panel a set, lower left is better."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = _by_subject(outcomes)
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
        panel.margins(0.25)
        panel.set_title(f"{subject}: {row[OURS].metric}", fontsize=9, loc="left")
        panel.grid(True, color="#e5e7eb", zorder=0)
        panel.tick_params(labelsize=7, colors="#6b7280")
        panel.tick_params(axis="x", which="minor", labelsize=6)
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
