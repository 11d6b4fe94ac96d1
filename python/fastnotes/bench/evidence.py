"""Cases of the evidence room: bounds and importance weights from log-weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes.bench import evidence_diagnostics, peers
from fastnotes.bench.case import OURS, Case, Contender, Inputs, Run, Score, Work

FLOAT32_BOUND = 5e-5
"""For float32 sums over thousands of samples, taken in sequence by some peers."""


def generated_log_weights(n_samples: int, n_columns: int) -> Inputs:
    """Normal log-weights of standard deviation 3 around -100, as (samples, columns)."""
    rng = np.random.default_rng(0)
    log_w = rng.standard_normal((n_samples, n_columns), dtype=np.float32)
    log_w *= np.float32(3)
    log_w -= np.float32(100)
    return {"log_w": log_w}


def ppca_log_weights(n_samples: int, n_latent: int = 16) -> Inputs:
    """Log-weights of probabilistic PCA on scikit-learn's digits, with exact log p(x).

    Samples come from the best factorised Gaussian, so that the K-sample bound is not
    tight.
    """
    from sklearn.datasets import load_digits

    from fastnotes.evidence.oracles import ProbabilisticPCA

    x = load_digits().data / 16.0
    model = ProbabilisticPCA.fit(x, n_latent)
    log_w = model.log_weights(x, n_samples, random_state=0)
    return {"log_w": log_w.astype(np.float32), "log_p": model.log_evidence(x)}


def exact_weights(inputs: Inputs) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(bound, weights, ess) in float64, in blocks of columns."""
    log_w = inputs["log_w"]
    bound, ess = np.empty((2, log_w.shape[1]))
    weights = np.empty_like(log_w)
    for first in range(0, log_w.shape[1], 4096):
        block = slice(first, first + 4096)
        x = log_w[:, block].astype(np.float64)
        largest = x.max(axis=0)
        e = np.exp(x - largest)
        total = e.sum(axis=0)
        bound[block] = largest + np.log(total / len(log_w))
        weights[:, block] = e / total
        ess[block] = total**2 / np.square(e).sum(axis=0)
    return bound, weights, ess


def exact_bound(inputs: Inputs) -> NDArray[Any]:
    """Return the bound in float64."""
    return exact_weights(inputs)[0]


def _bound_gap(inputs: Inputs, answer: Any) -> float:
    """Mean of log p(x) less the bound, nats per image."""
    bound = answer[0] if isinstance(answer, tuple) else answer
    return float(np.mean(inputs["log_p"] - np.asarray(bound, dtype=np.float64)))


def _bound_work(inputs: Inputs) -> Work:
    return Work(n_bytes=inputs["log_w"].nbytes)


def _weights_work(inputs: Inputs) -> Work:
    return Work(n_bytes=2 * inputs["log_w"].nbytes)


def _our_bound(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes import evidence

    log_w = inputs["log_w"]
    return lambda: evidence.logmeanexp(log_w, axis=0, n_threads=n_threads)


def _our_weights(inputs: Inputs, n_threads: int) -> Run:
    from fastnotes import evidence

    log_w = inputs["log_w"]
    return lambda: evidence.importance_weights(log_w, axis=0, n_threads=n_threads)


def _numpy_bound(inputs: Inputs, n_threads: int) -> Run:
    log_w = inputs["log_w"]

    def run() -> Any:
        largest = log_w.max(axis=0)
        return largest + np.log(np.exp(log_w - largest).mean(axis=0))

    return run


def _numpy_weights(inputs: Inputs, n_threads: int) -> Run:
    log_w = inputs["log_w"]

    def run() -> Any:
        largest = log_w.max(axis=0)
        weights = np.exp(log_w - largest)
        total = weights.sum(axis=0)
        weights /= total
        bound = largest + np.log(total / len(log_w))
        return bound, weights, 1 / np.einsum("kb,kb->b", weights, weights)

    return run


def _scipy_bound(inputs: Inputs, n_threads: int) -> Run:
    special, log_w = peers.load("scipy.special"), inputs["log_w"]
    log_k = np.float32(np.log(len(log_w)))
    return lambda: special.logsumexp(log_w, axis=0) - log_k


def _torch_bound(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)
    log_w = torch.from_numpy(inputs["log_w"])
    log_k = float(np.log(len(log_w)))
    return lambda: torch.logsumexp(log_w, dim=0) - log_k


def _torch_weights(inputs: Inputs, n_threads: int) -> Run:
    torch = peers.torch_with(n_threads)
    log_w = torch.from_numpy(inputs["log_w"])
    log_k = float(np.log(len(log_w)))

    def run() -> Any:
        bound = torch.logsumexp(log_w, dim=0) - log_k
        weights = torch.softmax(log_w, dim=0)
        return bound, weights, 1 / weights.square().sum(dim=0)

    return run


def _jax_bound(inputs: Inputs, n_threads: int) -> Run:
    jax = peers.jax_with(n_threads)
    log_w = jax.numpy.asarray(inputs["log_w"])
    log_k = float(np.log(len(log_w)))
    compiled = jax.jit(lambda x: jax.nn.logsumexp(x, axis=0) - log_k)
    return lambda: compiled(log_w).block_until_ready()


def _jax_weights(inputs: Inputs, n_threads: int) -> Run:
    jax = peers.jax_with(n_threads)
    log_w = jax.numpy.asarray(inputs["log_w"])
    log_k = float(np.log(len(log_w)))

    @jax.jit  # type: ignore[untyped-decorator]
    def compute(x: Any) -> Any:
        weights = jax.nn.softmax(x, axis=0)
        bound = jax.nn.logsumexp(x, axis=0) - log_k
        return bound, weights, 1 / (weights * weights).sum(axis=0)

    return lambda: jax.block_until_ready(compute(log_w))


_BOUND = (
    Contender(OURS, "evidence.logmeanexp", _our_bound),
    Contender("numpy", "max, exp, mean, log", _numpy_bound, "numpy"),
    Contender("scipy", "special.logsumexp", _scipy_bound, "scipy"),
    Contender("torch", "torch.logsumexp", _torch_bound, "torch"),
    Contender("jax", "jit of nn.logsumexp", _jax_bound, "jax"),
)
_WEIGHTS = (
    Contender(OURS, "evidence.importance_weights", _our_weights, answer=tuple),
    Contender("numpy", "max, exp, sum, divide", _numpy_weights, "numpy"),
    Contender("torch", "logsumexp, softmax, sum of squares", _torch_weights, "torch"),
    Contender("jax", "jit of the same", _jax_weights, "jax"),
)


def _bound_case(name: str, title: str, **options: Any) -> Case:
    return Case(
        room="evidence",
        name=f"bound-{name}",
        title=f"K-sample bound, {title}",
        contenders=_BOUND,
        reference=exact_bound,
        work=_bound_work,
        bound=FLOAT32_BOUND,
        **options,
    )


def _weights_case(name: str, title: str, **options: Any) -> Case:
    return Case(
        room="evidence",
        name=f"weights-{name}",
        title=f"bound, normalised weights and sample size, {title}",
        contenders=_WEIGHTS,
        reference=exact_weights,
        work=_weights_work,
        bound=FLOAT32_BOUND,
        **options,
    )


def _cases() -> tuple[Case, ...]:
    gap = Score("log p(x) - bound, nats", _bound_gap)
    ppca: dict[str, Any] = {
        "build": ppca_log_weights,
        "quick": {"n_samples": 500},
        "full": {"n_samples": 5000},
        "score": gap,
    }
    small: dict[str, Any] = {
        "build": generated_log_weights,
        "quick": {"n_samples": 50, "n_columns": 100},
        "full": {"n_samples": 50, "n_columns": 100},
    }
    return (
        _bound_case("ppca", "probabilistic PCA of 1,797 digits", **ppca),
        _weights_case("ppca", "probabilistic PCA of 1,797 digits", **ppca),
        _bound_case("50x100", "50 x 100 generated float32", **small),
        _weights_case("50x100", "50 x 100 generated float32", **small),
        *_generated(5000, 1000),
        *_generated(1000, 100_000),
    )


def _generated(n_samples: int, n_columns: int) -> tuple[Case, ...]:
    name = f"{n_samples}x{n_columns}"
    title = f"{n_samples:,} x {n_columns:,} generated float32"
    options: dict[str, Any] = {
        "build": generated_log_weights,
        "full": {"n_samples": n_samples, "n_columns": n_columns},
    }
    return _bound_case(name, title, **options), _weights_case(name, title, **options)


CASES = (*_cases(), *evidence_diagnostics.CASES)
