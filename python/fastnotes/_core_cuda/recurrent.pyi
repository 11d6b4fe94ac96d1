import numpy as np
from numpy.typing import NDArray

from . import DeviceArray

def lstm_forward(
    weight_ih: DeviceArray,
    weight_hh: DeviceArray,
    bias: DeviceArray | None,
    x: DeviceArray,
    h0: DeviceArray | None,
    c0: DeviceArray | None,
    lengths: NDArray[np.int64] | None,
    tanh_candidate: bool,
    h: DeviceArray,
    h_last: DeviceArray,
    c_last: DeviceArray,
    cache: tuple[DeviceArray, ...] | None,
    stream: int,
) -> None: ...
def lstm_step(
    weight_ih: DeviceArray,
    weight_hh: DeviceArray,
    bias: DeviceArray | None,
    x: DeviceArray,
    h: DeviceArray,
    c: DeviceArray,
    tanh_candidate: bool,
    h_next: DeviceArray,
    c_next: DeviceArray,
    stream: int,
) -> None: ...
def lstm_backward(
    weights: tuple[DeviceArray, DeviceArray],
    cache: tuple[DeviceArray, ...],
    time: int,
    lengths: NDArray[np.int64] | None,
    tanh_candidate: bool,
    dh: DeviceArray,
    dh_last: DeviceArray | None,
    dc_last: DeviceArray | None,
    gradients: tuple[DeviceArray, ...],
    stream: int,
) -> None: ...
def copy(from_array: DeviceArray, to_array: DeviceArray, stream: int) -> None: ...
