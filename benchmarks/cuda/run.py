"""Runs the CUDA benchmarks and prints one table; JSON beside it if asked for."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import subprocess
import sys
import time
import traceback
from pathlib import Path

import torch
from harness import Row, copy_bandwidth, table

import fastnotes

CASES = (
    "bench_histogram",
    "bench_importance_weights",
    "bench_laplacian_matmul",
    "bench_logsumexp",
    "bench_lstm",
)


def main() -> int:
    """Run what is asked for; the exit status counts the cases that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=CASES)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path, help="a JSON file to write")
    parser.add_argument("--table", type=Path, help="a Markdown file to write")
    options = parser.parse_args()
    rows: list[Row] = []
    failed = 0
    for case in options.cases:
        started = time.monotonic()
        try:
            rows += importlib.import_module(case).rows(options.quick)
        except Exception:  # the other cases still count
            failed += 1
            traceback.print_exc()
            print(f"{case} failed: {sys.exc_info()[1]}")
        torch.cuda.empty_cache()
        print(f"{case}: {time.monotonic() - started:.1f} s", file=sys.stderr)
    facts = machine()
    page = "\n".join(["", facts_line(facts), "", *table(rows), ""])
    print(page)
    if options.table:
        options.table.write_text(page)
    if options.output:
        report = {"machine": facts, "rows": [row._asdict() for row in rows]}
        options.output.write_text(json.dumps(report, indent=1) + "\n")
    return failed


def machine() -> dict[str, object]:
    """What the figures depend on."""
    device = torch.cuda.get_device_properties(0)
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = subprocess.run(query, capture_output=True, text=True, check=False).stdout  # noqa: S603
    return {
        "device": device.name,
        "multiprocessors": device.multi_processor_count,
        "copy_bandwidth": copy_bandwidth(),
        "driver": driver.strip(),
        "cuda": torch.version.cuda,
        "torch": torch.__version__,
        "fastnotes": fastnotes.__version__,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def facts_line(facts: dict[str, object]) -> str:
    """The machine in a sentence."""
    copied = float(str(facts["copy_bandwidth"])) / 1e12
    return (
        f"{facts['device']}, driver {facts['driver']}, CUDA {facts['cuda']}, torch "
        f"{facts['torch']}, copy {copied:.2f} TB/s, "
        f"fastnotes {facts['fastnotes']}, {facts['date']}."
    )


if __name__ == "__main__":
    sys.exit(main())
