"""LanguageModel: learning, judging and writing texts, laws, errors."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from fastnotes.boosting import TrainingCallback
from fastnotes.recurrent import LanguageModel
from fastnotes.recurrent._text_network import TextNetwork
from fastnotes.recurrent._text_sampling import Choice
from fastnotes.recurrent._text_settings import schedule_of
from support.sweeps import assert_same_bytes
from support.tolerances import COMPOSITE

TEXT = "to be or not to be, that is the question.\n" * 12
QUICK: dict[str, Any] = {
    "hidden_size": 16,
    "num_layers": 1,
    "batch_size": 4,
    "seq_length": 16,
    "n_epochs": 3,
    "learning_rate": 0.02,
}


def weights(model: LanguageModel) -> tuple[Any, ...]:
    return tuple(model._network.parameters.values())


@pytest.fixture(scope="module")
def fitted() -> LanguageModel:
    return LanguageModel(**QUICK).fit(TEXT)


# ---------------------------------------------------------------- learning


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"cell": "rnn"},
        {"tie_weights": True, "num_layers": 2},
        {"dropout": 0.1, "embedding_size": 8},
        {"optimizer": "sgd", "learning_rate": 2.0, "momentum": 0.9, "max_norm": 1.0},
        {"level": "token", "seq_length": 8, "n_epochs": 60},
    ],
    ids=lambda settings: "-".join(map(str, settings)) or "plain",
)
def test_learns_a_periodic_text(settings: dict[str, Any]) -> None:
    model = LanguageModel(**{**QUICK, "n_epochs": 40, **settings}).fit(TEXT)
    assert model.perplexity(TEXT) < 1.3
    losses = model.history_["loss"]
    assert losses[-1] < losses[0] / 4
    assert len(losses) == len(model.history_["gradient_norm"]) == model.n_epochs_
    assert model.best_epoch_ is None
    assert "to be, that" in model.sample(100, "or not ", random_state=0)


def test_the_penn_treebank_recipe() -> None:
    """SGD whose rate is halved from some epoch on; rare tokens are unknown ones."""
    text = "the <unk> sat on the mat\n" * 30 + "a dog\n"
    model = LanguageModel(
        level="token", hidden_size=20, batch_size=5, seq_length=6, n_epochs=6,
        optimizer="sgd", learning_rate=20, learning_rate_decay=0.5, decay_after=4,
        max_norm=0.25, init_scale=0.1, forget_bias=0.0, min_count=2, unknown="<unk>",
    )  # fmt: skip
    rates = [schedule_of(model, "").rate(epoch) for epoch in range(6)]
    assert rates == [20, 20, 20, 20, 10, 5]
    model.fit(text, validation="the dog sat\n")
    assert model.vocabulary_ == ("<eos>", "<unk>", "mat", "on", "sat", "the")
    assert model.perplexity(text) < model.vocabulary_size_
    bits = model.bits_per_character(text) * len(text)
    n_tokens = 7 * 30 + 3
    nats = np.array(-model.score(text) * (n_tokens - 1))
    COMPOSITE.assert_close(np.array(bits * math.log(2)), nats)


def test_a_uniform_model_is_as_perplexed_as_its_vocabulary() -> None:
    model = LanguageModel(**{**QUICK, "n_epochs": 1, "learning_rate": 0.0})
    model.set_params(init_scale=0.0).fit("abcde" * 20)
    assert math.isclose(model.perplexity("abcabc"), 5, rel_tol=1e-6)
    assert math.isclose(model.bits_per_character("ab"), math.log2(5), rel_tol=1e-6)
    assert math.isclose(model.score("edcba"), -math.log(5), rel_tol=1e-6)


def test_integers_stand_for_themselves() -> None:
    ids = np.tile([3, 0, 2], 60)
    model = LanguageModel(**{**QUICK, "n_epochs": 30}).fit(ids, validation=ids[:7])
    assert model.vocabulary_ is None
    assert model.vocabulary_size_ == 4
    sampled = model.sample(5, [3, 0], temperature=0)
    assert sampled.tolist() == [2, 3, 0, 2, 3]
    assert sampled.dtype == np.int64
    assert list(model.stream([0], n=2, temperature=0)) == [2, 3]
    assert LanguageModel(**QUICK).fit(ids.tolist()).vocabulary_size_ == 4
    with pytest.raises(ValueError, match="text of integers, as the training text"):
        model.perplexity("text")
    with pytest.raises(ValueError, match="from 0 to 3, got 4 at place 1"):
        model.perplexity([0, 4])


def test_tokens_come_as_a_string_or_a_list() -> None:
    model = LanguageModel(**QUICK, level="token").fit("a  b\tc\n" * 20)
    assert model.vocabulary_ == ("<eos>", "a", "b", "c")
    other = LanguageModel(**QUICK, level="token").fit(["a", "b", "c", "<eos>"] * 20)
    for one, two in zip(weights(model), weights(other), strict=True):
        assert_same_bytes(one, two)
    text = model.sample(8, "a b", temperature=0, random_state=0)
    assert set(text) <= set("abc \n")
    assert text == "".join(model.stream(["a", "b"], n=8, temperature=0))


def test_what_the_vocabulary_does_not_hold() -> None:
    known = LanguageModel(**QUICK).fit(TEXT)
    with pytest.raises(ValueError, match=r"training text holds .*, got 'é' at pl"):
        known.perplexity("to bé")
    model = LanguageModel(**QUICK, unknown="\ufffd").fit(TEXT)
    assert model.vocabulary_[:-1] == known.vocabulary_
    assert model.perplexity("to bé") == model.perplexity("to b\ufffd")
    rare = LanguageModel(**QUICK, unknown="?", min_count=13).fit(TEXT)
    assert set(rare.vocabulary_) == {c for c in TEXT if TEXT.count(c) > 12} | {"?"}


def test_streams_only_lose_their_beginnings(fitted: LanguageModel) -> None:
    one, many = (fitted.perplexity(TEXT, n_streams=n) for n in (1, 3))
    assert one < many < 1.1 * one
    assert fitted.perplexity("to", n_streams=50) == fitted.perplexity("to")
    assert math.isclose(fitted.score(TEXT), -math.log(one))


def test_perplexity_is_the_product_of_what_is_read(fitted: LanguageModel) -> None:
    ids = fitted._origin.vocabulary.encode(TEXT[:30], "")
    reader, total = fitted._network.reader(), 0.0
    for token, following in itertools.pairwise(ids.tolist()):
        logits = reader.read(token).astype(np.float64)
        total += np.logaddexp.reduce(logits) - logits[following]
    perplexity = np.array(fitted.perplexity(TEXT[:30]), np.float32)
    COMPOSITE.assert_close(perplexity, math.exp(total / 29))


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("extra", [{}, {"dropout": 0.2, "num_layers": 2}])
def test_same_bytes_for_threads(extra: dict[str, Any]) -> None:
    settings = {**QUICK, "hidden_size": 40, "batch_size": 8, "n_epochs": 2, **extra}
    expected = LanguageModel(**settings, n_jobs=1).fit(TEXT)
    for n_jobs in (2, 7):
        model = LanguageModel(**settings, n_jobs=n_jobs).fit(TEXT)
        assert_same_bytes(weights(model), weights(expected))
        assert model.history_ == expected.history_
        assert model.score(TEXT) == expected.score(TEXT)


def test_validation_keeps_the_best_epoch() -> None:
    settings = {**QUICK, "n_epochs": 50, "patience": 3, "learning_rate": 0.1}
    rng = np.random.default_rng(0)
    text, other = rng.integers(0, 4, (2, 200))  # nothing to learn: it overfits
    model = LanguageModel(**settings).fit(text, validation=other)
    losses = model.history_["validation_loss"]
    assert model.best_epoch_ == int(np.argmin(losses))
    assert model.n_epochs_ == model.best_epoch_ + 4 < 50
    shorter = clone(model).set_params(n_epochs=model.best_epoch_ + 1).fit(text)
    assert_same_bytes(weights(model), weights(shorter))


def test_at_home_in_scikit_learn(fitted: LanguageModel) -> None:
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        again.perplexity(TEXT)
    with pytest.raises(NotFittedError):
        again.sample(3)
    with pytest.raises(NotFittedError):
        again.stream()
    with pytest.raises(NotFittedError):
        again.save("nowhere")
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert other.score(TEXT) == fitted.score(TEXT)
        assert other.sample(9, random_state=3) == fitted.sample(9, random_state=3)
    assert repr(fitted) == (
        "LanguageModel(batch_size=4, hidden_size=16, learning_rate=0.02, n_epochs=3,\n"
        "              num_layers=1, seq_length=16)"
    )


def test_ctrl_c_keeps_the_finished_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, plain = [0], TextNetwork.gradients
    n_steps = 2 * math.ceil((len(TEXT) - 1) // 4 / 16) + 3

    def interrupted(self: TextNetwork) -> Any:
        calls[0] += 1
        if calls[0] == n_steps:
            raise KeyboardInterrupt
        return plain(self)

    monkeypatch.setattr(TextNetwork, "gradients", interrupted)
    model = LanguageModel(**QUICK)
    with pytest.raises(KeyboardInterrupt):
        model.fit(TEXT)
    monkeypatch.undo()
    assert model.n_epochs_ == 2
    two = clone(model).set_params(n_epochs=2).fit(TEXT)
    assert_same_bytes(weights(model), weights(two))
    assert pickle.loads(pickle.dumps(model)).score(TEXT) == two.score(TEXT)


def test_a_loss_that_explodes_is_named() -> None:
    model = LanguageModel(**{**QUICK, "learning_rate": 1e39, "optimizer": "sgd"})
    with pytest.raises(FloatingPointError, match=r"fit\] expected a finite .* epoch 1"):
        model.set_params(max_norm=math.inf).fit(TEXT)
    with pytest.raises(NotFittedError):
        model.score(TEXT)


def test_progress_and_callbacks(capsys: pytest.CaptureFixture[str]) -> None:
    class Stop(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            assert evals_log == model.history_
            assert len(evals_log["loss"]) == epoch + 1 == model.n_epochs_
            assert model.perplexity(TEXT) < 30
            return epoch == 1

    model = LanguageModel(**QUICK, verbose=1, callbacks=[Stop()])
    model.fit(TEXT, validation=TEXT[:50])
    assert model.n_epochs_ == 2
    shown = capsys.readouterr().err
    assert "epoch 2/3, loss " in shown
    assert "/s" in shown
    assert "validation" in shown


# ---------------------------------------------------------------- sampling


def test_samples(fitted: LanguageModel) -> None:
    assert fitted.sample(0) == ""
    text = fitted.sample(50, "to", random_state=4)
    assert len(text) == 50
    assert set(text) <= set(TEXT)
    assert text == fitted.sample(50, "to", random_state=4)
    assert text != fitted.sample(50, "to", random_state=5)
    assert fitted.sample(30) != fitted.sample(30)
    pieces = fitted.stream("to", random_state=4)
    assert "".join(itertools.islice(pieces, 50)) == text
    assert text[:20] == fitted.sample(20, "to", random_state=4)


def test_limits_of_sampling(fitted: LanguageModel) -> None:
    likeliest = fitted.sample(40, "to", temperature=0)
    for options in ({"top_k": 1}, {"temperature": 1e-9}, {"temperature": 1e-300}):
        for seed in (0, 1):
            assert fitted.sample(40, "to", random_state=seed, **options) == likeliest
    all_of_them = fitted.vocabulary_size_
    assert fitted.sample(40, top_k=all_of_them + 5, random_state=1) == fitted.sample(
        40, random_state=1
    )
    hot = fitted.sample(400, temperature=1e300, random_state=0)
    assert set(hot) == set(fitted.vocabulary_)
    first = {fitted.sample(1, top_k=2, random_state=seed) for seed in range(30)}
    counts = sorted((TEXT.count(c), c) for c in set(TEXT))
    assert first == {c for _, c in counts[-2:]}


def test_draws_follow_their_probabilities() -> None:
    p = np.array([0.5, 0.0, 0.2, 0.3])
    with np.errstate(divide="ignore"):
        logits = np.log(p)
    n = 4000
    for options, expected in (
        ({}, p),
        ({"top_k": 2}, [0.625, 0, 0, 0.375]),
        ({"temperature": 0.5}, p**2 / (p**2).sum()),
    ):
        choice = Choice(**{"temperature": 1.0, "top_k": None, **options}, seed=1)
        drawn = [choice.token(logits, place) for place in range(n)]
        share = np.bincount(drawn, minlength=4) / n
        assert np.abs(share - expected).max() < 4 * 0.5 / n**0.5
    tied = Choice(temperature=1.0, top_k=1, seed=0)
    assert tied.token(np.array([0.0, 1.0, 1.0]), 0) == 1


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"cell": "rnn", "peephole": True}, ValueError, "cell 'lstm' for peephole, "),
        ({"zoneout": np.nan}, ValueError, "zoneout finite"),
        (
            {"proj_size": 3, "tie_weights": True, "embedding_size": 8},
            ValueError,
            "equal to proj_size",
        ),
        ({"cell": "gru"}, ValueError, "cell as one of"),
        ({"level": "word"}, ValueError, "level as one of"),
        ({"optimizer": "adamw"}, ValueError, "optimizer as one of"),
        ({"hidden_size": 0}, ValueError, "hidden_size >= 1"),
        ({"hidden_size": 2.0}, TypeError, "hidden_size as an integer"),
        ({"num_layers": 5000}, ValueError, "num_layers from 1 to 1024"),
        ({"embedding_size": 0}, ValueError, "embedding_size >= 1"),
        ({"embedding_size": 8, "tie_weights": True}, ValueError, "got 8 and 16"),
        ({"seq_length": 0}, ValueError, "seq_length >= 1"),
        ({"batch_size": 0}, ValueError, "batch_size >= 1"),
        ({"batch_size": 600}, ValueError, "text of at least 601 tokens, got 504"),
        ({"n_epochs": 0}, ValueError, "n_epochs >= 1"),
        ({"learning_rate": -1.0}, ValueError, "learning_rate >= 0"),
        ({"learning_rate": None}, TypeError, "learning_rate as a real"),
        ({"learning_rate_decay": math.nan}, ValueError, "learning_rate_decay finite"),
        ({"learning_rate_decay": 1.5}, ValueError, "learning_rate_decay from 0.0 to 1"),
        ({"hidden_size": 2**40}, ValueError, "that fits in memory"),
        ({"decay_after": -1}, ValueError, "decay_after >= 0"),
        ({"momentum": 1.0}, ValueError, "momentum below 1"),
        ({"max_norm": 0}, ValueError, "max_norm > 0"),
        ({"dropout": 1.0}, ValueError, "dropout below 1"),
        ({"init_scale": "a"}, TypeError, "init_scale as a real"),
        ({"forget_bias": math.inf}, ValueError, "forget_bias finite"),
        ({"min_count": 0}, ValueError, "min_count >= 1"),
        ({"min_count": 20}, ValueError, "unknown, a name for what min_count leaves"),
        ({"unknown": 3}, TypeError, "unknown as a string or None"),
        ({"patience": 0}, ValueError, "patience >= 1"),
        ({"random_state": -1}, ValueError, "random_state from 0"),
        ({"random_state": None}, TypeError, "random_state as an integer"),
        ({"n_jobs": 0}, ValueError, "n_jobs other than 0"),
        ({"verbose": None}, TypeError, "verbose as an integer"),
        ({"callbacks": print}, TypeError, "callbacks as a list"),
    ],
)
def test_bad_settings(
    settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    model = LanguageModel(**{**QUICK, **settings})
    with pytest.raises(
        error, match=rf"^\[recurrent\.LanguageModel\.fit\] expected .*{words}"
    ):
        model.fit(TEXT)
    assert not hasattr(model, "history_")


BAD_TEXTS = [
    (None, TypeError, "text as a string, or integers, got NoneType"),
    (b"bytes", TypeError, "text as a string"),
    ({}, TypeError, "text as a string"),
    (3.5, TypeError, "text as a string, or an array of integers"),
    ([0.5, 1.5], TypeError, "of integers"),
    (["a", "b"], TypeError, "of integers"),
    ([[0, 1]], ValueError, "with 1 dimension"),
    ([0, -1] * 9, ValueError, "text of integers >= 0, got -1"),
    ([0, 2**60] * 9, ValueError, "embedding that fits in memory"),
    ("", ValueError, "text of at least 5 tokens, got 0"),
    ("abcd", ValueError, "text of at least 5 tokens, got 4"),
    ([], ValueError, "text of at least 5 tokens, got 0"),
]


@pytest.mark.parametrize(("text", "error", "words"), BAD_TEXTS)
def test_bad_texts(text: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=rf"fit\] expected .*{words}"):
        LanguageModel(**QUICK).fit(text)


def test_bad_arguments(fitted: LanguageModel) -> None:
    for call, error, words in (
        (lambda: fitted.perplexity("t"), ValueError, "at least 2 tokens, got 1"),
        (lambda: fitted.perplexity(TEXT, n_streams=0), ValueError, "n_streams >= 1"),
        (lambda: fitted.sample(-1), ValueError, "n >= 0"),
        (lambda: fitted.sample(1.5), TypeError, "n as an integer"),
        (lambda: fitted.sample(1, "é"), ValueError, "prompt of what .* 'é' at place 0"),
        (lambda: fitted.sample(1, None), TypeError, "prompt as a string"),
        (lambda: fitted.sample(1, temperature=-1), ValueError, "temperature >= 0"),
        (lambda: fitted.sample(1, temperature=math.nan), ValueError, "temperature fin"),
        (lambda: fitted.sample(1, top_k=0), ValueError, "top_k >= 1"),
        (lambda: fitted.stream(n=-1), ValueError, "n >= 0"),
        (lambda: fitted.stream(random_state="a"), TypeError, "random_state as an int"),
        (lambda: clone(fitted).fit(TEXT, validation="é" * 9), ValueError, "validation"),
        (lambda: clone(fitted).fit(TEXT, validation="t"), ValueError, "of at least 2"),
    ):
        with pytest.raises(error, match=rf"^\[recurrent\.Lang.*\] expected .*{words}"):
            call()
