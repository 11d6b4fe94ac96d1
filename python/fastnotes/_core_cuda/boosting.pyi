from . import DeviceArray

def build_histogram(
    bins: DeviceArray,
    grad: DeviceArray,
    hess: DeviceArray,
    rows: DeviceArray | None,
    out: DeviceArray,
    stream: int,
) -> None: ...
def find_best_split(
    histogram: DeviceArray,
    reg_lambda: float,
    gamma: float,
    min_child_weight: float,
    reg_alpha: float,
    stream: int,
) -> tuple[int, int, float, bool, float, float, float, float] | None: ...
