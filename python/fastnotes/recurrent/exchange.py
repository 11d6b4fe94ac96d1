"""Layers from torch's modules, and back."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._validation import fail, fail_type
from fastnotes.recurrent.stack import Stack


def settings_of(module: Any, kind: str, where: str) -> dict[str, Any]:
    """Return the settings of a ``torch.nn.LSTM`` or ``torch.nn.RNN`` for a stack.

    Raises
    ------
    TypeError
        If it is another module.
    ValueError
        If its parameters are of another dtype.
    """
    if type(module).__name__ != kind or not hasattr(module, "weight_ih_l0"):
        fail_type(where, f"a torch.nn.{kind}", type(module).__name__)
    projection = {"proj_size": int(module.proj_size)} if kind == "LSTM" else {}
    return {
        **projection,
        "input_size": int(module.input_size),
        "hidden_size": int(module.hidden_size),
        "num_layers": int(module.num_layers),
        "bidirectional": bool(module.bidirectional),
        "dropout": float(module.dropout),
        "dtype": _values(module.weight_ih_l0, where).dtype,
    }


def read_parameters(module: Any, stack: Stack, where: str) -> None:
    """Copy a torch module's weights; its two biases are added."""
    for name, parameter in stack.parameters.items():
        if not name.startswith("bias"):
            parameter[...] = _values(getattr(module, name), where)
        elif module.bias:
            both = (name.replace("bias", bias) for bias in ("bias_ih", "bias_hh"))
            first, second = (_values(getattr(module, each), where) for each in both)
            parameter[...] = first + second
        else:
            parameter[...] = 0


def write_module(stack: Stack, **settings: Any) -> Any:
    """Return a torch module of the same weights; ``bias_hh`` is 0."""
    torch = importlib.import_module("torch")
    module = getattr(torch.nn, type(stack).__name__)(
        stack.input_size,
        stack.hidden_size,
        stack.num_layers,
        batch_first=True,
        bidirectional=stack.bidirectional,
        dropout=stack.dropout,
        dtype=getattr(torch, stack.dtype.name),
        **settings,
    )
    with torch.no_grad():
        for name, values in stack.parameters.items():
            to = getattr(module, name.replace("bias", "bias_ih"))
            to.copy_(torch.from_numpy(values))
            if name.startswith("bias"):
                getattr(module, name.replace("bias", "bias_hh")).zero_()
    return module


def _values(parameter: Any, where: str) -> NDArray[Any]:
    values: NDArray[Any] = np.asarray(parameter.detach().cpu().numpy())
    if values.dtype not in (np.float32, np.float64):
        fail(where, "parameters of float32 or float64", str(values.dtype))
    return values
