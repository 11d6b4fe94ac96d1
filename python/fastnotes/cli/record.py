"""Measures, keeps the result, and makes the benchmark page again: in one step.

``python -m fastnotes.cli.record --data DIR`` in a checkout runs every case, and then
the quick ones for the picture; names of rooms or cases run those alone.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fastnotes import cli
from fastnotes.bench import Report, archive, markdown

RESULTS = Path("benchmarks", "results")
PAGE = Path("docs", "benchmarks.md")
WRONG_ANSWER = 1
"""Status of ``fastnotes bench`` where everything ran, and an answer was wrong."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``fastnotes bench``, and record what it found, wrong answers too.

    Files of which no result counts any more are removed: the history has them. As of
    ``fastnotes bench``, the status is not 0 if an answer was wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m fastnotes.cli.record")
    parser.add_argument("names", nargs="*", metavar="room[/case]")
    parser.add_argument("--data", metavar="DIR", help="as for fastnotes bench")
    parser.add_argument("--threads", metavar="N", help="as for fastnotes bench")
    options = parser.parse_args(arguments)
    if not (RESULTS.is_dir() and PAGE.parent.is_dir()):
        parser.error(f"expected to run in a checkout, with {RESULTS} and {PAGE.parent}")

    passed_on = [
        word
        for flag in ("data", "threads")
        if (value := getattr(options, flag)) is not None
        for word in (f"--{flag}", value)
    ]
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "result.json")
        words = ["bench", *options.names, *passed_on, "--json", str(found)]
        status = cli.main(words)
        if status not in (0, WRONG_ANSWER):
            return status
        _keep(found, options.names)
    markdown.main([str(RESULTS), str(PAGE)])
    if options.names:
        return status
    picture = str(PAGE.with_suffix(".png"))
    return cli.main(["bench", "--quick", *passed_on, "--plot", picture]) or status


def _keep(found: Path, names: Sequence[str]) -> None:
    text = found.read_text(encoding="utf-8")
    report = Report.from_json(text)
    machine = f"{report.machine['processor']} {report.threads} threads {report.level}"
    what = " ".join([machine, *names])
    stem = re.sub(r"[^a-z0-9]+", "-", what.lower()).strip("-")
    (RESULTS / f"{report.date[:10]}-{stem}.json").write_text(text, encoding="utf-8")
    for path in archive.superseded(RESULTS):
        sys.stderr.write(f"removed {path}: all measured again since\n")
        path.unlink()


if __name__ == "__main__":
    sys.exit(main())
