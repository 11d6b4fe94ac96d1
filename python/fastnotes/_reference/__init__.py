"""NumPy twins of the kernels: written to be read, never to be fast."""

from __future__ import annotations
