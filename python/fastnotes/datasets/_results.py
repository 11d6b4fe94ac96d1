"""The objects that loaders return: frozen, typed, a few kinds only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnotes._validation import as_integer
from fastnotes.datasets._info import DatasetInfo

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[Any]
IndexArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """What every result has.

    Attributes
    ----------
    info : DatasetInfo
        The registry's row: title, source, licence, split, published figures.
    """

    info: DatasetInfo

    @property
    def name(self) -> str:
        """Name of the set in the registry."""
        return self.info.name

    def __repr__(self) -> str:
        shapes = (
            f"{item.name}={value.shape}"
            for item in fields(self)
            if hasattr(value := getattr(self, item.name), "shape")
        )
        return f"{type(self).__name__}({', '.join((self.name, *shapes))})"


@dataclass(frozen=True, eq=False, repr=False)
class TabularDataset(Dataset):
    """Rows and columns with one target.

    Attributes
    ----------
    X : array or csr_array of shape (n_rows, n_columns)
        float32 (float64 for scikit-learn's sets). A category is its code, from 0;
        a missing value is NaN.
    y : array of shape (n_rows,)
        int64 classes or grades, or a float target.
    feature_names : tuple of str
        One name per column; empty where the source has none.
    categories : mapping from str to tuple of str
        For each categorical column its level names: code k is ``categories[name][k]``.
    target_names : tuple of str
        Class names, in the order of the codes in `y`; empty where there are none.
    train_idx, test_idx : int64 array or None
        Row numbers of the standard split; None where the set has none.
    weight : float32 array of shape (n_rows,) or None
        Row weights.
    query : int64 array of shape (n_rows,) or None
        Query number of each row, for ranking; the rows of a query are adjacent.
    """

    X: Any
    y: Array
    feature_names: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    target_names: tuple[str, ...] = ()
    train_idx: IndexArray | None = None
    test_idx: IndexArray | None = None
    weight: FloatArray | None = None
    query: IndexArray | None = None

    @property
    def categorical_columns(self) -> tuple[int, ...]:
        """Column numbers of the categorical columns."""
        return tuple(self.feature_names.index(name) for name in self.categories)

    def train_test(self) -> tuple[Any, Any, Array, Array]:
        """Return X_train, X_test, y_train, y_test of the standard split.

        Raises
        ------
        ValueError
            The set has no standard split.
        """
        if self.train_idx is None or self.test_idx is None:
            raise ValueError(
                f"[datasets.train_test] expected a set with a standard split, "
                f"got {self.name}, which has none"
            )
        train, test = self.train_idx, self.test_idx
        return self.X[train], self.X[test], self.y[train], self.y[test]


@dataclass(frozen=True, eq=False, repr=False)
class Sequences:
    """Sequences of unequal length, one after another.

    ``sequences[k]`` is sequence k, a view of shape (length, n_channels).

    Attributes
    ----------
    steps : array of shape (n_steps_in_all, n_channels)
        float32, or uint8 for piano-rolls.
    offsets : int64 array of shape (n_sequences + 1,)
        Sequence k has the rows ``offsets[k]:offsets[k + 1]`` of `steps`.
    y : int64 array of shape (n_sequences,) or None
        Class codes; None where the task is to predict the next step.
    """

    steps: Array
    offsets: IndexArray
    y: IndexArray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, k: int) -> Array:
        k = range(len(self))[k]
        return self.steps[self.offsets[k] : self.offsets[k + 1]]

    def __repr__(self) -> str:
        return f"Sequences({len(self)} of {self.steps.shape[1]} channels)"

    @property
    def lengths(self) -> IndexArray:
        """Steps of each sequence, int64 of shape (n_sequences,)."""
        return np.diff(self.offsets)

    def padded(
        self, max_length: int | None = None, *, dtype: DTypeLike = np.float32
    ) -> tuple[Array, IndexArray]:
        """Return the sequences as one block, zeros after their ends.

        Parameters
        ----------
        max_length : int, optional
            Longer sequences are cut here. Default: the longest sequence.
        dtype : dtype
            Of the block.

        Returns
        -------
        x : array of shape (n_sequences, max_length, n_channels)
            As ``fastnotes.recurrent`` takes it.
        lengths : int64 array of shape (n_sequences,)
            Valid steps of each.

        Raises
        ------
        TypeError, ValueError
            If ``max_length`` is not a whole number from 0 on.
        """
        longest = int(self.lengths.max(initial=0))
        n_steps = longest
        if max_length is not None:
            where = "datasets.padded"
            n_steps = min(longest, as_integer(max_length, where, "max_length", low=0))
        x = np.zeros((len(self), n_steps, self.steps.shape[1]), dtype=dtype)
        lengths = np.minimum(self.lengths, n_steps)
        for k, length in enumerate(lengths):
            x[k, :length] = self[k][:length]
        return x, lengths


@dataclass(frozen=True, eq=False, repr=False)
class SequenceDataset(Dataset):
    """Sequences in their standard parts.

    Attributes
    ----------
    train, test : Sequences
        The parts as given.
    valid : Sequences or None
        The validation part; None where the source has none.
    class_names : tuple of str
        Class names in the order of the codes; empty for next-step tasks.
    """

    train: Sequences
    test: Sequences
    valid: Sequences | None = None
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class GraphDataset(Dataset):
    """One undirected, unweighted graph.

    Attributes
    ----------
    adjacency : csr_array of shape (n_nodes, n_nodes)
        float32 ones, symmetric, sorted indices; a self-loop is one diagonal entry.
    X : csr_array of shape (n_nodes, n_features) or None
        float32 node features as in the source, not normalised.
    y : int64 array of shape (n_nodes,) or None
        Node classes.
    train_idx, val_idx, test_idx : int64 array or None
        Node numbers of the split that `info.split` describes.
    """

    adjacency: csr_array
    X: csr_array | None = None
    y: IndexArray | None = None
    train_idx: IndexArray | None = None
    val_idx: IndexArray | None = None
    test_idx: IndexArray | None = None


@dataclass(frozen=True, eq=False, repr=False)
class ImageDataset(Dataset):
    """Grey or bilevel images of one size.

    Attributes
    ----------
    images : uint8 array of shape (n_images, height, width)
        As in the source, not scaled.
    y : int64 array of shape (n_images,) or None
        Classes.
    train_idx, test_idx : int64 array or None
        Image numbers of the standard split; None where the set has none.
    attributes : mapping from str to int64 array of shape (n_images,)
        Further codes of each image.
    attribute_names : mapping from str to tuple of str
        Level names of those attributes that have any.
    """

    images: NDArray[np.uint8]
    y: IndexArray | None = None
    train_idx: IndexArray | None = None
    test_idx: IndexArray | None = None
    attributes: Mapping[str, IndexArray] = field(default_factory=dict)
    attribute_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class TextDataset(Dataset):
    """One text as characters and as codes.

    Attributes
    ----------
    text : str
        The whole text.
    codes : uint8 array of shape (n_characters,)
        ``vocabulary[codes[i]] == text[i]``.
    vocabulary : tuple of str
        The distinct characters, sorted.
    n_train : int
        Characters before this one are the training part.
    """

    text: str
    codes: NDArray[np.uint8]
    vocabulary: tuple[str, ...]
    n_train: int

    @property
    def train(self) -> NDArray[np.uint8]:
        """Codes of the training part."""
        return self.codes[: self.n_train]

    @property
    def test(self) -> NDArray[np.uint8]:
        """Codes of the rest."""
        return self.codes[self.n_train :]


@dataclass(frozen=True, eq=False, repr=False)
class SplitTextDataset(Dataset):
    """Three texts, ready for ``LanguageModel(level="token")``.

    Attributes
    ----------
    train, valid, test : str
        Tokens between white space, sentences between line ends.
    """

    train: str
    valid: str
    test: str


@dataclass(frozen=True, eq=False, repr=False)
class RatingsDataset(Dataset):
    """Ratings of items by users, with a graph on each side.

    Attributes
    ----------
    shape : tuple of int
        (n_users, n_items).
    train_pairs, test_pairs : int64 array of shape (n_ratings, 2)
        User and item of each rating.
    train_ratings, test_ratings : float32 array of shape (n_ratings,)
        The ratings.
    user_graph, item_graph : csr_array
        float32 symmetric neighbour graphs of the users and the items.
    """

    shape: tuple[int, int]
    train_pairs: IndexArray
    train_ratings: FloatArray
    test_pairs: IndexArray
    test_ratings: FloatArray
    user_graph: csr_array
    item_graph: csr_array

    def train_matrix(self) -> csr_array:
        """Return the training ratings as a float32 matrix of shape `shape`."""
        from scipy.sparse import csr_array

        users, items = self.train_pairs.T
        return csr_array((self.train_ratings, (users, items)), shape=self.shape)
