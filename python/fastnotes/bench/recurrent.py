"""Cases of the recurrent room: one LSTM layer, inference, training and streaming."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.bench import (
    language_model,
    recurrent_normed,
    recurrent_ragged,
    recurrent_rnn,
)
from fastnotes.bench import recurrent_peers as of
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run
from fastnotes.bench.recurrent_work import work_of

FORWARD_BOUND = 2e-5
GRADIENT_BOUND = 1e-4
"""float32 recurrences against the float64 reference; gradients sum over all steps."""

ROUNDED_BOUND = 2e-2
"""Weights in bfloat16, and with torch states too, against the same reference."""


def layer(
    x: NDArray[np.float32], hidden: int, lengths: NDArray[np.int64] | None = None
) -> Inputs:
    """Inputs x with random weights as torch starts them, and a gradient of h."""
    rng = np.random.default_rng(0)
    bound = 1 / np.sqrt(hidden)

    def weights(*shape: int) -> NDArray[np.float32]:
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    dh = rng.standard_normal((*x.shape[:2], hidden), dtype=np.float32)
    if lengths is not None:
        dh[np.arange(x.shape[1]) >= lengths[:, None]] = 0
    return {
        "x": np.ascontiguousarray(x),
        "weight_ih": weights(4 * hidden, x.shape[2]),
        "weight_hh": weights(4 * hidden, hidden),
        "bias": weights(4 * hidden),
        "dh": dh,
        "lengths": lengths,
    }


def digits(n_rows: int, hidden: int) -> Inputs:
    """Return scikit-learn's digits as sequences of 8 rows of 8 pixels."""
    from sklearn.datasets import load_digits

    images = load_digits().images[:n_rows] / 16
    return layer(images.astype(np.float32), hidden)


def vowels(hidden: int) -> Inputs:
    """Return the 370 test sequences of Japanese Vowels, 7 to 29 steps, padded."""
    from fastnotes import datasets

    x, lengths = datasets.load_japanese_vowels().test.padded()
    return layer(x, hidden, lengths)


def shakespeare(n_rows: int, n_steps: int, embedding: int, hidden: int) -> Inputs:
    """Return windows of Tiny Shakespeare as random embeddings of its characters."""
    from fastnotes import datasets

    text = datasets.load_tiny_shakespeare()
    codes = text.train[: n_rows * n_steps].reshape(n_rows, n_steps)
    rng = np.random.default_rng(1)
    size = (len(text.vocabulary), embedding)
    return layer(rng.standard_normal(size, dtype=np.float32)[codes], hidden)


def generated(n_rows: int, n_steps: int, hidden: int) -> Inputs:
    """Return normal inputs, as wide as the layer."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((n_rows, n_steps, hidden), dtype=np.float32)
    return layer(x, hidden)


def one_step(n_rows: int, hidden: int) -> Inputs:
    """Return one step of input and the state before it."""
    rng = np.random.default_rng(3)
    h0, c0 = rng.uniform(-1, 1, (2, n_rows, hidden)).astype(np.float32)
    return {**generated(n_rows, 1, hidden), "h0": h0, "c0": c0}


# ---------------------------------------------------------------- ours


def _packed(inputs: Inputs, dtype: str | None) -> Any:
    from fastnotes.recurrent import LSTMWeights

    layer = (inputs[name] for name in ("weight_ih", "weight_hh", "bias"))
    return LSTMWeights(*layer, dtype=dtype)


def _our_inference(inputs: Inputs, n_threads: int, dtype: str | None = None) -> Run:
    weights = _packed(inputs, dtype)
    x, lengths = inputs["x"], inputs["lengths"]
    return lambda: weights.forward(x, lengths=lengths, n_threads=n_threads)


def _our_training(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes.recurrent import lstm_backward, lstm_forward

    names = ("x", "weight_ih", "weight_hh", "bias")
    arguments = [inputs[name] for name in names]
    dh, lengths = inputs["dh"], inputs["lengths"]

    def run() -> Any:
        out = lstm_forward(*arguments, lengths=lengths, n_threads=n_threads)
        cache: Any = out.cache
        return lstm_backward(dh, cache, n_threads=n_threads)

    return run


def _our_step(inputs: Inputs, n_threads: int, dtype: str | None = None) -> Run:
    weights = _packed(inputs, dtype)
    x = np.ascontiguousarray(inputs["x"][:, 0])
    h, c = inputs["h0"], inputs["c0"]
    return lambda: weights.step(x, h, c)


# ---------------------------------------------------------------- agreement and work


def _states(raw: Any) -> tuple[Any, ...]:
    return raw.h, raw.h_last, raw.c_last


def _gradients(raw: Any) -> tuple[Any, ...]:
    return raw.dx, raw.dweight_ih, raw.dweight_hh, raw.dbias


def _forward_error(inputs: Inputs, answer: Any, reference: Any) -> float:
    """Largest absolute difference, of |h| <= 1; c_last only where a peer returns it."""
    gaps = [
        float(np.max(np.abs(np.asarray(ours, dtype=np.float64) - theirs)))
        for ours, theirs in zip(answer, reference, strict=False)
    ]
    return max(gaps)


def _exact_states(inputs: Inputs) -> Any:
    return of.reference_forward(inputs, np.float64)


def _exact_step(inputs: Inputs) -> Any:
    return of.reference_forward(inputs, np.float64)[1:]


def _exact_gradients(inputs: Inputs) -> Any:
    return of.reference_gradients(inputs, np.float64)


# ---------------------------------------------------------------- cases


_INFERENCE = (
    Contender(OURS, "LSTMWeights.forward", _our_inference, answer=_states),
    Contender("torch", "nn.LSTM, faster layout", of.torch_inference, "torch"),
    Contender(
        "onnxruntime",
        "LSTM node",
        of.onnx_inference,
        "onnxruntime",
        answer=of.onnx_answer,
    ),
    Contender("jax", "jit of lax.scan", of.jax_inference, "jax"),
    Contender("numpy", "step by step", of.numpy_inference, "numpy"),
)
_RAGGED = tuple(each for each in _INFERENCE if each.name != "jax")
_TRAINING = (
    Contender(OURS, "lstm_forward, lstm_backward", _our_training, answer=_gradients),
    Contender("torch", "nn.LSTM, autograd", of.torch_training, "torch"),
    Contender("jax", "jit of vjp of lax.scan", of.jax_training, "jax"),
    Contender("numpy", "step by step", of.numpy_training, "numpy"),
)
_STEP = (
    Contender(OURS, "LSTMWeights.step", _our_step),
    Contender("torch LSTM", "nn.LSTM, one step", of.torch_step_by_layer, "torch"),
    Contender("torch LSTMCell", "nn.LSTMCell", of.torch_step_by_cell, "torch"),
    Contender(
        "onnxruntime",
        "LSTM node",
        of.onnx_step,
        "onnxruntime",
        answer=of.onnx_step_answer,
    ),
)
_IN_FLOAT32 = "fastnotes float32"
_ROUNDED = (
    Contender(
        OURS,
        "LSTMWeights.forward in bfloat16",
        partial(_our_inference, dtype="bfloat16"),
        answer=_states,
    ),
    Contender(_IN_FLOAT32, "LSTMWeights.forward", _our_inference, answer=_states),
    _INFERENCE[1],
    Contender(
        "torch bfloat16",
        "nn.LSTM in bfloat16",
        of.torch_rounded,
        "torch",
        answer=of.torch_rounded_answer,
    ),
)
_ROUNDED_STEP = (
    Contender(
        OURS, "LSTMWeights.step in bfloat16", partial(_our_step, dtype="bfloat16")
    ),
    Contender(_IN_FLOAT32, "LSTMWeights.step", _our_step),
    *_STEP[1:3],
    Contender(
        "torch bfloat16",
        "nn.LSTMCell in bfloat16",
        of.torch_rounded_step,
        "torch",
        answer=of.torch_rounded_answer,
    ),
)


def _inference(name: str, title: str, **options: Any) -> Case:
    options.setdefault("contenders", _INFERENCE)
    options.setdefault("bound", FORWARD_BOUND)
    options.setdefault("work", work_of(1))
    return Case(
        room="recurrent",
        name=f"lstm-forward-{name}",
        title=f"LSTM inference, {title}",
        reference=_exact_states,
        error=_forward_error,
        error_name="max error",
        **options,
    )


def _training(name: str, title: str, **options: Any) -> Case:
    return Case(
        room="recurrent",
        name=f"lstm-train-{name}",
        title=f"LSTM forward and all gradients, {title}",
        contenders=_TRAINING,
        reference=_exact_gradients,
        work=work_of(3),
        bound=GRADIENT_BOUND,
        **options,
    )


def _step(hidden: int, *, quick: bool = False, rounded: bool = False) -> Case:
    parameters = {"n_rows": 1, "hidden": hidden}
    kept = "in bfloat16, " if rounded else ""
    return Case(
        room="recurrent",
        name="lstm-step-" + ("bfloat16-" if rounded else "") + f"h{hidden}",
        title=f"one streaming LSTM step, {kept}one row, {hidden} units",
        build=one_step,
        full=parameters,
        quick=parameters if quick else None,
        contenders=_ROUNDED_STEP if rounded else _STEP,
        reference=_exact_step,
        work=work_of(1, 2 if rounded else 4),
        error=_forward_error,
        error_name="max error",
        bound=ROUNDED_BOUND if rounded else FORWARD_BOUND,
    )


def _in_bfloat16(hidden: int, n_rows: int) -> Case:
    return _inference(
        f"bfloat16-h{hidden}-b{n_rows}",
        f"weights in bfloat16, {hidden} units, {n_rows} x 32 steps",
        build=generated,
        full={"n_rows": n_rows, "n_steps": 32, "hidden": hidden},
        contenders=_ROUNDED,
        work=work_of(1, 2),
        bound=ROUNDED_BOUND,
    )


def _grid() -> tuple[Case, ...]:
    cases = []
    for hidden in (64, 256, 512):
        for n_rows in (1, 16, 64):
            name = f"h{hidden}-b{n_rows}"
            title = f"generated, {hidden} units, {n_rows} x 128 steps"
            options: Mapping[str, Any] = {
                "build": generated,
                "full": {"n_rows": n_rows, "n_steps": 128, "hidden": hidden},
            }
            cases.append(_inference(name, title, **options))
            cases.append(_training(name, title, **options))
    return tuple(cases)


def _cases() -> tuple[Case, ...]:
    small: dict[str, Any] = {
        "build": digits,
        "full": {"n_rows": 1797, "hidden": 64},
        "quick": {"n_rows": 512, "hidden": 64},
    }
    ragged: dict[str, Any] = {
        "build": vowels,
        "full": {"hidden": 64},
        "quick": {"hidden": 64},
        "needs_data": True,
    }
    text: dict[str, Any] = {
        "build": shakespeare,
        "full": {"n_rows": 64, "n_steps": 128, "embedding": 64, "hidden": 256},
        "quick": {"n_rows": 32, "n_steps": 64, "embedding": 64, "hidden": 256},
        "needs_data": True,
    }
    return (
        _inference("digits", "digits as 8 steps of 8 pixels, 64 units", **small),
        _training("digits", "digits as 8 steps of 8 pixels, 64 units", **small),
        _inference(
            "vowels",
            "Japanese Vowels, 7 to 29 steps, 64 units",
            contenders=_RAGGED,
            **ragged,
        ),
        _training("vowels", "Japanese Vowels, 7 to 29 steps, 64 units", **ragged),
        _inference("shakespeare", "Tiny Shakespeare windows, 256 units", **text),
        _training("shakespeare", "Tiny Shakespeare windows, 256 units", **text),
        _step(64, quick=True),
        _step(256),
        *_grid(),
        *(_step(hidden, rounded=True) for hidden in (512, 1024)),
        *(_in_bfloat16(hidden, rows) for hidden in (512, 1024) for rows in (1, 16)),
        *recurrent_normed.CASES,
        *recurrent_rnn.CASES,
        *language_model.CASES,
        *recurrent_ragged.CASES,
    )


CASES = _cases()
