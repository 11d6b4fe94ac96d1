"""NumPy twins of the recurrent kernels: one step after the other, nothing clever.

The gates of a step come from ``x @ weight_ih.T + h @ weight_hh.T + bias``, stacked as
i, f, g, o like PyTorch's; i, f, o pass through the logistic function, g (the candidate)
through tanh, or through the logistic function as in Goodfellow, Bengio and Courville,
"Deep Learning", section 10.10.1. Then ``c = f * c + i * g`` and ``h = o * tanh(c)``.

Peepholes p (Gers, Schraudolph and Schmidhuber 2002) are stacked as i, f, o: i and f see
the cell before the step, ``a_i + p_i * c``, and o the one after it.

Zoneout (Krueger et al. 2017) keeps a part z of the states before,
``z * c + (1 - z) * (f * c + i * g)``, and likewise of h; peepholes and h see the cell
without it.

With a projection (Sak, Senior and Beaufays 2014) h is ``weight_hr @ (o * tanh(c))``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


class Step(NamedTuple):
    """What one step leaves for the backward pass."""

    running: NDArray[np.bool_]
    h_before: Array
    c_before: Array
    i: Array
    f: Array
    g: Array
    o: Array
    c: Array
    stay_h: Array
    stay_c: Array


class Forward(NamedTuple):
    """Results and trace of :func:`lstm_forward`."""

    h: Array
    h_last: Array
    c_last: Array
    steps: list[Step]


class Backward(NamedTuple):
    """Gradients of :func:`lstm_backward`."""

    dx: Array
    dweight_ih: Array
    dweight_hh: Array
    dbias: Array
    dh0: Array
    dc0: Array
    dpeephole: Array
    dweight_hr: Array | None


def sigmoid(a: Array) -> Array:
    """1 / (1 + exp(-a)), without overflow."""
    e = np.exp(-np.abs(a))
    value: Array = np.where(a >= 0, 1.0, e).astype(a.dtype) / (1 + e)
    return value


def lstm_forward(
    x: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array,
    h0: Array,
    c0: Array,
    lengths: NDArray[np.int64],
    candidate: str = "tanh",
    peephole: Array | None = None,
    weight_hr: Array | None = None,
    zoneout_h: float | Array = 0.0,
    zoneout_c: float | Array = 0.0,
) -> Forward:
    """Run every sequence to its length; a finished row keeps its state.

    Shapes: x (B, T, D), weight_ih (4H, D), weight_hh (4H, H), bias (4H,), h0 and c0
    (B, H), lengths (B,), peephole (3H,), zoneout a number or (B, T, H). With weight_hr
    (R, H) all of h is R wide. h is 0 past a sequence's end, and x is not read there.
    """
    outputs = np.zeros((*x.shape[:2], weight_hh.shape[1]), dtype=x.dtype)
    stays_h = np.broadcast_to(zoneout_h, outputs.shape)
    stays_c = np.broadcast_to(zoneout_c, (*x.shape[:2], c0.shape[1]))
    p_i, p_f, p_o = _peepholes(peephole, c0)
    h, c, steps = h0, c0, []
    for t in range(x.shape[1]):
        running = lengths > t
        x_t = np.where(running[:, None], x[:, t], x.dtype.type(0))
        a = x_t @ weight_ih.T + h @ weight_hh.T + bias
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
        i, f = sigmoid(a_i + p_i * c), sigmoid(a_f + p_f * c)
        g = np.tanh(a_g) if candidate == "tanh" else sigmoid(a_g)
        c_new = f * c + i * g
        o = sigmoid(a_o + p_o * c_new)
        h_new = o * np.tanh(c_new)
        if weight_hr is not None:
            h_new = h_new @ weight_hr.T
        stay_h, stay_c = stays_h[:, t], stays_c[:, t]
        steps.append(Step(running, h, c, i, f, g, o, c_new, stay_h, stay_c))
        c = np.where(running[:, None], stay_c * c + (1 - stay_c) * c_new, c)
        h = np.where(running[:, None], stay_h * h + (1 - stay_h) * h_new, h)
        outputs[running, t] = h[running]
    return Forward(outputs, h, c, steps)


def lstm_backward(
    dh: Array,
    x: Array,
    weight_ih: Array,
    weight_hh: Array,
    steps: list[Step],
    dh_last: Array,
    dc_last: Array,
    candidate: str = "tanh",
    peephole: Array | None = None,
    weight_hr: Array | None = None,
) -> Backward:
    """Backpropagation through time, from the gradients of h, h_last and c_last."""
    dx, dweight_ih = np.zeros_like(x), np.zeros_like(weight_ih)
    dweight_hh = np.zeros_like(weight_hh)
    dbias = np.zeros(weight_hh.shape[0], dtype=x.dtype)
    p_i, p_f, p_o = _peepholes(peephole, dc_last)
    dpeephole = np.zeros((3, dc_last.shape[1]), dtype=x.dtype)
    dweight_hr = None if weight_hr is None else np.zeros_like(weight_hr)
    dh_carried, dc_carried = dh_last.copy(), dc_last.copy()
    for t in reversed(range(x.shape[1])):
        running, h_before, c_before, i, f, g, o, c, stay_h, stay_c = steps[t]
        on = running[:, None]
        dh_after = dh_carried + np.where(on, dh[:, t], 0)
        dh_t = (1 - stay_h) * dh_after
        tanh_c = np.tanh(c)
        if weight_hr is not None:
            dweight_hr += dh_t[running].T @ (o * tanh_c)[running]
            dh_t = dh_t @ weight_hr
        da_o = dh_t * tanh_c * o * (1 - o)
        dc_t = (1 - stay_c) * dc_carried + dh_t * o * (1 - tanh_c**2) + da_o * p_o
        slope = 1 - g**2 if candidate == "tanh" else g * (1 - g)
        da_i, da_f = dc_t * g * i * (1 - i), dc_t * c_before * f * (1 - f)
        da = np.concatenate([da_i, da_f, dc_t * i * slope, da_o], axis=1)[running]
        seen = np.stack([da_i * c_before, da_f * c_before, da_o * c])
        dpeephole += seen[:, running].sum(axis=1)
        dx[running, t] = da @ weight_ih
        dweight_ih += da.T @ x[running, t]
        dweight_hh += da.T @ h_before[running]
        dbias += da.sum(axis=0)
        dh_carried[running] = da @ weight_hh + (stay_h * dh_after)[running]
        dc_before = dc_t * f + da_i * p_i + da_f * p_f + stay_c * dc_carried
        dc_carried = np.where(on, dc_before, dc_carried)
    return Backward(
        *(dx, dweight_ih, dweight_hh, dbias, dh_carried, dc_carried),
        dpeephole.ravel(),
        dweight_hr,
    )


def _peepholes(peephole: Array | None, like: Array) -> list[Array]:
    """Split peepholes into those of i, f, o; zeros where there are none."""
    if peephole is None:
        peephole = np.zeros(3 * like.shape[1], like.dtype)
    return np.split(peephole, 3)


class RNNForward(NamedTuple):
    """Results and trace of :func:`rnn_forward`: (running, h before, h) of each step."""

    h: Array
    h_last: Array
    steps: list[tuple[NDArray[np.bool_], Array, Array]]


class RNNBackward(NamedTuple):
    """Gradients of :func:`rnn_backward`."""

    dx: Array
    dweight_ih: Array
    dweight_hh: Array
    dbias: Array
    dh0: Array


def rnn_forward(
    x: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array,
    h0: Array,
    lengths: NDArray[np.int64],
    nonlinearity: str = "tanh",
) -> RNNForward:
    """h_t = f(weight_ih x_t + weight_hh h_(t-1) + bias), f = tanh or max(., 0).

    Shapes: x (B, T, D), weight_ih (H, D), weight_hh (H, H), bias (H,), h0 (B, H),
    lengths (B,). h is 0 past a sequence's end, and x is not read there.
    """
    outputs = np.zeros((*x.shape[:2], weight_hh.shape[1]), dtype=x.dtype)
    h, steps = h0, []
    for t in range(x.shape[1]):
        running = lengths > t
        x_t = np.where(running[:, None], x[:, t], x.dtype.type(0))
        a = x_t @ weight_ih.T + h @ weight_hh.T + bias
        h_new = np.tanh(a) if nonlinearity == "tanh" else np.maximum(a, 0)
        steps.append((running, h, h_new))
        h = np.where(running[:, None], h_new, h)
        outputs[running, t] = h[running]
    return RNNForward(outputs, h, steps)


def rnn_backward(
    dh: Array,
    x: Array,
    weight_ih: Array,
    weight_hh: Array,
    steps: list[tuple[NDArray[np.bool_], Array, Array]],
    dh_last: Array,
    nonlinearity: str = "tanh",
) -> RNNBackward:
    """Backpropagation through time, from the gradients of h and h_last."""
    dx, dweight_ih = np.zeros_like(x), np.zeros_like(weight_ih)
    dweight_hh = np.zeros_like(weight_hh)
    dbias = np.zeros(weight_hh.shape[0], dtype=x.dtype)
    carried = dh_last.copy()
    for t in reversed(range(x.shape[1])):
        running, h_before, h = steps[t]
        dh_t = carried + np.where(running[:, None], dh[:, t], 0)
        slope = 1 - h**2 if nonlinearity == "tanh" else h > 0
        da = (dh_t * slope)[running]
        dx[running, t] = da @ weight_ih
        dweight_ih += da.T @ x[running, t]
        dweight_hh += da.T @ h_before[running]
        dbias += da.sum(axis=0)
        carried[running] = da @ weight_hh
    return RNNBackward(dx, dweight_ih, dweight_hh, dbias, carried)
