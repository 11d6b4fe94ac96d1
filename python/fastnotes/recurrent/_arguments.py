"""What enters a call of a recurrent network, checked once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes._device import is_cuda_array, wants_cuda
from fastnotes._memory import memory_of
from fastnotes._validation import (
    RealArray,
    as_index_array,
    as_real,
    as_real_array,
    check_choice,
    check_fits,
    check_shape,
    fail,
)
from fastnotes.recurrent import layer_norm as norms
from fastnotes.recurrent._bfloat16 import (
    ROUNDED,
    as_weight_dtype,
    from_bits,
    to_bits,
)
from fastnotes.recurrent.results import LSTMOutput

CANDIDATES = ("tanh", "sigmoid")


def call_wants_cuda(
    where: str, device: str | None, lengths: Any, given: dict[str, Any]
) -> bool:
    """As `wants_cuda`; host lengths go with everything, CUDA lengths do not."""
    if type(lengths) is not np.ndarray and is_cuda_array(lengths):
        return wants_cuda(where, device, **given, lengths=lengths)
    return wants_cuda(where, device, **given)


def refuse_on_cuda(where: str, reverse: bool, **parts: Any) -> None:
    """What only the kernels on the CPU have."""
    if reverse:
        fail(where, "reverse=False on CUDA", "True")
    for name, part in parts.items():
        number, units = split_zoneout(part)
        if number != 0 or units is not None:
            fail(where, f"no {name} on CUDA", "it")


def split_zoneout(zoneout: Any) -> tuple[Any, Any]:
    """(a number, None) or (0, what should be an array)."""
    if isinstance(zoneout, (int, float, np.number)):
        return zoneout, None
    return 0.0, zoneout


class Cell(NamedTuple):
    """What an LSTM has beside weights, checked."""

    candidate: str
    zoneout_h: float = 0.0
    zoneout_c: float = 0.0
    dtype: str | None = None  # of the weights, where it is not that of calls


def as_cell(
    candidate: Any, zoneout_h: Any, zoneout_c: Any, where: str, dtype: Any = None
) -> Cell:
    check_choice(candidate, where, "candidate", CANDIDATES)
    return Cell(
        candidate,
        as_real(zoneout_h, where, "zoneout_h", low=0.0, high=1.0),
        as_real(zoneout_c, where, "zoneout_c", low=0.0, high=1.0),
        as_weight_dtype(dtype, where),
    )


class Weights(NamedTuple):
    """Checked weights, not yet packed."""

    weight_ih: RealArray
    weight_hh: RealArray
    bias: RealArray | None
    peephole: RealArray | None = None
    weight_hr: RealArray | None = None
    layer_norm: RealArray | None = None  # stacked

    @property
    def hidden_size(self) -> int:
        """H, whatever the rows stand for."""
        part: RealArray = self.weight_hh if self.weight_hr is None else self.weight_hr
        return int(part.shape[1])

    def cast(self, dtype: np.dtype[Any], *, copy: bool = False) -> Weights:
        return Weights(*(cast(a, dtype, copy=copy) for a in self))

    def dtype(self, kept: str | None) -> np.dtype[Any]:
        """That of calls with weights that are kept in ``kept``."""
        if kept is not None:
            return np.dtype(np.float32)
        return np.result_type(*(a for a in self if a is not None))

    def rounded(self) -> Weights:
        """Matrices as the bits of bfloat16."""
        return self._with_matrices(to_bits)

    def widened(self) -> Weights:
        """The floats of :meth:`rounded`."""
        return self._with_matrices(from_bits)

    def _with_matrices(self, f: Any) -> Weights:
        own: dict[str, Any] = {name: getattr(self, name) for name in ROUNDED}
        given = {name: f(a) for name, a in own.items() if a is not None}
        return self._replace(**given)

    @property
    def nbytes(self) -> int:
        return sum(a.nbytes for a in self if a is not None)

    def pack(
        self, cell: Cell, backward: bool, n_threads: int
    ) -> native.recurrent.LSTMWeights:
        return native.recurrent.pack_lstm_weights(
            self.weight_ih,
            self.weight_hh,
            self.bias,
            self.peephole,
            cell.candidate == "tanh",
            self.weight_hr,
            cell.zoneout_h,
            cell.zoneout_c,
            self.layer_norm,
            cell.dtype is not None,
            backward,
            n_threads,
        )


class Inputs(NamedTuple):
    """Checked inputs of a forward pass."""

    x: RealArray
    h0: RealArray | None
    c0: RealArray | None
    lengths: NDArray[np.int64] | None
    zoneout_h: RealArray | None = None
    zoneout_c: RealArray | None = None

    def cast(self, dtype: np.dtype[Any]) -> Inputs:
        x, h0, c0 = (cast(a, dtype) for a in self[:3])
        return Inputs(x, h0, c0, self.lengths, *(cast(a, dtype) for a in self[4:]))

    def run(
        self,
        packed: native.recurrent.LSTMWeights,
        reverse: bool,
        keep_cache: bool,
        n_threads: int,
        where: str,
    ) -> LSTMOutput:
        with memory_of(where):
            return LSTMOutput(
                *native.recurrent.lstm_forward(
                    packed, *self, bool(reverse), keep_cache, n_threads
                )
            )


def cast(array: Any, dtype: np.dtype[Any] | str, *, copy: bool = False) -> Any:
    return None if array is None else array.astype(dtype, copy=copy)


def as_weights(
    weight_ih: Any,
    weight_hh: Any,
    bias: Any,
    where: str,
    n_gates: int = 4,
    *,
    peephole: Any = None,
    weight_hr: Any = None,
    layer_norm: Any = None,
) -> Weights:
    rows = "4H" if n_gates == 4 else "H"
    weight_ih = as_real_array(weight_ih, where, "weight_ih", ndim=2)
    weight_hh = as_real_array(weight_hh, where, "weight_hh", ndim=2)
    n_rows, hidden = weight_hh.shape
    if weight_hr is not None:
        weight_hr = as_real_array(weight_hr, where, "weight_hr", ndim=2)
        outputs, hidden = weight_hr.shape
        if 0 in weight_hr.shape:
            fail(where, "weight_hr (R, H) of a row and a column", str(weight_hr.shape))
        shape = (n_gates * hidden, outputs)
        check_shape(weight_hh, where, "weight_hh", shape, "(4H, R)")
    elif n_rows != n_gates * hidden:
        fail(where, f"weight_hh of shape ({rows}, H)", str(weight_hh.shape))
    columns = weight_ih.shape[1]
    check_shape(weight_ih, where, "weight_ih", (n_rows, columns), f"({rows}, D)")
    if bias is not None:
        bias = as_real_array(bias, where, "bias", ndim=1)
        check_shape(bias, where, "bias", (n_rows,), f"({rows},)")
    if peephole is not None:
        peephole = as_real_array(peephole, where, "peephole", ndim=1)
        check_shape(peephole, where, "peephole", (3 * hidden,), "(3H,)")
    check_fits(where, "weight_ih", weight_ih.shape, np.float64)
    stacked = norms.stack(layer_norm, where, hidden)
    return Weights(weight_ih, weight_hh, bias, peephole, weight_hr, stacked)


def as_inputs(
    x: Any,
    h0: Any,
    c0: Any,
    lengths: Any,
    where: str,
    weights: Weights,
    zoneouts: tuple[Any, Any] = (None, None),
) -> Inputs:
    x = as_real_array(x, where, "x", ndim=3)
    batch, time, _ = x.shape
    outputs, hidden = weights.weight_hh.shape[1], weights.hidden_size
    check_shape(x, where, "x", (batch, time, weights.weight_ih.shape[1]), "(B, T, D)")
    for name, shape in {
        "x": x.shape,
        "h": (batch, time, outputs),
        "a state": (batch, max(outputs, hidden)),
    }.items():
        check_fits(where, name, shape, np.float64)  # to which x may have to be cast
    ends = as_lengths(lengths, where, batch, time)
    return Inputs(
        x,
        as_state(h0, where, "h0", batch, outputs),
        as_state(c0, where, "c0", batch, hidden),
        ends,
        as_zoneout(zoneouts[0], where, "zoneout_h", (batch, time, outputs), ends),
        as_zoneout(zoneouts[1], where, "zoneout_c", (batch, time, hidden), ends),
    )


def as_zoneout(
    zoneout: Any,
    where: str,
    name: str,
    shape: tuple[int, ...],
    lengths: NDArray[np.int64] | None,
) -> RealArray | None:
    if zoneout is None:
        return None
    array = as_real_array(zoneout, where, name, ndim=3)
    check_shape(array, where, name, shape, "(B, T, H)")
    read = array
    if lengths is not None:
        read = array[np.arange(shape[1]) < lengths[:, None]]
    # NaN is neither, and comes through both.
    if read.size and not (read.min() >= 0 and read.max() <= 1):
        wrong = read[~((read >= 0) & (read <= 1))]
        fail(where, f"{name} from 0.0 to 1.0", str(wrong[0]))
    return array


def as_step_input(
    value: Any,
    where: str,
    name: str,
    columns: int,
    rows: int | None,
    like: RealArray,
) -> RealArray:
    """A (rows, columns) input; what is right already passes in a microsecond.

    ``like`` has the dtype of calls, and lies where the weights do.
    """
    dtype = like.dtype
    ready = (
        type(value) is np.ndarray
        and value.dtype is dtype
        and value.ndim == 2
        and value.flags.c_contiguous
        and value.flags.aligned
    )
    if not ready:  # refuses CUDA arrays
        wants_cuda(where, None, **{name: value}, weights=like)
    array: RealArray = (
        value if ready else cast(as_real_array(value, where, name, ndim=2), dtype)
    )
    if array.shape[1] != columns or (rows is not None and array.shape[0] != rows):
        wanted = f"({'B' if rows is None else rows}, {columns})"
        fail(where, f"{name} of shape {wanted}", str(array.shape))
    return array


def as_state(
    state: Any, where: str, name: str, batch: int, hidden: int
) -> RealArray | None:
    if state is None:
        return None
    array = as_real_array(state, where, name, ndim=2)
    check_shape(array, where, name, (batch, hidden), "(B, H)")
    return array


def as_lengths(
    lengths: Any, where: str, batch: int, time: int
) -> NDArray[np.int64] | None:
    if lengths is None:
        return None
    array = as_index_array(lengths, where, "lengths")
    check_shape(array, where, "lengths", (batch,), "(B,)")
    wrong = (array < 0) | (array > time)
    if wrong.any():
        at = int(np.argmax(wrong))
        fail(where, f"lengths from 0 to T = {time}", f"{array[at]} at index {at}")
    return array
