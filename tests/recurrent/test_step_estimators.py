"""Estimators that predict at every step: learning, forms, laws, what has no target."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score

from fastnotes.nn import sigmoid_cross_entropy
from fastnotes.recurrent import SequenceClassifier, SequenceRegressor
from fastnotes.recurrent import _network as network_module
from fastnotes.recurrent._network import Network
from fastnotes.recurrent._sequences import as_ragged
from fastnotes.recurrent.layers import LSTM
from fastnotes.recurrent.pooling import STEPS
from support.gradcheck import assert_directional
from support.sweeps import assert_same_bytes
from support.tolerances import COMPOSITE

QUICK: dict[str, Any] = {
    "hidden_size": 8,
    "n_epochs": 12,
    "learning_rate": 0.02,
    "return_sequences": True,
}


def draw(n: int = 40, seed: int = 0) -> tuple[list[Any], list[Any]]:
    """Noise; the class of a step is the sign of the input one step before."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(length, 1)) for length in rng.integers(1, 12, n)]
    y = [np.append(-1, x[:-1, 0] > 0).astype(np.int64) for x in X]
    return X, y


def padded(arrays: list[Any], extra: int = 0) -> Any:
    """The same as one array, with NaN in its padding."""
    longest = max(map(len, arrays)) + extra
    out = np.full((len(arrays), longest, *arrays[0].shape[1:]), np.nan)
    for to, array in zip(out, arrays, strict=True):
        to[: len(array)] = array
    return out


def lengths_of(arrays: list[Any]) -> Any:
    return np.array([len(array) for array in arrays])


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_classes_of_steps(cell: str) -> None:
    X, y = draw(120)
    model = SequenceClassifier(cell, **{**QUICK, "n_epochs": 30}).fit(X, y)
    X, y = draw(50, seed=1)
    assert model.score(X, y) > 0.95
    predicted, probabilities = model.predict(X), model.predict_proba(X)
    truth = np.concatenate(y)
    present = truth >= 0
    chosen = np.concatenate(predicted)[present]
    assert model.score(X, y) == accuracy_score(truth[present], chosen)
    assert [p.shape for p in probabilities] == [(len(x), 2) for x in X]
    flat = np.concatenate(probabilities)[present].astype(np.float64)
    expected = -np.log(flat[np.arange(len(flat)), truth[present]]).mean()
    COMPOSITE.assert_close(np.float32([model.log_loss(X, y)]), [expected])


def test_words_of_steps() -> None:
    X, _ = draw()
    words = [np.array(["down", "up"])[(x[:, 0] > 0).astype(int)] for x in X]
    model = SequenceClassifier(**QUICK).fit(X, words)
    assert model.score(X, words) > 0.9
    assert model.classes_.tolist() == ["down", "up"]
    array, ends = padded(X), lengths_of(X)
    predicted = model.predict(array, lengths=ends)
    short = int(ends.argmin())
    assert set(predicted[short, ends[short] :].tolist()) == {""}
    assert predicted[short, : ends[short]].tolist() == model.predict(X)[short].tolist()


@pytest.mark.parametrize("two", [False, True])
def test_numbers_of_steps(two: bool) -> None:
    X, _ = draw(120)
    y = [100 + 20 * np.cumsum(x, axis=0) for x in X]
    if two:
        y = [np.concatenate([each, -each], axis=1) for each in y]
    else:
        y = [each[:, 0] for each in y]
    y[3][0] = np.nan
    model = SequenceRegressor(**{**QUICK, "n_epochs": 30}).fit(X, y)
    predicted = model.predict(X)
    assert [p.shape for p in predicted] == [each.shape for each in y]
    truth, flat = np.concatenate(y), np.concatenate(predicted)
    present = np.isfinite(truth.reshape(len(truth), -1)).all(axis=1)
    assert model.score(X, y) == r2_score(truth[present], flat[present])
    assert model.score(X, y) > 0.8
    array = model.predict(padded(X), lengths=lengths_of(X))
    assert_same_bytes(array, padded(predicted))


def test_labels_of_steps() -> None:
    """Next-step prediction of two labels: the inputs moved by one."""
    rng = np.random.default_rng(0)
    songs = []
    for length in rng.integers(3, 20, 60):
        first = rng.integers(0, 2, 2)
        steps = [(first + np.array([t, t // 2])) % 2 for t in range(length)]
        songs.append(np.array(steps))
    X, y = [s[:-1] for s in songs], [s[1:] for s in songs]
    settings = {**QUICK, "loss": "bernoulli", "standardize": False, "n_epochs": 40}
    model = SequenceClassifier(**settings).fit(X, y)
    assert model.classes_.tolist() == [0, 1]
    probabilities, predicted = model.predict_proba(X), model.predict(X)
    flat, truth = np.concatenate(probabilities).astype(np.float64), np.concatenate(y)
    assert ((flat > 0.5) == np.concatenate(predicted)).all()
    logits = np.log(flat) - np.log1p(-flat)
    expected = sigmoid_cross_entropy(logits, truth).loss.mean()
    COMPOSITE.assert_close(np.float32([model.log_loss(X, y)]), [expected])
    right = (np.concatenate(predicted) == truth).all(axis=1)
    assert model.score(X, y) == right.mean()
    assert model.log_loss(X, y) < 0.9  # the first step leaves one label open


def test_labels_of_sequences() -> None:
    X, _ = draw(80)
    y = np.array([[x.mean() > 0, x[-1, 0] > 0, 1] for x in X]).astype(int)
    settings = {**QUICK, "loss": "bernoulli", "n_epochs": 40}
    settings["return_sequences"] = False
    model = SequenceClassifier(**settings, validation_fraction=0.2).fit(X, y)
    assert model.predict_proba(X).shape == (80, 3)
    assert model.score(X, y) > 0.7
    assert model.predict(X).dtype == np.int64


def test_gradients_through_steps() -> None:
    stack = LSTM(2, 3, num_layers=2, bidirectional=True, dtype=np.float64)
    network = Network(stack, STEPS, 2, 1)
    rng = np.random.default_rng(0)
    names = list(network.parameters)
    for array in network.parameters.values():
        array[...] = rng.normal(size=array.shape)
    data = as_ragged([rng.normal(size=(n, 2)) for n in (4, 1, 0, 3)], None, "test")
    batch = data.batch(np.arange(4))
    doutput = rng.normal(size=(8, 2))

    def loss(*values: Any) -> float:
        for name, value in zip(names, values, strict=True):
            network.parameters[name][...] = value
        return float(np.vdot(network.forward(batch, training=False), doutput))

    values = [network.parameters[name].copy() for name in names]
    network.forward(batch, training=True)
    gradients = network.backward(doutput)
    assert_directional(loss, values, [gradients[name] for name in names])


def test_same_bytes_for_threads_padding_and_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, y = draw()
    settings = {**QUICK, "n_epochs": 3, "num_layers": 2, "bidirectional": True}
    expected = SequenceClassifier(**settings, n_jobs=1).fit(X, y).predict_proba(X)
    for n_jobs in (2, 7):
        model = SequenceClassifier(**settings, n_jobs=n_jobs).fit(X, y)
        for got, each in zip(model.predict_proba(X), expected, strict=True):
            assert_same_bytes(got, each)
    array, targets, ends = padded(X, 5), padded(y, 5), lengths_of(X)
    targets[0, ends[0] :] = 77  # padding is not read
    model = SequenceClassifier(**settings).fit(array, targets, lengths=ends)
    got = model.predict_proba(array, lengths=ends)
    assert got.dtype == np.float32
    valid = np.arange(array.shape[1]) < ends[:, None]
    assert_same_bytes(got[valid], np.concatenate(expected))
    assert not got[~valid].any()
    assert (model.predict(array, lengths=ends)[~valid] == -1).all()
    assert_same_bytes(model.predict_proba(X[3:4])[0], expected[3])
    monkeypatch.setattr(network_module, "LARGE_STEPS", 30)
    assert_same_bytes(np.concatenate(model.predict_proba(X)), np.concatenate(expected))


@pytest.mark.parametrize("nothing", [-1, np.nan])
def test_steps_without_a_target_do_not_count(nothing: float) -> None:
    X, y = draw()
    other = [np.where(each == -1, nothing, each) for each in y]
    one = SequenceClassifier(**QUICK).fit(X, y)
    two = SequenceClassifier(**QUICK).fit(X, other)
    assert_same_bytes(one.predict_proba(X)[2], two.predict_proba(X)[2])
    half = [np.where(np.arange(len(each)) % 2, each, -1) for each in y]
    model = SequenceClassifier(**QUICK).fit(X, half)
    assert model.history_["loss"] != one.history_["loss"]
    assert model.score(X, half) != model.score(X, y)


def test_weights() -> None:
    X, y = draw()
    few = {0: 0.05, 1: 1.0}
    weighted = SequenceClassifier(**QUICK, class_weight=few).fit(X, y)
    plain = SequenceClassifier(**QUICK).fit(X, y)
    flat = [np.concatenate(m.predict_proba(X)) for m in (weighted, plain)]
    assert flat[0][:, 1].mean() > flat[1][:, 1].mean() + 0.1
    left_out = np.ones(len(X))
    left_out[::2] = 0
    part = SequenceClassifier(**QUICK, standardize=False, batch_size=40)
    all_of_them = clone(part).fit(X, y, sample_weight=left_out)
    some = [np.full_like(each, -1) if b % 2 == 0 else each for b, each in enumerate(y)]
    half = clone(part).fit(X, some)
    assert all_of_them.history_ == half.history_
    assert half.log_loss(X, y, sample_weight=left_out) == half.log_loss(X, some)


def test_validation_that_is_given() -> None:
    X, y = draw(60)
    flipped = [np.where(each >= 0, 1 - each, each) for each in y]
    model = SequenceClassifier(**QUICK, patience=2)
    model.fit(X, y, validation=(X[:9], flipped[:9]))
    assert model.best_epoch_ == 0
    assert model.n_epochs_ == 3
    expected = model.log_loss(X[:9], flipped[:9])
    assert model.history_["validation_loss"][0] == expected
    array, ends = padded(X[:9]), lengths_of(X[:9])
    other = clone(model).fit(X, y, validation=(array, padded(flipped[:9]), ends))
    assert other.history_ == model.history_


def test_empty_sequences_pickles_and_clones() -> None:
    X, y = draw()
    X[5], y[5] = np.empty((0, 1)), []
    model = SequenceClassifier(**QUICK).fit(X, y)
    assert model.predict(X)[5].shape == (0,)
    again = pickle.loads(pickle.dumps(model))
    assert_same_bytes(again.predict_proba(X)[0], model.predict_proba(X)[0])
    assert clone(model).get_params()["return_sequences"] is True


# Bad input

X_GOOD, Y_GOOD = draw(8)
SHORT = [*Y_GOOD[:7], Y_GOOD[7][:-1]]
WORDS = [["a"] * len(x) for x in X_GOOD]
LABELS = [np.zeros((len(x), 2)) for x in X_GOOD]
BAD: list[tuple[Any, type[Exception], str]] = [
    (None, TypeError, "y as a list of arrays"),
    ("text", TypeError, "y as a list of arrays"),
    (Y_GOOD[:7], ValueError, "y for 8 sequences, got 7"),
    (SHORT, ValueError, r"y\[7\] for \d+ steps"),
    (np.zeros(8), ValueError, r"y of shape \(8, \d+, ...\)"),
    ([*Y_GOOD[:7], WORDS[7]], TypeError, r"text and numbers in y\[7\]"),
    (LABELS, ValueError, "one class a step"),
    ([*Y_GOOD[:7], LABELS[7]], ValueError, r"targets of shape \(\) at every step"),
    ([-np.ones(len(x)) for x in X_GOOD], ValueError, "at least one target"),
    ([np.ones(len(x)) for x in X_GOOD], ValueError, "at least two classes, got 1"),
]


@pytest.mark.parametrize(("y", "error", "words"), BAD)
def test_bad_targets(y: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=rf"^\[recurrent.SequenceClassifier.fit\].*{words}"):
        SequenceClassifier(**QUICK).fit(X_GOOD, y)


def test_bad_labels_numbers_and_validation() -> None:
    labels = SequenceClassifier(**QUICK, loss="bernoulli")
    with pytest.raises(ValueError, match="y of 0 and 1"):
        labels.fit(X_GOOD, [each + 2 for each in LABELS])
    with pytest.raises(ValueError, match="class_weight None"):
        clone(labels).set_params(class_weight="balanced").fit(X_GOOD, LABELS)
    with pytest.raises(ValueError, match="loss as one of"):
        clone(labels).set_params(loss="hinge").fit(X_GOOD, LABELS)
    labels.fit(X_GOOD, LABELS)
    with pytest.raises(ValueError, match=r"log_loss\] expected y with 2 labels, got 1"):
        labels.log_loss(X_GOOD, [each[:, :1] for each in LABELS])
    with pytest.raises(ValueError, match=r"score\] expected at least one target"):
        labels.score(X_GOOD, [each - 1 for each in LABELS])
    numbers = [np.array([[1.0, np.nan]] * len(x)) for x in X_GOOD]
    with pytest.raises(ValueError, match="y finite"):
        SequenceRegressor(**QUICK).fit(X_GOOD, numbers)
    model = SequenceClassifier(**QUICK)
    with pytest.raises(TypeError, match="validation as a tuple"):
        model.fit(X_GOOD, Y_GOOD, validation=X_GOOD[0])
    with pytest.raises(ValueError, match="validation or validation_fraction"):
        clone(model).set_params(validation_fraction=0.5).fit(
            X_GOOD, Y_GOOD, validation=(X_GOOD, Y_GOOD)
        )
    with pytest.raises(ValueError, match="classes that training had"):
        model.fit(X_GOOD, Y_GOOD, validation=(X_GOOD, [y + 1 for y in Y_GOOD]))
