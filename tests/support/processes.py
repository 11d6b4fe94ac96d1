"""Code in an interpreter of its own, for what must not hang or spoil this one."""

from __future__ import annotations

import os
import subprocess
import sys

#: Says where the code stood if it hangs.
_WATCH = "import faulthandler; faulthandler.dump_traceback_later(50, exit=True)\n"


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it with warnings as errors, for at most a minute."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", _WATCH + code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
