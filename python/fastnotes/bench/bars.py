"""What the kernels aim at beside their peers, and how far recorded results are."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fastnotes.bench import format as fmt
from fastnotes.bench.case import OURS
from fastnotes.bench.results import CaseResult

Results = Mapping[str, CaseResult]
Outcome = Literal["reached", "missed", "incomplete", ""]
"""Empty where there is no aim, only a figure."""


@dataclass(frozen=True)
class Finding:
    """One line of the summary."""

    room: str
    task: str
    against: str
    aim: str
    figure: str
    outcome: Outcome


@dataclass(frozen=True)
class Ratio:
    """The time of the best of some peers over ours, in one case or in many.

    Parameters
    ----------
    room, task : str
        What is measured, for people.
    cases : sequence of str
        Names of the room's cases.
    against : sequence of str
        Contenders; in each case the fastest of those timed counts.
    mean, least : float or None
        Aims: of the geometric mean over the cases, and of each case. With neither the
        figure is only told.
    """

    room: str
    task: str
    cases: Sequence[str]
    against: Sequence[str]
    mean: float | None = None
    least: float | None = None

    def judge(self, results: Results) -> Finding:
        """Hold results, by case id, against the aims."""
        found = [results.get(f"{self.room}/{name}") for name in self.cases]
        ratios = [ratio for case in found if (ratio := self._ratio(case)) is not None]
        names = ", ".join(self.against)
        against = f"best of {names}" if len(self.against) > 1 else names
        figure = _figure(ratios, len(found))
        aim = ", ".join(self._aims())
        outcome = _outcome(self._reached(ratios), len(ratios) == len(found))
        if not aim and outcome == "reached":
            outcome = ""
        return Finding(self.room, self.task, against, aim, figure, outcome)

    def _ratio(self, case: CaseResult | None) -> float | None:
        if case is None:
            return None
        rows = [row for row in case.peers if row.contender in self.against]
        ratios = [ratio for row in rows if (ratio := case.ratio(row)) is not None]
        return min(ratios, default=None)

    def _aims(self) -> list[str]:
        each = "each " if len(self.cases) > 1 else ""
        return [
            *([] if self.mean is None else [f"mean {self.mean:g}x"]),
            *([] if self.least is None else [f"{each}{self.least:g}x"]),
        ]

    def _reached(self, ratios: Sequence[float]) -> bool:
        return bool(ratios) and (
            statistics.geometric_mean(ratios) >= (self.mean or 0)
            and min(ratios) >= (self.least or 0)
        )


@dataclass(frozen=True)
class Pace:
    """Our time for one unit of work, without a peer.

    Parameters
    ----------
    room, task : str
        What is measured, for people.
    case : str
        Name of the room's case.
    unit : str
        What `count` counts.
    count : callable
        Units of work in one call, from the case's parameters.
    at_most_ns : float
        The aim.
    """

    room: str
    task: str
    case: str
    unit: str
    count: Callable[[Mapping[str, float]], float]
    at_most_ns: float

    def judge(self, results: Results) -> Finding:
        """Hold the case's result against the aim."""
        case = results.get(f"{self.room}/{self.case}")
        ours = None if case is None else case.ours
        figure, reached, is_timed = "", False, False
        if case is not None and ours is not None and ours.timed:
            pace = 1e9 * ours.median_s / self.count(case.parameters)
            figure, is_timed = f"{pace:.2g} ns", True
            reached = pace <= self.at_most_ns
        aim = f"at most {self.at_most_ns:g} ns"
        outcome = _outcome(reached, is_timed)
        return Finding(self.room, self.task, f"per {self.unit}", aim, figure, outcome)


@dataclass(frozen=True)
class Memory:
    """How far our first call raises the process's resident memory at most.

    Parameters
    ----------
    room, task : str
        What is measured, for people.
    case : str
        Name of the room's case.
    below : sequence of str
        Contenders of which each must take more.
    at_most_mb : float
        The aim, in 10^6 bytes.
    """

    room: str
    task: str
    case: str
    below: Sequence[str]
    at_most_mb: float

    def judge(self, results: Results) -> Finding:
        """Hold the case's result against the aim."""
        case = results.get(f"{self.room}/{self.case}")
        taken = {
            row.contender: row.peak_bytes / 1e6
            for row in ([] if case is None else case.rows)
            if row.timed and row.peak_bytes is not None
        }
        ours, others = taken.pop(OURS, None), [taken.get(who) for who in self.below]
        known = [other for other in others if other is not None]
        figure = "" if ours is None else f"{ours:.0f} MB"
        if figure and known:
            figure += f" (least of the others {min(known):.0f} MB)"
        reached = ours is not None and ours <= min([self.at_most_mb, *known])
        complete = ours is not None and len(known) == len(others)
        names = ", ".join(self.below)
        aim = f"at most {self.at_most_mb:g} MB, and less"
        outcome = _outcome(reached, complete)
        return Finding(self.room, self.task, names, aim, figure, outcome)


def _figure(ratios: Sequence[float], wanted: int) -> str:
    if not ratios:
        return ""
    if wanted == 1:
        return fmt.times(ratios[0])
    mean, low, high = (
        fmt.times(x)
        for x in (statistics.geometric_mean(ratios), min(ratios), max(ratios))
    )
    missing = "" if len(ratios) == wanted else f", {len(ratios)} of {wanted} cases"
    return f"mean {mean} ({low} to {high}{missing})"


def _outcome(reached: bool, complete: bool) -> Outcome:
    if not complete:
        return "incomplete"
    return "reached" if reached else "missed"


def _codes(parameters: Mapping[str, float]) -> float:
    """Rows times columns of a histogram."""
    from fastnotes.bench.boosting import SUBSET

    n_rows = parameters["n_rows"] // (SUBSET if parameters["subset"] else 1)
    return n_rows * parameters["n_columns"]


def _layers(task: str) -> list[str]:
    return [f"lstm-{task}-h{h}-b{b}" for h in (64, 256, 512) for b in (1, 16, 64)]


_LAYER_PEERS = {"forward": ("torch", "onnxruntime", "jax"), "train": ("torch", "jax")}
_WIDE = [f"h{h}-b{b}" for h in (256, 512) for b in (16, 64)]
_SMALL = ["h64-b1", "h64-b16", "h64-b64", "h256-b1"]


def _lstm(task: str, what: str, wide: float, small: float) -> tuple[Ratio, Ratio]:
    """Layers wide enough to be products above all, and those that are not."""
    return (
        Ratio(
            "recurrent",
            f"LSTM {what}, 256 and 512 units, 16 and 64 rows",
            [f"lstm-{task}-{size}" for size in _WIDE],
            _LAYER_PEERS[task],
            wide,
            1.05,
        ),
        Ratio(
            "recurrent",
            f"LSTM {what}, 64 units, or one row and 256",
            [f"lstm-{task}-{size}" for size in _SMALL],
            _LAYER_PEERS[task],
            small,
        ),
    )


_PRODUCTS = [
    f"matmul-h{h}-b{b}" for h in (64, 128, 256, 512, 1024) for b in (8, 32, 64, 128)
]
_WEIGHT_GRADIENTS = [
    f"weight-gradient-{shape}"
    for shape in ("784x100x200", "784x5000x200", "200x5000x784", "200x5000x200")
]
_GRAPHS = ("like-cora", "like-pubmed", "grid", "like-reddit", "rmat")
_EVIDENCE_PEERS = ("torch", "numpy", "jax")


def _graph(task: str, what: str, peer: str, **aims: float) -> Ratio:
    cases = [f"{task}-{graph}" for graph in _GRAPHS]
    return Ratio("graph", f"{what}, 5 graphs", cases, (peer,), **aims)


def _evidence(case: str, what: str, least: float) -> Ratio:
    scipy = ("scipy",) if case.startswith("bound") else ()
    return Ratio("evidence", what, (case,), (*_EVIDENCE_PEERS, *scipy), least=least)


def _jackknife(case: str, what: str, least: float) -> Ratio:
    task = f"jackknife of {what}, 64 x 1000"
    return Ratio("evidence", task, (case,), ("numpy",), least=least)


def _psis(case: str, size: str, least: float) -> Ratio:
    task = f"Pareto smoothing, {size}"
    return Ratio("evidence", task, (f"psis-{case}",), ("arviz",), least=least)


def _information(case: str, task: str) -> Ratio:
    return Ratio("information", task, (case,), ("sklearn",), least=5)


def _trees(case: str, task: str, peer: str, least: float) -> Ratio:
    return Ratio("boosting", task, (case,), (peer,), least=least)


def _training(case: str, task: str, least: float) -> Ratio:
    peers = ("lightgbm", "xgboost")
    return Ratio("boosting", f"fit, {task}", (f"train-{case}",), peers, least=least)


_HISTOGRAM = "histogram-1000000x28"
_BATCH = ("predict-batch", "predict_proba of 100,000 rows")
_ROW = ("predict-row", "predict_proba of one row")
_STEP = ("lstm-step-h64",)
_STEPS = (*_STEP, "lstm-step-h256")

BARS: tuple[Ratio | Pace | Memory, ...] = (
    Ratio(
        "boosting",
        "cuts and codes, 1,000,000 x 28",
        ("bin-1000000x28",),
        ("xgboost",),
        least=15,
    ),
    Ratio(
        "boosting",
        "cuts and codes, 1,000,000 x 28",
        ("bin-1000000x28",),
        ("lightgbm",),
        least=8,
    ),
    Pace("boosting", "histogram, all rows", _HISTOGRAM, "row and column", _codes, 0.25),
    Pace(
        "boosting",
        "histogram, a sorted 1/16 of the rows",
        f"{_HISTOGRAM}-sixteenth",
        "row and column",
        _codes,
        0.45,
    ),
    Ratio(
        "boosting",
        "histogram, all rows and 1/16",
        (_HISTOGRAM, f"{_HISTOGRAM}-sixteenth"),
        ("float64 pairs",),
        least=1.8,
    ),
    _trees("train-1000000x28", "fit, 1,000,000 x 28, depth 6", "lightgbm", 3.5),
    _trees("train-1000000x28", "fit, 1,000,000 x 28, depth 6", "xgboost", 4),
    Memory(
        "boosting",
        "memory of fit, 1,000,000 x 28 float32",
        "train-1000000x28-memory",
        ("lightgbm", "xgboost"),
        100,
    ),
    _trees(
        "train-1000000x28-threads", "fit, 1,000,000 x 28, depth 6", "one thread", 1.85
    ),
    _training("flights-3m", "2,500,000 flights, depth 6", 3),
    _training("flights-3m-255-leaves", "2,500,000 flights, 255 leaves", 2.5),
    _training("flights", "nycflights13, depth 6", 2.5),
    _training("flights-255-leaves", "nycflights13, 255 leaves", 2.5),
    _training("wide", "20,000 x 500", 2.5),
    _training("sparse", "200,000 x 5,000, 1 % stored", 3),
    _training("covtype", "covtype_15k, 7 classes", 2),
    _training("digits", "digits, 10 classes", 2),
    _training("breast-cancer", "breast_cancer", 2),
    _training("diabetes", "diabetes", 2),
    _trees(*_BATCH, "xgboost", 5),
    _trees(*_BATCH, "lightgbm", 20),
    _trees(*_BATCH, "catboost", 1.5),
    _trees(*_ROW, "xgboost", 20),
    _trees(*_ROW, "lightgbm", 5),
    Ratio(
        "boosting",
        "Shapley values of 2,000 rows",
        ("shap",),
        ("xgboost", "lightgbm"),
        least=5,
    ),
    Ratio(
        "recurrent",
        "LSTM inference, 64 to 512 units, 1 to 64 rows",
        _layers("forward"),
        ("torch",),
        1.4,
        1.0,
    ),
    Ratio(
        "recurrent",
        "LSTM training, 64 to 512 units, 1 to 64 rows",
        _layers("train"),
        ("torch",),
        1.5,
        1.0,
    ),
    *_lstm("forward", "inference", 1.25, 1.8),
    *_lstm("train", "training", 1.3, 2),
    Ratio(
        "recurrent",
        "tanh RNN, inference and training, 64 units, or one row and 256",
        [
            f"rnn-{task}-{size}"
            for task in ("forward", "train")
            for size in ("h64-b1", "h64-b16", "h256-b1")
        ],
        ("torch",),
        4,
    ),
    Ratio(
        "recurrent",
        "training step of a character model, 2 x 256 units",
        ("language-model-step",),
        ("torch",),
        least=1.5,
    ),
    Ratio(
        "recurrent",
        "LSTM training both ways, 270 sequences of 7 to 29 steps, 64 units",
        ("ragged-train-vowels",),
        ("torch",),
        least=2,
    ),
    Ratio("recurrent", "one step, 64 or 256 units", _STEPS, ("onnxruntime",), 2.5),
    Ratio("recurrent", "one step, 64 or 256 units", _STEPS, ("torch LSTM",), 20),
    Ratio("recurrent", "one step, 64 units", _STEP, ("torch LSTM",), least=15),
    Ratio("recurrent", "one step, 64 units", _STEP, ("torch LSTMCell",)),
    _graph("matmul-out", "product, preallocated", "mkl", mean=1.25, least=1.0),
    _graph("matmul", "product", "torch", mean=2.5),
    _graph("matmul", "product", "scipy", mean=4),
    _graph("backward", "gradient of the features", "torch", mean=10),
    _graph("edges", "edges to CSR", "scipy", mean=4),
    _graph("chebyshev", "Chebyshev filter, degree 4", "torch", least=2),
    _graph("chebyshev-backward", "its gradients", "torch", least=4),
    Ratio("graph", "200 epochs on Cora", ("train-cora",), ("torch",), least=4),
    _evidence("bound-1000x100000", "bound, 1000 x 100000", 8),
    _evidence("weights-1000x100000", "bound, weights, size, 1000 x 100000", 5),
    _evidence("weights-5000x1000", "bound, weights, size, 5000 x 1000", 3),
    _evidence("bound-50x100", "bound, 50 x 100", 1),
    _evidence("weights-50x100", "bound, weights, size, 50 x 100", 1),
    _jackknife("jackknife-1", "order 1", 8),
    _jackknife("jackknife-2", "order 2", 60),
    _jackknife("jackknife-3", "order 3", 250),
    _jackknife("jackknife-gradient-2", "order 2 and gradient", 30),
    _psis("1000x10000", "1000 x 10000", 22),
    _psis("4000x1000", "4000 x 1000", 8),
    _information("regression-100000x1", "mutual information, 100,000 pairs"),
    _information("pairwise-20000x50", "of every two of 50 features, 20,000 rows"),
    Ratio(
        "nn",
        "packed product, 64 to 1024 units, 8 to 128 rows",
        _PRODUCTS,
        ("torch",),
        1.0,
        0.9,
    ),
    Ratio("nn", "the same", _PRODUCTS, ("eigen",)),
    Ratio(
        "nn",
        "weight gradient, 4 shapes",
        _WEIGHT_GRADIENTS,
        ("torch", "eigen", "numpy"),
        least=0.9,
    ),
)
"""Every aim, in the order of the page. Means are geometric, all on 2 threads."""
