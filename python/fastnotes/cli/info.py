"""``fastnotes info``: what this build is, what runs, and why."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the ``info`` command."""
    parser = commands.add_parser(
        "info", help="this build: version, levels, threads, CUDA, and the reasons"
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the facts of `collect`."""
    facts = collect()
    text = json.dumps(facts, indent=2) if options.json else _page(facts)
    sys.stdout.write(text + "\n")
    return 0


def collect() -> dict[str, Any]:
    """Everything ``fastnotes info`` knows, ready for JSON."""
    from fastnotes import _core, _cuda, _threads

    return {
        **_core.describe(),
        "threads": _threads.describe(),
        "cuda": _cuda.state(),
    }


def _page(facts: dict[str, Any]) -> str:
    cuda, threads = facts["cuda"], facts["threads"]
    commit = f" ({facts['commit'][:12]})" if facts["commit"] else ""
    lines = [
        ("fastnotes", facts["version"] + commit),
        ("compiler", facts["compiler"]),
        ("flags", facts["flags"]),
        ("active", f"{facts['active']}: {facts['active_reason']}"),
        *((f"level {name}", _level(level)) for name, level in facts["levels"].items()),
        ("threading", facts["threading"]),
        ("threads", f"{threads['n_threads']}, from {threads['reason']}"),
        ("cuda", f"{'available' if cuda['available'] else 'absent'}: {cuda['reason']}"),
    ]
    width = max(len(label) for label, _ in lines)
    return "\n".join(f"{label:<{width}}  {value}" for label, value in lines)


def _level(level: dict[str, Any]) -> str:
    if not level["built"]:
        return str(level["reason"])
    return f"built, {'' if level['runnable'] else 'not '}runnable: {level['reason']}"
