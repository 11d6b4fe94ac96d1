"""The LSTM as torch, onnxruntime, jax and NumPy do it, on the inputs of our cases.

Inputs are mappings with ``x`` (B, T, D), ``weight_ih`` (4H, D), ``weight_hh`` (4H, H),
``bias`` (4H,), gates in the order i, f, g, o, the gradient ``dh`` (B, T, H), and
``lengths`` (B,) or None. Answers are (h, h_last, c_last), or for training
(dx, dweight_ih, dweight_hh, dbias).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.bench import peers
from fastnotes.bench.case import Inputs, Run


def fastest(runs: Sequence[Run], repeats: int = 3) -> Run:
    """Return the quickest of several ways, each warmed up before it is tried."""

    def best_time(run: Run) -> float:
        run()
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return min(times)

    return min(runs, key=best_time)


# ---------------------------------------------------------------- torch


def torch_inference(inputs: Inputs, n_threads: int) -> Run:
    """``torch.nn.LSTM``: the faster of its two layouts; also packed, with lengths."""
    torch = peers.torch_with(n_threads)
    ways = [_torch_padded(torch, inputs, batch_first) for batch_first in (False, True)]
    if inputs["lengths"] is not None:
        ways.append(_torch_packed(torch, inputs))
    return fastest(ways)


def _torch_lstm(torch: Any, inputs: Inputs, batch_first: bool) -> Any:
    n_gates, hidden = inputs["weight_hh"].shape
    lstm = torch.nn.LSTM(inputs["x"].shape[2], hidden, batch_first=batch_first)
    values = (
        inputs["weight_ih"],
        inputs["weight_hh"],
        inputs["bias"],
        np.zeros(n_gates, dtype=np.float32),
    )
    with torch.no_grad():
        for parameter, value in zip(lstm.parameters(), values, strict=True):
            parameter.copy_(torch.from_numpy(value))
    return lstm.eval()


def _torch_input(torch: Any, inputs: Inputs, batch_first: bool) -> Any:
    x = torch.from_numpy(inputs["x"])
    return x if batch_first else x.transpose(0, 1).contiguous()


def _torch_padded(torch: Any, inputs: Inputs, batch_first: bool) -> Run:
    """Run over the padding too; then mask h and pick the last valid step."""
    lstm = _torch_lstm(torch, inputs, batch_first)
    x = _torch_input(torch, inputs, batch_first)
    lengths = inputs["lengths"]
    if lengths is None:

        def run() -> Any:
            with torch.inference_mode():
                h, (h_last, c_last) = lstm(x)
            return (h if batch_first else h.transpose(0, 1)), h_last[0], c_last[0]

        return run

    n_steps = inputs["x"].shape[1]
    ends = torch.from_numpy(lengths)
    valid = (torch.arange(n_steps) < ends[:, None])[:, :, None]
    rows, last = torch.arange(len(lengths)), ends - 1

    def run_masked() -> Any:
        with torch.inference_mode():
            h, _ = lstm(x)
            h = (h if batch_first else h.transpose(0, 1)) * valid
            return h, h[rows, last]

    return run_masked


def torch_rounded(inputs: Inputs, n_threads: int) -> Run:
    """``torch.nn.LSTM`` in bfloat16: weights, inputs and states."""
    torch = peers.torch_with(n_threads)
    lstm = _torch_lstm(torch, inputs, batch_first=True).to(torch.bfloat16)
    x = torch.from_numpy(inputs["x"]).to(torch.bfloat16)

    def run() -> Any:
        with torch.inference_mode():
            h, (h_last, c_last) = lstm(x)
            return h, h_last[0], c_last[0]

    return run


def torch_rounded_answer(raw: Any) -> Any:
    """NumPy has no bfloat16."""
    return tuple(each.float() for each in raw)


def torch_rounded_step(inputs: Inputs, n_threads: int) -> Run:
    """``torch.nn.LSTMCell`` in bfloat16."""
    return _torch_cell_step(inputs, n_threads, "bfloat16")


def _torch_packed(torch: Any, inputs: Inputs) -> Run:
    lstm = _torch_lstm(torch, inputs, batch_first=True)
    x, lengths = torch.from_numpy(inputs["x"]), torch.from_numpy(inputs["lengths"])
    rnn = torch.nn.utils.rnn

    def run() -> Any:
        with torch.inference_mode():
            packed = rnn.pack_padded_sequence(
                x, lengths, batch_first=True, enforce_sorted=False
            )
            h, (h_last, _) = lstm(packed)
            h, _ = rnn.pad_packed_sequence(h, batch_first=True, total_length=x.shape[1])
            return h, h_last[0]

    return run


def torch_training(inputs: Inputs, n_threads: int) -> Run:
    """Forward and backward through ``torch.nn.LSTM``, the faster of its two layouts."""
    torch = peers.torch_with(n_threads)
    layouts = (False, True)
    return fastest([_torch_gradients(torch, inputs, layout) for layout in layouts])


def _torch_gradients(torch: Any, inputs: Inputs, batch_first: bool) -> Run:
    lstm = _torch_lstm(torch, inputs, batch_first).train()
    x = _torch_input(torch, inputs, batch_first).requires_grad_()
    dh = torch.from_numpy(inputs["dh"])
    dh = dh if batch_first else dh.transpose(0, 1).contiguous()
    weights = list(lstm.parameters())[:3]

    def run() -> Any:
        h, _ = lstm(x)
        dx, *rest = torch.autograd.grad(h, [x, *weights], dh)
        return (dx if batch_first else dx.transpose(0, 1)), *rest

    return run


def torch_step_by_layer(inputs: Inputs, n_threads: int) -> Run:
    """``torch.nn.LSTM`` called for one step, the layer that training leaves behind."""
    torch = peers.torch_with(n_threads)
    lstm = _torch_lstm(torch, inputs, batch_first=False)
    x, h, c = (state[None] for state in _torch_step_inputs(torch, inputs))

    def run() -> Any:
        with torch.inference_mode():
            _, (h_last, c_last) = lstm(x, (h, c))
            return h_last[0], c_last[0]

    return run


def torch_step_by_cell(inputs: Inputs, n_threads: int) -> Run:
    """``torch.nn.LSTMCell``, for weights copied into one."""
    return _torch_cell_step(inputs, n_threads, "float32")


def _torch_cell_step(inputs: Inputs, n_threads: int, dtype: str) -> Run:
    torch = peers.torch_with(n_threads)
    lstm = _torch_lstm(torch, inputs, batch_first=False)
    cell = torch.nn.LSTMCell(lstm.input_size, lstm.hidden_size)
    with torch.no_grad():
        for target, source in zip(cell.parameters(), lstm.parameters(), strict=True):
            target.copy_(source)
    kept = getattr(torch, dtype)
    cell.to(kept)
    x, h, c = (each.to(kept) for each in _torch_step_inputs(torch, inputs))

    def run() -> Any:
        with torch.inference_mode():
            return cell(x, (h, c))

    return run


def _torch_step_inputs(torch: Any, inputs: Inputs) -> tuple[Any, Any, Any]:
    x = torch.from_numpy(inputs["x"][:, 0])
    return x, torch.from_numpy(inputs["h0"]), torch.from_numpy(inputs["c0"])


# ---------------------------------------------------------------- onnxruntime


def onnx_inference(inputs: Inputs, n_threads: int) -> Run:
    """Run the LSTM node of an ONNX model."""
    session = peers.onnx_session(_onnx_model(inputs), n_threads)
    feed = {"x": np.ascontiguousarray(inputs["x"].transpose(1, 0, 2))}
    if inputs["lengths"] is not None:
        feed["lengths"] = inputs["lengths"].astype(np.int32)
    return lambda: session.run(None, feed)


def onnx_answer(raw: Any) -> tuple[NDArray[Any], ...]:
    """(h, h_last, c_last) from the node's time-major outputs."""
    h, h_last, c_last = raw
    return h[:, 0].transpose(1, 0, 2), h_last[0], c_last[0]


def onnx_step(inputs: Inputs, n_threads: int) -> Run:
    """Run the same node over one step from a given state."""
    session = peers.onnx_session(_onnx_model(inputs, with_state=True), n_threads)
    feed = {
        "x": inputs["x"][:, 0][None].copy(),
        "h0": inputs["h0"][None],
        "c0": inputs["c0"][None],
    }
    return lambda: session.run(["h_last", "c_last"], feed)


def onnx_step_answer(raw: Any) -> tuple[NDArray[Any], ...]:
    """(h, c) without the direction axis."""
    h, c = raw
    return h[0], c[0]


def _onnx_model(inputs: Inputs, with_state: bool = False) -> Any:
    onnx = peers.load("onnx")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    hidden = inputs["weight_hh"].shape[1]

    def constant(name: str, value: NDArray[Any]) -> Any:
        return onnx.numpy_helper.from_array(value[None], name)

    names = ["x", "w", "r", "b"]
    feeds = [helper.make_tensor_value_info("x", real, ["T", "B", "D"])]
    if inputs["lengths"] is not None:
        names.append("lengths")
        integer = onnx.TensorProto.INT32
        feeds.append(helper.make_tensor_value_info("lengths", integer, ["B"]))
    if with_state:
        names += ["", "h0", "c0"]
        feeds += [
            helper.make_tensor_value_info(state, real, [1, "B", hidden])
            for state in ("h0", "c0")
        ]
    outputs = ["h", "h_last", "c_last"]
    zeros = np.zeros_like(inputs["bias"])
    graph = helper.make_graph(
        [helper.make_node("LSTM", names, outputs, hidden_size=hidden)],
        "lstm",
        feeds,
        [helper.make_tensor_value_info(name, real, None) for name in outputs],
        [
            constant("w", _onnx_gates(inputs["weight_ih"])),
            constant("r", _onnx_gates(inputs["weight_hh"])),
            constant("b", np.concatenate([_onnx_gates(inputs["bias"]), zeros])),
        ],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def _onnx_gates(value: NDArray[Any]) -> NDArray[Any]:
    """Gates i, f, g, o in ONNX's order i, o, f, g."""
    i, f, g, o = np.split(value, 4)
    return np.concatenate([i, o, f, g])


# ---------------------------------------------------------------- jax


def _jax_forward(jax: Any) -> Any:
    def forward(x: Any, weight_ih: Any, weight_hh: Any, bias: Any) -> Any:
        projected = x @ weight_ih.T + bias
        zeros = jax.numpy.zeros((x.shape[0], weight_hh.shape[1]), x.dtype)

        def step(state: Any, a_t: Any) -> Any:
            h, c = state
            a = a_t + h @ weight_hh.T
            i, f, g, o = jax.numpy.split(a, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
            h = jax.nn.sigmoid(o) * jax.numpy.tanh(c)
            return (h, c), h

        time_major = projected.transpose(1, 0, 2)
        (h_last, c_last), h = jax.lax.scan(step, (zeros, zeros), time_major)
        return h.transpose(1, 0, 2), h_last, c_last

    return forward


def _jax_arguments(jax: Any, inputs: Inputs) -> list[Any]:
    names = ("x", "weight_ih", "weight_hh", "bias")
    return [jax.numpy.asarray(inputs[name]) for name in names]


def jax_inference(inputs: Inputs, n_threads: int) -> Run:
    """``lax.scan`` under jit."""
    jax = peers.jax_with(n_threads)
    compiled, arguments = jax.jit(_jax_forward(jax)), _jax_arguments(jax, inputs)
    return lambda: jax.block_until_ready(compiled(*arguments))


def jax_training(inputs: Inputs, n_threads: int) -> Run:
    """The vector-Jacobian product of the same, under jit."""
    jax = peers.jax_with(n_threads)
    arguments = _jax_arguments(jax, inputs)
    return jax_gradients(jax, _jax_forward(jax), arguments, inputs["dh"])


def jax_gradients(
    jax: Any, forward: Any, arguments: list[Any], dh: NDArray[Any]
) -> Run:
    """What dh gives every argument through the first result of ``forward``."""
    dh = jax.numpy.asarray(dh)

    def gradients(dh: Any, *arguments: Any) -> Any:
        _, pullback = jax.vjp(lambda *a: forward(*a)[0], *arguments)
        return pullback(dh)

    compiled = jax.jit(gradients)
    return lambda: jax.block_until_ready(compiled(dh, *arguments))


# ---------------------------------------------------------------- NumPy


def numpy_inference(inputs: Inputs, n_threads: int) -> Run:
    """Our NumPy reference, in the inputs' precision."""
    peers.numpy_with(n_threads)
    return lambda: reference_forward(inputs)


def numpy_training(inputs: Inputs, n_threads: int) -> Run:
    """Our NumPy reference, forward and backward."""
    peers.numpy_with(n_threads)
    return lambda: reference_gradients(inputs)


def reference_forward(inputs: Inputs, dtype: Any = np.float32) -> Any:
    """(h, h_last, c_last) of the NumPy reference."""
    h, h_last, c_last, _ = _reference(inputs, dtype)
    return h, h_last, c_last


def reference_gradients(inputs: Inputs, dtype: Any = np.float32) -> Any:
    """(dx, dweight_ih, dweight_hh, dbias) of the NumPy reference."""
    from fastnotes._reference import recurrent

    *_, steps = _reference(inputs, dtype)
    dh, x, weight_ih, weight_hh = (
        inputs[name].astype(dtype) for name in ("dh", "x", "weight_ih", "weight_hh")
    )
    zeros = np.zeros((len(x), weight_hh.shape[1]), dtype)
    return recurrent.lstm_backward(dh, x, weight_ih, weight_hh, steps, zeros, zeros)[:4]


def _reference(inputs: Inputs, dtype: Any) -> Any:
    from fastnotes._reference import recurrent

    x, weight_ih, weight_hh, bias = (
        inputs[name].astype(dtype, copy=False)
        for name in ("x", "weight_ih", "weight_hh", "bias")
    )
    n_rows, n_steps, _ = x.shape
    zeros = np.zeros((n_rows, weight_hh.shape[1]), dtype)
    h0, c0 = (inputs.get(name, zeros).astype(dtype) for name in ("h0", "c0"))
    lengths = inputs["lengths"]
    if lengths is None:
        lengths = np.full(n_rows, n_steps, dtype=np.int64)
    return recurrent.lstm_forward(x, weight_ih, weight_hh, bias, h0, c0, lengths)
