"""What the recurrent functions say to CUDA arrays, told without a GPU."""

from __future__ import annotations

from typing import Any

import pytest

from fastnotes import _cuda
from fastnotes.recurrent import LSTMWeights, lstm_backward, lstm_forward
from recurrent.cases import make_case
from support.sweeps import assert_same_bytes

CASE = make_case(3, 4, 2, 5)
NAMES = ("x", "weight_ih", "weight_hh", "bias", "h0", "c0")


class FakeCudaArray:
    """What an array on a CUDA device shows of itself, without one."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0


FAKE = FakeCudaArray()


def arguments(**replaced: Any) -> dict[str, Any]:
    return {**dict(zip(NAMES, CASE.forward, strict=True)), **replaced}


def test_a_call_that_cannot_run_says_why() -> None:
    if _cuda.state()["available"]:
        pytest.skip("CUDA is available here")
    every = dict.fromkeys(NAMES, FAKE)
    absent = r"^\[recurrent\.lstm_forward\] CUDA is not available: \w"
    with pytest.raises(RuntimeError, match=absent):
        lstm_forward(**every)
    with pytest.raises(RuntimeError, match=absent):
        lstm_forward(**arguments(), device="cuda")
    with pytest.raises(RuntimeError, match=r"^\[recurrent\.LSTMWeights\] CUDA is not"):
        LSTMWeights(FAKE, FAKE, FAKE)
    with pytest.raises(RuntimeError, match=r"^\[recurrent\.LSTMWeights\] CUDA is not"):
        LSTMWeights(*CASE[1:4], device="cuda:0")


@pytest.mark.parametrize(
    "name", [*NAMES, "lengths", "peephole", "weight_hr", "zoneout_h"]
)
def test_forward_refuses_a_mixture(name: str) -> None:
    words = rf"^\[recurrent\.lstm_forward\] .* got {name} on a CUDA device and \w+ on"
    with pytest.raises(TypeError, match=words):
        lstm_forward(**arguments(**{name: FAKE}))


def test_backward_refuses_a_mixture() -> None:
    cache = lstm_forward(*CASE.forward).cache
    words = r"^\[recurrent\.lstm_backward\] .* got dh_last on a CUDA device and dh on"
    with pytest.raises(TypeError, match=words):
        lstm_backward(CASE.dh, cache, dh_last=FAKE)
    with pytest.raises(TypeError, match="cache from lstm_forward on the same CUDA dev"):
        lstm_backward(FAKE, cache)
    with pytest.raises(TypeError, match="cache on a CUDA device and dh on the CPU"):
        lstm_backward(CASE.dh, FAKE)
    with pytest.raises(TypeError, match="cache from lstm_forward, got FakeCudaArray"):
        lstm_backward(CASE.dh, FAKE, device="cpu")


@pytest.mark.parametrize("name", ["x", "h0", "c0", "lengths"])
def test_weights_on_the_cpu_refuse_cuda_arrays(name: str) -> None:
    weights = LSTMWeights(*CASE[1:4])
    given = {"x": CASE.x, "h0": CASE.h0, "c0": CASE.c0, name: FAKE}
    with pytest.raises(TypeError, match=rf"got {name} on a CUDA device and \w+ on the"):
        weights.forward(**given)


@pytest.mark.parametrize("name", ["x", "h", "c"])
def test_a_step_refuses_cuda_arrays(name: str) -> None:
    given = {"x": CASE.x[:, 0], "h": CASE.h0, "c": CASE.c0, name: FAKE}
    with pytest.raises(TypeError, match=rf"got {name} on a CUDA device and weights on"):
        LSTMWeights(*CASE[1:4]).step(**given)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cpu:0"])
def test_unknown_devices_are_refused(device: str) -> None:
    with pytest.raises(ValueError, match="expected device as 'cpu', 'cuda' or"):
        lstm_forward(*CASE.forward, device=device)
    with pytest.raises(ValueError, match="expected device as 'cpu', 'cuda' or"):
        LSTMWeights(*CASE[1:4], device=device)


def test_the_cpu_by_name_is_the_default() -> None:
    plain, named = (
        lstm_forward(*CASE.forward),
        lstm_forward(*CASE.forward, device="cpu"),
    )
    assert_same_bytes(plain[:3], named[:3])
    assert_same_bytes(
        tuple(lstm_backward(CASE.dh, plain.cache)),
        tuple(lstm_backward(CASE.dh, named.cache, device="cpu")),
    )
    weights = LSTMWeights(*CASE[1:4], device="cpu")
    assert_same_bytes(weights.forward(CASE.x)[:1], lstm_forward(*CASE[:4])[:1])
