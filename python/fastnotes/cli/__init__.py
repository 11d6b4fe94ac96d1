"""The ``fastnotes`` command: ``info`` and ``bench``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fastnotes.cli import bench, info

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the program's name; None takes them from the process.

    Returns
    -------
    int
        Exit status. 0: done. 1: an answer was wrong, or ours failed. 2: the command
        line was not understood. 130: interrupted.
    """
    parser = argparse.ArgumentParser(
        prog="fastnotes",
        description="Machine-learning notes made executable.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    info.add_parser(commands)
    bench.add_parser(commands)
    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status
