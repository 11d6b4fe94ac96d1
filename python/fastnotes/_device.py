"""CPU or CUDA: the one question a public function asks before anything else."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnotes._validation import fail, fail_type

_DLPACK_CUDA = (2, 13)  # kDLCUDA, kDLCUDAManaged


def wants_cuda(where: str, device: str | None, **arrays: Any) -> bool:
    """Whether a call runs on a CUDA device.

    It does if its arrays lie there, or if ``device`` asks for it; NumPy arrays cost a
    comparison each, so that calls on the CPU do not notice.

    Parameters
    ----------
    where
        ``"room.function"``, for the message.
    device
        None: where the arrays are. ``"cpu"``, or ``"cuda"`` with an optional index as
        in ``"cuda:1"``: there.
    **arrays
        The array arguments by name; None for one that was not given.

    Raises
    ------
    TypeError
        If some arrays are on a CUDA device and some are not, naming one of each.
    ValueError
        If ``device`` is none of these.
    """
    for value in arrays.values():
        if value is not None and type(value) is not np.ndarray and is_cuda_array(value):
            break
    else:
        return device is not None and device != "cpu" and _is_cuda_name(where, device)
    on_host = [n for n, v in arrays.items() if _is_host_array(v)]
    if on_host or (device is not None and not _is_cuda_name(where, device)):
        on_cuda = next(n for n, v in arrays.items() if is_cuda_array(v))
        other = f"{on_host[0]} on the CPU" if on_host else f"device={device!r}"
        fail_type(
            where,
            "all arrays on the CPU or all on one CUDA device",
            f"{on_cuda} on a CUDA device and {other}",
        )
    return True


def is_cuda_array(value: Any) -> bool:
    """Whether ``value`` is an array in the memory of a CUDA device."""
    if value is None or isinstance(value, (np.ndarray, np.generic)):
        return False
    told = getattr(value, "is_cuda", None)  # torch: a tenth of the protocol's time
    if isinstance(told, bool):
        return told
    probe = getattr(value, "__dlpack_device__", None)
    if probe is not None:
        return int(probe()[0]) in _DLPACK_CUDA
    return hasattr(value, "__cuda_array_interface__")


def device_index(where: str, device: str | None) -> int:
    """Return the index that ``"cuda"`` (0) or ``"cuda:<index>"`` names."""
    _is_cuda_name(where, device or "cuda")
    return int((device or "cuda").partition(":")[2] or 0)


def _is_host_array(value: Any) -> bool:
    return value is not None and not np.isscalar(value) and not is_cuda_array(value)


def _is_cuda_name(where: str, device: str) -> bool:
    if not isinstance(device, str):
        fail_type(where, "device as a string or None", type(device).__name__)
    name, colon, index = device.partition(":")
    if name == "cpu" and not colon:
        return False
    if name != "cuda" or (colon and not index.isdecimal()):
        fail(where, "device as 'cpu', 'cuda' or 'cuda:<index>'", repr(device))
    return True
