"""Jackknife, smoothing and streams of this room on what nobody should pass.

See tests/test_awkward_inputs.py.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnotes import evidence
from support.awkward import EXTENTS, SCALARS, SHAPES, check, inputs, reduced


@pytest.mark.filterwarnings("ignore::fastnotes.evidence.JackknifeWarning")
@given(st.data())
def test_jackknife(data):
    shape = data.draw(SHAPES)
    axis, _ = reduced(data, shape)
    order = data.draw(st.integers(0, 5) | SCALARS)
    log_w, gradient = data.draw(inputs(shape)), data.draw(st.booleans())
    options = {"axis": axis, "return_gradient": gradient}
    check(lambda: evidence.jackknife_bound(log_w, order, **options), log_w)
    check(lambda: evidence.jackknife_coefficients(data.draw(SCALARS), order))
    names = ["iwae", "dreg", "stl", "rws", "vimco", "jackknife"]
    name = data.draw(st.sampled_from(names) | SCALARS)
    check(lambda: evidence.gradient_weights(log_w, name, axis), log_w)


@given(st.data())
def test_psis(data):
    shape = data.draw(SHAPES)
    axis, _ = reduced(data, shape)
    log_w, r_eff = data.draw(inputs(shape)), data.draw(st.just(1.0) | SCALARS)
    check(lambda: evidence.psis(log_w, axis, r_eff=r_eff), log_w)
    log_lik = data.draw(inputs((17, 3)))
    check(lambda: evidence.psis_loo(log_lik, r_eff=r_eff), log_lik)


@given(st.data())
def test_streaming_evidence(data):
    shape = data.draw(SHAPES)
    check(lambda: evidence.StreamingEvidence(data.draw(SCALARS)))
    stream = evidence.StreamingEvidence(shape)
    for _ in range(2):
        chunk = data.draw(inputs((data.draw(EXTENTS), *shape)))
        check(lambda chunk=chunk: stream.update(chunk), chunk)
    check(lambda: stream.merge(data.draw(SCALARS)))
    check(lambda: (stream.bound, stream.ess, stream.standard_error))
