from . import DeviceArray

def logsumexp(
    a: DeviceArray,
    factors: DeviceArray | None,
    first: int,
    last: int,
    out: DeviceArray,
    mean: bool,
    stream: int,
) -> None: ...
def softmax(
    a: DeviceArray, axis: int, out: DeviceArray, log: bool, stream: int
) -> None: ...
def importance_weights(
    log_w: DeviceArray,
    axis: int,
    bound: DeviceArray,
    weights: DeviceArray,
    ess: DeviceArray,
    stream: int,
) -> None: ...
