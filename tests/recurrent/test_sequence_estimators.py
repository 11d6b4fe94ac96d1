"""SequenceClassifier and SequenceRegressor: learning, forms of input, laws, errors."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict

from fastnotes import datasets
from fastnotes.recurrent import SequenceClassifier, SequenceRegressor
from fastnotes.recurrent._network import Network
from fastnotes.recurrent._sequences import as_ragged
from fastnotes.recurrent.layers import LSTM
from fastnotes.recurrent.pooling import POOLINGS
from support.gradcheck import assert_directional
from support.sweeps import assert_same_bytes

QUICK: dict[str, Any] = {"hidden_size": 8, "n_epochs": 12, "learning_rate": 0.02}


def draw(n: int = 40, seed: int = 0) -> tuple[list[Any], Any]:
    """Sequences whose sign of drift is the class."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 2, n)
    lengths = rng.integers(3, 12, n)
    X = [
        rng.normal(0, 0.5, (length, 2)) + (0.6 if c else -0.6)
        for c, length in zip(classes, lengths, strict=True)
    ]
    return X, np.array(["down", "up"])[classes]


def padded(X: list[Any], extra: int = 0) -> tuple[Any, Any]:
    """The same as one array with NaN in its padding, and lengths."""
    lengths = np.array([len(x) for x in X])
    array = np.full((len(X), lengths.max() + extra, X[0].shape[1]), np.nan)
    for to, x in zip(array, X, strict=True):
        to[: len(x)] = x
    return array, lengths


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", ["lstm", "rnn"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_classifier_learns(cell: str, pooling: str, bidirectional: bool) -> None:
    X, y = draw()
    model = SequenceClassifier(
        cell, pooling=pooling, bidirectional=bidirectional, **QUICK
    ).fit(X, y)
    X_test, y_test = draw(100, seed=1)
    assert model.score(X_test, y_test) > 0.9
    assert model.classes_.tolist() == ["down", "up"]
    probabilities = model.predict_proba(X_test)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    predicted = model.classes_[probabilities.argmax(axis=1)]
    assert (predicted == model.predict(X_test)).all()
    assert model.history_["loss"][-1] < model.history_["loss"][0]
    assert len(model.history_["loss"]) == model.n_epochs_ == 12


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_learning_rate_decays(optimizer: str) -> None:
    X, y = draw(40)
    settings: dict[str, Any] = {**QUICK, "optimizer": optimizer}
    short, long = (
        SequenceClassifier(
            **{**settings, "n_epochs": n, "learning_rate_decay": 0.0, "decay_after": 2}
        ).fit(X, y)
        for n in (2, 4)
    )
    assert_same_bytes(*(tuple(m._network.parameters.values()) for m in (short, long)))
    plain = SequenceClassifier(**{**settings, "n_epochs": 4}).fit(X, y)
    assert plain.history_["loss"][:2] == long.history_["loss"][:2]
    assert plain.history_["loss"][2:] != long.history_["loss"][2:]


@pytest.mark.parametrize("two", [False, True])
def test_regressor_learns(two: bool) -> None:
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(length, 2)) for length in rng.integers(3, 10, 150)]
    y = 100 + 20 * np.array([x.mean(axis=0) for x in X])
    if not two:
        y = y[:, 0]
    model = SequenceRegressor(hidden_size=16, pooling="mean", n_epochs=40)
    model.fit(X[:100], y[:100])
    assert model.predict(X).shape == y.shape
    assert model.score(X[100:], y[100:]) > 0.8


@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradients_of_the_network(pooling: str) -> None:
    stack = LSTM(2, 3, num_layers=2, bidirectional=True, dtype=np.float64)
    network = Network(stack, pooling, 2, 1)
    rng = np.random.default_rng(0)
    names = list(network.parameters)
    for array in network.parameters.values():
        array[...] = rng.normal(size=array.shape)
    data = as_ragged([rng.normal(size=(n, 2)) for n in (4, 1, 0, 3)], None, "test")
    batch = data.batch(np.arange(4))
    doutput = rng.normal(size=(4, 2))

    def loss(*values: Any) -> float:
        for name, value in zip(names, values, strict=True):
            network.parameters[name][...] = value
        return float(np.vdot(network.forward(batch, training=False), doutput))

    values = [network.parameters[name].copy() for name in names]
    network.forward(batch, training=True)
    gradients = network.backward(doutput)
    assert_directional(loss, values, [gradients[name] for name in names])


def test_same_bytes_for_threads_padding_and_form() -> None:
    X, y = draw()
    settings = {**QUICK, "n_epochs": 3, "num_layers": 2, "dropout": 0.2}
    expected = SequenceClassifier(**settings, n_jobs=1).fit(X, y).predict_proba(X)
    for n_jobs in (2, 7):
        model = SequenceClassifier(**settings, n_jobs=n_jobs).fit(X, y)
        assert_same_bytes(model.predict_proba(X), expected)
    array, lengths = padded(X, extra=5)
    model = SequenceClassifier(**settings).fit(array, y, lengths=lengths)
    assert_same_bytes(model.predict_proba(array, lengths=lengths), expected)
    assert_same_bytes(model.predict_proba(X[3:4]), expected[3:4])


def test_validation_keeps_the_best_epoch() -> None:
    X, y = draw(60)
    flipped = np.where(np.arange(60) % 3 == 0, "up", y)  # something to overfit
    model = SequenceClassifier(
        hidden_size=16, n_epochs=60, validation_fraction=0.3, patience=4,
        learning_rate=0.05,
    ).fit(X, flipped)  # fmt: skip
    losses = model.history_["validation_loss"]
    assert model.best_epoch_ == int(np.argmin(losses))
    assert len(losses) == model.n_epochs_ == model.best_epoch_ + 5
    shorter = clone(model).set_params(n_epochs=model.best_epoch_ + 1).fit(X, flipped)
    assert_same_bytes(shorter.predict_proba(X), model.predict_proba(X))


def test_a_fraction_of_0_holds_nothing_out() -> None:
    X, y = draw(20)
    model = SequenceClassifier(**QUICK, validation_fraction=0.0).fit(X, y)
    assert "validation_loss" not in model.history_
    other = SequenceClassifier(**QUICK).fit(X, y)
    assert_same_bytes(model.predict_proba(X), other.predict_proba(X))


def test_weights() -> None:
    X, y = draw()
    few = np.where(y == "up", 1.0, 0.05)
    one = SequenceClassifier(**QUICK, class_weight={"up": 1.0, "down": 0.05}).fit(X, y)
    other = SequenceClassifier(**QUICK).fit(X, y, sample_weight=few)
    assert_same_bytes(one.predict_proba(X), other.predict_proba(X))
    plain = SequenceClassifier(**QUICK).fit(X, y)
    assert one.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean()


def test_a_sequence_of_no_steps() -> None:
    X, y = draw()
    X[0] = np.empty((0, 2))
    for pooling in POOLINGS:
        model = SequenceClassifier(pooling=pooling, **QUICK).fit(X, y)
        assert np.isfinite(model.predict_proba(X)).all()
        assert model.predict([np.empty((0, 2))]).shape == (1,)


def test_at_home_in_scikit_learn() -> None:
    X, y = draw()
    array, _ = padded([x[:3] for x in X])
    search = GridSearchCV(
        SequenceClassifier(**QUICK), {"pooling": ["last", "mean"]}, cv=2
    ).fit(array, y)
    assert search.best_score_ > 0.6
    predicted = cross_val_predict(SequenceClassifier(**QUICK), array, y, cv=2)
    assert predicted.shape == y.shape
    model = pickle.loads(pickle.dumps(search.best_estimator_))
    assert_same_bytes(model.predict_proba(array), search.predict_proba(array))
    with pytest.raises(NotFittedError):
        clone(model).predict(array)


def test_ctrl_c_keeps_the_finished_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = draw()
    calls, plain = [0], Network.backward

    def interrupted(self: Network, doutput: Any) -> Any:
        calls[0] += 1
        if calls[0] == 8:  # two batches an epoch
            raise KeyboardInterrupt
        return plain(self, doutput)

    monkeypatch.setattr(Network, "backward", interrupted)
    model = SequenceClassifier(**QUICK)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    monkeypatch.undo()
    assert model.n_epochs_ == 3
    assert model.classes_.tolist() == ["down", "up"]
    three = clone(model).set_params(n_epochs=3).fit(X, y)
    assert_same_bytes(model.predict_proba(X), three.predict_proba(X))


def test_a_loss_that_explodes_is_named() -> None:
    X, _ = draw()
    model = SequenceRegressor(**{**QUICK, "learning_rate": 1e30, "optimizer": "sgd"})
    with pytest.raises(FloatingPointError, match=r"fit\] expected a finite loss"):
        model.fit(X, np.arange(40.0))
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = draw()
    SequenceClassifier(**QUICK, verbose=1).fit(X, y)
    assert "loss 0." in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings", "bar"),
    [
        ("japanese_vowels", {"pooling": "mean", "n_epochs": 60}, 0.97),
        (
            "basic_motions",
            {"pooling": "mean", "n_epochs": 100, "batch_size": 10},
            0.95,
        ),
        ("italy_power_demand", {"n_epochs": 150, "learning_rate": 0.01}, 0.95),
    ],
)
def test_real_sequences(
    name: str, settings: dict[str, Any], bar: float, data_home: Path
) -> None:
    """Standard splits, mean of five seeds."""
    data = getattr(datasets, f"load_{name}")(data_home=data_home)

    def part(which: Any) -> tuple[list[Any], Any]:
        return np.split(which.steps, which.offsets[1:-1]), which.y

    (X, y), (X_test, y_test) = part(data.train), part(data.test)
    scores = [
        SequenceClassifier(
            **{"batch_size": 16, **settings}, bidirectional=True, random_state=seed
        )
        .fit(X, y)
        .score(X_test, y_test)
        for seed in range(5)
    ]
    assert np.mean(scores) >= bar


# Bad input

X_GOOD, Y_GOOD = draw(8)
BAD_X = [
    ("text", TypeError, "X as a list of arrays"),
    (None, TypeError, "X as a list of arrays"),
    ([], ValueError, "at least one sequence"),
    ([x[0] for x in X_GOOD], ValueError, r"X\[0\] with 2 dimension"),
    ([*X_GOOD[:7], X_GOOD[7][:, :1]], ValueError, "equally many features"),
    ([*X_GOOD[:7], X_GOOD[7] * np.nan], ValueError, "in sequence 7 at step 0"),
    ([*X_GOOD[:7], X_GOOD[7] * 1e300], ValueError, "in sequence 7 at step 0"),
    ([*X_GOOD[:7], X_GOOD[7] * 1j], TypeError, r"X\[7\] of real numbers"),
    (np.zeros((8, 3)), ValueError, "X with 3 dimension"),
    (X_GOOD[:7], ValueError, "y for 7 sequences, got 8"),
]


@pytest.mark.parametrize(("X", "error", "words"), BAD_X)
def test_bad_sequences(X: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=rf"^\[recurrent.SequenceClassifier.fit\].*{words}"):
        SequenceClassifier(**QUICK).fit(X, Y_GOOD)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"cell": "gru"}, ValueError, "cell as one of"),
        ({"cell": "rnn", "zoneout": 0.1}, ValueError, "cell 'lstm' for peephole, "),
        ({"zoneout": (0.1, 2.0)}, ValueError, "zoneout from 0.0 to 1.0"),
        ({"proj_size": 8}, ValueError, "proj_size below hidden_size"),
        ({"pooling": "sum"}, ValueError, "pooling as one of"),
        ({"hidden_size": 0}, ValueError, "hidden_size >= 1"),
        ({"optimizer": "adamw"}, ValueError, "optimizer as one of"),
        ({"learning_rate": -1.0}, ValueError, "learning_rate >= 0"),
        ({"learning_rate_decay": 1.5}, ValueError, "learning_rate_decay from 0"),
        ({"decay_after": -1}, ValueError, "decay_after >= 0"),
        ({"weight_decay": None}, TypeError, "weight_decay as a real"),
        ({"max_norm": 0.0}, ValueError, "max_norm > 0"),
        ({"n_epochs": 0}, ValueError, "n_epochs >= 1"),
        ({"batch_size": 1.5}, TypeError, "batch_size as an integer"),
        ({"validation_fraction": 2.0}, ValueError, "validation_fraction from 0"),
        ({"validation_fraction": 0.99}, ValueError, "that leaves both parts"),
        ({"patience": 0}, ValueError, "patience >= 1"),
        ({"random_state": None}, TypeError, "random_state as an integer"),
        ({"n_jobs": 0}, ValueError, "n_jobs other than 0"),
    ],
)
def test_bad_settings(
    settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=rf"^\[recurrent\..*\] expected .*{words}"):
        SequenceClassifier(**{**QUICK, **settings}).fit(X_GOOD, Y_GOOD)


def test_bad_targets_and_lengths() -> None:
    model = SequenceClassifier(**QUICK)
    with pytest.raises(ValueError, match="at least two classes, got 1"):
        model.fit(X_GOOD, ["up"] * 8)
    with pytest.raises(ValueError, match="lengths with one array"):
        model.fit(X_GOOD, Y_GOOD, lengths=[1] * 8)
    array, _ = padded([x[:3] for x in X_GOOD])
    with pytest.raises(ValueError, match="lengths from 0 to T = 3"):
        model.fit(array, Y_GOOD, lengths=[4] * 8)
    with pytest.raises(ValueError, match=r"sample_weight of shape \(8,\)"):
        model.fit(array, Y_GOOD, sample_weight=[1.0])
    with pytest.raises(ValueError, match="sample_weight >= 0"):
        model.fit(array, Y_GOOD, sample_weight=[-1.0] * 8)
    model.fit(array, Y_GOOD)
    with pytest.raises(
        ValueError, match=r"predict\] expected X with 2 features, got 3"
    ):
        model.predict(np.zeros((1, 3, 3)))
    with pytest.raises(ValueError, match="y finite"):
        SequenceRegressor(**QUICK).fit(array, [np.nan] * 8)
