"""The vanilla network: the twin, a closed form, torch, same bytes, bad input."""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnotes._core import native
from fastnotes._reference import recurrent as reference
from fastnotes.recurrent import RNNCache, RNNWeights, lstm_forward, rnn_backward
from fastnotes.recurrent import rnn_forward as forward_of
from recurrent.cases import Array, make_case
from recurrent.test_lstm import SHAPES
from support.gradcheck import assert_directional, assert_gradients
from support.sweeps import DTYPES, assert_same_bytes, same_bytes_for_threads
from support.tolerances import COMPOSITE

NONLINEARITIES = ("tanh", "relu")
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_nonlinearity = pytest.mark.parametrize("nonlinearity", NONLINEARITIES)


class Case(NamedTuple):
    """Arguments of a forward pass and the gradients that come back to it."""

    x: Array
    weight_ih: Array
    weight_hh: Array
    bias: Array
    h0: Array
    lengths: Array
    dh: Array
    dh_last: Array

    @property
    def forward(self) -> tuple[Array, ...]:
        """The positional arguments of rnn_forward."""
        return self[:5]


def make_rnn(
    *shape: int, dtype: Any = np.float64, seed: int = 0, ragged: bool = True
) -> Case:
    """The LSTM's case with the first gate's weights alone."""
    batch, time, inputs, hidden = shape
    case = make_case(batch, time, inputs, hidden, dtype, seed=seed, ragged=ragged)
    weights = (a[:hidden].copy() for a in case[1:4])
    return Case(case.x, *weights, case.h0, case.lengths, case.dh, case.dh_last)


def run(case: Case, nonlinearity: str = "tanh", n_threads: int = 1) -> tuple[Any, ...]:
    """(h, h_last) and the five gradients, in one tuple."""
    out = forward_of(
        *case.forward,
        lengths=case.lengths,
        nonlinearity=nonlinearity,
        n_threads=n_threads,
    )
    gradients = rnn_backward(
        case.dh, out.cache, dh_last=case.dh_last, n_threads=n_threads
    )
    return (*out[:2], *gradients)


def by_numpy(case: Case, nonlinearity: str) -> tuple[Array, ...]:
    double = Case(*(a if a.dtype == np.int64 else a.astype(np.float64) for a in case))
    out = reference.rnn_forward(*double.forward, double.lengths, nonlinearity)
    gradients = reference.rnn_backward(
        double.dh,
        double.x,
        double.weight_ih,
        double.weight_hh,
        out.steps,
        double.dh_last,
        nonlinearity,
    )
    return (*out[:2], *gradients)


@each_nonlinearity
@each_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_twin(shape: tuple[int, ...], dtype: Any, nonlinearity: str) -> None:
    case = make_rnn(*shape, dtype=dtype, seed=sum(shape))
    got = same_bytes_for_threads(lambda n: run(case, nonlinearity, n))
    for ours, theirs in zip(got, by_numpy(case, nonlinearity), strict=True):
        assert ours.dtype == dtype
        assert ours.shape == theirs.shape
        scale = max(1.0, float(np.abs(theirs).max(initial=0)))  # relu does not saturate
        COMPOSITE.assert_close(ours / dtype(scale), theirs / scale)


@each_dtype
@pytest.mark.parametrize("hidden", [64, 256])
@pytest.mark.parametrize("batch", [1, 5, 16])
def test_same_bytes_however_threads_share_the_work(
    batch: int, hidden: int, dtype: Any
) -> None:
    case = make_rnn(batch, 20, hidden, hidden, dtype=dtype)
    got = same_bytes_for_threads(lambda n: run(case, n_threads=n))
    for ours, theirs in zip(got, by_numpy(case, "tanh"), strict=True):
        scale = max(1.0, float(np.abs(theirs).max()))
        COMPOSITE.assert_close(ours / dtype(scale), theirs / scale)


def test_a_linear_network_in_closed_form() -> None:
    """Where relu is the identity, h_t = sum_s W^(t-s) (U x_s + b) + W^t h0."""
    rng = np.random.default_rng(0)
    x, u, w, b, h0 = (
        rng.uniform(0.1, 0.5, shape)
        for shape in ((2, 6, 3), (4, 3), (4, 4), (4,), (2, 4))
    )
    got = forward_of(x, u, w, b, h0, nonlinearity="relu").h
    powers = [np.linalg.matrix_power(w, k) for k in range(7)]
    for t in range(6):
        terms = [(x[:, s] @ u.T + b) @ powers[t - s].T for s in range(t + 1)]
        COMPOSITE.assert_close(got[:, t], sum(terms) + h0 @ powers[t + 1].T)


@each_nonlinearity
@pytest.mark.parametrize("shape", [(3, 4, 2, 3), (1, 6, 3, 2), (2, 1, 2, 9)], ids=str)
def test_finite_differences(shape: tuple[int, ...], nonlinearity: str) -> None:
    case = make_rnn(*shape, seed=3)
    assert_gradients(
        scalar(case, nonlinearity), case.forward, run(case, nonlinearity)[2:]
    )


@each_nonlinearity
@pytest.mark.parametrize("shape", [(9, 7, 5, 17), (40, 12, 9, 40)], ids=str)
def test_random_direction(shape: tuple[int, ...], nonlinearity: str) -> None:
    case = make_rnn(*shape, seed=4)
    assert_directional(
        scalar(case, nonlinearity), case.forward, run(case, nonlinearity)[2:]
    )


def scalar(case: Case, nonlinearity: str) -> Any:
    def loss(*inputs: Any) -> float:
        out = forward_of(
            *inputs, lengths=case.lengths, nonlinearity=nonlinearity, keep_cache=False
        )
        assert out.cache is None
        return float(np.vdot(out.h, case.dh) + np.vdot(out.h_last, case.dh_last))

    return loss


@given(
    batch=st.integers(1, 14),
    time=st.integers(1, 6),
    hidden=st.sampled_from([1, 3, 16, 20, 65]),
    seed=st.integers(0, 2**16),
    dtype=st.sampled_from(DTYPES),
    nonlinearity=st.sampled_from(NONLINEARITIES),
)
@settings(max_examples=40, deadline=None)
def test_ragged_batch_equals_one_by_one(
    batch: int, time: int, hidden: int, seed: int, dtype: Any, nonlinearity: str
) -> None:
    case = make_rnn(batch, time, 4, hidden, dtype=dtype, seed=seed)
    together = run(case, nonlinearity, n_threads=2)
    for b in range(batch):
        row = slice(b, b + 1)
        one = Case(case.x[row], *case[1:4], *(a[row] for a in case[4:]))
        alone = run(one, nonlinearity)
        for k in (0, 1, 2, 6):  # h, h_last, dx, dh0
            assert_same_bytes(together[k][row], alone[k], f"row {b}, result {k}")


@each_dtype
def test_padding_is_never_read_and_nan_stays_in_its_sequence(dtype: Any) -> None:
    case = make_rnn(12, 9, 5, 18, dtype=dtype)
    plain = run(case, n_threads=2)
    past = np.arange(9) >= case.lengths[:, None]
    x, dh = case.x.copy(), case.dh.copy()
    x[past], dh[past] = np.nan, np.nan
    assert_same_bytes(run(case._replace(x=x, dh=dh), n_threads=2), plain)
    longest = int(np.argmax(case.lengths))
    x[longest, 0, 0] = np.nan
    spoilt = run(case._replace(x=x, dh=dh))
    others = np.arange(12) != longest
    for k in (0, 1, 2, 6):
        assert_same_bytes(spoilt[k][others], plain[k][others])
    assert np.isnan(spoilt[1][longest]).all()


def test_relu_keeps_nan_and_has_no_slope_at_zero() -> None:
    one = np.ones((1, 1))
    out = forward_of([[[np.nan]]], one, one, nonlinearity="relu")
    assert np.isnan(out.h).all()
    out = forward_of([[[0.0]]], one, one, nonlinearity="relu")
    assert rnn_backward(np.ones((1, 1, 1)), out.cache).dx == 0


class TestWeights:
    """RNNWeights: packed once, equal to the functions in every byte."""

    @each_dtype
    @each_nonlinearity
    def test_forward_is_rnn_forward(self, dtype: Any, nonlinearity: str) -> None:
        case = make_rnn(9, 7, 6, 20, dtype=dtype)
        weights = RNNWeights(*case[1:4], nonlinearity=nonlinearity)
        assert (weights.input_size, weights.hidden_size) == (6, 20)
        assert weights.dtype == dtype
        expected = run(case, nonlinearity)
        plain = weights.forward(case.x, case.h0, lengths=case.lengths)
        assert plain.cache is None
        assert_same_bytes(plain[:2], expected[:2])
        kept = weights.forward(case.x, case.h0, lengths=case.lengths, keep_cache=True)
        gradients = rnn_backward(case.dh, kept.cache, dh_last=case.dh_last)
        assert_same_bytes(tuple(gradients), expected[2:])

    @each_dtype
    @pytest.mark.parametrize("batch", [0, 1, 2, 7, 13])
    @pytest.mark.parametrize("hidden", [0, 1, 16, 33, 64])
    def test_steps_are_the_forward_pass(
        self, batch: int, hidden: int, dtype: Any
    ) -> None:
        case = make_rnn(batch, 5, 3, hidden, dtype=dtype, ragged=False)
        weights = RNNWeights(*case[1:4])
        whole = weights.forward(case.x, case.h0)
        h, spare = case.h0, np.empty_like(case.h0)
        for t in range(5):
            stepped = weights.step(case.x[:, t], h)
            assert weights.step(case.x[:, t], h, out=spare) is spare
            assert_same_bytes(spare, stepped)
            if batch:
                assert_same_bytes(stepped, np.ascontiguousarray(whole.h[:, t]))
            h, spare = spare, np.empty_like(case.h0)
        assert_same_bytes(h, whole.h_last)

    def test_pickle(self) -> None:
        case = make_rnn(2, 3, 3, 5)
        weights = RNNWeights(*case[1:4], nonlinearity="relu")
        again = pickle.loads(pickle.dumps(weights))
        assert repr(again) == repr(weights)
        assert "relu" in repr(weights)
        assert_same_bytes(again.forward(case.x)[:2], weights.forward(case.x)[:2])


def test_against_torch() -> None:
    torch = pytest.importorskip("torch")
    for dtype, nonlinearity in [(d, n) for d in DTYPES for n in NONLINEARITIES]:
        case = make_rnn(7, 9, 5, 17, dtype=dtype, ragged=False)
        net = torch.nn.RNN(
            5,
            17,
            batch_first=True,
            nonlinearity=nonlinearity,
            dtype=torch.from_numpy(case.x).dtype,
        )
        names = ("weight_ih", "weight_hh", "bias_ih")
        with torch.no_grad():
            for name, value in zip(names, case[1:4], strict=True):
                getattr(net, f"{name}_l0").copy_(torch.from_numpy(value))
            net.bias_hh_l0.zero_()
        x, h0 = (
            torch.from_numpy(a).clone().requires_grad_() for a in (case.x, case.h0)
        )
        h, h_last = net(x, h0[None])
        dh, dh_last = torch.from_numpy(case.dh), torch.from_numpy(case.dh_last)
        ((h * dh).sum() + (h_last[0] * dh_last).sum()).backward()
        leaves = (x, net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0, h0)
        theirs = [h.detach(), h_last[0].detach(), *(a.grad for a in leaves)]
        for got, expected in zip(run(case, nonlinearity), theirs, strict=True):
            wanted = expected.numpy()
            scale = dtype(max(1.0, float(np.abs(wanted).max())))
            COMPOSITE.assert_close(got / scale, wanted / scale)


# Bad input

B, T, D, H = 3, 4, 2, 5
CASE = make_rnn(B, T, D, H)
ARGUMENTS = dict(
    zip(("x", "weight_ih", "weight_hh", "bias", "h0"), CASE.forward, strict=True)
)

FORWARD = [
    ("x", None, TypeError, "x of real numbers"),
    ("x", np.ma.masked_array(CASE.x), TypeError, "x without a mask"),
    ("x", CASE.x[0], ValueError, "x with 3 dimension"),
    ("x", np.zeros((B, T, D + 1)), ValueError, r"x of shape \(B, T, D\)"),
    ("weight_ih", CASE.weight_ih[:-1], ValueError, r"weight_ih of shape \(H, D\)"),
    ("weight_hh", CASE.weight_hh[:-1], ValueError, r"weight_hh of shape \(H, H\)"),
    ("weight_hh", np.zeros((4 * H, H)), ValueError, r"weight_hh of shape \(H, H\)"),
    ("bias", CASE.bias[:-1], ValueError, r"bias of shape \(H,\)"),
    ("h0", CASE.h0[:-1], ValueError, r"h0 of shape \(B, H\)"),
    ("lengths", [1, 2, T + 1], ValueError, "lengths from 0 to T = 4, got 5 at index 2"),
    ("lengths", [1.0, 2.0, 3.0], TypeError, "lengths of integers"),
    ("nonlinearity", "sigmoid", ValueError, "nonlinearity as one of 'tanh', 'relu'"),
    ("nonlinearity", None, TypeError, "nonlinearity as a string"),
    ("n_threads", 0, ValueError, "n_threads from 1"),
]


@pytest.mark.parametrize(("name", "value", "error", "words"), FORWARD)
def test_bad_forward(name: str, value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=rf"^\[recurrent\.rnn_forward\] expected .*{words}"):
        forward_of(**{**ARGUMENTS, name: value})
    arguments = {**ARGUMENTS, name: value}
    names = ("weight_ih", "weight_hh", "bias", "nonlinearity")
    packing = {k: arguments.pop(k) for k in names if k in arguments}
    with pytest.raises(error, match=rf"^\[recurrent\.RNNWeights.*{words}"):
        RNNWeights(**packing).forward(**arguments)


BACKWARD = [
    ("dh", CASE.dh[:, :, :-1], ValueError, r"dh of shape \(B, T, H\)"),
    ("dh_last", CASE.dh_last.T, ValueError, r"dh_last of shape \(B, H\)"),
    ("cache", None, TypeError, "cache from rnn_forward, got NoneType"),
    ("n_threads", -1, ValueError, "n_threads from 1"),
]


@pytest.mark.parametrize(("name", "value", "error", "words"), BACKWARD)
def test_bad_backward(
    name: str, value: Any, error: type[Exception], words: str
) -> None:
    arguments: dict[str, Any] = {
        "dh": CASE.dh,
        "cache": forward_of(*CASE.forward).cache,
        name: value,
    }
    with pytest.raises(
        error, match=rf"^\[recurrent\.rnn_backward\] expected .*{words}"
    ):
        rnn_backward(**arguments)


def test_caches_and_weights_of_the_other_cell_are_refused() -> None:
    lstm = lstm_forward(*make_case(B, T, D, H).forward)
    with pytest.raises(TypeError, match="cache from rnn_forward, got .*LSTMCache"):
        rnn_backward(CASE.dh, lstm.cache)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="incompatible function arguments"):
        native.recurrent.lstm_forward(  # type: ignore[arg-type]
            RNNWeights(*CASE[1:4])._inference, CASE.x, None, None, None, False, 1
        )
    with pytest.raises(TypeError, match="No constructor"):
        RNNCache()


STEP = [
    ("x", np.zeros((B, D + 1)), ValueError, r"x of shape \(B, 2\)"),
    ("x", np.zeros((B + 1, D)), ValueError, r"h of shape \(4, 5\)"),
    ("h", None, TypeError, "h of real"),
    ("out", [0.0], TypeError, "out as a NumPy array"),
    ("out", np.zeros((B, H + 1)), ValueError, "out columns = "),
    ("out", np.zeros((B, H), np.float32), ValueError, "out of dtype"),
    ("out", np.zeros((H, B)).T, ValueError, "out C-contiguous"),
    ("out", CASE.h0, ValueError, "out apart from the inputs"),
]


@pytest.mark.parametrize(("name", "value", "error", "words"), STEP)
def test_bad_step(name: str, value: Any, error: type[Exception], words: str) -> None:
    arguments = {"x": CASE.x[:, 0], "h": CASE.h0, name: value}
    before = CASE.h0.copy()
    with pytest.raises(error, match=rf"^\[recurrent\.RNNWeights\.step\].*{words}"):
        RNNWeights(*CASE[1:4]).step(**arguments)
    assert_same_bytes(CASE.h0, before)
