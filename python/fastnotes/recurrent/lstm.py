"""The LSTM over whole sequences, forward and backward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastnotes._core import native
from fastnotes._device import wants_cuda
from fastnotes._memory import memory_of
from fastnotes._threads import resolve_n_threads
from fastnotes._validation import (
    as_real_array,
    check_shape,
    fail_type,
)
from fastnotes.recurrent import layer_norm as norms
from fastnotes.recurrent._arguments import (
    as_cell,
    as_inputs,
    as_state,
    as_weights,
    call_wants_cuda,
    cast,
    refuse_on_cuda,
    split_zoneout,
)
from fastnotes.recurrent.layer_norm import LayerNorm
from fastnotes.recurrent.results import LSTMCache, LSTMGradients, LSTMOutput

if TYPE_CHECKING:
    from fastnotes.recurrent._cuda import CudaLSTMCache


def lstm_forward(
    x: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    *,
    lengths: ArrayLike | None = None,
    candidate: str = "tanh",
    peephole: ArrayLike | None = None,
    weight_hr: ArrayLike | None = None,
    zoneout_h: float | ArrayLike = 0.0,
    zoneout_c: float | ArrayLike = 0.0,
    layer_norm: LayerNorm | None = None,
    reverse: bool = False,
    keep_cache: bool = True,
    n_threads: int | None = None,
    device: str | None = None,
) -> LSTMOutput:
    """Run an LSTM over a batch of sequences.

    With the gates i, f, g, o stacked along the first axis of the weights, as in
    PyTorch::

        a_t = weight_ih x_t + weight_hh h_(t-1) + bias
        c_t = sigmoid(a_f) * c_(t-1) + sigmoid(a_i) * g,    g = tanh(a_g)
        h_t = sigmoid(a_o) * tanh(c_t)

    Parameters
    ----------
    x
        (B, T, D), the inputs. Steps at and past a sequence's length are never read.
    weight_ih, weight_hh
        (4H, D) on the input, (4H, H) on the previous output; U and W in the notes.
    bias
        (4H,), or None for zeros. PyTorch's two biases count as their sum.
    h0, c0
        (B, H), the initial states, or None for zeros.
    lengths
        (B,) integers from 0 to T, in any order; None: every sequence runs for T steps.
    candidate
        ``"tanh"``, or ``"sigmoid"`` for g = sigmoid(a_g), as the Deep Learning book
        writes it.
    peephole
        (3H,), by which gates see the cell, stacked as i, f, o: a_i and a_f have
        ``peephole * c_(t-1)`` added, a_o has ``peephole * c_t``. Not on CUDA.
    weight_hr
        (R, H): h_t is its product with sigmoid(a_o) * tanh(c_t). Then h, h0 and h_last
        are R wide, and ``weight_hh`` is (4H, R). PyTorch's ``proj_size``. Not on CUDA.
    zoneout_h, zoneout_c
        Part of h_(t-1), of c_(t-1), that stays in the state after the step, from 0 to
        1: a number for all units, as at inference, or an array (B, T, H), of 0 and 1
        drawn at random in training. Peepholes and h_t see c_t without it. Arrays are
        converted to the dtype of the others and not read past a sequence's end. Not
        on CUDA.
    layer_norm
        Gains and a bias, by which both products above and the cell that h_t sees are
        normalised: :class:`LayerNorm`, or four arrays as it has them. Not on CUDA.
    reverse
        Run every sequence from its own end to its beginning: ``h[b, t]`` has seen
        ``x[b, t]`` and all that follows it, and ``h_last`` is the state at t = 0. Not
        on CUDA.
    keep_cache
        Keep what :func:`lstm_backward` needs (about 6 H + D numbers per step, with
        zoneout H more and its arrays, with ``layer_norm`` 9 H more).
    n_threads
        Threads to use; None: see the threads page. Small batches use fewer.
    device
        None: where the arrays are. ``"cuda"`` copies host arrays there and results
        back. CUDA arrays must be C-contiguous and of one dtype; the results are of the
        library of ``x``. ``lengths`` may lie on either side and are read on the host.

    Returns
    -------
    LSTMOutput
        ``(h, h_last, c_last, cache)``, in float32 if every array given is float32, else
        in float64. The same bytes for any number of threads, any batch around a
        sequence, any padding behind it.

    Raises
    ------
    TypeError
        For arrays that are not real, lengths that are not integers.
    ValueError
        For shapes that do not agree, lengths outside 0..T, an unknown candidate,
        zoneout outside 0..1.

    Notes
    -----
    NaN and infinity are not refused: they run on through their own sequence. All of B,
    T, D and H may be 0.

    References
    ----------
    Hochreiter and Schmidhuber (1997), "Long Short-Term Memory"; Gers, Schmidhuber and
    Cummins (2000), "Learning to Forget"; Gers, Schraudolph and Schmidhuber (2002),
    "Learning Precise Timing with LSTM Recurrent Networks", for peepholes; Krueger et
    al. (2017), "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations";
    Sak, Senior and Beaufays (2014), "Long Short-Term Memory Recurrent Neural Network
    Architectures", for the projection; Ba, Kiros and Hinton (2016), "Layer
    Normalization". Goodfellow, Bengio and Courville (2016), "Deep
    Learning", section 10.10.1, for the sigmoid candidate.
    """
    where = "recurrent.lstm_forward"
    given: dict[str, Any] = {"x": x, "weight_ih": weight_ih, "weight_hh": weight_hh}
    given |= {"bias": bias, "h0": h0, "c0": c0}
    part_h, units_h = split_zoneout(zoneout_h)
    part_c, units_c = split_zoneout(zoneout_c)
    parts: dict[str, Any] = {"peephole": peephole, "weight_hr": weight_hr}
    arrays = {**parts, "zoneout_h": units_h, "zoneout_c": units_c}
    arrays |= norms.arrays_of(layer_norm, where)
    if call_wants_cuda(where, device, lengths, given | arrays):
        from fastnotes.recurrent import _cuda

        refuse_on_cuda(
            where,
            reverse,
            peephole=peephole,
            weight_hr=weight_hr,
            zoneout_h=zoneout_h,
            zoneout_c=zoneout_c,
            layer_norm=layer_norm,
        )
        return _cuda.lstm_forward(given, lengths, candidate, keep_cache, device)
    threads = resolve_n_threads(n_threads, where)
    parts["layer_norm"] = layer_norm
    weights = as_weights(weight_ih, weight_hh, bias, where, **parts)
    cell = as_cell(candidate, part_h, part_c, where)
    inputs = as_inputs(x, h0, c0, lengths, where, weights, (units_h, units_c))
    deciding = (*weights, inputs.x, inputs.h0, inputs.c0)
    dtype = np.result_type(*(a for a in deciding if a is not None))
    packed = weights.cast(dtype).pack(cell, keep_cache, threads)
    return inputs.cast(dtype).run(packed, reverse, keep_cache, threads, where)


def lstm_backward(
    dh: ArrayLike,
    cache: LSTMCache | CudaLSTMCache | None,
    *,
    dh_last: ArrayLike | None = None,
    dc_last: ArrayLike | None = None,
    n_threads: int | None = None,
    device: str | None = None,
) -> LSTMGradients:
    """Backpropagate through time.

    Parameters
    ----------
    dh
        (B, T, H), the gradient with respect to ``h``; not read past a sequence's end.
    cache
        From a forward pass with ``keep_cache=True`` (None, which one without it gives,
        is refused). It is only read.
    dh_last, dc_last
        (B, H), the gradients with respect to ``h_last`` and ``c_last``, added to what
        ``dh`` brings; None for zeros.
    n_threads
        Threads to use; None: see the threads page.
    device
        As in :func:`lstm_forward`; ``cache`` must come from the same device.

    Returns
    -------
    LSTMGradients
        ``(dx, dweight_ih, dweight_hh, dbias, dh0, dc0)`` in the dtype of the forward
        pass, to which the arguments are converted; ``dpeephole``, ``dweight_hr`` and
        ``dlayer_norm`` as attributes.

    Raises
    ------
    TypeError
        If ``cache`` is not an LSTM's cache, or an array is not real.
    ValueError
        For shapes that do not agree with the forward pass.

    Notes
    -----
    ``dx``, ``dh0`` and ``dc0`` of a sequence do not depend on the rest of the batch.
    The weights' gradients are sums over the batch in a fixed order: the same bytes for
    any number of threads and any padding.
    """
    where = "recurrent.lstm_backward"
    given = {"dh": dh, "dh_last": dh_last, "dc_last": dc_last}
    beside = {} if device or isinstance(cache, LSTMCache) else {"cache": cache}
    if wants_cuda(where, device, **given, **beside):
        from fastnotes.recurrent import _cuda

        return _cuda.lstm_backward(given, cache, device)
    threads = resolve_n_threads(n_threads, where)
    if not isinstance(cache, LSTMCache):
        fail_type(where, "cache from lstm_forward", type(cache).__name__)
    batch, time, _, hidden = cache.sizes
    outputs = cache.output_size
    d_outputs = as_real_array(dh, where, "dh", ndim=3)
    check_shape(d_outputs, where, "dh", (batch, time, outputs), "(B, T, H)")
    arrays = (
        d_outputs,
        as_state(dh_last, where, "dh_last", batch, outputs),
        as_state(dc_last, where, "dc_last", batch, hidden),
    )
    d_h, d_h_last, d_c_last = (cast(a, cache.dtype) for a in arrays)
    with memory_of(where):
        *always, dpeephole, dweight_hr, stacked = native.recurrent.lstm_backward(
            cache, d_h, d_h_last, d_c_last, threads
        )
    gradients = LSTMGradients(*always)
    gradients.dpeephole, gradients.dweight_hr = dpeephole, dweight_hr
    gradients.dlayer_norm = norms.split(stacked, hidden)
    return gradients
