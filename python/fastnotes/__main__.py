"""``python -m fastnotes`` is the ``fastnotes`` command."""

from __future__ import annotations

import sys

from fastnotes.cli import main

if __name__ == "__main__":
    sys.exit(main())
