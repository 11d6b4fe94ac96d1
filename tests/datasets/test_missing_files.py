"""Where files are looked for, and what is said when they are nowhere."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from fastnotes import datasets
from fastnotes.datasets import _files
from fastnotes.datasets._registry import REGISTRY
from support.archives import npz

WITHOUT_HOME = [
    name for name, info in REGISTRY.items() if info.files and not info.originals
]


@pytest.mark.parametrize("name", [n for n in WITHOUT_HOME if n != "nycflights13"])
def test_error_says_how_to_provide_the_files(name, cache):
    info = REGISTRY[name]
    with pytest.raises(FileNotFoundError) as caught:
        getattr(datasets, f"load_{name}")()
    text = str(caught.value)
    assert text.startswith(f"[datasets.load_{name}] expected {info.files[0].name}")
    for part in (str(cache / info.subfolder), info.source, info.licence):
        assert part in text
    assert "FASTNOTES_DATA" in text
    assert "data_home=" in text


def test_data_home_is_the_only_folder_when_given(cache, tmp_path, small_graph, place):
    home = place("cora", {"cora.npz": npz(**small_graph)})
    assert datasets.load_cora(data_home=home).adjacency.nnz == 7
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        datasets.load_cora(data_home=tmp_path / "elsewhere")


def test_environment_comes_before_the_cache(
    cache, tmp_path, small_graph, place, monkeypatch
):
    home = place("cora", {"cora.npz": npz(**small_graph)})
    home.rename(cache)
    assert datasets.load_cora().y.tolist() == [0, 1, 0, 1]
    (tmp_path / "named" / "cora").mkdir(parents=True)
    (tmp_path / "named" / "cora" / "cora.npz").write_bytes(b"other")
    monkeypatch.setenv("FASTNOTES_DATA", str(tmp_path / "named"))
    with pytest.raises(ValueError, match="named"):
        datasets.load_cora()


@pytest.mark.parametrize("data_home", [3, b"folder", ["folder"]])
def test_data_home_of_a_wrong_type(data_home):
    with pytest.raises(TypeError, match=r"load_cora\] expected data_home as a path"):
        datasets.load_cora(data_home=data_home)


def test_list_says_where_each_set_is(cache, small_graph, place):
    home = place("cora", {"cora.npz": npz(**small_graph)})
    entries = {entry.name: entry for entry in datasets.list_datasets(data_home=home)}
    assert sorted(entries) == sorted(REGISTRY)
    assert entries["cora"].found == str(home / "cora")
    assert entries["cora"].kind == "graph"
    assert entries["mnist"].found is None
    assert entries["digits"].found == "package sklearn"


def test_without_pooch_there_is_no_cache_and_the_error_names_it(monkeypatch):
    monkeypatch.delenv("FASTNOTES_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert _files.cache_folder() is None
    with pytest.raises(FileNotFoundError, match="pip install pooch"):
        datasets.load_tiny_shakespeare()


@pytest.mark.parametrize("name", REGISTRY)
def test_loader_documents_its_set(name):
    loader = getattr(datasets, f"load_{name}")
    info = REGISTRY[name]
    for part in ("Returns\n-------", "Source: ", info.source, info.licence, info.split):
        assert part in loader.__doc__
    assert ("data_home" in inspect.signature(loader).parameters) == bool(info.files)
    assert ("data_home : path" in loader.__doc__) == bool(info.files)
    assert "{data_home}" not in loader.__doc__
    assert loader.__name__ in datasets.__all__


def test_importing_the_loaders_is_light():
    code = (
        "import sys; from fastnotes import datasets; "
        "heavy = {'scipy', 'sklearn', 'pandas', 'pooch'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
