from typing import Any

from numpy.typing import NDArray

def logsumexp(
    a: NDArray[Any],
    factors: NDArray[Any] | None,
    first: int,
    last: int,
    out: NDArray[Any],
    mean: bool,
    n_threads: int,
) -> None: ...
def softmax(
    a: NDArray[Any], axis: int, out: NDArray[Any], log: bool, n_threads: int
) -> None: ...
def importance_weights(
    log_w: NDArray[Any],
    axis: int,
    bound: NDArray[Any],
    weights: NDArray[Any],
    ess: NDArray[Any],
    n_threads: int,
) -> None: ...
def jackknife(
    log_w: NDArray[Any],
    axis: int,
    shares: NDArray[Any],
    bound: NDArray[Any],
    gradient: NDArray[Any] | None,
    ess: NDArray[Any],
    n_threads: int,
) -> None: ...
def psis(
    log_w: NDArray[Any],
    axis: int,
    log_weights: NDArray[Any],
    pareto_k: NDArray[Any],
    ess: NDArray[Any],
    tail: int,
    n_threads: int,
) -> None: ...
