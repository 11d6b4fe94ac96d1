from typing import Any

from numpy.typing import NDArray

def kth_neighbours(
    points: NDArray[Any],
    queries: NDArray[Any] | None,
    k: int,
    distance: NDArray[Any],
    inside: NDArray[Any],
    n_threads: int,
) -> None: ...
def count_inside(
    points: NDArray[Any],
    radius: NDArray[Any],
    closed: bool,
    counts: NDArray[Any],
    n_threads: int,
) -> None: ...
def ball_extents(
    points: NDArray[Any],
    radius: NDArray[Any],
    counts: NDArray[Any],
    extents: NDArray[Any],
    n_threads: int,
) -> None: ...
def count_on_lines(
    lines: NDArray[Any],
    radius: NDArray[Any],
    closed: bool,
    counts: NDArray[Any],
    n_threads: int,
) -> None: ...
