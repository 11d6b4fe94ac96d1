"""Public originals: fetched into the cache, hashed, parsed alike."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import http.server
import struct
import threading

import numpy as np
import pytest

from fastnotes import datasets
from fastnotes.datasets._info import DataFile
from fastnotes.datasets._registry import REGISTRY
from support.archives import sha256

pooch = pytest.importorskip("pooch")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Return a function that serves files and makes them a set's public originals."""
    folder = tmp_path / "public"
    folder.mkdir()
    handler = functools.partial(QuietHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def publish(name, contents, *, tampered=False):
        originals = []
        for file, content in contents.items():
            (folder / file).write_bytes(content + b"!" if tampered else content)
            originals.append(DataFile(file, sha256(content), f"{address}/{file}"))
        info = dataclasses.replace(REGISTRY[name], originals=tuple(originals))
        monkeypatch.setitem(REGISTRY, name, info)

    yield publish
    server.shutdown()
    thread.join()
    server.server_close()


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes())


def small_mnist():
    rng = np.random.default_rng(0)
    return [
        rng.integers(256, size=(3, 28, 28), dtype=np.uint8),
        np.array([5, 0, 4], np.uint8),
        rng.integers(256, size=(2, 28, 28), dtype=np.uint8),
        np.array([7, 2], np.uint8),
    ]


def test_text_is_fetched_once_into_the_cache(cache, publish, tmp_path):
    publish("tiny_shakespeare", {"input.txt": b"First Citizen:\n"})
    data = datasets.load_tiny_shakespeare()
    assert data.text == "First Citizen:\n"
    assert (cache / "tiny_shakespeare" / "input.txt").read_bytes() == data.text.encode()
    (tmp_path / "public" / "input.txt").unlink()
    assert datasets.load_tiny_shakespeare().text == data.text


def test_originals_of_mnist(cache, publish):
    arrays = small_mnist()
    names = [file.name for file in REGISTRY["mnist"].originals]
    publish("mnist", dict(zip(names, map(idx, arrays), strict=True)))
    data = datasets.load_mnist()
    assert np.array_equal(data.images, np.concatenate([arrays[0], arrays[2]]))
    assert data.y.tolist() == [5, 0, 4, 7, 2]
    assert data.train_idx.tolist() == [0, 1, 2]
    assert data.test_idx.tolist() == [3, 4]


def test_tampered_download_is_refused(cache, publish):
    publish("tiny_shakespeare", {"input.txt": b"First Citizen:\n"}, tampered=True)
    with pytest.raises(FileNotFoundError, match="the download failed"):
        datasets.load_tiny_shakespeare()
    assert not (cache / "tiny_shakespeare" / "input.txt").exists()


def test_tampered_cache_is_refused(cache, publish):
    publish("tiny_shakespeare", {"input.txt": b"First Citizen:\n"})
    datasets.load_tiny_shakespeare()
    (cache / "tiny_shakespeare" / "input.txt").write_bytes(b"Second Citizen:\n")
    with pytest.raises(ValueError, match="expected .*input.txt with sha256"):
        datasets.load_tiny_shakespeare()


def test_unreachable_server(cache, publish, tmp_path):
    publish("tiny_shakespeare", {"input.txt": b"text"})
    (tmp_path / "public" / "input.txt").unlink()
    with pytest.raises(FileNotFoundError, match="the download failed: 404"):
        datasets.load_tiny_shakespeare()


def test_a_given_data_home_is_never_written(cache, publish, tmp_path):
    publish("tiny_shakespeare", {"input.txt": b"text"})
    with pytest.raises(FileNotFoundError, match="only read, never written"):
        datasets.load_tiny_shakespeare(data_home=tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_real_data_would_pass_as_originals(data_home):
    """The pinned hash of the public text is that of the converted file's content."""
    content = (data_home / "tiny_shakespeare" / "input.txt.gz").read_bytes()
    [original] = REGISTRY["tiny_shakespeare"].originals
    assert sha256(gzip.decompress(content)) == original.sha256


@pytest.mark.parametrize(
    "content",
    [
        b"not gzip",
        gzip.compress(b""),
        gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12),
        gzip.compress(b"\0\0\x08\xff" + b"\0" * 1020),
        gzip.compress(b"\0\0\x0d\x01" + b"\0\0\0\x01" + b"\0"),
        gzip.compress(b"\x80\x04\x08\x01" + b"\0\0\0\x01" + b"\0"),
    ],
    ids=["no gzip", "empty", "huge", "no extents", "float64", "bad magic"],
)
def test_damaged_idx(content, place, cache):
    names = [file.name for file in REGISTRY["mnist"].originals]
    home = place("mnist", dict.fromkeys(names, content))
    with pytest.raises(ValueError, match="expected train-images-idx3-ubyte.gz"):
        datasets.load_mnist(data_home=home)
