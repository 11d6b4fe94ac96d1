"""The estimators inside scikit-learn's tools, and under many hands."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import StackingClassifier
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnotes.boosting import BoostedTreesClassifier, BoostedTreesRegressor
from support.processes import run_python
from support.sweeps import assert_same_bytes

FEW = {"n_estimators": 10, "n_jobs": 1}


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True)


@pytest.fixture(scope="module")
def towns():
    """A frame with a categorical column that matters, and its target."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    names = np.array(["Aarau", "Bern", "Chur"])[rng.integers(0, 3, 400)]
    frame = pandas.DataFrame({"age": rng.random(400), "income": rng.random(400)})
    frame["town"] = pandas.Categorical(names)
    return frame, (frame["age"] > 0.5).to_numpy() ^ (names == "Bern")


def test_decision_function_is_the_margin(cancer):
    X, y = cancer
    model = BoostedTreesClassifier(**FEW).fit(X, y)
    margins = model.decision_function(X)
    assert_same_bytes(margins, model.predict(X, output_margin=True))
    np.testing.assert_array_equal(model.predict(X), margins > 0)
    X, y = load_iris(return_X_y=True)
    margins = BoostedTreesClassifier(**FEW).fit(X, y).decision_function(X)
    assert margins.shape == (150, 3)


@pytest.mark.parametrize("kind", [bool, int, np.int16])
def test_objects_that_are_whole_numbers_are_labels(kind, cancer, tmp_path):
    X, y = cancer
    model = BoostedTreesClassifier(**FEW)
    model.fit(X, np.array([kind(label) for label in y], dtype=object))
    assert model.classes_.dtype == np.array([kind(0)]).dtype
    np.testing.assert_array_equal(model.predict(X), model.decision_function(X) > 0)


def test_calibration_by_margins(cancer):
    X, y = cancer
    model = CalibratedClassifierCV(BoostedTreesClassifier(**FEW), cv=3)
    assert model.fit(X, y).score(X, y) > 0.95


def test_a_column_transformer_hands_categories_on(towns):
    frame, y = towns
    columns = ColumnTransformer(
        [
            ("scaled", StandardScaler(), ["age", "income"]),
            ("kept", "passthrough", ["town"]),
        ]
    )
    model = make_pipeline(
        columns.set_output(transform="pandas"),
        BoostedTreesClassifier(categorical_features="from_dtype", **FEW),
    )
    search = GridSearchCV(model, {"boostedtreesclassifier__max_depth": [2, 3]}, cv=3)
    assert search.fit(frame, y).score(frame, y) > 0.95
    names = search.best_estimator_[-1].feature_names_in_.tolist()
    assert names == ["scaled__age", "scaled__income", "kept__town"]


def test_inspection_of_columns_with_categories(towns):
    frame, y = towns
    model = BoostedTreesClassifier(categorical_features="from_dtype", **FEW)
    model.fit(frame, y)
    found = permutation_importance(model, frame, y, n_repeats=2, random_state=0)
    assert found.importances_mean.argmin() == 1
    means = partial_dependence(model, frame, ["town"], categorical_features=["town"])
    assert means["average"].shape == (1, 3)


def test_stacking_in_two_processes(cancer):
    X, y = cancer
    stack = StackingClassifier(
        [("deep", BoostedTreesClassifier(**FEW)),
         ("flat", BoostedTreesClassifier(max_depth=2, **FEW))], cv=2
    )  # fmt: skip
    assert cross_val_score(stack, X, y, cv=2, n_jobs=2).mean() > 0.9


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: np.ascontiguousarray(X[::-1])[::-1],
        lambda X: X.astype(">f8"),
        lambda X: np.frombuffer(X.tobytes()).reshape(X.shape),
        np.ndarray.tolist,
    ],
    ids=["fortran", "strided", "backwards", "byteswapped", "read-only", "list"],
)
def test_arrays_of_any_make_are_the_same_rows(change, cancer):
    X, y = cancer
    expected = BoostedTreesClassifier(**FEW).fit(X, y).predict_proba(X)
    model = BoostedTreesClassifier(**FEW).fit(change(X), y)
    assert_same_bytes(model.predict_proba(change(X)), expected)


def test_a_file_in_memory_is_rows(cancer, tmp_path):
    X, y = cancer
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = BoostedTreesClassifier(**FEW).fit(X, y).predict_proba(X)
    model = BoostedTreesClassifier(**FEW).fit(mapped, y)
    assert_same_bytes(model.predict_proba(mapped), expected)


def test_many_threads_fit_and_predict_at_once(cancer):
    X, y = cancer
    shared = BoostedTreesClassifier(n_estimators=10, n_jobs=2).fit(X, y)
    chances, values = shared.predict_proba(X), shared.shap_values(X[:20])
    failures = []

    def work(row):
        own = BoostedTreesClassifier(n_estimators=10, n_jobs=2).fit(X, y)
        one = shared.predict_proba(X[row : row + 1])
        for got, expected in (
            (own.predict_proba(X), chances),
            (shared.predict_proba(X), chances),
            (one, chances[row : row + 1]),
            (shared.shap_values(X[:20]), values),
        ):
            if not np.array_equal(got, expected):
                failures.append(row)

    threads = [threading.Thread(target=work, args=(row,)) for row in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_signal_of_ctrl_c_keeps_the_finished_rounds():
    """SIGINT from outside, not KeyboardInterrupt from a callback."""
    # Processes in the background are started with SIGINT ignored.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    X = np.random.default_rng(0).standard_normal((2000, 4))

    class Press:
        def after_iteration(self, model, epoch, evals_log):
            if epoch == 3:
                os.kill(os.getpid(), signal.SIGINT)
            return False

    model = BoostedTreesRegressor(n_estimators=1000, callbacks=[Press()])
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, X[:, 0])
    finally:
        signal.signal(signal.SIGINT, previous)
    assert 3 <= model.n_rounds_ < 10
    assert model.predict(X).shape == (2000,)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_predicts_and_fits():
    done = run_python(
        """
import multiprocessing, warnings
import numpy as np
from fastnotes.boosting import BoostedTreesRegressor

warnings.simplefilter("ignore")  # of threads and fork
X = np.random.default_rng(0).standard_normal((20000, 4))
model = BoostedTreesRegressor(n_estimators=3, n_jobs=2).fit(X, X[:, 0])
expected = model.predict(X)

def child(queue):
    again = BoostedTreesRegressor(n_estimators=3, n_jobs=2).fit(X, X[:, 0])
    queue.put([model.predict(X), again.predict(X)])

context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=child, args=(queue,))
process.start()
for got in queue.get(timeout=40):
    assert np.array_equal(got, expected)
process.join()
"""
    )
    assert done.returncode == 0, done.stderr
