"""Layer normalisation in the LSTM: torch's nn.LayerNorm, its marks, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnotes.recurrent import (
    LSTM,
    LayerNorm,
    LSTMWeights,
    lstm_backward,
    lstm_forward,
)
from fastnotes.recurrent._arguments import refuse_on_cuda
from recurrent.cases import Case, make_case
from recurrent.test_device import FakeCudaArray
from support.sweeps import DTYPES, assert_same_bytes
from support.tolerances import COMPOSITE

each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def make_norm(hidden: int, dtype: Any) -> LayerNorm:
    rng = np.random.default_rng(5)
    sizes = (4 * hidden, 4 * hidden, hidden, hidden)
    return LayerNorm(*(rng.normal(0.8, 0.3, size=n).astype(dtype) for n in sizes))


def torch_run(case: Case, norm: LayerNorm) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """(h, h_last, c_last) and all gradients of cells around torch's layer_norm."""
    torch = pytest.importorskip("torch")
    layer_norm = torch.nn.functional.layer_norm
    given = [torch.from_numpy(a).clone() for a in (*case.forward, *norm)]
    for tensor in given:
        tensor.requires_grad_()
    x, weight_ih, weight_hh, bias, h, c, gain_ih, gain_hh, gain_c, bias_c = given
    n_gates, outputs = bias.shape, []
    for t in range(x.shape[1]):
        running = torch.from_numpy(case.lengths > t)[:, None]
        a = layer_norm(x[:, t] @ weight_ih.T, n_gates, gain_ih, bias)
        a = a + layer_norm(h @ weight_hh.T, n_gates, gain_hh)
        a_i, a_f, a_g, a_o = a.chunk(4, dim=1)
        c_t = a_f.sigmoid() * c + a_i.sigmoid() * a_g.tanh()
        h_t = a_o.sigmoid() * layer_norm(c_t, c.shape[1:], gain_c, bias_c).tanh()
        h, c = torch.where(running, h_t, h), torch.where(running, c_t, c)
        outputs.append(torch.where(running, h, 0))
    states = torch.stack(outputs, dim=1), h, c
    downstream = (case.dh, case.dh_last, case.dc_last)
    loss = sum(
        (state * torch.from_numpy(d)).sum()
        for state, d in zip(states, downstream, strict=True)
    )
    loss.backward()  # type: ignore[union-attr]
    return (
        tuple(a.detach().numpy() for a in states),
        tuple(a.grad.numpy() for a in given),
    )


@each_dtype
@pytest.mark.parametrize(
    "shape", [(1, 5, 3, 4), (7, 9, 5, 17), (16, 20, 32, 64)], ids=str
)
def test_against_torch(shape: tuple[int, int, int, int], dtype: Any) -> None:
    case, norm = make_case(*shape, dtype), make_norm(shape[3], dtype)
    states, expected = torch_run(case, norm)
    out = lstm_forward(*case.forward, lengths=case.lengths, layer_norm=norm)
    ends = {"dh_last": case.dh_last, "dc_last": case.dc_last}
    gradients = lstm_backward(case.dh, out.cache, **ends)
    for got, theirs in zip(out[:3], states, strict=True):
        COMPOSITE.assert_close(got, theirs)
    assert gradients.dlayer_norm is not None
    ours = (*gradients, *gradients.dlayer_norm)
    for got, theirs in zip(ours, expected, strict=True):
        scale = dtype(max(1.0, float(np.abs(theirs).max())))
        COMPOSITE.assert_close(got / scale, theirs / scale)


@each_dtype
def test_the_scale_of_weights_does_not_matter(dtype: Any) -> None:
    """The mark of the normalisation, up to epsilon; a power of two rounds nothing."""
    case, norm = make_case(9, 8, 5, 21, dtype), make_norm(21, dtype)
    scaled = case._replace(
        weight_ih=2**20 * case.weight_ih, weight_hh=2**20 * case.weight_hh
    )
    huge = scaled._replace(
        weight_ih=2**5 * scaled.weight_ih, weight_hh=2**5 * scaled.weight_hh
    )
    runs = [lstm_forward(*each.forward, layer_norm=norm) for each in (scaled, huge)]
    COMPOSITE.assert_close(runs[0].h, runs[1].h)


def test_bytes_neither_of_the_batch_nor_of_its_order() -> None:
    case, norm = make_case(23, 6, 5, 40, np.float32), make_norm(40, np.float32)
    whole = lstm_forward(*case.forward, layer_norm=norm, n_threads=2)
    parts = [
        lstm_forward(
            case.x[rows], *case[1:4], case.h0[rows], case.c0[rows], layer_norm=norm
        )
        for rows in (slice(0, 1), slice(1, 8), slice(8, 23))
    ]
    for k in range(3):
        assert_same_bytes(np.concatenate([part[k] for part in parts]), whole[k])


def test_nan_stays_in_its_sequence() -> None:
    case, norm = make_case(5, 6, 3, 9, ragged=False), make_norm(9, np.float64)
    clean = lstm_forward(*case.forward, layer_norm=norm).h
    case.x[2, 3, 1] = np.nan
    h = lstm_forward(*case.forward, layer_norm=norm).h
    assert np.isnan(h[2, 3:]).all()
    others = np.arange(5) != 2
    assert_same_bytes(h[others], clean[others])
    assert_same_bytes(h[2, :3], clean[2, :3])


def test_one_unit_is_its_bias() -> None:
    """A row of one has no deviation: the output's tanh sees bias_c alone."""
    case = make_case(3, 4, 2, 1, ragged=False)
    norm = LayerNorm(np.ones(4), np.ones(4), np.ones(1), np.zeros(1))
    assert not lstm_forward(*case.forward, layer_norm=norm).h.any()


def test_layers_name_and_start_their_parameters() -> None:
    network = LSTM(3, 4, 2, bidirectional=True, layer_norm=True, dtype=np.float64)
    starts = {"gain_ih": 1.0, "gain_hh": 1.0, "gain_c": 1.0, "bias_c": 0.0}
    for kind, start in starts.items():
        parameter = network.parameters[f"{kind}_l1_reverse"]
        assert parameter.shape == ((4,) if kind.endswith("_c") else (16,))
        assert (parameter == start).all()
    with pytest.raises(ValueError, match=r"to_torch\] expected layer_norm=False, got"):
        network.to_torch()


CASE = make_case(3, 4, 2, 5)
NORM = make_norm(5, np.float64)
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (NORM._replace(gain_ih=np.ones(5)), ValueError, r"gain_ih of shape \(4H,\) = \(20"),
    (NORM._replace(gain_hh=np.ones((4, 5))), ValueError, "gain_hh with 1 dimension"),
    (NORM._replace(gain_c=np.ones(20)), ValueError, r"gain_c of shape \(H,\) = \(5,\)"),
    (NORM._replace(bias_c="abc"), TypeError, "bias_c of real"),
    (NORM._replace(bias_c=None), TypeError, "bias_c of real"),
    (NORM[:3], ValueError, "layer_norm of four arrays, got 3"),
    (np.ones(50), TypeError, "layer_norm as a LayerNorm, got ndarray"),
    (True, TypeError, "layer_norm as a LayerNorm, got bool"),
]


@pytest.mark.parametrize(("norm", "error", "words"), REFUSED)
def test_refused(norm: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=rf"^\[recurrent\.lstm_forward\] expected {words}"):
        lstm_forward(*CASE.forward, layer_norm=norm)
    with pytest.raises(error, match=rf"^\[recurrent\.LSTMWeights\] expected {words}"):
        LSTMWeights(*CASE[1:4], layer_norm=norm)


def test_refused_on_cuda() -> None:
    words = r"^\[recurrent\.here\] expected no layer_norm on CUDA, got it"
    with pytest.raises(ValueError, match=words):
        refuse_on_cuda("recurrent.here", False, layer_norm=NORM)
    with pytest.raises(TypeError, match="got gain_c on a CUDA device and x on the CPU"):
        lstm_forward(*CASE.forward, layer_norm=NORM._replace(gain_c=FakeCudaArray()))


def test_four_arrays_of_any_kind_do() -> None:
    plain = tuple(part.tolist() for part in NORM)
    given: Any = plain
    assert_same_bytes(
        lstm_forward(*CASE.forward, layer_norm=given).h,
        lstm_forward(*CASE.forward, layer_norm=NORM).h,
    )


def test_float64_wherever_a_gain_is() -> None:
    case = make_case(2, 3, 2, 5, np.float32)
    assert lstm_forward(*case.forward, layer_norm=NORM).h.dtype == np.float64
    single = make_norm(5, np.float32)
    assert lstm_forward(*case.forward, layer_norm=single).h.dtype == np.float32
