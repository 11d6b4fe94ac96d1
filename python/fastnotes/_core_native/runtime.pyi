from typing import Any

import numpy as np
from numpy.typing import NDArray

def build_info() -> dict[str, str]: ...
def philox4x32(
    counter: NDArray[np.uint32], key: NDArray[np.uint32]
) -> NDArray[np.uint32]: ...
def fill_uniform(
    seed: int, purpose: int, first: int, out: NDArray[np.floating[Any]]
) -> None: ...
def fill_normal(
    seed: int, purpose: int, first: int, out: NDArray[np.floating[Any]]
) -> None: ...
