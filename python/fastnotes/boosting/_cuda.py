"""Histograms and splits of arrays on a CUDA device."""

from __future__ import annotations

from typing import Any

from fastnotes._cuda import Call, describe
from fastnotes._device import is_cuda_array
from fastnotes._validation import as_index_array, as_integer, fail, fail_type
from fastnotes.boosting.histogram import _codes, _gradients
from fastnotes.boosting.splitting import as_histogram, check_histogram_shape

_HISTOGRAM = "boosting.build_histogram"
_SPLIT = "boosting.find_best_split"


def build_histogram(
    bins: Any, grad: Any, hess: Any, rows: Any, n_bins: int | None, device: str | None
) -> Any:
    """Twin of `fastnotes.boosting.build_histogram`; host arrays are copied."""
    if not is_cuda_array(bins):
        bins, own_n_bins = _codes(bins)
        n_bins = own_n_bins if n_bins is None else n_bins
        grad, hess = _gradients(grad, hess, len(bins))
        rows = None if rows is None else as_index_array(rows, _HISTOGRAM, "rows")
    n_bins = 256 if n_bins is None else n_bins
    n_bins = as_integer(n_bins, _HISTOGRAM, "n_bins", low=2, high=256)
    call = Call(_HISTOGRAM, device, bins=bins, grad=grad, hess=hess, rows=rows)
    codes, g, h, used = _checked(call)
    out = call.empty((codes.shape[1], n_bins, 2), "float64")
    call.native.boosting.build_histogram(codes, g, h, used, out, call.stream)
    return call.give(out)


def _checked(call: Call) -> tuple[Any, Any, Any, Any]:
    codes = call.checked("bins", ("uint8",))
    if codes.ndim != 2:
        expected = "bins of dtype uint8 and shape (n_rows, n_columns)"
        fail(_HISTOGRAM, expected, describe(codes))
    n_rows = codes.shape[0]
    g, h = call.real("grad", 1), call.real("hess", 1)
    for name, array in (("grad", g), ("hess", h)):
        if array.shape != (n_rows,):
            expected = f"{name} of shape (n_rows,) = ({n_rows},)"
            fail(_HISTOGRAM, expected, str(array.shape))
    if g.dtype != h.dtype:
        fail_type(_HISTOGRAM, "grad and hess of one dtype", f"{g.dtype} and {h.dtype}")
    if call["rows"] is None:
        return codes, g, h, None
    used = call.checked("rows", ("int32", "int64"))
    if used.ndim != 1:
        fail(_HISTOGRAM, "rows with 1 dimension(s)", describe(used))
    return codes, g, h, used


def find_best_split(
    histogram: Any, rules: tuple[float, float, float, float], device: str | None
) -> Any:
    """Twin of `fastnotes.boosting.find_best_split`: the fields of a Split, or None."""
    if not is_cuda_array(histogram):
        histogram = as_histogram(histogram, _SPLIT)
    call = Call(_SPLIT, device, histogram=histogram)
    sums = call.real("histogram", 3)
    check_histogram_shape(sums.shape, _SPLIT, describe(sums))
    return call.native.boosting.find_best_split(sums, *rules, call.stream)
