"""The LSTM against torch.nn.LSTM: outputs, states and every gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes.recurrent import lstm_backward, lstm_forward
from recurrent.cases import Case, make_case
from support.sweeps import DTYPES
from support.tolerances import COMPOSITE

torch = pytest.importorskip("torch")


def torch_run(case: Case) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """(h, h_last, c_last) and the six gradients of torch.nn.LSTM."""
    hidden, input_size = case.weight_hh.shape[1], case.x.shape[2]
    dtype = torch.float32 if case.x.dtype == np.float32 else torch.float64
    net = torch.nn.LSTM(input_size, hidden, batch_first=True, dtype=dtype)
    with torch.no_grad():
        net.weight_ih_l0.copy_(torch.from_numpy(case.weight_ih))
        net.weight_hh_l0.copy_(torch.from_numpy(case.weight_hh))
        net.bias_ih_l0.copy_(torch.from_numpy(case.bias))
        net.bias_hh_l0.zero_()
    x, h0, c0 = (
        torch.from_numpy(a).clone().requires_grad_() for a in (case.x, case.h0, case.c0)
    )
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        x, torch.from_numpy(case.lengths), batch_first=True, enforce_sorted=False
    )
    out, (h_last, c_last) = net(packed, (h0[None], c0[None]))
    h, _ = torch.nn.utils.rnn.pad_packed_sequence(
        out, batch_first=True, total_length=x.shape[1]
    )
    loss = (
        (h * torch.from_numpy(case.dh)).sum()
        + (h_last[0] * torch.from_numpy(case.dh_last)).sum()
        + (c_last[0] * torch.from_numpy(case.dc_last)).sum()
    )
    loss.backward()
    parameters = (net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0)
    gradients = (x.grad, *(p.grad for p in parameters), h0.grad, c0.grad)
    outputs = (h, h_last[0], c_last[0])
    return (
        tuple(a.detach().numpy() for a in outputs),
        tuple(a.numpy() for a in gradients),
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(1, 5, 3, 4), (7, 9, 5, 17), (16, 20, 32, 64)], ids=str
)
def test_outputs_and_gradients(shape: tuple[int, int, int, int], dtype: Any) -> None:
    case = make_case(*shape, dtype)
    case = case._replace(lengths=np.maximum(case.lengths, 1))  # torch refuses 0
    outputs, gradients = torch_run(case)
    ours = lstm_forward(*case.forward, lengths=case.lengths)
    assert ours.cache is not None
    for got, expected in zip(ours[:3], outputs, strict=True):
        COMPOSITE.assert_close(got, expected)
    ours_back = lstm_backward(
        case.dh, ours.cache, dh_last=case.dh_last, dc_last=case.dc_last
    )
    for got, expected in zip(ours_back, gradients, strict=True):
        scale = dtype(max(1.0, float(np.abs(expected).max())))
        COMPOSITE.assert_close(got / scale, expected / scale)
