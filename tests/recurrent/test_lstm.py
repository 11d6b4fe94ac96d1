"""lstm_forward, lstm_backward and LSTMWeights against NumPy and published vectors."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnotes._reference import recurrent as reference
from fastnotes.recurrent import LSTMWeights, lstm_backward, lstm_forward
from recurrent.cases import Case, make_case, reference_run, with_padding_nan
from support.sweeps import DTYPES, assert_same_bytes, same_bytes_for_threads
from support.tolerances import COMPOSITE, PUBLISHED

CANDIDATES = ("tanh", "sigmoid")

#: (batch, time, input, hidden): every awkward size, in each of the four places.
SHAPES = [
    (0, 3, 2, 5),
    (3, 0, 2, 5),
    (3, 4, 0, 5),
    (3, 4, 2, 0),
    (1, 1, 1, 1),
    (2, 3, 1, 2),
    (3, 2, 7, 3),
    (7, 5, 3, 8),
    (8, 7, 9, 7),
    (9, 8, 8, 9),
    (15, 3, 17, 16),
    (16, 2, 15, 17),
    (17, 9, 16, 15),
    (31, 2, 33, 33),
    (33, 3, 31, 31),
    (257, 2, 3, 4),
    (2, 257, 2, 3),
    (1, 255, 5, 17),
    (2, 2, 257, 9),
    (3, 2, 5, 65),
    (2, 3, 4, 255),
    (13, 3, 70, 257),
]


def run(case: Case, candidate: str = "tanh", n_threads: int = 1) -> tuple[Any, ...]:
    """(h, h_last, c_last) and the gradients, in one tuple."""
    out = lstm_forward(
        *case.forward, lengths=case.lengths, candidate=candidate, n_threads=n_threads
    )
    assert out.cache is not None
    gradients = lstm_backward(
        case.dh,
        out.cache,
        dh_last=case.dh_last,
        dc_last=case.dc_last,
        n_threads=n_threads,
    )
    return (*out[:3], *gradients)


@pytest.mark.parametrize("candidate", CANDIDATES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_matches_the_reference(
    shape: tuple[int, int, int, int], dtype: Any, candidate: str
) -> None:
    case = make_case(*shape, dtype, seed=sum(shape))
    got = same_bytes_for_threads(lambda n: run(case, candidate, n))
    forward, gradients = reference_run(case, candidate)
    for ours, theirs in zip(got, (*forward, *gradients), strict=True):
        assert ours.dtype == dtype
        assert ours.shape == theirs.shape
        COMPOSITE.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", [64, 256])
@pytest.mark.parametrize("batch", [1, 5, 16])
def test_same_bytes_however_threads_share_the_work(
    batch: int, hidden: int, dtype: Any
) -> None:
    """Sizes at which a step is split by rows, by units, or not at all."""
    case = make_case(batch, 20, hidden, hidden, dtype)
    got = same_bytes_for_threads(lambda n: run(case, n_threads=n))
    forward, gradients = reference_run(case)
    for ours, theirs in zip(got, (*forward, *gradients), strict=True):
        scale = max(1.0, float(np.abs(theirs).max()))
        COMPOSITE.assert_close(ours / dtype(scale), theirs / scale)


@pytest.mark.parametrize(
    ("candidate", "published"),
    [
        (
            "tanh",
            [
                (0.1823256938026161, 0.2363183146405136),
                (0.1907598230842027, 0.4081061310910308),
                (-0.1953267020574268, -0.2169934361644644),
            ],
        ),
        (
            "sigmoid",
            [
                (0.2083325756288666, 0.2715965757366161),
                (0.1922946470993587, 0.4160621035906657),
                (0.3394085161486531, 0.3899106016626903),
            ],
        ),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_published_vector(candidate: str, published: Any, dtype: Any) -> None:
    """(h, c) after one, two and three steps of a net of one unit."""
    for length, (h, c) in enumerate(published, start=1):
        out = lstm_forward(
            *one_unit(dtype), lengths=[length], candidate=candidate, keep_cache=False
        )
        assert out.cache is None
        PUBLISHED.assert_close(out.h_last, [[h]])
        PUBLISHED.assert_close(out.c_last, [[c]])
        PUBLISHED.assert_close(out.h[0, length - 1], [h])


@pytest.mark.parametrize("dtype", DTYPES)
def test_published_gradient(dtype: Any) -> None:
    """d h_3 / d (W, U, b) of every gate, tanh candidate."""
    out = lstm_forward(*one_unit(dtype))
    assert out.cache is not None
    zeros = np.zeros((1, 3, 1), dtype)
    gradients = lstm_backward(zeros, out.cache, dh_last=np.ones((1, 1), dtype))
    by_gate = {
        "i": (-0.00786676659583297, -0.352712705744943, 0.0122121553411622),
        "f": (0.0222827945395347, 0.148515427327775, 0.118103099184453),
        "g": (0.0573962181997314, 0.639745743761825, 0.399367095594337),
        "o": (0.00143464206581212, -0.0583250305336262, 0.00979441011328549),
    }
    w, u, b = (np.array(column) for column in zip(*by_gate.values(), strict=True))
    PUBLISHED.assert_close(gradients.dweight_hh[:, 0], w)
    PUBLISHED.assert_close(gradients.dweight_ih[:, 0], u)
    PUBLISHED.assert_close(gradients.dbias, b)


def one_unit(dtype: Any) -> tuple[Any, ...]:
    """X, U, W, b of the published net, gates in the order i, f, g, o."""
    return (
        np.array([[[0.5], [-1.0], [2.0]]], dtype),
        np.array([[0.5], [-0.2], [-1.1], [0.8]], dtype),
        np.array([[0.4], [0.1], [1.0], [-0.7]], dtype),
        np.array([-0.6, 0.3, 1.2, 0.9], dtype),
    )


@given(
    batch=st.integers(1, 14),
    time=st.integers(1, 6),
    hidden=st.sampled_from([1, 3, 16, 20, 65]),
    seed=st.integers(0, 2**16),
    dtype=st.sampled_from(DTYPES),
    candidate=st.sampled_from(CANDIDATES),
)
@settings(max_examples=60, deadline=None)
def test_ragged_batch_equals_one_by_one(
    batch: int, time: int, hidden: int, seed: int, dtype: Any, candidate: str
) -> None:
    case = make_case(batch, time, 4, hidden, dtype, seed=seed)
    together = run(case, candidate, n_threads=2)
    per_row = (0, 1, 2, 3, 7, 8)  # h, h_last, c_last, dx, dh0, dc0
    for b in range(batch):
        row = slice(b, b + 1)
        alone = run(
            Case(
                case.x[row],
                *case[1:4],
                *(a[row] for a in case[4:]),
            ),
            candidate,
        )
        for k in per_row:
            assert_same_bytes(together[k][row], alone[k], f"row {b}, result {k}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_order_and_split_of_the_batch_change_no_row(dtype: Any) -> None:
    case = make_case(19, 12, 33, 70, dtype)
    whole = lstm_forward(*case.forward, lengths=case.lengths, n_threads=2)[:3]
    order = np.random.default_rng(1).permutation(19)
    weights = case[1:4]
    shuffled = lstm_forward(
        case.x[order],
        *weights,
        case.h0[order],
        case.c0[order],
        lengths=case.lengths[order],
        n_threads=7,
    )[:3]
    assert_same_bytes(shuffled, tuple(a[order] for a in whole))
    for part in (slice(0, 5), slice(5, 19)):
        some = lstm_forward(
            case.x[part], *weights, case.h0[part], case.c0[part],
            lengths=case.lengths[part],
        )[:3]  # fmt: skip
        assert_same_bytes(some, tuple(a[part] for a in whole))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 40])
def test_padding_is_never_read_and_changes_nothing(batch: int, dtype: Any) -> None:
    case = make_case(batch, 9, 5, 18, dtype)
    plain = run(case, n_threads=2)
    assert_same_bytes(run(with_padding_nan(case), n_threads=2), plain)

    extra = np.full((batch, 300, 5), np.nan, dtype)
    longer = case._replace(
        x=np.concatenate([case.x, extra], axis=1),
        dh=np.concatenate([case.dh, np.full((batch, 300, 18), np.nan, dtype)], axis=1),
    )
    padded = run(longer, n_threads=2)
    assert not padded[0][:, 9:].any()
    assert not padded[3][:, 9:].any()
    cut = (padded[0][:, :9], *padded[1:3], padded[3][:, :9], *padded[4:])
    assert_same_bytes(tuple(np.ascontiguousarray(a) for a in cut), plain)


def test_empty_sequences_leave_no_trace() -> None:
    """Length 0: the state passes through; the others' sums do not notice."""
    case = make_case(6, 5, 3, 7)
    lengths = np.array([0, 5, 0, 2, 4, 0])
    got = run(case._replace(lengths=lengths))
    empty, full = lengths == 0, lengths > 0
    assert_same_bytes(got[1][empty], case.h0[empty])
    assert_same_bytes(got[2][empty], case.c0[empty])
    assert_same_bytes(got[7][empty], case.dh_last[empty])
    assert_same_bytes(got[8][empty], case.dc_last[empty])
    without = run(
        Case(case.x[full], *case[1:4], case.h0[full], case.c0[full], lengths[full],
             *(a[full] for a in case[7:]))
    )  # fmt: skip
    assert_same_bytes(got[4:7], without[4:7])
    nobody = run(case._replace(lengths=np.zeros(6, np.int64)))
    assert not any(a.any() for a in (nobody[0], *nobody[3:7]))


def test_h_is_zero_past_the_end_and_h_last_is_its_last_step() -> None:
    case = make_case(5, 6, 3, 4)
    out = lstm_forward(*case.forward, lengths=case.lengths)
    for b, length in enumerate(case.lengths):
        assert not out.h[b, length:].any()
        if length:
            assert_same_bytes(out.h[b, length - 1], out.h_last[b])


def test_cache_may_be_used_again_and_holds_copies() -> None:
    case = make_case(7, 6, 5, 9)
    expected = run(case)
    out = lstm_forward(*case.forward, lengths=case.lengths)
    assert out.cache is not None
    for array in (*case.forward, case.lengths, *out[:3]):
        array[...] = 0
    for _ in range(2):
        got = lstm_backward(
            case.dh, out.cache, dh_last=case.dh_last, dc_last=case.dc_last
        )
        assert_same_bytes(tuple(got), expected[3:])


def test_defaults_are_zeros() -> None:
    case = make_case(4, 3, 2, 5, ragged=False)
    zero = np.zeros_like(case.h0)
    bias = np.zeros_like(case.bias)
    short = lstm_forward(*case[:3])
    full = lstm_forward(*case[:3], bias, zero, zero, lengths=[3, 3, 3, 3])
    assert_same_bytes(short[:3], full[:3])
    assert short.cache is not None
    assert full.cache is not None
    assert_same_bytes(
        tuple(lstm_backward(case.dh, short.cache)),
        tuple(lstm_backward(case.dh, full.cache, dh_last=zero, dc_last=zero)),
    )


def test_float64_wherever_one_array_is() -> None:
    case = make_case(2, 3, 2, 5, np.float32)
    assert lstm_forward(*case.forward).h.dtype == np.float32
    mixed = lstm_forward(*case[:5], case.c0.astype(np.float64))
    assert mixed.h.dtype == np.float64
    lists = lstm_forward(*(a.tolist() for a in case.forward))
    assert_same_bytes(lists[:3], mixed[:3])


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_saturated_gates(candidate: str) -> None:
    """Wide-open forget and closed input gates keep c; nothing overflows."""
    hidden = 3
    bias = np.zeros(4 * hidden, np.float32)
    bias[:hidden], bias[hidden : 2 * hidden] = -1e30, 1e30
    x = np.full((2, 50, 2), 1e10, np.float32)
    zeros = np.zeros((4 * hidden, 2), np.float32)
    c0 = np.arange(6, dtype=np.float32).reshape(2, 3)
    out = lstm_forward(
        x, zeros, np.zeros((12, 3), np.float32), bias, None, c0, candidate=candidate
    )
    assert_same_bytes(out.c_last, c0)
    assert out.cache is not None
    gradients = lstm_backward(np.ones((2, 50, 3), np.float32), out.cache)
    assert all(np.isfinite(a).all() for a in gradients)


def test_nan_stays_in_its_sequence() -> None:
    case = make_case(6, 5, 3, 18, ragged=False)
    spoilt = case._replace(x=case.x.copy())
    spoilt.x[2, 3, 1] = np.nan
    plain, got = run(case), run(spoilt)
    others = np.arange(6) != 2
    for k in (0, 1, 2, 3, 7, 8):
        assert_same_bytes(got[k][others], plain[k][others])
    assert_same_bytes(got[0][2, :3], plain[0][2, :3])
    assert np.isnan(got[0][2, 3:]).all()


def test_infinite_input_saturates_like_the_reference() -> None:
    case = make_case(3, 4, 3, 5, ragged=False)
    case.x[1, 2, 0] = np.inf
    out = lstm_forward(*case.forward)
    expected = reference.lstm_forward(*case.forward, case.lengths)
    COMPOSITE.assert_close(out.h, expected.h)
    assert out.cache is not None
    assert np.isfinite(lstm_backward(case.dh, out.cache).dh0).all()


class TestWeights:
    """LSTMWeights: packed once, equal to the functions in every byte."""

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("candidate", CANDIDATES)
    def test_forward_is_lstm_forward(self, dtype: Any, candidate: str) -> None:
        case = make_case(9, 7, 6, 20, dtype)
        weights = LSTMWeights(*case[1:4], candidate=candidate)
        assert (weights.input_size, weights.hidden_size) == (6, 20)
        assert weights.dtype == dtype
        expected = run(case, candidate)
        plain = weights.forward(case.x, case.h0, case.c0, lengths=case.lengths)
        assert plain.cache is None
        assert_same_bytes(plain[:3], expected[:3])
        kept = weights.forward(
            case.x, case.h0, case.c0, lengths=case.lengths, keep_cache=True
        )
        assert kept.cache is not None
        assert_same_bytes(kept[:3], expected[:3])
        gradients = lstm_backward(
            case.dh, kept.cache, dh_last=case.dh_last, dc_last=case.dc_last
        )
        assert_same_bytes(tuple(gradients), expected[3:])

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("batch", [0, 1, 2, 7, 13])
    @pytest.mark.parametrize("hidden", [0, 1, 16, 33, 64])
    def test_steps_are_the_forward_pass(
        self, batch: int, hidden: int, dtype: Any
    ) -> None:
        case = make_case(batch, 5, 3, hidden, dtype, ragged=False)
        weights = LSTMWeights(*case[1:4])
        whole = weights.forward(case.x, case.h0, case.c0)
        h, c = case.h0, case.c0
        for t in range(5):
            h, c = weights.step(case.x[:, t], h, c)
            if batch:
                assert_same_bytes(h, np.ascontiguousarray(whole.h[:, t]))
        assert_same_bytes((h, c), (whole.h_last, whole.c_last))

    def test_step_writes_into_out(self) -> None:
        case = make_case(2, 1, 3, 5)
        weights = LSTMWeights(*case[1:4])
        expected = weights.step(case.x[:, 0], case.h0, case.c0)
        out = (np.empty((2, 5)), np.empty((2, 5)))
        got = weights.step(case.x[:, 0], case.h0, case.c0, out=out)
        assert got[0] is out[0]
        assert got[1] is out[1]
        assert_same_bytes(got, expected)

    def test_keeps_copies_and_converts_to_its_dtype(self) -> None:
        case = make_case(2, 3, 3, 5, np.float32)
        weights = LSTMWeights(*case[1:4])
        expected = weights.forward(case.x)[:3]
        for array in case[1:4]:
            array[...] = np.nan
        got = weights.forward(case.x.astype(np.float64), keep_cache=True)
        assert_same_bytes(got[:3], expected)
        h, c = weights.step(case.x[:, 0].tolist(), case.h0.astype("f8"), case.c0)
        assert h.dtype == c.dtype == np.float32

    def test_pickle(self) -> None:
        case = make_case(2, 3, 3, 5)
        weights = LSTMWeights(*case[1:4], candidate="sigmoid")
        again = pickle.loads(pickle.dumps(weights))
        assert repr(again) == repr(weights)
        assert "sigmoid" in repr(weights)
        assert_same_bytes(again.forward(case.x)[:3], weights.forward(case.x)[:3])
