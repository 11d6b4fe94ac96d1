"""How far the ELBO, the bound and the jackknife are from evidence that is known.

``python -m fastnotes.bench.evidence_quality`` prints two tables and puts them into
docs/evidence.md: errors on scikit-learn's digits under probabilistic PCA, and the rates
at which the bias falls with K for weights whose expectations are exact.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes import evidence
from fastnotes.bench import quality_record
from fastnotes.evidence.oracles import GammaWeights, ProbabilisticPCA, TwoPointWeights

PAGE = Path("docs", "evidence.md")
START, END = "<!-- quality: start -->", "<!-- quality: end -->"
ORDERS = (0, 1, 2, 3)
N_LATENT, WIDEN = 16, 1.3
"""The mean-field proposal is widened: as it is, its weights may have no variance."""
FROM, TO = 32, 64
"""Numbers of samples between which slopes are taken."""


def digits_errors(
    n_samples: int, counts: Sequence[int], n_images: int | None = None
) -> list[list[tuple[float, float]]]:
    """Mean error in nats and its standard error, of the ELBO and each order, by K.

    All samples of an image are used, in disjoint groups of K.
    """
    from sklearn.datasets import load_digits

    x = load_digits().data / 16.0
    model = ProbabilisticPCA.fit(x, N_LATENT)
    x = x[:n_images]
    truth = model.log_evidence(x)
    log_w = model.log_weights(x, n_samples, widen=WIDEN, random_state=0)
    rows = []
    for count in counts:
        groups = log_w[: n_samples // count * count].reshape(-1, count, len(truth))
        rows.append([_mean(evidence.elbo(groups, 1) - truth)])
        for order in ORDERS:
            rows[-1].append(_mean(_estimate(groups, order) - truth))
    return rows


def _estimate(groups: NDArray[np.float64], order: int) -> Any:
    if order >= groups.shape[1]:
        return np.full(groups[:, 0].shape, math.nan)
    with warnings.catch_warnings():  # the error shows it
        warnings.simplefilter("ignore", evidence.JackknifeWarning)
        return evidence.jackknife_bound(groups, order, 1)


def _mean(errors: NDArray[np.float64]) -> tuple[float, float]:
    """Over images and groups; groups are what chance has drawn."""
    of_group = errors.mean(axis=1)
    return float(of_group.mean()), float(of_group.std() / math.sqrt(len(of_group)))


def slopes() -> list[tuple[str, list[float]]]:
    """Minus d log(bias) / d log K of every order, from exact expectations."""
    gamma = GammaWeights(1.0)
    found = [("Gamma(1, 1)", [_slope(lambda n, m=m: gamma.bias(n, m)) for m in ORDERS])]
    for high, low, p in ((2.0, 0.5, 0.5), (3.0, 0.5, 0.25)):
        weights = TwoPointWeights(high, low, p)

        def bias(n: int, m: int, weights: TwoPointWeights = weights) -> float:
            return weights.expected_jackknife(n, m) - weights.log_evidence

        name = f"{high:g} with probability {p:g}, else {low:g}"
        found.append((name, [_slope(lambda n, m=m, f=bias: f(n, m)) for m in ORDERS]))
    return found


def _slope(bias: Any) -> float:
    return math.log(abs(bias(FROM) / bias(TO))) / math.log(TO / FROM)


def page(counts: Sequence[int], errors: Any, rates: Any, n_samples: int) -> str:
    """Both tables, in Markdown."""
    names = ["ELBO", "bound", *(f"JVI {m}" for m in ORDERS[1:])]
    lines = [
        f"Probabilistic PCA with {N_LATENT} latent variables on 1,797 digits, "
        f"{n_samples:,} samples of each from the mean-field posterior widened "
        f"{WIDEN:g} times, in groups of K. Mean of the estimate less log p(x), in "
        "nats, and two standard errors:",
        "",
        f"| K | {' | '.join(names)} |",
        f"| ---: |{' ---: |' * len(names)}",
    ]
    for count, row in zip(counts, errors, strict=True):
        cells = " | ".join(_cell(*each) for each in row)
        lines.append(f"| {count} | {cells} |")
    lines += [
        "",
        f"The power of 1/K by which the bias falls, from K = {FROM} to {TO}, by exact "
        "expectations (order m promises m + 1; for Gamma weights the coefficient of "
        "1/K^3 is 0):",
        "",
        f"| weights | {' | '.join(names[1:])} |",
        f"| --- |{' ---: |' * len(ORDERS)}",
    ]
    for name, values in rates:
        lines.append(f"| {name} | {' | '.join(f'{v:.2f}' for v in values)} |")
    return "\n".join([*lines, ""])


def _cell(mean: float, error: float) -> str:
    return "" if math.isnan(mean) else f"{mean:+.4f} ± {2 * error:.4f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; put them into the page if there is one."""
    parser = argparse.ArgumentParser(prog="python -m fastnotes.bench.evidence_quality")
    parser.add_argument("--samples", type=int, default=8192, help="of each image")
    parser.add_argument("--images", type=int, default=None, help="at most so many")
    parser.add_argument("--page", type=Path, default=PAGE, help="Markdown to write to")
    options = parser.parse_args(arguments)
    counts = [k for k in (4, 8, 16, 32, 64, 128, 256) if 8 * k <= options.samples]
    errors = digits_errors(options.samples, counts, options.images)
    text = page(counts, errors, slopes(), options.samples)
    print(text)
    if options.images is None and options.page.exists():
        where = "bench.evidence_quality"
        quality_record.put_between(options.page, START, END, text, where)
    return 0


if __name__ == "__main__":
    sys.exit(main())
