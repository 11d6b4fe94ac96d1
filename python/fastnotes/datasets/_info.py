"""What the registry says of one set: the records of `_registry.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataFile:
    """One pinned file.

    Attributes
    ----------
    name : str
        File name inside the set's folder.
    sha256 : str
        Digest, in hexadecimal, that the file must have; empty where `md5` is known.
    url : str
        Public home of exactly this file; empty when none is known.
    md5 : str
        Another digest, compared where there is no `sha256`.
    """

    name: str
    sha256: str
    url: str = ""
    md5: str = ""

    @property
    def digest(self) -> tuple[str, str]:
        """Kind and value of the digest that the file is held to."""
        return ("sha256", self.sha256) if self.sha256 else ("md5", self.md5)


@dataclass(frozen=True)
class DatasetTitle:
    """What a set is called.

    Attributes
    ----------
    name : str
        Name of the set; its loader is ``load_<name>``.
    kind : str
        "tabular", "sequences", "graph", "images", "text" or "ratings".
    title : str
        One line for people.
    """

    name: str
    kind: str
    title: str


@dataclass(frozen=True)
class DatasetInfo(DatasetTitle):
    """One row of the registry.

    Attributes
    ----------
    name, kind, title : str
        As `DatasetTitle` has them.
    source, licence, split, published : str
        Where the data come from, the terms stated there, the split that the loader
        returns, and published figures worth knowing (empty when there are none).
        "Unverified" marks figures quoted from memory of a paper.
    files : tuple of DataFile
        The converted files that the loader reads.
    originals : tuple of DataFile
        The public files that the loader can read instead, each with its address.
    folder : str
        Sub-folder of the data folder; empty means `name`.
    package : str
        Import name of the Python package that brings the set; empty when none does.
    """

    source: str
    licence: str
    split: str
    published: str = ""
    files: tuple[DataFile, ...] = ()
    originals: tuple[DataFile, ...] = ()
    folder: str = ""
    package: str = ""

    @property
    def loader(self) -> str:
        """Name of the loader as errors write it: ``datasets.load_<name>``."""
        return f"datasets.load_{self.name}"

    @property
    def subfolder(self) -> str:
        """Name of the set's folder inside a data folder."""
        return self.folder or self.name


def npz(stem: str, sha256: str) -> tuple[DataFile, ...]:
    """Return the files of a set that lives in the single archive ``<stem>.npz``."""
    return (DataFile(f"{stem}.npz", sha256),)
