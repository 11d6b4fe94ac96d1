"""The LSTM on a device against NumPy, against itself on the CPU and against itself."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from fastnotes.recurrent import LSTMWeights, lstm_backward, lstm_forward
from recurrent.cases import Case, make_case, reference_run, with_padding_nan
from support.cuda import ArrayKind
from support.sweeps import assert_same_bytes
from support.tolerances import COMPOSITE

DTYPES = (np.float32, np.float64)
CANDIDATES = ("tanh", "sigmoid")

#: (B, T, D, H): nothing, one, tails; every division of the on-chip kernels.
SHAPES = [
    (0, 3, 2, 5),
    (3, 0, 2, 5),
    (3, 4, 0, 5),
    (3, 4, 2, 0),
    (0, 0, 0, 0),
    (1, 1, 1, 1),
    (2, 3, 7, 2),
    (5, 9, 8, 9),
    (17, 5, 31, 33),
    (3, 33, 16, 64),
    (1, 8, 9, 65),
    (33, 4, 15, 128),
    (2, 7, 17, 129),
    (70, 3, 4, 256),
    (3, 5, 255, 257),
    (66, 4, 33, 512),
    (2, 3, 5, 700),
    (3, 3, 4, 1030),
]


def run(
    kind: ArrayKind, case: Case, candidate: str = "tanh", *, keep_cache: bool = True
) -> tuple[Any, ...]:
    """Results and gradients, as NumPy arrays."""
    out = lstm_forward(
        *kind.put_all(*case.forward),
        lengths=case.lengths,
        candidate=candidate,
        keep_cache=keep_cache,
        **kind.options,
    )
    assert all(isinstance(a, kind.type) for a in out[:3])
    results = tuple(kind.get(a) for a in out[:3])
    if not keep_cache:
        assert out.cache is None
        return results
    back = lstm_backward(
        kind.put(case.dh),
        out.cache,
        dh_last=kind.put(case.dh_last),
        dc_last=kind.put(case.dc_last),
        **kind.options,
    )
    assert all(isinstance(a, kind.type) for a in back)
    return (*results, *(kind.get(a) for a in back))


@pytest.fixture
def plain() -> ArrayKind:
    """NumPy arrays, copied there and back: for what does not depend on the library."""
    return ArrayKind("numpy", np.ndarray, np.asarray, np.asarray, {"device": "cuda"})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_reference_and_cpu(
    plain: ArrayKind, shape: tuple[int, int, int, int], dtype: Any
) -> None:
    case = make_case(*shape, dtype)
    got = run(plain, case)
    results, gradients = reference_run(case)
    # Roundings of sums over H terms grow like their root.
    scale = max(1, shape[3] / 128) ** -0.5
    for a, expected in zip(got, (*results, *gradients), strict=True):
        COMPOSITE.assert_close(scale * a, scale * expected)
    out = lstm_forward(*case.forward, lengths=case.lengths)
    for a, expected in zip(got, out[:3], strict=False):
        COMPOSITE.assert_close(a, expected)
    assert_same_bytes(got[:3], run(plain, case, keep_cache=False))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("candidate", CANDIDATES)
def test_every_library(kind: ArrayKind, candidate: str, dtype: Any) -> None:
    case = make_case(9, 6, 5, 20, dtype)
    got = run(kind, case, candidate)
    results, gradients = reference_run(case, candidate)
    for a, expected in zip(got, (*results, *gradients), strict=True):
        COMPOSITE.assert_close(a, expected)


@pytest.mark.parametrize(("hidden", "dtype"), [(64, "f4"), (512, "f4"), (48, "f8")])
def test_the_same_bytes_every_time(plain: ArrayKind, hidden: int, dtype: str) -> None:
    case = make_case(64, 40, 32, hidden, np.dtype(dtype).type)
    first = run(plain, case)
    for _ in range(5):
        assert_same_bytes(run(plain, case), first)


@pytest.mark.parametrize(("hidden", "dtype"), [(20, "f4"), (130, "f4"), (20, "f8")])
def test_a_sequence_is_the_same_in_any_batch(
    plain: ArrayKind, hidden: int, dtype: str
) -> None:
    case = make_case(150, 7, 6, hidden, np.dtype(dtype).type)
    whole = run(plain, case)
    per_row = (0, 1, 2, 3, 7, 8)  # h, h_last, c_last, dx, dh0, dc0
    for rows in (slice(0, 1), slice(40, 43), slice(120, 150)):
        part = Case(case.x[rows], *case[1:4], *(a[rows] for a in case[4:]))
        got = run(plain, part)
        for k in per_row:
            assert_same_bytes(got[k], np.ascontiguousarray(whole[k][rows]), str(k))


@pytest.mark.parametrize("dtype", DTYPES)
def test_padding_is_never_read_and_changes_nothing(
    plain: ArrayKind, dtype: Any
) -> None:
    case = make_case(40, 9, 5, 18, dtype)
    short = run(plain, case)
    assert_same_bytes(run(plain, with_padding_nan(case)), short)
    extra = np.full((40, 50, 5), np.nan, dtype)
    longer = case._replace(
        x=np.concatenate([case.x, extra], axis=1),
        dh=np.concatenate([case.dh, np.full((40, 50, 18), np.nan, dtype)], axis=1),
    )
    padded = run(plain, longer)
    assert not padded[0][:, 9:].any()
    assert not padded[3][:, 9:].any()
    cut = (padded[0][:, :9], *padded[1:3], padded[3][:, :9], *padded[4:])
    assert_same_bytes(tuple(np.ascontiguousarray(a) for a in cut), short)


def test_empty_sequences_leave_no_trace(plain: ArrayKind) -> None:
    lengths = np.array([0, 5, 0, 2, 4, 0])
    case = make_case(6, 5, 3, 7)._replace(lengths=lengths)
    got = run(plain, case)
    empty, full = lengths == 0, lengths > 0
    assert_same_bytes(got[1][empty], case.h0[empty])
    assert_same_bytes(got[2][empty], case.c0[empty])
    assert_same_bytes(got[7][empty], case.dh_last[empty])
    assert_same_bytes(got[8][empty], case.dc_last[empty])
    without = Case(
        case.x[full], *case[1:4], case.h0[full], case.c0[full], lengths[full],
        *(a[full] for a in case[7:])
    )  # fmt: skip
    assert_same_bytes(got[4:7], run(plain, without)[4:7])
    nobody = run(plain, case._replace(lengths=np.zeros(6, np.int64)))
    assert not any(a.any() for a in (nobody[0], *nobody[3:7]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_and_infinity_stay_in_their_sequence(plain: ArrayKind, dtype: Any) -> None:
    case = make_case(6, 5, 3, 18, dtype, ragged=False)
    spoilt = case._replace(x=case.x.copy())
    spoilt.x[2, 3, 1] = np.nan
    spoilt.x[4, 1, 0] = np.inf
    clean, got = run(plain, case), run(plain, spoilt)
    others = np.array([0, 1, 3, 5])
    for k in (0, 1, 2, 3, 7, 8):
        assert_same_bytes(got[k][others], clean[k][others])
    assert np.isnan(got[0][2, 3:]).all()
    expected = lstm_forward(*spoilt.forward)
    COMPOSITE.assert_close(got[0], expected.h)


@pytest.mark.parametrize("candidate", CANDIDATES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_saturated_gates(plain: ArrayKind, candidate: str, dtype: Any) -> None:
    """Wide-open forget and closed input gates keep c; nothing overflows."""
    bias = np.zeros(12, dtype)
    bias[:3], bias[3:6] = -1e30, 1e30
    x, zeros = np.full((2, 50, 2), 1e10, dtype), np.zeros((12, 2), dtype)
    c0 = np.arange(6, dtype=dtype).reshape(2, 3)
    out = lstm_forward(
        x, zeros, np.zeros((12, 3), dtype), bias, None, c0,
        candidate=candidate, **plain.options,
    )  # fmt: skip
    assert_same_bytes(out.c_last, c0)
    back = lstm_backward(np.ones((2, 50, 3), dtype), out.cache, **plain.options)
    assert all(np.isfinite(a).all() for a in back)


def test_defaults_are_zeros(kind: ArrayKind) -> None:
    case = make_case(4, 3, 2, 5, ragged=False)
    zero, bias = np.zeros_like(case.h0), np.zeros_like(case.bias)
    short = lstm_forward(*kind.put_all(*case[:3]), **kind.options)
    full = run(
        kind, case._replace(bias=bias, h0=zero, c0=zero, dh_last=zero, dc_last=zero)
    )
    assert_same_bytes(tuple(kind.get(a) for a in short[:3]), full[:3])
    back = lstm_backward(kind.put(case.dh), short.cache, **kind.options)
    assert_same_bytes(tuple(kind.get(a) for a in back), full[3:])


@pytest.mark.parametrize("integers", [np.int64, np.int32, np.uint8])
def test_lengths_on_the_device(kind: ArrayKind, integers: Any) -> None:
    if kind.options:
        pytest.skip("NumPy arrays are on the host")
    case = make_case(7, 6, 3, 5)
    expected = run(kind, case)
    out = lstm_forward(
        *kind.put_all(*case.forward), lengths=kind.put(case.lengths.astype(integers))
    )
    assert_same_bytes(tuple(kind.get(a) for a in out[:3]), expected[:3])


def test_cache_may_be_used_again_and_holds_copies() -> None:
    torch = pytest.importorskip("torch")
    case = make_case(7, 6, 5, 9)
    arrays = [torch.from_numpy(a.copy()).cuda() for a in case.forward]
    lengths = case.lengths.copy()
    out = lstm_forward(*arrays, lengths=lengths)
    dh = torch.from_numpy(case.dh).cuda()
    expected = tuple(a.cpu().numpy() for a in lstm_backward(dh, out.cache))
    lengths[:] = 0
    for array in (*arrays, *out[:3]):
        array.zero_()
    for _ in range(2):
        got = tuple(a.cpu().numpy() for a in lstm_backward(dh, out.cache))
        assert_same_bytes(got, expected)


@pytest.mark.parametrize("hidden", [20, 300])
def test_another_stream(hidden: int) -> None:
    """Work is ordered after what the stream does, and before what comes on it."""
    torch = pytest.importorskip("torch")
    case = make_case(20, 30, 8, hidden, np.float32)
    plain = ArrayKind("numpy", np.ndarray, np.asarray, np.asarray, {"device": "cuda"})
    expected = run(plain, case)
    host = [torch.from_numpy(a).cuda() for a in case.forward]
    dh = [torch.from_numpy(a).cuda() for a in case[7:]]
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        arrays = [torch.zeros_like(a) for a in host]
        torch.cuda._sleep(200_000_000)
        for array, value in zip(arrays, host, strict=True):
            array.copy_(value)
        out = lstm_forward(*arrays, lengths=case.lengths)
        back = lstm_backward(dh[0], out.cache, dh_last=dh[1], dc_last=dh[2])
        copies = [a.clone() for a in (*out[:3], *back)]
    stream.synchronize()
    assert_same_bytes(tuple(a.cpu().numpy() for a in copies), expected)


class TestWeights:
    """LSTMWeights on a device: equal to the functions in every byte."""

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_forward_is_lstm_forward(self, kind: ArrayKind, dtype: Any) -> None:
        case = make_case(9, 7, 6, 20, dtype)
        expected = run(kind, case, "sigmoid")
        given = kind.put_all(*case[1:4])
        weights = LSTMWeights(*given, candidate="sigmoid", **kind.options)
        assert (weights.input_size, weights.hidden_size) == (6, 20)
        assert weights.dtype == dtype
        x, h0, c0 = kind.put_all(case.x, case.h0, case.c0)
        out = weights.forward(x, h0, c0, lengths=case.lengths, keep_cache=True)
        assert_same_bytes(tuple(kind.get(a) for a in out[:3]), expected[:3])
        back = lstm_backward(
            kind.put(case.dh),
            out.cache,
            dh_last=kind.put(case.dh_last),
            dc_last=kind.put(case.dc_last),
            **kind.options,
        )
        assert_same_bytes(tuple(kind.get(a) for a in back), expected[3:])

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("batch", [0, 1, 3])
    @pytest.mark.parametrize("hidden", [0, 1, 33, 130])
    def test_steps_are_the_forward_pass(
        self, plain: ArrayKind, batch: int, hidden: int, dtype: Any
    ) -> None:
        self.check_steps(plain, batch, hidden, dtype)

    def test_steps_of_every_library(self, kind: ArrayKind) -> None:
        self.check_steps(kind, 3, 33, np.float32)

    def check_steps(self, kind: ArrayKind, batch: int, hidden: int, dtype: Any) -> None:
        case = make_case(batch, 5, 3, hidden, dtype, ragged=False)
        weights = LSTMWeights(*kind.put_all(*case[1:4]), **kind.options)
        h, c = kind.put_all(case.h0, case.c0)
        whole = weights.forward(kind.put(case.x), h, c)
        for t in range(5):
            h, c = weights.step(kind.put(np.ascontiguousarray(case.x[:, t])), h, c)
        assert isinstance(h, kind.type)
        got = kind.get(h), kind.get(c)
        assert_same_bytes(got, (kind.get(whole.h_last), kind.get(whole.c_last)))

    def test_step_writes_into_out(self) -> None:
        torch = pytest.importorskip("torch")
        case = make_case(2, 1, 3, 5)
        arrays = [torch.from_numpy(a).cuda() for a in case.forward]
        weights = LSTMWeights(*arrays[1:4])
        x, h, c = arrays[0][:, 0].contiguous(), arrays[4], arrays[5]
        expected = weights.step(x, h, c)
        out = torch.empty_like(h), torch.empty_like(c)
        got = weights.step(x, h, c, out=out)
        assert got[0] is out[0]
        assert got[1] is out[1]
        assert torch.equal(out[0], expected[0])
        assert torch.equal(out[1], expected[1])
        for wrong in ((h, out[1]), (out[0], out[0])):
            with pytest.raises(ValueError, match="apart"):
                weights.step(x, h, c, out=wrong)

    def test_weights_and_arrays_must_lie_together(self, kind: ArrayKind) -> None:
        case = make_case(2, 3, 3, 5)
        weights = LSTMWeights(*kind.put_all(*case[1:4]), **kind.options)
        if not kind.options:
            with pytest.raises(
                TypeError, match="weights on a CUDA device and x on the"
            ):
                weights.forward(case.x)
        again = pickle.loads(pickle.dumps(weights))
        got = kind.get(again.forward(kind.put(case.x)).h)
        assert_same_bytes(got, kind.get(weights.forward(kind.put(case.x)).h))


CASE = make_case(3, 4, 2, 5, np.float32)
NAMES = ("x", "weight_ih", "weight_hh", "bias", "h0", "c0")

#: (argument, what becomes of it, error, words of the message)
BAD = [
    ("x", lambda a: None, TypeError, "x of real numbers, got None"),
    ("weight_hh", lambda a: None, TypeError, "weight_hh of real numbers, got None"),
    ("x", lambda a: a.astype("f8"), TypeError, r"\w+ of dtype float(32|64), got"),
    (
        "x",
        lambda a: a.astype("i4"),
        TypeError,
        "x of dtype float32 or float64, got int32",
    ),
    ("x", lambda a: a[0], ValueError, "x with 3 dimension"),
    ("x", lambda a: np.repeat(a, 2, 2), ValueError, r"x of shape \(B, T, D\) = \(3, 4"),
    ("weight_ih", lambda a: a[:-1], ValueError, r"weight_ih of shape \(4H, D\)"),
    ("weight_ih", lambda a: a.astype("f8"), TypeError, "weight_ih of dtype float32"),
    ("weight_hh", lambda a: a[:-1], ValueError, r"weight_hh of shape \(4H, H\)"),
    ("weight_hh", lambda a: a[0], ValueError, "weight_hh with 2 dimension"),
    ("bias", lambda a: a[:-1], ValueError, r"bias of shape \(4H,\)"),
    ("h0", lambda a: a[:-1], ValueError, r"h0 of shape \(B, H\) = \(3, 5\), got"),
    ("c0", lambda a: a.astype("f8"), TypeError, "c0 of dtype float32, got float64"),
]


@pytest.mark.parametrize(("name", "change", "error", "words"), BAD)
def test_bad_input(name: str, change: Any, error: type[Exception], words: str) -> None:
    torch = pytest.importorskip("torch")
    given = dict(zip(NAMES, CASE.forward, strict=True))
    given[name] = change(given[name])
    arrays = {
        n: None if a is None else torch.from_numpy(np.ascontiguousarray(a)).cuda()
        for n, a in given.items()
    }
    with pytest.raises(error, match=rf"^\[recurrent\.lstm_forward\] expected {words}"):
        lstm_forward(**arrays)


def test_more_bad_input() -> None:
    torch = pytest.importorskip("torch")
    arrays = [torch.from_numpy(a).cuda() for a in CASE.forward]
    strided = arrays[1].t().contiguous().t()
    with pytest.raises(ValueError, match="weight_ih C-contiguous, got a strided CUDA"):
        lstm_forward(arrays[0], strided, *arrays[2:])
    with pytest.raises(
        TypeError, match="got x on a CUDA device and weight_ih on the CPU"
    ):
        lstm_forward(arrays[0], CASE.weight_ih, *arrays[2:])
    with pytest.raises(TypeError, match="x detached from autograd"):
        lstm_forward(arrays[0].requires_grad_(), *arrays[1:])
    arrays[0] = arrays[0].detach()
    for lengths, error, words in (
        ([1, 2], ValueError, r"lengths of shape \(B,\)"),
        ([1, 2, 5], ValueError, "lengths from 0 to T = 4, got 5 at index 2"),
        (torch.tensor([1, -1, 2]).cuda(), ValueError, "got -1 at index 1"),
        (torch.tensor([1.0, 1.0, 2.0]).cuda(), TypeError, "lengths of integers"),
    ):
        with pytest.raises(error, match=words):
            lstm_forward(*arrays, lengths=lengths)
    with pytest.raises(ValueError, match="candidate as one of 'tanh', 'sigmoid'"):
        lstm_forward(*arrays, candidate="relu")
    cache = lstm_forward(*arrays).cache
    dh = torch.from_numpy(CASE.dh).cuda()
    with pytest.raises(TypeError, match="dh of dtype float32, got float64"):
        lstm_backward(dh.double(), cache)
    with pytest.raises(ValueError, match=r"dh of shape \(B, T, H\) = \(3, 4, 5\)"):
        lstm_backward(dh[:, :3].contiguous(), cache)
    with pytest.raises(TypeError, match="cache on a CUDA device and dh on the CPU"):
        lstm_backward(CASE.dh, cache)
    with pytest.raises(TypeError, match="cache from lstm_forward on the same CUDA"):
        lstm_backward(dh, lstm_forward(*CASE.forward).cache)
    with pytest.raises(TypeError, match="No constructor"):
        type(cache)()


def test_out_of_memory_leaves_the_process_usable(plain: ArrayKind) -> None:
    x = np.empty((1 << 20, 1 << 20, 0), np.float32)
    weights = np.zeros((4, 0), np.float32), np.ones((4, 1), np.float32)
    with pytest.raises(MemoryError):
        lstm_forward(x, *weights, **plain.options)
    case = make_case(2, 3, 3, 5)
    COMPOSITE.assert_close(
        run(plain, case)[0], lstm_forward(*case.forward, lengths=case.lengths).h
    )
