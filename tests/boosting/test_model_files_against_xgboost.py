from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fastnotes._reference.boosting_prediction import margins as walk
from fastnotes.boosting.model_files import SavedModel, read_model, write_model
from support.forests import random_forest, random_rows
from support.tolerances import REDUCTION

xgboost = pytest.importorskip("xgboost")

N_ROWS = 120
TYPES = ["q", "q", "q", "c"]


def table(seed=0):
    """Columns with missing values, and codes of 40 levels."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N_ROWS, 4)).astype(np.float32)
    X[:, 3] = rng.integers(0, 40, N_ROWS)
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


def as_matrix(X, y=None):
    return xgboost.DMatrix(
        X, y, feature_types=TYPES, enable_categorical=True, nthread=1
    )


def target(kind):
    rng = np.random.default_rng(1)
    return {
        "real": rng.random(N_ROWS) + 0.5,
        "binary": rng.integers(0, 2, N_ROWS),
        "classes": np.arange(N_ROWS) % 3,
        "counts": rng.poisson(2.0, N_ROWS),
        "pair": rng.random((N_ROWS, 2)),
    }[kind]


def trained(objective, kind, rounds=6, **parameters):
    data = as_matrix(table(), target(kind))
    if objective.startswith("rank:"):
        data.set_group([N_ROWS // 3] * 3)
    if objective == "survival:aft":
        data.set_float_info("label_lower_bound", target(kind))
        data.set_float_info("label_upper_bound", target(kind) + 1)
    settings = {"objective": objective, "max_depth": 4, "nthread": 1, "verbosity": 0}
    return xgboost.train(settings | parameters, data, rounds)


def margins_of(booster, X):
    return booster.predict(as_matrix(X), output_margin=True).reshape(len(X), -1)


def assert_read_alike(booster, X):
    expected = margins_of(booster, X)
    for form in ("json", "ubj"):
        found = read_model(bytes(booster.save_raw(form)))
        REDUCTION.assert_close(walk(found.trees, X).astype(np.float32), expected)


def assert_written_alike(model, X, folder, booster=None):
    """What XGBoost predicts from our files is the walk, or what it did before."""
    expected = walk(model.trees, X) if booster is None else margins_of(booster, X)
    for name in ("model.json", "model.ubj"):
        write_model(model, folder / name)
        loaded = xgboost.Booster(model_file=folder / name)
        REDUCTION.assert_close(margins_of(loaded, X), expected)
        if booster is not None:
            X_matrix = as_matrix(X)
            np.testing.assert_array_equal(
                loaded.predict(X_matrix), booster.predict(X_matrix)
            )


CASES = [
    ("reg:squarederror", "real", {}),
    ("reg:absoluteerror", "real", {}),
    ("reg:pseudohubererror", "real", {"huber_slope": 0.5}),
    ("reg:squaredlogerror", "real", {}),
    ("reg:quantileerror", "real", {"quantile_alpha": [0.1, 0.5, 0.9]}),
    ("reg:gamma", "real", {}),
    ("reg:tweedie", "real", {"tweedie_variance_power": 1.3}),
    ("count:poisson", "counts", {}),
    ("survival:cox", "real", {}),
    ("survival:aft", "real", {}),
    ("reg:logistic", "binary", {}),
    ("binary:logistic", "binary", {}),
    ("binary:logistic", "binary", {"base_score": 0.99}),
    ("binary:logitraw", "binary", {}),
    ("binary:hinge", "binary", {}),
    ("multi:softmax", "classes", {"num_class": 3}),
    ("multi:softprob", "classes", {"num_class": 3}),
    ("rank:ndcg", "binary", {}),
    ("rank:ndcg", "binary", {"lambdarank_unbiased": True}),
    ("rank:pairwise", "binary", {}),
    ("rank:map", "binary", {}),
    ("reg:squarederror", "pair", {}),
    ("reg:squarederror", "real", {"max_cat_to_onehot": 1}),
    ("reg:squarederror", "real", {"max_cat_to_onehot": 100}),
    ("reg:squarederror", "real", {"grow_policy": "lossguide", "max_leaves": 9}),
    ("reg:squarederror", "real", {"tree_method": "approx"}),
    ("multi:softprob", "classes", {"num_class": 3, "num_parallel_tree": 2}),
    ("binary:logistic", "binary", {"booster": "dart", "rate_drop": 0.5}),
    ("reg:squarederror", "real", {"rounds": 0}),
]


@pytest.mark.parametrize(("objective", "kind", "parameters"), CASES)
def test_there_and_back(objective, kind, parameters, tmp_path):
    booster = trained(objective, kind, **parameters)
    X = table(2)
    assert_read_alike(booster, X)
    found = read_model(bytes(booster.save_raw("json")))
    assert found.objective == objective
    assert_written_alike(found, X, tmp_path, booster)


def test_pruned_trees_lose_their_dead_nodes():
    X, y = np.nan_to_num(table()), target("real")
    settings = {"tree_method": "exact", "gamma": 0.2, "max_depth": 8, "nthread": 1}
    booster = xgboost.train(settings, xgboost.DMatrix(X, y), 5)
    data = bytes(booster.save_raw("json"))
    trees = json.loads(data)["learner"]["gradient_booster"]["model"]["trees"]
    assert any(tree["tree_param"]["num_deleted"] != "0" for tree in trees)
    found = walk(read_model(data).trees, X)[:, 0].astype(np.float32)
    REDUCTION.assert_close(found, booster.predict(xgboost.DMatrix(X)))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("objective", "n_outputs", "base"),
    [
        ("reg:squarederror", 1, 0.3),
        ("binary:logistic", 1, 7.0),
        ("multi:softprob", 3, 0.0),
    ],
)
def test_trees_of_ours(seed, objective, n_outputs, base, tmp_path):
    """Random ones, with sets of any members and rows that lie on the thresholds."""
    rng = np.random.default_rng(seed)
    trees = random_forest(rng, n_outputs=n_outputs, base=base)
    assert_written_alike(SavedModel(trees, objective), random_rows(rng), tmp_path)


def test_odd_thresholds_of_ours(tmp_path):
    rng = np.random.default_rng(0)
    trees = random_forest(rng, n_rounds=20, categorical=())
    odd = np.array([0.0, np.inf, -np.inf, 1e300, -1e300, 1e-300, 0.1, -0.1])
    inner = trees.feature >= 0
    trees = replace(trees, threshold=np.where(inner, rng.choice(odd, inner.size), 0))
    X = rng.choice(
        np.float32([0, -0.0, 1e-45, -1e-45, 0.1, -0.1, 3e38, -3e38]), (50, 4)
    )
    model = SavedModel(trees, feature_types=("q",) * 4)
    write_model(model, tmp_path / "model.json")
    loaded = xgboost.Booster(model_file=tmp_path / "model.json")
    got = loaded.predict(xgboost.DMatrix(X, feature_types=["q"] * 4))
    REDUCTION.assert_close(got, walk(trees, X)[:, 0])


def test_empty_sets_of_ours(tmp_path):
    rng = np.random.default_rng(0)
    trees = random_forest(rng)
    trees = replace(trees, category_words=np.zeros_like(trees.category_words))
    assert_written_alike(SavedModel(trees), random_rows(rng), tmp_path)


@pytest.mark.parametrize("code", [6, 31, 32, 100, 2**24 - 1, 2**24, 2**25])
def test_categories_that_training_never_saw(code):
    booster = trained("reg:squarederror", "real", max_cat_to_onehot=1)
    X = table()[:20]
    X[:, 3] = code
    assert_read_alike(booster, X)


def test_names_of_levels(tmp_path):
    """XGBoost recodes a frame whose levels come in another order by these names."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    names = ["b", "zz", "a", "dd"]
    frame = pd.DataFrame(
        {
            "x": rng.standard_normal(N_ROWS),
            "name": pd.Categorical(rng.choice(names, N_ROWS), categories=names),
            "number": pd.Categorical(rng.choice([7, 3, 5], N_ROWS)),
        }
    )
    y = frame["name"].cat.codes + rng.random(N_ROWS)
    data = xgboost.DMatrix(frame, y, enable_categorical=True)
    booster = xgboost.train({"max_depth": 3, "nthread": 1}, data, 3)
    found = read_model(bytes(booster.save_raw("json")))
    assert found.categories == (None, tuple(names), (3, 5, 7))
    assert found.feature_names == ("x", "name", "number")
    frame["name"] = frame["name"].cat.reorder_categories(sorted(names))
    other = xgboost.DMatrix(frame, enable_categorical=True)
    for name in ("model.json", "model.ubj"):
        write_model(found, tmp_path / name)
        loaded = xgboost.Booster(model_file=tmp_path / name)
        np.testing.assert_array_equal(loaded.predict(other), booster.predict(data))


def test_scikit_learn_wrappers_load_our_files(tmp_path):
    rng = np.random.default_rng(0)
    trees = random_forest(rng, n_outputs=3, categorical=())
    model = SavedModel(trees, "multi:softprob", best_iteration=1)
    write_model(model, tmp_path / "model.json")
    loaded = xgboost.XGBClassifier()
    loaded.load_model(tmp_path / "model.json")
    X = random_rows(rng, missing=0)
    margins = walk(trees.select(0, 6), X)  # up to the best iteration
    REDUCTION.assert_close(loaded.predict(X, output_margin=True), margins)
    assert loaded.best_iteration == 1


def test_early_stopping_is_kept():
    data = as_matrix(table(), target("real"))
    booster = xgboost.train(
        {"nthread": 1},
        data,
        30,
        evals=[(as_matrix(table(3), target("real")), "valid")],
        early_stopping_rounds=2,
        verbose_eval=False,
    )
    found = read_model(bytes(booster.save_raw("ubj")))
    assert found.best_iteration == booster.best_iteration
    assert len(found.round_offsets) == booster.num_boosted_rounds() + 1


def test_gains_are_halved():
    booster = trained("reg:squarederror", "real", rounds=1)
    found = read_model(bytes(booster.save_raw("json"))).trees
    theirs = booster.get_score(importance_type="total_gain")
    total = found.gain[found.feature >= 0].astype(np.float64).sum()
    REDUCTION.assert_close(np.float32(2 * total), sum(theirs.values()))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"booster": "gblinear"}, "gbtree or dart"),
        ({"multi_strategy": "multi_output_tree"}, "one output each"),
    ],
)
def test_what_trees_here_cannot_express(parameters, message):
    kind = "pair" if "multi_strategy" in parameters else "real"
    data = xgboost.DMatrix(np.nan_to_num(table()), target(kind))
    booster = xgboost.train({"nthread": 1, "verbosity": 0, **parameters}, data, 2)
    with pytest.raises(ValueError, match=message):
        read_model(bytes(booster.save_raw("json")))
