"""StreamingEvidence: against all samples at once, orders, merges, edges."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnotes.evidence import StreamingEvidence, importance_weights
from support.log_weights import random_log_weights, with_edge_values
from support.sweeps import DTYPES, assert_same_bytes, same_bytes_for_threads
from support.tolerances import COMPOSITE, LOG_OF_SUM, NORMALISED

CUTS = (0, 1, 4, 4, 9, 50, 51, 300)


def results(stream):
    return stream.bound, stream.ess, stream.standard_error


def chunks(log_w, cuts=CUTS):
    return [log_w[a:b] for a, b in pairwise(cuts)]


def streamed(parts, n_threads=None):
    stream = StreamingEvidence(parts[0].shape[1:], n_threads=n_threads)
    for part in parts:
        stream.update(part)
    return stream


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5)])
def test_against_all_at_once(shape, dtype):
    log_w = random_log_weights((300, *shape), dtype, offset=-10_000)
    got = same_bytes_for_threads(lambda n: results(streamed(chunks(log_w), n)))
    bound, _, ess = importance_weights(log_w.astype(np.float64), 0)
    LOG_OF_SUM.assert_close(np.asarray(got[0]), bound)
    NORMALISED.assert_close(np.asarray(got[1]), ess)
    w = np.exp(log_w.astype(np.float64) - bound)
    expected = w.std(axis=0, ddof=1) / np.sqrt(300)
    COMPOSITE.assert_close(np.asarray(got[2]), expected)
    assert np.shape(got[0]) == shape


def test_edge_values_anywhere():
    log_w = with_edge_values(random_log_weights((300, 60)))
    stream = streamed(chunks(log_w))
    bound, _, ess = importance_weights(log_w, 0)
    LOG_OF_SUM.assert_close(stream.bound, bound)
    NORMALISED.assert_close(stream.ess, ess)


def test_many_chunks_lose_no_more_than_few():
    log_w = np.random.default_rng(0).standard_normal((30_000, 2)) - 1e4
    stream = streamed(chunks(log_w, range(0, 30_001, 10)))
    whole = importance_weights(log_w, 0)
    LOG_OF_SUM.assert_close(stream.bound, whole.bound)
    NORMALISED.assert_close(stream.ess, whole.ess)


@given(st.permutations(range(7)))
def test_order_of_chunks_is_rounding_alone(order):
    log_w = random_log_weights((300, 3), spread=8.0)
    parts = chunks(log_w)
    shuffled = streamed([parts[i] for i in order])
    stream = streamed(parts)
    LOG_OF_SUM.assert_close(shuffled.bound, stream.bound)
    NORMALISED.assert_close(shuffled.ess, stream.ess)


@given(st.integers(0, 300), st.integers(0, 3))
def test_merge(cut, seed):
    log_w = random_log_weights((300, 3), spread=4.0, seed=seed)
    a, b = streamed([log_w[:cut]]), streamed([log_w[cut:]])
    other_way = copy.deepcopy(b).merge(a)
    before = results(b)
    merged = a.merge(b)
    assert merged is a
    assert merged.n_samples == 300
    assert_same_bytes(results(merged), results(other_way))
    assert_same_bytes(results(b), before)
    LOG_OF_SUM.assert_close(merged.bound, importance_weights(log_w).bound)


def test_a_stream_merged_with_itself_counts_twice():
    stream = streamed([random_log_weights((9, 2))])
    bound = stream.bound
    stream.merge(stream)
    assert stream.n_samples == 18
    LOG_OF_SUM.assert_close(stream.bound, bound)


def test_nothing_seen():
    stream = StreamingEvidence((2,))
    for each in (stream, stream.update(np.zeros((0, 2)))):
        assert (each.bound == -np.inf).all()
        assert (each.ess == 0).all()
        assert np.isnan(each.standard_error).all()
    assert np.isnan(StreamingEvidence().update([0.0]).standard_error)


def test_pickles():
    stream = streamed([random_log_weights((9, 2))])
    again = pickle.loads(pickle.dumps(stream))
    assert_same_bytes(results(again.update([[1, 2]])), results(stream.update([[1, 2]])))


@pytest.mark.parametrize(
    "value", [np.zeros(3), np.zeros((2, 3)), 0.0, np.zeros((2, 2, 2))]
)
def test_shapes_refused_leave_the_stream_alone(value):
    stream = streamed([np.ones((4, 2))])
    before = results(stream)
    with pytest.raises(ValueError, match=r"^\[evidence.StreamingEvidence.update\] exp"):
        stream.update(value)
    with pytest.raises(TypeError, match=r"^\[evidence.StreamingEvidence.update\] exp"):
        stream.update(np.ones((1, 2), complex))
    assert_same_bytes(results(stream), before)
    assert stream.n_samples == 4


def test_bad_streams():
    stream = StreamingEvidence((2,))
    with pytest.raises(
        ValueError, match=r"expected a stream of shape \(2,\), got \(3,\)"
    ):
        stream.merge(StreamingEvidence(3))
    with pytest.raises(TypeError, match="expected a StreamingEvidence, got int"):
        stream.merge(3)
    for shape, error in ((-1, ValueError), (1.5, TypeError), ((True,), TypeError)):
        with pytest.raises(error, match=r"^\[evidence.StreamingEvidence\] expected"):
            StreamingEvidence(shape)
