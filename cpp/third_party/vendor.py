"""Copy the Eigen headers of the installed cmeel-eigen package beside this file."""

from __future__ import annotations

import shutil
import sys
from importlib import metadata
from pathlib import Path

EIGEN_REQUIREMENT = "cmeel-eigen==3.4.1"
EIGEN_DIR = Path(__file__).resolve().parent / "eigen"

_KEPT = ("Eigen", "signature_of_eigen3_matrix_library")
_INCLUDE = "cmeel.prefix/include/eigen3/"


def is_vendored() -> bool:
    """Tell whether the headers are in place."""
    return (EIGEN_DIR / "Eigen" / "Core").is_file()


def vendor() -> None:
    """Fill ``eigen/``; raises PackageNotFoundError when cmeel-eigen is absent."""
    distribution = metadata.distribution("cmeel-eigen")
    staging = EIGEN_DIR.with_name("eigen.partial")
    shutil.rmtree(staging, ignore_errors=True)
    for entry in distribution.files or ():
        name = entry.as_posix()
        if _INCLUDE in name:
            target = name.partition(_INCLUDE)[2]
            wanted = target.split("/")[0] in _KEPT
        else:
            target = entry.name
            wanted = target.startswith("COPYING") or "/licenses/" in name
        if wanted:
            destination = staging / target
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(distribution.locate_file(entry)), destination)
    shutil.rmtree(EIGEN_DIR, ignore_errors=True)
    staging.rename(EIGEN_DIR)


if __name__ == "__main__":
    try:
        vendor()
    except metadata.PackageNotFoundError:
        sys.exit(f"the Eigen headers come from the package {EIGEN_REQUIREMENT}")
