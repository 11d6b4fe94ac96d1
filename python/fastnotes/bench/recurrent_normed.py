"""Cases of the recurrent room: an LSTM with layer normalisation, beside compositions.

No library has the layer; torch and jax make it of their pieces. The plain layer of the
same sizes is lstm-forward-h256-b16 and lstm-train-h256-b16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastnotes._reference import recurrent as reference
from fastnotes.bench import peers
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run
from fastnotes.bench.recurrent_peers import jax_gradients
from fastnotes.bench.recurrent_work import work_of

FORWARD_BOUND = 2e-5
GRADIENT_BOUND = 1e-4
"""As of the plain LSTM's cases."""

WEIGHTS = ("weight_ih", "weight_hh", "bias")
GAINS = ("gain_ih", "gain_hh", "gain_c", "bias_c")


def generated(n_rows: int, n_steps: int, hidden: int) -> Inputs:
    """Return normal inputs as wide as the layer, weights as torch starts them.

    Gains are 0.25: with random weights and gains of 1 the recurrence is chaotic, and
    nobody's float32 says much about its last steps.
    """
    rng = np.random.default_rng(0)
    bound = hidden**-0.5
    gates = 4 * hidden
    shapes = ((gates, hidden), (gates, hidden), (gates,))
    weights = [rng.uniform(-bound, bound, shape).astype(np.float32) for shape in shapes]
    gains = [np.full(n, 0.25, np.float32) for n in (gates, gates, hidden)]
    gains.append(np.zeros(hidden, np.float32))
    x, dh = rng.standard_normal((2, n_rows, n_steps, hidden), dtype=np.float32)
    named = zip((*WEIGHTS, *GAINS), (*weights, *gains), strict=True)
    return {"x": x, "dh": dh, **dict(named)}


def _arguments(inputs: Inputs) -> list[Any]:
    """What has gradients, in the order in which they are compared."""
    return [inputs[name] for name in ("x", *WEIGHTS, *GAINS)]


# ---------------------------------------------------------------- contenders


def _our_inference(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.recurrent import LayerNorm, LSTMWeights

    x, *layer = _arguments(inputs)
    weights = LSTMWeights(*layer[:3], layer_norm=LayerNorm(*layer[3:]))
    return lambda: weights.forward(x, n_threads=n_threads)[:3]


def _our_training(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.recurrent import LayerNorm, lstm_backward, lstm_forward

    arguments, dh = _arguments(inputs), inputs["dh"]
    norm = LayerNorm(*arguments[4:])

    def run() -> Any:
        out = lstm_forward(*arguments[:4], layer_norm=norm, n_threads=n_threads)
        gradients = lstm_backward(dh, out.cache, n_threads=n_threads)
        return (*gradients[:4], *(gradients.dlayer_norm or ()))

    return run


def _torch_states(torch: Any, arguments: list[Any]) -> tuple[Any, Any, Any]:
    """Layer norms around products; the input's of all steps at once."""
    x, weight_ih, weight_hh, bias, gain_ih, gain_hh, gain_c, bias_c = arguments
    layer_norm = torch.nn.functional.layer_norm
    h = c = x.new_zeros(len(x), len(gain_c))
    projected = layer_norm(x @ weight_ih.T, bias.shape, gain_ih, bias)
    outputs = []
    for a_t in projected.unbind(dim=1):
        a = a_t + layer_norm(h @ weight_hh.T, bias.shape, gain_hh)
        i, f, g, o = a.chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * layer_norm(c, gain_c.shape, gain_c, bias_c).tanh()
        outputs.append(h)
    return torch.stack(outputs, dim=1), h, c


def _torch_inference(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)
    arguments = [torch.from_numpy(each) for each in _arguments(inputs)]

    def run() -> Any:
        with torch.inference_mode():
            return _torch_states(torch, arguments)

    return run


def _torch_training(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)
    arguments = [torch.from_numpy(each).requires_grad_() for each in _arguments(inputs)]
    dh = torch.from_numpy(inputs["dh"])

    def run() -> Any:
        return torch.autograd.grad(_torch_states(torch, arguments)[0], arguments, dh)

    return run


def _jax_states(jax: Any) -> Any:
    numpy, sigmoid = jax.numpy, jax.nn.sigmoid

    def normalise(v: Any) -> Any:
        centred = v - v.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        return centred * jax.lax.rsqrt(variance + 1e-5)

    def states(x: Any, weight_ih: Any, weight_hh: Any, bias: Any, *gains: Any) -> Any:
        gain_ih, gain_hh, gain_c, bias_c = gains
        projected = gain_ih * normalise(x @ weight_ih.T) + bias
        zeros = numpy.zeros((len(x), len(gain_c)), x.dtype)

        def step(state: Any, a_t: Any) -> Any:
            h, c = state
            a = a_t + gain_hh * normalise(h @ weight_hh.T)
            i, f, g, o = numpy.split(a, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * numpy.tanh(g)
            h = sigmoid(o) * numpy.tanh(gain_c * normalise(c) + bias_c)
            return (h, c), h

        last, h = jax.lax.scan(step, (zeros, zeros), projected.transpose(1, 0, 2))
        return h.transpose(1, 0, 2), *last

    return states


def _jax_inference(inputs: Inputs, n_threads: int) -> Run:
    jax = peers.jax_with(n_threads)
    compiled = jax.jit(_jax_states(jax))
    arguments = [jax.numpy.asarray(each) for each in _arguments(inputs)]
    return lambda: jax.block_until_ready(compiled(*arguments))


def _jax_training(inputs: Inputs, n_threads: int) -> Run:
    jax = peers.jax_with(n_threads)
    arguments = [jax.numpy.asarray(each) for each in _arguments(inputs)]
    return jax_gradients(jax, _jax_states(jax), arguments, inputs["dh"])


# ---------------------------------------------------------------- cases


def _exact(inputs: Inputs) -> tuple[Any, Any]:
    x, u, w, b, *gains = (each.astype(np.float64) for each in _arguments(inputs))
    zeros = np.zeros((len(x), len(gains[2])))
    norm, ends = np.concatenate(gains), np.full(len(x), x.shape[1])
    out = reference.lstm_forward(x, u, w, b, zeros, zeros, ends, layer_norm=norm)
    dh = inputs["dh"].astype(np.float64)
    back = reference.lstm_backward(
        dh, x, u, w, out.steps, zeros, zeros, layer_norm=norm
    )
    cuts = np.cumsum([len(gain) for gain in gains])[:-1]
    return out[:3], (*back[:4], *np.split(back.dlayer_norm, cuts))


SIZES: Mapping[str, Any] = {
    "room": "recurrent",
    "build": generated,
    "full": {"n_rows": 16, "n_steps": 128, "hidden": 256},
}

CASES = (
    Case(
        name="normed-forward-h256-b16",
        title="layer-normalised LSTM inference, 256 units, 16 x 128 steps",
        contenders=(
            Contender(OURS, "LSTMWeights.forward", _our_inference),
            Contender("torch", "layer_norm and products", _torch_inference, "torch"),
            Contender("jax", "jit of lax.scan", _jax_inference, "jax"),
        ),
        reference=lambda inputs: _exact(inputs)[0],
        work=work_of(1),
        bound=FORWARD_BOUND,
        **SIZES,
    ),
    Case(
        name="normed-train-h256-b16",
        title="layer-normalised LSTM, forward and all gradients, 256 units, 16 x 128",
        contenders=(
            Contender(OURS, "lstm_forward, lstm_backward", _our_training),
            Contender("torch", "the same, autograd", _torch_training, "torch"),
            Contender("jax", "jit of vjp of lax.scan", _jax_training, "jax"),
        ),
        reference=lambda inputs: _exact(inputs)[1],
        work=work_of(3),
        bound=GRADIENT_BOUND,
        **SIZES,
    ),
)
