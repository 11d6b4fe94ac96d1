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

With layer normalisation (Ba, Kiros and Hinton 2016, equations 20 to 22) the gates are
``gain_ih * N(x @ weight_ih.T) + gain_hh * N(h @ weight_hh.T) + bias``, and
``gain_c * N(c) + bias_c`` stands in the output's tanh; N takes a row's mean away and
divides by sqrt(variance + 1e-5).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


class Norm(NamedTuple):
    """Rows normalised, and by what they were divided."""

    hat: Array
    deviation: Array


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
    tanh_c: Array
    norms: tuple[Norm, ...]


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
    dlayer_norm: Array


def normalise(rows: Array) -> Norm:
    """N of each row."""
    centred = rows - _mean(rows)
    deviation = np.sqrt(_mean(centred**2) + 1e-5)
    return Norm(centred / deviation, deviation)


def normalise_backward(gradient: Array, norm: Norm) -> Array:
    """Gradient of the rows from that of N."""
    hat, deviation = norm
    slope = _mean(gradient * hat)
    rows: Array = (gradient - _mean(gradient) - hat * slope) / deviation
    return rows


def _mean(rows: Array) -> Array:
    """Mean of each row; 0 of one without elements."""
    mean: Array = rows.sum(axis=1, keepdims=True) / max(1, rows.shape[1])
    return mean


def sigmoid(a: Array) -> Array:
    """1 / (1 + exp(-a)), without overflow."""
    e = np.exp(-np.abs(a))
    value: Array = np.where(a >= 0, 1.0, e).astype(a.dtype) / (1 + e)
    return value


def round_to_bfloat16(values: Array) -> Array:
    """Return the nearest values of 8 bits of precision, of two the even one.

    In float32's range: their last bit stands at 2**-133 or above, and what would be
    2**128 is infinity.
    """
    exponent = np.frexp(values.astype(np.float64))[1]
    last = np.ldexp(1.0, np.maximum(exponent, -125) - 8)
    with np.errstate(over="ignore"):
        rounded: Array = (np.round(values / last) * last).astype(np.float32)
    return rounded


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
    layer_norm: Array | None = None,
) -> Forward:
    """Run every sequence to its length; a finished row keeps its state.

    Shapes: x (B, T, D), weight_ih (4H, D), weight_hh (4H, H), bias (4H,), h0 and c0
    (B, H), lengths (B,), peephole (3H,), zoneout a number or (B, T, H). With weight_hr
    (R, H) all of h is R wide. h is 0 past a sequence's end, and x is not read there.
    layer_norm (10H,) holds gain_ih and gain_hh (4H), gain_c and bias_c (H).
    """
    outputs = np.zeros((*x.shape[:2], weight_hh.shape[1]), dtype=x.dtype)
    stays_h = np.broadcast_to(zoneout_h, outputs.shape)
    stays_c = np.broadcast_to(zoneout_c, (*x.shape[:2], c0.shape[1]))
    p_i, p_f, p_o = _peepholes(peephole, c0)
    gains = _gains(layer_norm, c0)
    h, c, steps = h0, c0, []
    for t in range(x.shape[1]):
        running = lengths > t
        x_t = np.where(running[:, None], x[:, t], x.dtype.type(0))
        sum_ih, sum_hh = x_t @ weight_ih.T, h @ weight_hh.T
        norms: tuple[Norm, ...] = ()
        if layer_norm is not None:
            norms = normalise(sum_ih), normalise(sum_hh)
            sum_ih, sum_hh = gains[0] * norms[0].hat, gains[1] * norms[1].hat
        a = sum_ih + sum_hh + bias
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
        i, f = sigmoid(a_i + p_i * c), sigmoid(a_f + p_f * c)
        g = np.tanh(a_g) if candidate == "tanh" else sigmoid(a_g)
        c_new = f * c + i * g
        o = sigmoid(a_o + p_o * c_new)
        seen = c_new
        if layer_norm is not None:
            norms = (*norms, normalise(c_new))
            seen = gains[2] * norms[2].hat + gains[3]
        tanh_c = np.tanh(seen)
        h_new = o * tanh_c
        if weight_hr is not None:
            h_new = h_new @ weight_hr.T
        stay_h, stay_c = stays_h[:, t], stays_c[:, t]
        stays = stay_h, stay_c
        steps.append(Step(running, h, c, i, f, g, o, c_new, *stays, tanh_c, norms))
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
    layer_norm: Array | None = None,
) -> Backward:
    """Backpropagation through time, from the gradients of h, h_last and c_last."""
    dx, dweight_ih = np.zeros_like(x), np.zeros_like(weight_ih)
    dweight_hh = np.zeros_like(weight_hh)
    dbias = np.zeros(weight_hh.shape[0], dtype=x.dtype)
    p_i, p_f, p_o = _peepholes(peephole, dc_last)
    dpeephole = np.zeros((3, dc_last.shape[1]), dtype=x.dtype)
    dweight_hr = None if weight_hr is None else np.zeros_like(weight_hr)
    gains = _gains(layer_norm, dc_last)
    dlayer_norm = np.zeros(10 * dc_last.shape[1], dtype=x.dtype)
    dgains = _gains(dlayer_norm, dc_last)
    dh_carried, dc_carried = dh_last.copy(), dc_last.copy()
    for t in reversed(range(x.shape[1])):
        running, h_before, c_before, i, f, g, o, c, stay_h, stay_c = steps[t][:10]
        tanh_c, norms = steps[t][10:]
        on = running[:, None]
        dh_after = dh_carried + np.where(on, dh[:, t], 0)
        dh_t = (1 - stay_h) * dh_after
        if weight_hr is not None:
            dweight_hr += dh_t[running].T @ (o * tanh_c)[running]
            dh_t = dh_t @ weight_hr
        da_o = dh_t * tanh_c * o * (1 - o)
        dseen = dh_t * o * (1 - tanh_c**2)
        if layer_norm is not None:
            dgains[2] += (dseen * norms[2].hat)[running].sum(axis=0)
            dgains[3] += dseen[running].sum(axis=0)
            dseen = normalise_backward(dseen * gains[2], norms[2])
        dc_t = (1 - stay_c) * dc_carried + dseen + da_o * p_o
        slope = 1 - g**2 if candidate == "tanh" else g * (1 - g)
        da_i, da_f = dc_t * g * i * (1 - i), dc_t * c_before * f * (1 - f)
        da = np.concatenate([da_i, da_f, dc_t * i * slope, da_o], axis=1)[running]
        seen = np.stack([da_i * c_before, da_f * c_before, da_o * c])
        dpeephole += seen[:, running].sum(axis=1)
        dbias += da.sum(axis=0)
        da_ih = da_hh = da
        if layer_norm is not None:
            norm_ih, norm_hh = (
                Norm(hat[running], deviation[running]) for hat, deviation in norms[:2]
            )
            dgains[0] += (da * norm_ih.hat).sum(axis=0)
            dgains[1] += (da * norm_hh.hat).sum(axis=0)
            da_ih = normalise_backward(da * gains[0], norm_ih)
            da_hh = normalise_backward(da * gains[1], norm_hh)
        dx[running, t] = da_ih @ weight_ih
        dweight_ih += da_ih.T @ x[running, t]
        dweight_hh += da_hh.T @ h_before[running]
        dh_carried[running] = da_hh @ weight_hh + (stay_h * dh_after)[running]
        dc_before = dc_t * f + da_i * p_i + da_f * p_f + stay_c * dc_carried
        dc_carried = np.where(on, dc_before, dc_carried)
    return Backward(
        *(dx, dweight_ih, dweight_hh, dbias, dh_carried, dc_carried),
        dpeephole.ravel(),
        dweight_hr,
        dlayer_norm,
    )


def _gains(layer_norm: Array | None, like: Array) -> list[Array]:
    """Views of gain_ih, gain_hh, gain_c and bias_c; nobody's where there are none."""
    hidden = like.shape[1]
    if layer_norm is None:
        layer_norm = np.zeros(10 * hidden, like.dtype)
    return np.split(layer_norm, [4 * hidden, 8 * hidden, 9 * hidden])


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
