"""The LSTM against cuDNN (``torch.nn.LSTM``), inference and training.

cuDNN gets the input in its own order, (T, B, D), and runs in full float32 for the
ratio; with TF32, which rounds factors to 10 bits, it is a contender of its own. Both
sides allocate their results. Answers are compared with cuDNN's in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from harness import Calls, Row, relative_error, time_all

from fastnotes.recurrent import LSTMWeights, lstm_backward, lstm_forward

STEPS = 128
FORWARD_BOUND, GRADIENT_BOUND = 2e-5, 1e-4
TF32_FACTOR = 1000


class Case(NamedTuple):
    """One layer with as many inputs as units, torch's own start of the weights."""

    batch: int
    hidden: int
    dtype: torch.dtype = torch.float32

    def text(self, what: str) -> str:
        """Name of the case in the table."""
        kind = "" if self.dtype == torch.float32 else " f8"
        return f"lstm {what} B={self.batch} T={STEPS} H={self.hidden}{kind}"

    @property
    def flops(self) -> int:
        """Of a forward pass; training takes three times as many."""
        return 8 * self.batch * STEPS * self.hidden * 2 * self.hidden


class Layer:
    """The arrays of a case and the ways to run them."""

    def __init__(self, case: Case) -> None:
        generator = torch.Generator("cuda").manual_seed(0)
        shape = (case.batch, STEPS, case.hidden)
        options: Any = {"generator": generator, "device": "cuda", "dtype": case.dtype}
        self.x, self.dh = (torch.randn(shape, **options) for _ in range(2))
        torch.manual_seed(0)
        self.lstm = torch.nn.LSTM(case.hidden, case.hidden).to("cuda", case.dtype)
        self.inference = self.copy(case.dtype).eval()
        with torch.no_grad():
            parameters = [p.detach().clone() for p in self.lstm.parameters()]
        self.weights = (*parameters[:2], parameters[2] + parameters[3])
        self.packed = LSTMWeights(*self.weights)

    def copy(self, dtype: torch.dtype) -> Any:
        """Return the same layer in another dtype."""
        size = self.lstm.hidden_size
        lstm = torch.nn.LSTM(size, size).to("cuda", dtype)
        lstm.load_state_dict(self.lstm.state_dict())
        return lstm

    def ours_forward(self) -> Any:
        """Return h."""
        return self.packed.forward(self.x).h

    def ours_training(self) -> Any:
        """Return all gradients, the forward pass included."""
        out = lstm_forward(self.x, *self.weights)
        return lstm_backward(self.dh, out.cache)

    def cudnn_forward(self, lstm: Any, x: torch.Tensor, tf32: bool) -> Any:
        """Return h (T, B, H)."""
        torch.backends.cudnn.allow_tf32 = tf32
        with torch.no_grad():
            return lstm(x)[0]

    def cudnn_training(self, lstm: Any, x: Any, dh: Any, tf32: bool) -> Any:
        """Return the gradients of x (T, B, D) and of the parameters."""
        torch.backends.cudnn.allow_tf32 = tf32
        h, _ = lstm(x)
        return torch.autograd.grad(h, (x, *lstm.parameters()), dh)

    def time_major(self, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """x, which takes gradients, and dh as (T, B, D)."""
        x, dh = (a.transpose(0, 1).to(dtype).contiguous() for a in (self.x, self.dh))
        return x.requires_grad_(), dh


def rows(quick: bool) -> Iterator[Row]:
    """Yield the rows of the table."""
    hiddens, batches = ((64, 256), (8,)) if quick else ((64, 128, 256), (1, 8, 16))
    cases = [Case(64, 512), *(Case(b, h) for h in hiddens for b in batches)]
    if not quick:
        cases += [Case(64, 1024), Case(256, 512), Case(64, 256, torch.float64)]
    for case in cases:
        layer = Layer(case)
        yield from _forward(case, layer)
        yield from _training(case, layer)


def _forward(case: Case, layer: Layer) -> Iterator[Row]:
    x, _ = layer.time_major(case.dtype)
    x = x.detach()
    calls: Calls = {
        "fastnotes": layer.ours_forward,
        "cuDNN": lambda: layer.cudnn_forward(layer.inference, x, False),
    }
    if case.dtype == torch.float32:
        calls["cuDNN TF32"] = lambda: layer.cudnn_forward(layer.inference, x, True)
    exact = layer.copy(torch.float64)
    reference = layer.cudnn_forward(exact, x.double(), False).cpu().numpy()
    results = {who: call() for who, call in calls.items()}
    results["fastnotes"] = results["fastnotes"].transpose(0, 1)
    errors = {who: relative_error(h, reference) for who, h in results.items()}
    yield from _timed(case, "forward", calls, errors, FORWARD_BOUND, case.flops)


def _training(case: Case, layer: Layer) -> Iterator[Row]:
    x, dh = layer.time_major(case.dtype)
    calls: Calls = {
        "fastnotes": layer.ours_training,
        "cuDNN": lambda: layer.cudnn_training(layer.lstm, x, dh, False),
    }
    if case.dtype == torch.float32:
        calls["cuDNN TF32"] = lambda: layer.cudnn_training(layer.lstm, x, dh, True)
    exact = layer.copy(torch.float64)
    reference = [
        a.cpu().numpy()
        for a in layer.cudnn_training(exact, *layer.time_major(torch.float64), False)
    ]
    errors = {}
    for who, call in calls.items():
        got = call()
        if who == "fastnotes":
            got = (got[0].transpose(0, 1), *got[1:4])
        pairs = zip(got[:4], reference[:4], strict=True)
        errors[who] = max(relative_error(a, b) for a, b in pairs)
    yield from _timed(case, "training", calls, errors, GRADIENT_BOUND, 3 * case.flops)


def _timed(
    case: Case,
    what: str,
    calls: Calls,
    errors: dict[str, float],
    bound: float,
    flops: int,
) -> Iterator[Row]:
    for who, error in errors.items():
        allowed = bound * (TF32_FACTOR if "TF32" in who else 1)
        if not error <= allowed:
            raise AssertionError(f"{case.text(what)}: {who} is off by {error:.1e}")
    times = time_all(calls, repeats=5)
    for who, milliseconds in times.items():
        limit = flops / (milliseconds / 1000) / peak(case.dtype)
        share = None if "TF32" in who else limit
        yield Row(case.text(what), who, milliseconds, share, errors[who])


def peak(dtype: torch.dtype) -> float:
    """Operations a second without tensor cores, at the boost clock."""
    facts = torch.cuda.get_device_properties(0)
    hertz = 1000 * getattr(facts, "clock_rate", 1_980_000)
    lanes = 128 if dtype == torch.float32 else 64
    return 2.0 * facts.multi_processor_count * lanes * hertz
