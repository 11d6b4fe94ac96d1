from . import DeviceArray

_Structure = tuple[DeviceArray, ...]

run_entries: int

def laplacian_matmul(
    structure: _Structure,
    values: DeviceArray | None,
    row_scale: DeviceArray | None,
    column_scale: DeviceArray | None,
    diagonal: DeviceArray | None,
    X: DeviceArray,
    out: DeviceArray,
    stream: int,
) -> None: ...
def edge_weight_gradients(
    structure: _Structure,
    order: DeviceArray | None,
    weights: DeviceArray | None,
    degree: DeviceArray,
    scale: DeviceArray,
    raised: DeviceArray | None,
    fixed: DeviceArray | None,
    sign: float,
    symmetric: bool,
    X: DeviceArray,
    dY: DeviceArray,
    dX: DeviceArray,
    out: DeviceArray,
    stream: int,
) -> None: ...
