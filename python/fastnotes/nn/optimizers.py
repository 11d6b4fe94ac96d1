"""Gradient descent on named arrays, in place: Adam, SGD, clipping."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnotes._core import native
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    RealArray,
    as_integer,
    as_real,
    describe,
    fail,
    fail_type,
    refuse_mask,
)

Arrays = Mapping[str, RealArray]

_REAL = (np.dtype(np.float32), np.dtype(np.float64))


class Optimizer(ABC):
    """What the optimizers share: parameters by name, checks, and their state.

    Attributes
    ----------
    parameters : dict of str to ndarray
        The arrays that :meth:`step` changes in place.
    learning_rate : float
        May be set between steps.
    n_steps : int
        Steps taken.
    """

    #: Arrays kept beside each parameter.
    _slots: tuple[str, ...] = ()

    def __init__(
        self,
        parameters: Arrays,
        learning_rate: float,
        weight_decay: float | Mapping[str, float],
        decoupled: bool,
    ) -> None:
        where = f"nn.{type(self).__name__}"
        self.parameters = {
            name: _checked(array, where, name, writable=True)
            for name, array in _items(parameters, where, "parameters")
        }
        self.learning_rate = as_real(learning_rate, where, "learning_rate", low=0.0)
        self.decoupled = bool(decoupled)
        self._decay = _decay_of(weight_decay, self.parameters, where)
        self.n_steps = 0
        self._state = {
            slot: {name: np.zeros_like(p) for name, p in self.parameters.items()}
            for slot in self._slots
        }

    def step(self, gradients: Arrays, *, n_threads: int | None = None) -> None:
        """Take one step.

        Parameters
        ----------
        gradients
            One array for each parameter, of its name, shape and dtype.
        n_threads
            Threads; the result is the same bytes for any count.

        Raises
        ------
        TypeError, ValueError
            For gradients that do not fit; nothing has been changed then.
        """
        where = f"nn.{type(self).__name__}.step"
        threads = resolve_n_threads(n_threads, where)
        given = dict(_items(gradients, where, "gradients"))
        if given.keys() != self.parameters.keys():
            fail(where, f"gradients of {sorted(self.parameters)}", f"{sorted(given)}")
        for name, parameter in self.parameters.items():
            gradient = _checked(given[name], where, name, writable=False)
            if gradient.shape != parameter.shape or gradient.dtype != parameter.dtype:
                fail(where, f"{name} as {describe(parameter)}", f"{describe(gradient)}")
            if np.may_share_memory(gradient, parameter):
                fail(where, f"{name} apart from its parameter", "overlapping memory")
        rate = as_real(self.learning_rate, where, "learning_rate", low=0.0)
        self.n_steps += 1
        for name, parameter in self.parameters.items():
            decay = self._decay[name]
            self._step_one(
                name,
                parameter,
                given[name],
                learning_rate=rate,
                penalty=0.0 if self.decoupled else decay,
                shrink=1.0 - rate * decay if self.decoupled else 1.0,
                n_threads=threads,
            )

    @abstractmethod
    def _step_one(
        self, name: str, parameter: RealArray, gradient: RealArray, **step: Any
    ) -> None:
        """Change one parameter; ``step`` is what the kernels take alike."""

    @property
    def state(self) -> dict[str, RealArray]:
        """Copies of all that the next step depends on beside the parameters.

        Keys are ``"slot/parameter"`` and ``"n_steps"``, ready for a safetensors file.
        """
        found: dict[str, Any] = {"n_steps": np.array([self.n_steps], np.int64)}
        for slot, arrays in self._state.items():
            found |= {f"{slot}/{name}": a.copy() for name, a in arrays.items()}
        return found

    @state.setter
    def state(self, state: Mapping[str, NDArray[Any]]) -> None:
        where = f"nn.{type(self).__name__}.state"
        mine = self.state
        if state.keys() != mine.keys():
            fail(where, f"state of {sorted(mine)}", f"{sorted(state)}")
        for key, array in mine.items():
            given = np.asarray(state[key])
            if given.shape != array.shape or given.dtype != array.dtype:
                fail(where, f"{key} as {describe(array)}", describe(given))
        self.n_steps = as_integer(state["n_steps"][0], where, "n_steps", low=0)
        for slot, arrays in self._state.items():
            for name, array in arrays.items():
                array[...] = state[f"{slot}/{name}"]


class Adam(Optimizer):
    """Adam, and AdamW with ``decoupled=True``.

    ::

        m = beta1 m + (1 - beta1) g,    m_hat = m / (1 - beta1^t)
        v = beta2 v + (1 - beta2) g^2,  v_hat = v / (1 - beta2^t)
        p = p - learning_rate m_hat / (sqrt(v_hat) + epsilon)

    Parameters
    ----------
    parameters : dict of str to ndarray
        C-contiguous float32 or float64 arrays, changed in place by :meth:`step`.
    learning_rate : float, default 1e-3
    betas : pair of float, default (0.9, 0.999)
    epsilon : float, default 1e-8
    weight_decay : float or dict of str to float, default 0
        Added to the gradient as ``weight_decay * p``, for all parameters or by name (0
        for those not named).
    decoupled : bool, default False
        Shrink p by ``learning_rate * weight_decay`` instead.

    References
    ----------
    Kingma and Ba (2015), "Adam: a method for stochastic optimization"; Loshchilov and
    Hutter (2019), "Decoupled weight decay regularization".

    Examples
    --------
    >>> import numpy as np
    >>> from fastnotes.nn import Adam
    >>> parameters = {"w": np.array([1.0, -1.0])}
    >>> optimizer = Adam(parameters, learning_rate=0.1)
    >>> optimizer.step({"w": 2 * parameters["w"]})
    >>> parameters["w"].round(6)
    array([ 0.9, -0.9])
    """

    _slots = ("mean", "square")

    def __init__(
        self,
        parameters: Arrays,
        learning_rate: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float | Mapping[str, float] = 0.0,
        decoupled: bool = False,
    ) -> None:
        super().__init__(parameters, learning_rate, weight_decay, decoupled)
        where = "nn.Adam"
        try:
            first, second = betas
        except (TypeError, ValueError):
            fail_type(where, "betas as a pair of numbers", repr(betas))
        self.betas = _fraction(first, where, "beta1"), _fraction(second, where, "beta2")
        self.epsilon = as_real(epsilon, where, "epsilon", low=0.0)

    def _step_one(
        self, name: str, parameter: RealArray, gradient: RealArray, **step: Any
    ) -> None:
        beta1, beta2 = self.betas
        native.nn.adam_step(
            parameter,
            gradient,
            self._state["mean"][name],
            self._state["square"][name],
            beta1=beta1,
            beta2=beta2,
            epsilon=self.epsilon,
            mean_scale=1 / (1 - beta1**self.n_steps),
            square_scale=1 / (1 - beta2**self.n_steps),
            **step,
        )


class SGD(Optimizer):
    """Gradient descent, with momentum as in PyTorch.

    ::

        u = momentum u + g
        p = p - learning_rate u,   or with nesterov   p - learning_rate (g + momentum u)

    Parameters
    ----------
    parameters : dict of str to ndarray
        C-contiguous float32 or float64 arrays, changed in place by :meth:`step`.
    learning_rate : float
    momentum : float, default 0
    nesterov : bool, default False
    weight_decay, decoupled
        As for :class:`Adam`.

    References
    ----------
    Sutskever, Martens, Dahl and Hinton (2013), "On the importance of initialization and
    momentum in deep learning".
    """

    def __init__(
        self,
        parameters: Arrays,
        learning_rate: float,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | Mapping[str, float] = 0.0,
        decoupled: bool = False,
    ) -> None:
        where = "nn.SGD"
        self.momentum = _fraction(momentum, where, "momentum")
        self.nesterov = bool(nesterov)
        if self.nesterov and self.momentum == 0:
            fail(where, "momentum above 0 for nesterov", "0")
        self._slots = ("velocity",) if self.momentum > 0 else ()
        super().__init__(parameters, learning_rate, weight_decay, decoupled)

    def _step_one(
        self, name: str, parameter: RealArray, gradient: RealArray, **step: Any
    ) -> None:
        native.nn.sgd_step(
            parameter,
            gradient,
            self._state["velocity"][name] if self._slots else None,
            momentum=self.momentum,
            nesterov=self.nesterov,
            **step,
        )


def clip_gradients(
    gradients: Arrays, max_norm: float = math.inf, *, n_threads: int | None = None
) -> float:
    """Scale gradients in place so that their norm is at most ``max_norm``.

    Parameters
    ----------
    gradients
        Arrays by name; the norm is that of all their values together.
    max_norm
        Above 0; infinity only measures.
    n_threads
        Threads; the result is the same bytes for any count.

    Returns
    -------
    float
        The norm before clipping, summed in float64. If it is NaN or infinite, the
        gradients are left as they are: the caller decides what a step without a
        direction means.

    References
    ----------
    Pascanu, Mikolov and Bengio (2013), "On the difficulty of training recurrent neural
    networks", algorithm 1.
    """
    where = "nn.clip_gradients"
    threads = resolve_n_threads(n_threads, where)
    limit = as_max_norm(max_norm, where)
    arrays = [
        _checked(array, where, name, writable=True)
        for name, array in _items(gradients, where, "gradients")
    ]
    norm = math.sqrt(sum(native.nn.squared_norm(array, threads) for array in arrays))
    if limit < norm < math.inf:
        for array in arrays:
            array *= array.dtype.type(limit / norm)
    return norm


def as_max_norm(max_norm: Any, where: str) -> float:
    """Return a norm to clip gradients to: above 0, or infinity.

    Raises
    ------
    TypeError, ValueError
        For anything else.
    """
    limit = math.inf if max_norm == math.inf else as_real(max_norm, where, "max_norm")
    if limit <= 0:
        fail(where, "max_norm > 0", str(limit))
    return limit


def _items(arrays: Any, where: str, name: str) -> Any:
    if not isinstance(arrays, Mapping):
        fail_type(where, f"{name} as a dict of arrays", type(arrays).__name__)
    return arrays.items()


def _checked(array: Any, where: str, name: str, *, writable: bool) -> RealArray:
    """Return the array if a kernel can work on it where it is."""
    if not isinstance(array, np.ndarray):
        fail_type(where, f"{name} as a NumPy array", type(array).__name__)
    refuse_mask(array, where, name)
    if array.dtype not in _REAL or not array.dtype.isnative:
        fail_type(where, f"{name} of dtype float32 or float64", describe(array))
    if not (array.flags.c_contiguous and array.flags.aligned):
        fail(where, f"{name} C-contiguous and aligned", "a strided or unaligned array")
    if writable and not array.flags.writeable:
        fail(where, f"{name} writable", "a read-only array")
    return array


def _decay_of(
    weight_decay: float | Mapping[str, float], parameters: Arrays, where: str
) -> dict[str, float]:
    if not isinstance(weight_decay, Mapping):
        one = as_real(weight_decay, where, "weight_decay", low=0.0)
        return dict.fromkeys(parameters, one)
    unknown = weight_decay.keys() - parameters.keys()
    if unknown:
        fail(where, f"weight_decay for {sorted(parameters)}", f"{sorted(unknown)}")
    return {
        name: as_real(weight_decay.get(name, 0.0), where, "weight_decay", low=0.0)
        for name in parameters
    }


def _fraction(value: float, where: str, name: str) -> float:
    number = as_real(value, where, name, low=0.0)
    if number >= 1:
        fail(where, f"{name} below 1", str(number))
    return number
