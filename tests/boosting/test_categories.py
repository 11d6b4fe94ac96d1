from __future__ import annotations

import numpy as np
import pytest

from fastnotes._reference.boosting import philox4x32
from fastnotes.boosting.level_order import (
    FOLD_PURPOSE,
    MAX_ORDERED_BINS,
    N_FOLDS,
    LevelOrder,
    draw_folds,
)
from fastnotes.boosting.table import TableEncoder
from fastnotes.boosting.training_table import MISSING_CODE, bin_table
from support.tolerances import REDUCTION

NAN = np.nan


def column(*values):
    return np.array(values, object)[:, None]


def codes_of(X, **parameters):
    encoder = TableEncoder(categorical_features=[0], **parameters)
    return encoder.fit_encode(X)[:, 0].tolist(), encoder


def test_levels_are_sorted_numbers_before_text():
    codes, encoder = codes_of(column("b", 2, "a", 1.5, "b"))
    assert codes == [3, 1, 2, 0, 3]
    assert encoder.levels_[0].values == [1.5, 2, "a", "b"]
    assert encoder.levels_[0].seen.all()


def test_small_integers_are_their_own_codes():
    X = np.array([[3.0, 1.0], [0.0, 2.0], [900.0, 3.0]])
    encoder = TableEncoder(categorical_features=[0])
    assert encoder.fit_encode(X) is X
    assert encoder.encode(X) is X
    assert np.flatnonzero(encoder.levels_[0].seen).tolist() == [0, 3, 900]
    large, _ = codes_of(np.array([[5000], [0], [70]]))
    assert large == [2, 0, 1]
    dense, _ = codes_of(np.arange(4000)[:, None])
    assert dense == list(range(4000))
    negative, _ = codes_of(np.array([[-1.0], [4.0], [NAN]]))
    np.testing.assert_array_equal(negative, [0, 1, NAN])
    fractions, _ = codes_of(np.array([[0.5], [0.25]]))
    assert fractions == [1, 0]


def test_missing_categories():
    codes, encoder = codes_of(column("x", None, NAN, "y"))
    np.testing.assert_array_equal(codes, [0, NAN, NAN, 1])
    codes, encoder = codes_of(column(-1, 5, "y", -1), missing=-1)
    np.testing.assert_array_equal(codes, [NAN, 0, 1, NAN])
    assert encoder.levels_[0].values == [5, "y"]
    codes, encoder = codes_of(np.array([[1], [2], [7]]), missing=1)
    np.testing.assert_array_equal(codes, [NAN, 2, 7])
    assert not encoder.levels_[0].seen[1]


@pytest.mark.parametrize(
    ("seen", "new", "name"),
    [
        (column("a", "b"), column("b", "c", None), "'c'"),
        (np.array([[1.0], [3.0]]), np.array([[3.0], [2.0], [NAN]]), "2"),
        (np.array([[1.0], [3.0]]), np.array([[3.0], [-1.0], [NAN]]), "-1"),
        (np.array([[1.0], [3.0]]), np.array([[3.0], [1e9], [NAN]]), "1000000000"),
        (np.array([["u"], ["v"]]), column("v", "w", None), "'w'"),
    ],
)
def test_unseen_categories(seen, new, name):
    codes, encoder = codes_of(seen)
    got = encoder.encode(new)[:, 0]
    np.testing.assert_array_equal(got, [codes[1], NAN, NAN])
    _, strict = codes_of(seen, unseen="error")
    with pytest.raises(ValueError, match=rf"column 0 of categories seen .* got {name}"):
        strict.encode(new)
    np.testing.assert_array_equal(strict.encode(new[[0, 2]])[:, 0], [codes[1], NAN])


def test_a_value_that_means_missing_is_never_unseen():
    _, encoder = codes_of(np.array([[1], [3]]), missing=-9, unseen="error")
    np.testing.assert_array_equal(encoder.encode(np.array([[-9], [3]])), [[NAN], [3]])


def test_types_of_equal_values_are_one_category():
    _, encoder = codes_of(column(1, 2, "a"))
    np.testing.assert_array_equal(encoder.encode(np.array([[2.0], [1.0]])), [[1], [0]])


def test_categories_that_cannot_be():
    lists = np.empty((2, 1), object)
    lists[:, 0] = [[1], [2]]
    with pytest.raises(TypeError, match="column 0 of values that can be hashed"):
        codes_of(lists)
    with pytest.raises(TypeError, match="column 0 of categories that can be sorted"):
        codes_of(column((1, 2), 3.5))


def test_declared_levels_keep_their_order_and_may_be_unseen():
    pandas = pytest.importorskip("pandas")
    kind = pandas.Categorical(["b", "a"], categories=["z", "b", "a"])
    encoder = TableEncoder(categorical_features="from_dtype")
    matrix = encoder.fit_encode(pandas.DataFrame({"kind": kind}))
    assert matrix[:, 0].tolist() == [1, 2]
    other = pandas.Categorical(["a", "z", "b"], categories=["a", "b", "z"])
    again = encoder.encode(pandas.DataFrame({"kind": other}))
    np.testing.assert_array_equal(again[:, 0], [2, NAN, 1])
    text = encoder.encode(pandas.DataFrame({"kind": ["a", "b", "q"]}))
    np.testing.assert_array_equal(text[:, 0], [2, 1, NAN])


def binned(codes, statistic=None, **parameters):
    X = np.asarray(codes, np.float64)[:, None]
    encoder = TableEncoder(categorical_features=[0])
    return bin_table(
        encoder.fit_encode(X), encoder.levels_, statistic=statistic, **parameters
    )


def test_few_categories_have_a_bin_each():
    table = binned([0, 7, NAN, 3, 7])
    assert table.bins[:, 0].tolist() == [0, 2, MISSING_CODE, 1, 2]
    assert table.columns.column_bins.tolist() == [3]
    assert table.columns.categorical.tolist() == [True]
    new = np.array([[3.0], [NAN], [0.0], [7.0]])
    assert table.columns.bin(new)[:, 0].tolist() == [1, MISSING_CODE, 0, 2]


def test_sets_of_bins_become_sets_of_categories():
    table = binned([0, 7, 40, 3, 64])  # bins 0 to 4 are 0, 3, 7, 40, 64
    left = np.zeros((4, 8), np.uint32)
    left[1, 0] = 0b11010
    left[3] = 2**32 - 1  # bins that the column does not have
    splits = table.columns.decode(
        np.array([-1, 0, -1, 0], np.int32), np.zeros(4, np.int32), left
    )
    assert splits.category_offsets.tolist() == [0, 0, 3, 3, 6]
    assert splits.category_words[:3].tolist() == [1 << 3, 1 << 8, 1]
    assert splits.category_words[3:].tolist() == [1 | 1 << 3 | 1 << 7, 1 << 8, 1]
    assert splits.threshold.tolist() == [0.0] * 4


def many(n_rows=20_000, n_levels=500, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_levels, n_rows)
    effect = rng.standard_normal(n_levels)
    return codes, effect, effect[codes] + rng.standard_normal(n_rows)


def test_many_categories_are_ordered_by_their_mean():
    codes, effect, y = many()
    table = binned(codes, y)
    assert not table.columns.categorical[0]
    assert table.columns.column_bins[0] == MAX_ORDERED_BINS
    few = binned(codes % 100, y).columns
    assert few.column_bins[0] == 100
    bins = table.columns.code_bins[0].astype(float)
    assert np.corrcoef(np.argsort(np.argsort(effect)), bins)[0, 1] > 0.95
    mass = np.bincount(bins.astype(int)[codes])
    assert mass.max() < 3 * len(codes) / MAX_ORDERED_BINS
    splits = table.columns.decode(np.array([0, 0]), np.array([0, 40]))
    sets = np.unpackbits(
        splits.category_words.astype("<u4").view(np.uint8), bitorder="little"
    ).reshape(2, -1)[:, :500]
    np.testing.assert_array_equal(sets, bins <= np.array([[0], [40]]))


def test_a_row_has_no_part_in_its_own_bin():
    codes, _, y = many(2000, 300)
    fold = draw_folds(len(codes), 0)
    row = 17
    moved = y.copy()
    moved[row] += 0.25
    before, after = (LevelOrder(target, None, 0) for target in (y, moved))
    sums, other = before._sums(codes, 300), after._sums(codes, 300)
    own = sums.total().without(sums.split()[fold[row]])
    own_after = other.total().without(other.split()[fold[row]])
    REDUCTION.assert_close(own_after.target, own.target)
    assert not np.allclose(sums.total().target, other.total().target)
    # Rows of one fold and one category share a bin.
    bins = before.order(codes.astype(float), np.ones(300, bool))[1]
    pairs = np.unique(np.stack([fold, codes, bins]), axis=1)
    assert pairs.shape[1] == np.unique(pairs[:2], axis=1).shape[1]


def test_noise_is_not_fitted():
    # Without folds, bins of pure noise would explain the target of their own rows.
    rng = np.random.default_rng(0)
    codes, y = rng.integers(0, 3000, 20_000), rng.standard_normal(20_000)
    bins = binned(codes, y).bins[:, 0]
    means = np.bincount(bins, y) / np.maximum(np.bincount(bins), 1)
    explained = (means[bins] ** 2).mean()
    assert explained < 3 * MAX_ORDERED_BINS / len(y)


def test_rare_categories_are_drawn_to_the_middle():
    codes, _, y = many(5000, 50)
    codes = np.append(codes, [50, 51])
    means = np.bincount(codes[:-2], y) / np.bincount(codes[:-2])
    y = np.append(y, [1.3 * means.max(), 1.3 * means.min()])
    bins = binned(codes, y).columns.code_bins[0]
    assert bins[50] < bins[:50].max()
    assert bins[51] > bins[:50].min()


def test_shrinkage_does_not_depend_on_the_scale_of_target_or_weight():
    codes, _, y = many(3000, 80)
    weight = np.random.default_rng(1).random(len(y)) + 0.1
    expected = binned(codes, y, sample_weight=weight)
    for scaled, heavier in ((4 * y, weight), (y, 8 * weight), (-y, weight)):
        got = binned(codes, scaled, sample_weight=heavier)
        ours, theirs = got.columns.code_bins[0], expected.columns.code_bins[0]
        if scaled[0] == -y[0]:
            assert np.corrcoef(ours, theirs)[0, 1] < -0.99
        else:
            np.testing.assert_array_equal(ours, theirs)
            np.testing.assert_array_equal(got.bins, expected.bins)


def test_several_outputs_are_ordered_along_their_main_axis():
    codes, _, y = many()
    one_hot = np.stack([y < -0.7, (y >= -0.7) & (y < 0.7), y >= 0.7], axis=1)
    along = binned(codes, one_hot.astype(float)).columns.code_bins[0]
    single = binned(codes, y).columns.code_bins[0]
    assert abs(np.corrcoef(along.astype(float), single)[0, 1]) > 0.9


def test_folds_are_drawn_by_philox():
    counter = np.zeros((1000, 4), np.uint64)
    counter[:, 0] = np.arange(1000)
    counter[:, 2] = FOLD_PURPOSE
    draw = philox4x32((5, 3), counter)[:, 0].astype(np.uint64)
    expected = (draw * np.uint64(N_FOLDS)) >> np.uint64(32)
    np.testing.assert_array_equal(draw_folds(1000, 5 + (3 << 32)), expected)


@pytest.mark.parametrize(
    "weight", [None, np.append(np.zeros(30), np.ones(10)), np.full(40, 1e-12)]
)
@pytest.mark.parametrize("y", [np.zeros(40), np.arange(40) % 2, np.arange(40.0)])
def test_degenerate_statistics(y, weight):
    for codes in (
        np.arange(40),
        np.arange(40) % 20,
        np.append(np.full(10, NAN), range(30)),
    ):
        table = binned(codes, y, sample_weight=weight, max_subset_levels=4)
        known = ~np.isnan(codes)
        n_bins = table.columns.column_bins[0]
        assert (table.bins[known, 0] < n_bins).all()
        assert (table.bins[~known, 0] == MISSING_CODE).all()
    nothing = binned(np.full(40, NAN), y, sample_weight=weight)
    assert (nothing.bins == MISSING_CODE).all()
    assert nothing.columns.column_bins[0] == 1
    splits = nothing.columns.decode(
        np.array([0]), np.array([0]), np.zeros((1, 8), "u4")
    )
    assert len(splits.category_words) == 1


def test_many_categories_need_a_statistic():
    with pytest.raises(ValueError, match="statistic to order many categories by"):
        binned(np.arange(300))
