"""``fastnotes bench``: time fastnotes against the libraries used instead of it."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnotes.bench import Case, Report, Settings

INTERRUPTED = 130
_PICTURES = (".png", ".svg", ".pdf")


def add_parser(commands: Any) -> None:
    """Add the ``bench`` command."""
    parser = commands.add_parser(
        "bench",
        help="measure against other libraries, answers compared before clocks",
        description="Time fastnotes and its peers in turns, after checking that their "
        "answers agree. Exit status: 0 all answers agreed, 1 one did not, 2 bad "
        "command line, 130 interrupted.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="room[/case]",
        help="such as graph, graph/cora, 'boosting/histogram*'; default: all",
    )
    parser.add_argument(
        "--quick", action="store_true", help="small inputs, about two minutes in all"
    )
    parser.add_argument(
        "--data",
        type=_folder,
        metavar="DIR",
        help="folder of real data sets; default: the FASTNOTES_DATA variable",
    )
    parser.add_argument(
        "--json", type=_writable, metavar="F", help="write all timings to this file"
    )
    parser.add_argument(
        "--plot", type=_picture, metavar="F.png", help="draw the ratios into this file"
    )
    parser.add_argument("--list", action="store_true", help="list the cases and stop")
    parser.add_argument(
        "--threads",
        type=_count,
        metavar="N",
        help="threads for ours and every peer; default: all CPUs of this process",
    )
    parser.add_argument(
        "--repeats",
        type=_count,
        metavar="N",
        help="samples of each contender; default: 5 to 31, as time allows",
    )
    parser.set_defaults(run=run, fail=parser.error)


def run(options: argparse.Namespace) -> int:
    """Run or list the chosen cases."""
    from fastnotes import bench

    try:
        cases = bench.find_cases(options.names)
    except bench.UnknownCaseError as unknown:
        options.fail(str(unknown))
    if options.list:
        sys.stdout.write(_listing(cases))
        return 0
    if options.quick:
        cases = [case for case in cases if case.quick is not None]
    if not cases:
        options.fail("no chosen case has a quick form: leave out --quick")
    if options.data is not None:
        os.environ["FASTNOTES_DATA"] = str(options.data)

    settings = _settings(options)
    report = measure(cases, settings, have_data=_data_rule(options.names))
    _deliver(report, options)
    if report.interrupted:
        return INTERRUPTED
    return 0 if report.sound else 1


def measure(
    cases: Sequence[Case], settings: Settings, *, have_data: Callable[[Case], bool]
) -> Report:
    """Run the cases, showing progress; an interrupt keeps what is finished."""
    from fastnotes.bench import harness, machine

    report = _empty_report(cases, settings)
    try:
        with _progress(cases) as observer:
            limits = machine.measure_limits(settings.n_threads)
            report.machine["limits"] = limits.as_dict()
            harness.run_cases(
                cases,
                settings,
                limits=limits,
                observer=observer,
                into=report.cases,
                have_data=have_data,
            )
    except KeyboardInterrupt:
        report.interrupted = True
    return report


def _settings(options: argparse.Namespace) -> Settings:
    from fastnotes._threads import resolve_n_threads
    from fastnotes.bench import Settings

    try:
        n_threads = resolve_n_threads(options.threads, "bench")
    except ValueError as refused:
        options.fail(str(refused))
    budget = 1.0 if options.quick else 4.0
    return Settings(
        n_threads=n_threads,
        quick=options.quick,
        repeats=options.repeats,
        case_budget_s=budget,
    )


def _data_rule(names: Sequence[str]) -> Callable[[Case], bool]:
    """Cases on outside data run if a folder is given, or if they are called by name."""
    given = bool(os.environ.get("FASTNOTES_DATA"))
    return lambda case: given or not case.needs_data or case.id in names


def _empty_report(cases: Sequence[Case], settings: Settings) -> Report:
    from fastnotes import _core
    from fastnotes.bench import Report, machine
    from fastnotes.bench.harness import package_version

    facts = _core.describe()
    packages = {c.package for case in cases for c in case.contenders if c.package}
    found = {name: package_version(name) for name in sorted({*packages, "numpy"})}
    now = dt.datetime.now(dt.timezone.utc)
    return Report(
        date=now.isoformat(timespec="seconds"),
        version=facts["version"],
        commit=facts["commit"],
        level=facts["active"],
        threads=settings.n_threads,
        quick=settings.quick,
        machine={**machine.describe(), "compiler": facts["compiler"]},
        versions={name: version for name, version in found.items() if version},
    )


def _deliver(report: Report, options: argparse.Namespace) -> None:
    from fastnotes.bench import plot
    from fastnotes.bench.report import write

    write(report, sys.stdout)
    if options.json is not None:
        options.json.write_text(report.to_json(), encoding="utf-8")
    if options.plot is not None:
        try:
            plot.write(report, options.plot)
        except ValueError as nothing:
            sys.stderr.write(f"fastnotes bench: {nothing}\n")


def _listing(cases: Sequence[Case]) -> str:
    width = max((len(case.id) for case in cases), default=0)
    lines = []
    for case in cases:
        marks = [
            *(["quick"] if case.quick is not None else []),
            *(["needs --data"] if case.needs_data else []),
        ]
        mark = f" [{', '.join(marks)}]" if marks else ""
        lines.append(f"{case.id:<{width}}  {case.title}{mark}\n")
    return "".join(lines)


def _progress(cases: Sequence[Case]) -> AbstractContextManager[Any]:
    if sys.stderr.isatty() and importlib.util.find_spec("rich") is not None:
        from fastnotes.cli.progress import RichProgress

        return RichProgress(cases)
    from fastnotes.cli.progress import LineProgress

    return LineProgress(cases)


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return value


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"expected a folder, got {text!r}")
    return path


def _writable(text: str) -> Path:
    """Accept a path that can be written, found out before any work is done."""
    path = Path(text)
    there = path.is_file() if path.exists() else path.parent.is_dir()
    target = path if path.exists() else path.parent
    if not there or not os.access(target, os.W_OK):
        raise argparse.ArgumentTypeError(f"expected a writable file, got {text!r}")
    return path


def _picture(text: str) -> Path:
    path = _writable(text)
    if path.suffix.lower() not in _PICTURES:
        endings = ", ".join(_PICTURES)
        raise argparse.ArgumentTypeError(f"expected a file in {endings}, got {text!r}")
    if importlib.util.find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError("expected matplotlib to be installed")
    return path
