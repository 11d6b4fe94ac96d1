from __future__ import annotations

import numpy as np
import pytest

from fastnotes._reference.boosting_prediction import margins as walk
from fastnotes.boosting import BoostedTreesRegressor
from fastnotes.boosting.model_files import read_model
from support.tolerances import COMPOSITE, REDUCTION

lightgbm = pytest.importorskip("lightgbm")

N_ROWS = 300


def table(seed=0):
    """Columns with missing values and zeros, and codes of 40 levels."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N_ROWS, 4))
    X[:, 2] *= rng.random(N_ROWS) < 0.7
    X[:, 3] = rng.integers(0, 40, N_ROWS)
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


def target(kind, X):
    rng = np.random.default_rng(1)
    signal = np.nan_to_num(X[:, 0]) + (X[:, 3] % 3 > 1)
    return {
        "real": np.exp(0.3 * signal) + rng.random(N_ROWS),
        "binary": (signal + rng.standard_normal(N_ROWS) > 0.5).astype(float),
        "classes": np.digitize(signal, [0, 1]).astype(float),
    }[kind]


def trained(objective, kind, X, categorical=(3,), **parameters):
    data = lightgbm.Dataset(
        X,
        target(kind, X),
        categorical_feature=list(categorical),
        params={"verbose": -1},
    )
    if objective in ("lambdarank", "rank_xendcg"):
        data.set_group([N_ROWS // 3] * 3)
    settings = {
        "objective": objective,
        "num_leaves": 9,
        "min_data_in_leaf": 5,
        "min_data_per_group": 5,
        "num_threads": 1,
        "verbose": -1,
    }
    return lightgbm.train(settings | parameters, data, 8)


def read(booster):
    return read_model(booster.model_to_string().encode())


def assert_read_alike(booster, X, **how):
    found = read(booster)
    expected = booster.predict(X, **({"raw_score": True} | how)).reshape(N_ROWS, -1)
    if found.missing == 0:
        X = np.where(np.abs(X) <= 1e-35, np.nan, X)
    # Leaves are float32 here.
    got = walk(found.trees, X).astype(np.float32)
    REDUCTION.assert_close(got, expected)
    return found


CASES = [
    ("regression", "real", "reg:squarederror", {}),
    ("regression_l1", "real", "reg:absoluteerror", {}),
    ("huber", "real", "reg:pseudohubererror", {}),
    ("fair", "real", "reg:pseudohubererror", {}),
    ("mape", "real", "reg:absoluteerror", {}),
    ("quantile", "real", "reg:quantileerror", {"alpha": 0.25}),
    ("poisson", "real", "count:poisson", {}),
    ("gamma", "real", "reg:gamma", {}),
    ("tweedie", "real", "reg:tweedie", {}),
    ("binary", "binary", "binary:logistic", {}),
    ("cross_entropy", "binary", "reg:logistic", {}),
    ("multiclass", "classes", "multi:softprob", {"num_class": 3}),
    ("lambdarank", "binary", "rank:ndcg", {}),
    ("rank_xendcg", "binary", "rank:ndcg", {}),
    ("regression", "real", "reg:squarederror", {"boosting": "dart"}),
    ("regression", "real", "reg:squarederror", {"use_missing": False}),
    ("regression", "real", "reg:squarederror", {"max_cat_to_onehot": 64}),
    ("regression", "real", "reg:squarederror", {"min_data_in_leaf": 1000}),
]


@pytest.mark.parametrize(("objective", "kind", "ours", "parameters"), CASES)
def test_same_margins(objective, kind, ours, parameters):
    found = assert_read_alike(trained(objective, kind, table(), **parameters), table(2))
    assert found.objective == ours


def test_parameters_of_objectives():
    X = table()
    quantile = read(trained("quantile", "real", X, alpha=0.25))
    assert quantile.objective_parameters == {"quantile_alpha": "0.25"}
    tweedie = read(trained("tweedie", "real", X, tweedie_variance_power=1.25))
    assert tweedie.objective_parameters == {"tweedie_variance_power": "1.25"}
    classes = read(trained("multiclass", "classes", X, num_class=3))
    assert classes.n_classes == 3


def test_zero_as_missing():
    X = table()
    booster = trained("regression", "real", X, categorical=(), zero_as_missing=True)
    assert assert_read_alike(booster, table(2)).missing == 0


def test_a_scaled_logistic_has_its_scale_in_the_leaves():
    booster = trained("binary", "binary", table(), sigmoid=2.0)
    margins = walk(read(booster).trees, table(2))[:, 0]
    got = (1 / (1 + np.exp(-margins))).astype(np.float32)
    REDUCTION.assert_close(got, booster.predict(table(2)))


def test_a_random_forest_is_its_average():
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
    booster = trained("regression", "real", table(), **forest)
    assert_read_alike(booster, table(2), raw_score=False)


def test_levels_of_pandas_columns():
    pd = pytest.importorskip("pandas")
    X = table()
    frame = pd.DataFrame({"x": X[:, 0]})
    frame["code"] = pd.Categorical(np.nan_to_num(X[:, 3]).astype(int) % 5 + 3)
    frame["name"] = pd.Categorical.from_codes(frame["code"].cat.codes, list("vwxyz"))
    found = read(trained("regression", "real", X, ()))
    assert found.categories is None
    data = lightgbm.Dataset(frame, target("real", X))
    booster = lightgbm.train({"verbose": -1, "num_threads": 1}, data, 3)
    assert read(booster).categories == (None, (3, 4, 5, 6, 7), tuple("vwxyz"))


@pytest.mark.parametrize(
    ("objective", "parameters", "message"),
    [
        ("regression", {"linear_tree": True}, "leaves that are constants"),
        ("regression", {"reg_sqrt": True}, "an objective with XGBoost's links"),
        ("multiclassova", {"num_class": 3}, "an objective with XGBoost's links"),
    ],
)
def test_what_trees_here_cannot_express(objective, parameters, message):
    X = np.nan_to_num(table())
    kind = "classes" if "num_class" in parameters else "real"
    booster = trained(objective, kind, X, categorical=(), **parameters)
    with pytest.raises(ValueError, match=message):
        read(booster)


def test_an_estimator_takes_lightgbms_model_of_an_array(tmp_path):
    """Its made-up names are none: rows come without, and raise no warning."""
    X = table()
    booster = trained("regression", "real", X, categorical=())
    booster.save_model(tmp_path / "model.txt")
    model = BoostedTreesRegressor.load(tmp_path / "model.txt")
    assert not hasattr(model, "feature_names_in_")
    REDUCTION.assert_close(model.predict(X).astype(np.float32), booster.predict(X))
    # With hessians of 1 its counts of rows are our cover.
    COMPOSITE.assert_close(
        model.shap_values(X).astype(np.float32), booster.predict(X, pred_contrib=True)
    )
