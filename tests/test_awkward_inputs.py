"""Every public function, on what nobody should pass: a result or a documented error.

Whatever comes, a call returns, or raises a TypeError or ValueError in the one voice
before anything is written. No other error, no warning, no crash; inputs stay unwritten.
``FASTNOTES_HYPOTHESIS=thorough`` tries more, and others each time.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from fastnotes import boosting, evidence, graph, information, nn, recurrent
from support.awkward import (
    EXTENTS,
    ISOLATED,
    SCALARS,
    SHAPES,
    VOICE,
    Shape,
    arrays,
    check,
    features,
    graphs,
    inputs,
    outs,
    reduced,
)

# ---------------------------------------------------------------- nn


@given(st.data())
def test_elementwise(data):
    names = ["exp", "log", "log1p", "expm1", "tanh", "sigmoid", "softplus"]
    function = getattr(nn, data.draw(st.sampled_from(names)))
    shape = data.draw(SHAPES)
    x, out = data.draw(inputs(shape)), data.draw(outs(shape))
    n_threads = data.draw(st.none() | SCALARS)
    check(lambda: function(x, out=out, n_threads=n_threads), x, out=out)


@given(st.data())
def test_matmul(data):
    rows, depth, columns = (data.draw(EXTENTS) for _ in range(3))
    transpose_a, transpose_b, accumulate = (data.draw(st.booleans()) for _ in range(3))
    a = data.draw(inputs((depth, rows) if transpose_a else (rows, depth)))
    b = data.draw(inputs((columns, depth) if transpose_b else (depth, columns)))
    out = data.draw(outs((rows, columns)))
    options = {"out": out, "accumulate": accumulate}
    transposes = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    check(lambda: nn.matmul(a, b, **transposes, **options), a, b, out=out)
    packed = [nn.PackedMatrix(np.ones((depth, columns)))]
    check(lambda: packed.append(nn.PackedMatrix(b, transpose=transpose_b)), b)
    check(lambda: packed[-1].matmul(a, **options), a, out=out)


TARGETS = [-1, 0, 0, 0, 1, 2, 3, 9, -2]


def targets(data: Any, shape: Shape) -> Any:
    """Integers for a shape, mostly classes; or something else."""
    values = data.draw(st.lists(st.sampled_from(TARGETS), min_size=1, max_size=4))
    right = np.resize(np.array(values), shape)
    return data.draw(st.sampled_from([right] * 3) | inputs(shape))


@given(st.data())
def test_cross_entropy(data):
    shape = data.draw(SHAPES)
    logits, target = data.draw(inputs(shape)), targets(data, shape[:-1])
    options = {
        "weight": data.draw(st.none() | inputs(shape[:-1])),
        "keep_gradient": data.draw(st.booleans()),
        "out": data.draw(outs(shape)),
    }
    arrays = logits, target, options["weight"]
    check(
        lambda: nn.softmax_cross_entropy(logits, target, **options),
        *arrays,
        out=options["out"],
    )
    labels = data.draw(inputs(shape))
    del options["out"]
    check(
        lambda: nn.sigmoid_cross_entropy(logits, labels, **options),
        *(logits, labels, options["weight"]),
    )


@given(st.data())
def test_optimizers(data):
    make = data.draw(st.sampled_from([nn.Adam, nn.SGD]))
    shape = data.draw(SHAPES)
    rate, decay = (data.draw(st.just(0.1) | SCALARS) for _ in range(2))
    check(lambda: make({"p": data.draw(inputs(shape))}, rate, weight_decay=decay))
    good, gradient = np.ones(shape), data.draw(inputs(shape))
    optimizer: nn.Optimizer = make({"p": good}, 0.1)
    check(lambda: optimizer.step({"p": gradient}), gradient)
    check(lambda: optimizer.step(gradient), gradient)
    clipped, limit = data.draw(outs(shape)), data.draw(SCALARS)
    with contextlib.suppress(TypeError, ValueError):
        nn.clip_gradients({"p": clipped}, 1.0)
    check(lambda: nn.clip_gradients({"p": np.ones(shape)}, limit))


# ---------------------------------------------------------------- evidence


@given(st.data())
def test_reductions(data):
    function = data.draw(st.sampled_from([evidence.logsumexp, evidence.logmeanexp]))
    shape = data.draw(SHAPES)
    axis, left = reduced(data, shape)
    a, out = data.draw(inputs(shape)), data.draw(outs(left))
    keepdims = data.draw(st.booleans())
    check(lambda: function(a, axis, keepdims=keepdims, out=out), a, out=out)


@given(st.data())
def test_factors(data):
    shape = data.draw(SHAPES)
    axis, left = reduced(data, shape)
    a, b = data.draw(inputs(shape)), data.draw(inputs(shape) | SCALARS)
    out = data.draw(outs(left))
    check(lambda: evidence.logsumexp(a, axis, b=b, out=out), a, b, out=out)


@given(st.data())
def test_softmax(data):
    function = data.draw(st.sampled_from([evidence.softmax, evidence.log_softmax]))
    shape = data.draw(SHAPES)
    axis, _ = reduced(data, shape)
    a, out = data.draw(inputs(shape)), data.draw(outs(shape))
    check(lambda: function(a, axis, out=out), a, out=out)


@given(st.data())
def test_importance_weights(data):
    functions = [evidence.importance_weights, evidence.iwae_bound, evidence.elbo]
    function = data.draw(st.sampled_from(functions))
    shape = data.draw(SHAPES)
    axis, _ = reduced(data, shape)
    log_w = data.draw(inputs(shape))
    check(lambda: function(log_w, axis), log_w)
    options = {name: data.draw(SCALARS) for name in ("n_samples", "n_terms")}
    check(lambda: evidence.iwae_bias_variance(log_w, axis, **options), log_w)


# ---------------------------------------------------------------- graph

KINDS = st.sampled_from([*graph.laplacian.KINDS * 2, "other", None, 3])


@given(st.data())
def test_laplacian_matmul(data):
    A = data.draw(graphs() | inputs())
    x, out = features(data, A, inputs), features(data, A, outs)
    options = {"kind": data.draw(KINDS), "isolated": data.draw(ISOLATED), "out": out}
    check(lambda: graph.laplacian_matmul(A, x, **options), x, out=out)


@given(st.data())
def test_graph_operator(data):
    A, kind = data.draw(graphs()), data.draw(KINDS)
    made = [graph.GraphOperator(scipy.sparse.eye_array(3, format="csr"))]
    check(lambda: made.append(graph.GraphOperator(A, kind)))
    op = made[-1]
    x, dy, out = (features(data, op, each) for each in (inputs, inputs, outs))
    check(lambda: op.matmul(x, out), x, out=out)
    check(lambda: op.rmatmul(x, out), x, out=out)
    check(lambda: op.T @ x, x)
    check(lambda: op.backward(dy, x, edge_weights=True), x, dy)


@given(graphs() | inputs(), ISOLATED)
def test_materialized_graphs(A, isolated):
    check(lambda: graph.normalized_laplacian(A, isolated=isolated))
    check(lambda: graph.renormalized_adjacency(A))


# ---------------------------------------------------------------- boosting


@given(st.data())
def test_binning(data):
    max_bin, random_state = data.draw(SCALARS | st.just(3)), data.draw(SCALARS)
    mappers = [boosting.BinMapper()]
    make = boosting.BinMapper
    check(lambda: mappers.append(make(max_bin, random_state=random_state)))
    x, other = data.draw(inputs((5, 2))), data.draw(inputs((4, 2)))
    check(lambda: mappers[-1].fit(x), x)
    check(lambda: mappers[-1].fit_transform(x), x)
    check(lambda: mappers[-1].transform(other), other)


@given(st.data())
def test_histogram(data):
    n, columns = data.draw(EXTENTS), data.draw(EXTENTS)
    bins = data.draw(arrays(["u1", "u1", "u1", "i4", "f8"], (n, columns)) | SCALARS)
    grad, hess = data.draw(inputs((n,))), data.draw(inputs((n,)))
    rows = data.draw(st.none() | inputs((2,)))
    n_bins = data.draw(SCALARS | st.just(256))
    arguments = (bins, grad, hess, rows)
    check(lambda: boosting.build_histogram(*arguments, n_bins=n_bins), *arguments)


@given(st.data())
def test_best_split(data):
    histogram = data.draw(inputs((2, 4, 2)))
    names = ("reg_lambda", "gamma", "min_child_weight", "reg_alpha")
    options = {name: data.draw(SCALARS | st.just(1.0)) for name in names}
    check(lambda: boosting.find_best_split(histogram, **options), histogram)


@given(st.data())
def test_formulas(data):
    sums = [data.draw(inputs((3,)) | SCALARS) for _ in range(4)]
    penalties = SCALARS | st.just(0.5)
    options = {name: data.draw(penalties) for name in ("reg_lambda", "reg_alpha")}
    gamma = data.draw(penalties)
    check(lambda: boosting.leaf_weight(*sums[:2], **options), *sums)
    check(lambda: boosting.structure_score(*sums[:2], gamma=gamma, **options), *sums)
    check(lambda: boosting.split_gain(*sums, gamma=gamma, **options), *sums)


OBJECTIVES = ("squared_error", "huber", "quantile", "poisson", "logistic", "softmax")


@given(st.data())
def test_objectives(data):
    name = data.draw(st.sampled_from([*OBJECTIVES, "ndcg"]) | SCALARS)
    options = {
        key: data.draw(SCALARS | st.just(0.5))
        for key in ("quantile_alpha", "huber_slope", "max_delta_step")
    }
    made = [boosting.resolve_objective("ndcg")]
    resolve = boosting.resolve_objective
    check(lambda: made.append(resolve(name, n_classes=3, **options)))
    y, weight = data.draw(inputs((4,))), data.draw(st.none() | inputs((4,)))
    groups = data.draw(st.none() | inputs((3,)))
    bound = []
    check(lambda: bound.append(made[-1].bind(y, weight, groups)), y, weight, groups)
    for each in bound:
        check(lambda each=each: each.base_score)
        margins = np.full((made[-1].n_outputs, 4), data.draw(st.floats()))
        grad, hess = (np.zeros(margins.shape, np.float32) for _ in range(2))
        with contextlib.suppress(ValueError):  # of margins that run away
            each.gradients(margins, grad, hess, 2)


@given(st.data())
def test_metrics(data):
    objective = boosting.resolve_objective(
        data.draw(st.sampled_from(OBJECTIVES)), n_classes=3
    )
    names = ["rmse", "mape", "poisson-nloglik", "logloss", "auc", "merror", "ndcg@2"]
    name = data.draw(st.sampled_from(names) | SCALARS)
    made = [boosting.resolve_metric("map", objective)]
    options = {"name": data.draw(SCALARS), "maximize": data.draw(SCALARS)}
    check(lambda: boosting.make_metric(data.draw(SCALARS | st.just(max)), **options))
    check(lambda: made.append(boosting.resolve_metric(name, objective)))
    y, weight = data.draw(inputs((4,))), data.draw(st.none() | inputs((4,)))
    groups = data.draw(st.none() | inputs((3,)))
    margins = data.draw(inputs((objective.n_outputs, 4)))
    n_threads = data.draw(st.none() | SCALARS)
    check(lambda: made[-1](y, margins, weight, groups, n_threads), y, margins, weight)


# ---------------------------------------------------------------- recurrent


@given(st.data())
def test_losses_of_steps(data):
    shape = data.draw(SHAPES)
    s, g = data.draw(inputs(shape)), data.draw(inputs(shape))
    check(lambda: recurrent.softmax_jacobian(s), s)
    check(lambda: recurrent.softmax_vjp(s, g), s, g)
    steps = tuple(data.draw(EXTENTS) for _ in range(2))
    logits, target = data.draw(inputs((*steps, 4))), targets(data, steps)
    lengths = data.draw(st.none() | inputs(steps[:1]))
    reductions = ["none", "sequence", "sum", "mean", "other", None]
    options = {"reduction": data.draw(st.sampled_from(reductions)), "lengths": lengths}
    check(
        lambda: recurrent.sequence_nll(logits, target, **options),
        *(logits, target, lengths),
    )


B, T, D, H = 2, 3, 4, 2


@given(st.data())
def test_lstm(data):
    shapes = [(B, T, D), (4 * H, D), (4 * H, H)]
    required = [data.draw(inputs(shape)) for shape in shapes]
    states = [data.draw(st.none() | inputs(s)) for s in ((4 * H,), (B, H), (B, H))]
    options = {
        "lengths": data.draw(st.none() | inputs((B,))),
        "candidate": data.draw(st.sampled_from(["tanh", "sigmoid", "cube", 1])),
    }
    parts = {
        "peephole": data.draw(st.none() | inputs((3 * H,))),
        "weight_hr": data.draw(st.none() | inputs((H, H))),
        "zoneout_h": data.draw(SCALARS | inputs((B, T, H))),
    }
    gains = [data.draw(inputs((n * H,))) for n in (4, 4, 1, 1)]
    options["layer_norm"] = data.draw(
        st.none() | SCALARS | st.just(recurrent.LayerNorm(*gains))
    )
    arguments = (*required, *states)
    check(
        lambda: recurrent.lstm_forward(*arguments, **parts, **options),
        *(*arguments, *parts.values(), *gains),
    )


@given(st.data())
def test_lstm_of_a_good_layer(data):
    good = np.ones((B, T, D), np.float32)
    layer = np.ones((4 * H, D), np.float32), np.ones((4 * H, H), np.float32)
    weights = recurrent.LSTMWeights(*layer)
    x_t, h, c = (data.draw(inputs(shape)) for shape in ((B, D), (B, H), (B, H)))
    options = {
        "lengths": data.draw(st.none() | inputs((B,))),
        "n_threads": data.draw(st.none() | SCALARS),
    }
    check(lambda: weights.step(x_t, h, c), x_t, h, c)
    check(lambda: weights.forward(good, h, c, **options), h, c)
    cache = recurrent.lstm_forward(good, *layer).cache
    dh = data.draw(inputs((B, T, H)))
    check(lambda: recurrent.lstm_backward(dh, cache, dh_last=h, dc_last=c), dh, h, c)
    check(lambda: recurrent.lstm_backward(dh, h), dh, h)


@given(st.data())
def test_rnn(data):
    shapes = [(B, T, D), (H, D), (H, H)]
    required = [data.draw(inputs(shape)) for shape in shapes]
    states = [data.draw(st.none() | inputs(s)) for s in ((H,), (B, H))]
    options = {
        "lengths": data.draw(st.none() | inputs((B,))),
        "nonlinearity": data.draw(st.sampled_from(["tanh", "relu", "cube", 1])),
    }
    arguments = (*required, *states)
    check(lambda: recurrent.rnn_forward(*arguments, **options), *arguments)
    layer = np.ones((H, D), np.float32), np.ones((H, H), np.float32)
    weights = recurrent.RNNWeights(*layer)
    x_t, h, out = (data.draw(inputs(shape)) for shape in ((B, D), (B, H), (B, H)))
    check(lambda: weights.step(x_t, h, out=out), x_t, h, out=out)
    cache = recurrent.rnn_forward(np.ones((B, T, D), np.float32), *layer).cache
    dh = data.draw(inputs((B, T, H)))
    check(lambda: recurrent.rnn_backward(dh, cache, dh_last=h), dh, h)


@given(st.data())
def test_layers(data):
    make = data.draw(st.sampled_from([recurrent.LSTM, recurrent.RNN]))
    settings = [data.draw(SCALARS) for _ in range(3)]
    if not any(isinstance(each, int) and each > 300 for each in settings):
        check(lambda: make(*settings, dropout=data.draw(SCALARS)))
    network = make(D, H)
    options = {
        "state": data.draw(st.none() | inputs((1, B, H))),
        "lengths": data.draw(st.none() | inputs((B,))),
    }
    x, x_t = data.draw(inputs((B, T, D))), data.draw(inputs((B, D)))
    check(lambda: network.forward(x, **options), x, *options.values())
    check(lambda: network.step(x_t, options["state"]), x_t)
    stream: recurrent.Stream = network.step(np.ones((B, D)))[1]
    check(lambda: network.step(x_t, stream), x_t)
    network.forward(np.ones((B, T, D)), training=True)
    dh = data.draw(inputs((B, T, H)))
    check(lambda: network.backward(dh, options["state"]), dh)


# ---------------------------------------------------------------- arrays of nothing

HUGE = 2**58  # extents beyond any memory, around a 0


def hollow(*shape: int) -> Any:
    return np.empty(shape, np.float32)


def hollow_layer(x: Shape, hidden: int) -> Any:
    weights = hollow(4 * hidden, x[2]), np.ones((4 * hidden, hidden), np.float32)
    return recurrent.lstm_forward(hollow(*x), *weights)


NO_NODES = scipy.sparse.csr_array((0, 0))
RETURNED: dict[str, Callable[[], Any]] = {
    "exp": lambda: nn.exp(hollow(HUGE, 0)),
    "matmul": lambda: nn.matmul(hollow(HUGE, 0), hollow(0, 0)),
    "packed": lambda: nn.PackedMatrix(hollow(0, HUGE)).matmul(hollow(0, 0)),
    "softmax": lambda: evidence.softmax(hollow(2**30, 2**28, 0)),
    "logsumexp": lambda: evidence.logsumexp(hollow(HUGE, 0), 0),
    "iwae_bound": lambda: evidence.iwae_bound(hollow(HUGE, 0), 0),
    "entropy": lambda: information.entropy(hollow(0, 2), 1),
    "laplacian": lambda: graph.laplacian_matmul(NO_NODES, hollow(0, HUGE)),
    "rows": lambda: hollow_layer((HUGE, 0, 0), 0),
    "steps": lambda: hollow_layer((2, HUGE, 0), 0),
    "inputs": lambda: hollow_layer((0, 0, HUGE), 0),
    "rnn": lambda: recurrent.rnn_forward(
        hollow(HUGE, 0, 0), hollow(0, 0), hollow(0, 0)
    ),
    "steps of no rows": lambda: hollow_layer((0, HUGE, 0), 3),
    "backward": lambda: recurrent.lstm_backward(
        hollow(HUGE, 0, 0), hollow_layer((HUGE, 0, 0), 0).cache
    ),
    "step": lambda: recurrent.LSTMWeights(hollow(0, 0), hollow(0, 0)).step(
        hollow(HUGE, 0), hollow(HUGE, 0), hollow(HUGE, 0)
    ),
}
REFUSED: dict[str, Callable[[], Any]] = {
    "conversion": lambda: nn.exp(np.empty((0, 2**62), np.uint8)),
    "broadcast view": lambda: nn.exp(np.broadcast_to(np.uint8(1), (HUGE,))),
    "matmul": lambda: nn.matmul(hollow(HUGE, 0), hollow(0, 1)),
    "operand": lambda: nn.matmul(hollow(0, 2**60), np.empty((2**59, 0))),
    "logsumexp": lambda: evidence.logsumexp(hollow(HUGE, 0), 1),
    "factors": lambda: evidence.logsumexp(np.ones((2**23, 1)), b=np.ones(2**23)),
    "bins": lambda: boosting.build_histogram(np.empty((0, HUGE), np.uint8), [], []),
    "rows": lambda: hollow_layer((HUGE, 0, 0), 3),
    "steps": lambda: hollow_layer((2, HUGE, 0), 3),
    "rows and steps": lambda: hollow_layer((2**30, 2**28, 0), 64),
    "steps of no rows": lambda: hollow_layer((0, HUGE, 0), 64),
}


@pytest.mark.parametrize("call", RETURNED.values(), ids=RETURNED)
def test_arrays_of_nothing_are_taken(call):
    call()


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_results_beyond_memory_are_refused(call):
    with pytest.raises(ValueError, match=VOICE) as refusal:
        call()
    assert "fits in memory" in str(refusal.value)


RESULTS = {"BinnedMatrix", "Metric", "Objective", "Split", "ImportanceWeights"}
RESULTS |= {"BiasVariance", "JackknifeWarning", "PSIS", "PSISLOO"}
RESULTS |= {"Estimate", "FreeEnergy"}
RESULTS |= {"CrossEntropy", "SequenceNLL", "RNNCache", "RNNGradients", "RNNOutput"}
RESULTS |= {"FourierBasis", "MeshLaplacian"}
RESULTS |= {"LSTMCache", "LSTMGradients", "LSTMOutput", "SavedModel", "TreeEnsemble"}
#: Tables of bad input beside the tests of estimators, of prediction, of model files.
ELSEWHERE = {"BoostedTreesClassifier", "BoostedTreesRanker", "BoostedTreesRegressor"}
ELSEWHERE |= {"Explainer", "Predictor", "TrainingCallback", "read_model", "write_model"}
ELSEWHERE |= {"dump_trees", "trees_to_dataframe"}
ELSEWHERE |= {"LanguageModel", "SequenceClassifier", "SequenceRegressor"}
ELSEWHERE |= {"ChebNetClassifier", "GCNClassifier", "plot_embedding"}
ELSEWHERE |= {"plot_history", "plot_importance", "plot_tree"}
ELSEWHERE |= {"oracles", "plot_bound_vs_k", "plot_pareto_k"}


@pytest.mark.parametrize(
    "room", [boosting, evidence, graph, information, nn, recurrent]
)
def test_no_public_function_is_left_out(room):
    files = Path(__file__).parent.rglob("test_awkward_*.py")
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    calls = [name for name in room.__all__ if name not in RESULTS | ELSEWHERE]
    assert [name for name in calls if not re.search(rf"\b{name}\b", text)] == []
