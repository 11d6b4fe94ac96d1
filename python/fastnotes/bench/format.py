"""How figures are written: times, ratios, sizes and shares."""

from __future__ import annotations

from fastnotes.bench.results import CaseResult, Row


def seconds(value: float) -> str:
    """Three digits and the unit that suits: ``12.3 us``, ``4.56 ms``, ``1.20 s``."""
    for unit, scale in (("us", 1e-6), ("ms", 1e-3)):
        if value < 999.5 * scale:
            return f"{_three_digits(value / scale)} {unit}"
    return f"{_three_digits(value)} s"


def size(n_bytes: int) -> str:
    """MiB with one digit below 10."""
    mib = n_bytes / 2**20
    return f"{mib:.1f} MiB" if mib < 10 else f"{mib:,.0f} MiB"


def share(value: float) -> str:
    """Whole per cents."""
    return f"{100 * value:.0f} %"


def ratio(case: CaseResult, row: Row) -> str:
    """Their time over ours, with a mark where it decides nothing."""
    value = case.ratio(row)
    if value is None:
        return ""
    text = times(value)
    return f"~{text}" if case.verdict(row) == "undecided" else text


def times(value: float) -> str:
    """Three digits of a ratio: ``2.35x``."""
    return f"{_three_digits(value)}x"


def error(row: Row) -> str:
    """Error against the reference, two digits."""
    return "" if row.error is None else f"{row.error:.1e}"


def score(row: Row) -> str:
    """The case's quality score, four digits."""
    return "" if row.score is None else f"{row.score:.4g}"


def state(row: Row) -> str:
    """What stands in the time column when there is no time to show."""
    words = {"wrong": "WRONG", "failed": "FAILED"}
    return words.get(row.status, row.status)


def _three_digits(value: float) -> str:
    if value >= 99.95:
        return f"{value:.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}"
