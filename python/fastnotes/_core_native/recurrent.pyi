from typing import Any, final

import numpy as np
from numpy.typing import NDArray

@final
class LSTMWeights:
    @property
    def nbytes(self) -> int: ...

@final
class LSTMCache:
    def cells(self) -> NDArray[Any]: ...
    @property
    def output_size(self) -> int: ...
    @property
    def sizes(self) -> tuple[int, int, int, int]: ...
    @property
    def dtype(self) -> str: ...

def pack_lstm_weights(
    weight_ih: NDArray[Any],
    weight_hh: NDArray[Any],
    bias: NDArray[Any] | None,
    peephole: NDArray[Any] | None,
    tanh_candidate: bool,
    weight_hr: NDArray[Any] | None,
    zoneout_h: float,
    zoneout_c: float,
    layer_norm: NDArray[Any] | None,
    bfloat16: bool,
    backward: bool,
    n_threads: int,
) -> LSTMWeights: ...
def lstm_forward(
    weights: LSTMWeights,
    x: NDArray[Any],
    h0: NDArray[Any] | None,
    c0: NDArray[Any] | None,
    lengths: NDArray[Any] | None,
    zoneout_h: NDArray[Any] | None,
    zoneout_c: NDArray[Any] | None,
    reverse: bool,
    keep_cache: bool,
    n_threads: int,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], LSTMCache | None]: ...
def lstm_step(
    weights: LSTMWeights,
    x: NDArray[Any],
    h: NDArray[Any],
    c: NDArray[Any],
    h_next: NDArray[Any],
    c_next: NDArray[Any],
) -> None: ...
def lstm_backward(
    cache: LSTMCache,
    dh: NDArray[Any],
    dh_last: NDArray[Any] | None,
    dc_last: NDArray[Any] | None,
    n_threads: int,
) -> tuple[
    NDArray[Any],
    NDArray[Any],
    NDArray[Any],
    NDArray[Any],
    NDArray[Any],
    NDArray[Any],
    NDArray[Any] | None,
    NDArray[Any] | None,
    NDArray[Any] | None,
]: ...

@final
class RNNWeights:
    @property
    def nbytes(self) -> int: ...

@final
class RNNCache:
    @property
    def output_size(self) -> int: ...
    @property
    def sizes(self) -> tuple[int, int, int, int]: ...
    @property
    def dtype(self) -> str: ...

def pack_rnn_weights(
    weight_ih: NDArray[Any],
    weight_hh: NDArray[Any],
    bias: NDArray[Any] | None,
    tanh: bool,
    bfloat16: bool,
    backward: bool,
    n_threads: int,
) -> RNNWeights: ...
def rnn_forward(
    weights: RNNWeights,
    x: NDArray[Any],
    h0: NDArray[Any] | None,
    lengths: NDArray[Any] | None,
    reverse: bool,
    keep_cache: bool,
    n_threads: int,
) -> tuple[NDArray[Any], NDArray[Any], RNNCache | None]: ...
def rnn_step(
    weights: RNNWeights, x: NDArray[Any], h: NDArray[Any], h_next: NDArray[Any]
) -> None: ...
def rnn_backward(
    cache: RNNCache, dh: NDArray[Any], dh_last: NDArray[Any] | None, n_threads: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]: ...
def round_to_bfloat16(values: NDArray[Any]) -> NDArray[np.uint16]: ...
