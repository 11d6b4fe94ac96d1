"""Real data for tests, examples and benchmarks: one loader per set.

Files are looked for in `data_home=`, else in the folder that ``FASTNOTES_DATA`` names,
then in the cache folder; each has one sub-folder per set. Every file is compared with
its pinned SHA-256, and nothing is ever unpickled. `list_datasets` says what is at hand.
"""

from __future__ import annotations

from fastnotes.datasets._info import DataFile, DatasetInfo
from fastnotes.datasets._listing import DatasetEntry, list_datasets
from fastnotes.datasets._results import (
    Dataset,
    GraphDataset,
    ImageDataset,
    RatingsDataset,
    SequenceDataset,
    Sequences,
    SplitTextDataset,
    TabularDataset,
    TextDataset,
)
from fastnotes.datasets.bundled import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from fastnotes.datasets.flights import load_nycflights13
from fastnotes.datasets.graphs import (
    load_amazon_computers,
    load_coauthor_cs,
    load_coauthor_physics,
    load_cora,
    load_cora_ml,
    load_pubmed_structure,
    make_power_law_graph,
)
from fastnotes.datasets.images import load_frey_faces, load_mnist, load_omniglot28
from fastnotes.datasets.ratings import load_flixster
from fastnotes.datasets.sequences import (
    load_basic_motions,
    load_ecg200,
    load_gunpoint,
    load_italy_power_demand,
    load_japanese_vowels,
    load_jsb_chorales,
    load_musedata,
    load_osu_leaf,
    load_piano_midi,
)
from fastnotes.datasets.tabular import (
    load_agaricus,
    load_bank_marketing,
    load_bike_sharing,
    load_california_housing,
    load_covtype_15k,
    load_credit_default,
    load_diamonds,
    load_electricity,
    load_flights_3m,
    load_higgs_7k,
    load_lambdarank_3k,
    load_multiclass_7k,
    load_mushroom,
)
from fastnotes.datasets.text import load_penn_treebank, load_tiny_shakespeare

__all__ = [
    "DataFile",
    "Dataset",
    "DatasetEntry",
    "DatasetInfo",
    "GraphDataset",
    "ImageDataset",
    "RatingsDataset",
    "SequenceDataset",
    "Sequences",
    "SplitTextDataset",
    "TabularDataset",
    "TextDataset",
    "list_datasets",
    "load_agaricus",
    "load_amazon_computers",
    "load_bank_marketing",
    "load_basic_motions",
    "load_bike_sharing",
    "load_breast_cancer",
    "load_california_housing",
    "load_coauthor_cs",
    "load_coauthor_physics",
    "load_cora",
    "load_cora_ml",
    "load_covtype_15k",
    "load_credit_default",
    "load_diabetes",
    "load_diamonds",
    "load_digits",
    "load_ecg200",
    "load_electricity",
    "load_flights_3m",
    "load_flixster",
    "load_frey_faces",
    "load_gunpoint",
    "load_higgs_7k",
    "load_iris",
    "load_italy_power_demand",
    "load_japanese_vowels",
    "load_jsb_chorales",
    "load_lambdarank_3k",
    "load_mnist",
    "load_multiclass_7k",
    "load_musedata",
    "load_mushroom",
    "load_nycflights13",
    "load_omniglot28",
    "load_osu_leaf",
    "load_penn_treebank",
    "load_piano_midi",
    "load_pubmed_structure",
    "load_tiny_shakespeare",
    "load_wine",
    "make_power_law_graph",
]
