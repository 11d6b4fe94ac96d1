"""Copy the Eigen headers of the installed cmeel-eigen package beside this file."""

from __future__ import annotations

import shutil
import sys
from importlib import metadata
from pathlib import Path

EIGEN_REQUIREMENT = "cmeel-eigen==3.4.1"

_HERE = Path(__file__).resolve().parent
_EIGEN = _HERE / "eigen"
_INCLUDE = "cmeel.prefix/include/eigen3/"
_KEPT = ("Eigen/", "signature_of_eigen3_matrix_library")


def is_vendored() -> bool:
    """Tell whether the headers are in place."""
    return (_EIGEN / "Eigen" / "Core").is_file()


def vendor() -> None:
    """Fill ``eigen/``; raises PackageNotFoundError when cmeel-eigen is absent."""
    distribution = metadata.distribution("cmeel-eigen")
    staging = _HERE / "eigen.partial"
    shutil.rmtree(staging, ignore_errors=True)
    for entry in distribution.files or ():
        target = entry.as_posix().partition(_INCLUDE)[2]
        if target.startswith(_KEPT):
            destination = staging / target
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(distribution.locate_file(entry)), destination)
    # The package leaves out the licence that its headers name.
    shutil.copyfile(_HERE / "COPYING.MPL2", staging / "COPYING.MPL2")
    shutil.rmtree(_EIGEN, ignore_errors=True)
    staging.rename(_EIGEN)


if __name__ == "__main__":
    try:
        vendor()
    except metadata.PackageNotFoundError:
        sys.exit(f"the Eigen headers come from the package {EIGEN_REQUIREMENT}")
