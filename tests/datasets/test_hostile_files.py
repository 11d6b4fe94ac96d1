"""Damaged and hostile files: a ValueError that names them, and nothing is run."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from fastnotes import datasets
from fastnotes.datasets import _files
from support.archives import npz


class Detonator:
    """Unpickling this would be seen."""

    fired = False

    def __reduce__(self):
        return (setattr, (Detonator, "fired", True))


def header(description: str, version: bytes = b"\x01\x00") -> bytes:
    text = description.encode("latin1")
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text


def archive(member: bytes, name: str = "y.npy") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, member)
    return buffer.getvalue()


def claim(shape: str, descr: str = "'<f8'") -> bytes:
    description = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"
    return archive(header(description) + b"\0" * 64)


def object_archive() -> bytes:
    description = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    return archive(header(description) + pickle.dumps([Detonator()]))


def encrypted_archive() -> bytes:
    content = bytearray(npz(y=np.zeros(3)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


HOSTILE = {
    "empty": b"",
    "not a zip": b"\x80\x04N.",
    "a bare pickle": pickle.dumps(Detonator()),
    "truncated": npz(y=np.arange(1000))[:-40],
    "flipped bytes": npz(y=np.arange(1000)).replace(b"\x00\x00", b"\x01\x02"),
    "objects": object_archive(),
    "objects inside a record": claim("(8,)", "[('a', '|O')]"),
    "huge shape": claim("(1000000000000000,)"),
    "shape beyond 64 bits": claim("(99999999999999999999999, 99999999999)"),
    "negative shape": claim("(-1, -8)"),
    "too little claimed": claim("(1,)"),
    "shape of strings": claim("('a',)"),
    "no such dtype": claim("(8,)", "'<z9'"),
    "code in the header": claim("__import__('os').getpid()"),
    "nested brackets": archive(header("(" * 9000)),
    "endless header": archive(header(" " * 60000)),
    "unknown version": archive(header("{}", b"\x09\x00")),
    "not an array": archive(b"hello", "y.txt"),
    "encrypted": encrypted_archive(),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_pinned_but_hostile_archive(kind, place, cache):
    home = place("cora", {"cora.npz": HOSTILE[kind]})
    with pytest.raises(ValueError, match=r"^\[datasets\.load_cora\] expected"):
        datasets.load_cora(data_home=home)
    assert not Detonator.fired


def test_detonator_works():
    pickle.loads(pickle.dumps(Detonator()))
    assert Detonator.fired
    Detonator.fired = False


@pytest.mark.parametrize("kind", HOSTILE)
def test_unpinned_bytes_are_never_parsed(kind, place, cache, monkeypatch):
    home = place("cora", {"cora.npz": HOSTILE[kind]}, pin=False)
    monkeypatch.setattr(_files, "read_npz", None)
    with pytest.raises(ValueError, match="the file is damaged or another version"):
        datasets.load_cora(data_home=home)


def test_too_large_when_unpacked(place, cache, monkeypatch, small_graph):
    monkeypatch.setattr(_files, "MAX_UNPACKED_BYTES", 100)
    home = place("cora", {"cora.npz": npz(**small_graph)})
    with pytest.raises(ValueError, match="bytes unpacked"):
        datasets.load_cora(data_home=home)


def test_missing_key(place, cache, small_graph):
    del small_graph["edges"]
    home = place("cora", {"cora.npz": npz(**small_graph)})
    with pytest.raises(ValueError, match="expected arrays named edges"):
        datasets.load_cora(data_home=home)


def test_fortran_order_arrives_in_c_order(place, cache, small_graph):
    small_graph["edges"] = np.asfortranarray(small_graph["edges"])
    home = place("cora", {"cora.npz": npz(**small_graph)})
    data = datasets.load_cora(data_home=home)
    expected = [[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 0]]
    assert data.adjacency.toarray().tolist() == expected
    assert data.X.toarray().tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    "content",
    [b"plain text", gzip.compress(b"a" * 99)[:-4], gzip.compress(b"\xff")],
    ids=["no gzip", "cut short", "no text"],
)
def test_damaged_text(content, place, cache):
    home = place("tiny_shakespeare", {"input.txt.gz": content})
    with pytest.raises(ValueError, match=r"expected input\.txt\.gz to be ASCII text"):
        datasets.load_tiny_shakespeare(data_home=home)
