"""The build backend: scikit-build-core, with Eigen's headers vendored first.

A checkout gets the headers from the pinned cmeel-eigen of its isolated build. A source
distribution carries them, so building it asks an index for nothing but the backend.
"""

from __future__ import annotations

from typing import Any

import vendor
from scikit_build_core import build as _base
from scikit_build_core.build import *  # noqa: F403


def _eigen_requirement() -> list[str]:
    return [] if vendor.is_vendored() else [vendor.EIGEN_REQUIREMENT]


def get_requires_for_build_wheel(settings: Any = None) -> list[str]:
    """Requirements of scikit-build-core, and Eigen unless it is vendored."""
    return [*_base.get_requires_for_build_wheel(settings), *_eigen_requirement()]


def get_requires_for_build_editable(settings: Any = None) -> list[str]:
    """As for a wheel."""
    return [*_base.get_requires_for_build_editable(settings), *_eigen_requirement()]


def get_requires_for_build_sdist(settings: Any = None) -> list[str]:
    """As for a wheel: the sdist carries the headers."""
    return [*_base.get_requires_for_build_sdist(settings), *_eigen_requirement()]


def build_sdist(sdist_directory: str, settings: Any = None) -> str:
    """Vendor the headers, then build the sdist around them."""
    if not vendor.is_vendored():
        vendor.vendor()
    return str(_base.build_sdist(sdist_directory, settings))
