from __future__ import annotations

import numpy as np
import pytest

from boosting.growing import random_table
from fastnotes.boosting.growth import GrowthParameters, TreeGrower, add_tree_values

BINS, COLUMN_BINS, GRAD, HESS = random_table(0, 20)


def changed(array, value):
    array = array.copy()
    array.flat[-1] = value
    return array


BAD_TABLES = {
    "list": (BINS.tolist(), COLUMN_BINS, TypeError, "NumPy array"),
    "dtype": (BINS.astype(np.int32), COLUMN_BINS, ValueError, "uint8"),
    "one dimension": (BINS[:, 0].copy(), COLUMN_BINS, ValueError, "2 dimensions"),
    "strided": (BINS[:, ::2], COLUMN_BINS[::2], ValueError, "C-contiguous"),
    "no columns": (BINS[:, :0].copy(), COLUMN_BINS[:0], ValueError, "one column"),
    "code out of range": (changed(BINS, 12), COLUMN_BINS, ValueError, "column_bins"),
    "too few counts": (BINS, COLUMN_BINS[1:], ValueError, "column_bins of shape"),
    "real counts": (BINS, COLUMN_BINS * 1.0, TypeError, "integers"),
    "no bins": (BINS, changed(COLUMN_BINS, 0), ValueError, "from 1 to 255"),
    "too many bins": (BINS, changed(COLUMN_BINS, 256), ValueError, "from 1 to 255"),
}


@pytest.mark.parametrize(
    ("bins", "column_bins", "error", "message"), BAD_TABLES.values(), ids=BAD_TABLES
)
def test_bad_tables(bins, column_bins, error, message):
    with pytest.raises(error, match=rf"\[boosting\.TreeGrower\] .*{message}"):
        TreeGrower(bins, column_bins)


def test_bad_categorical():
    for mask in (np.zeros(4, bool), np.zeros(5, int)):
        with pytest.raises(ValueError, match="categorical of dtype bool"):
            TreeGrower(BINS, COLUMN_BINS, categorical=mask)


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"max_depth": -1}, ValueError),
        ({"max_depth": 2.0}, TypeError),
        ({"max_leaves": -1}, ValueError),
        ({"grow_policy": "best"}, ValueError),
        ({"learning_rate": np.nan}, ValueError),
        ({"reg_lambda": -1.0}, ValueError),
        ({"reg_alpha": "1"}, TypeError),
        ({"gamma": -0.5}, ValueError),
        ({"min_child_weight": np.inf}, ValueError),
        ({"max_delta_step": -1.0}, ValueError),
        ({"colsample_bylevel": 0.0}, ValueError),
        ({"colsample_bynode": 1.5}, ValueError),
        ({"max_cat_to_onehot": -1}, ValueError),
        ({"max_cat_threshold": 0}, ValueError),
        ({"cat_smooth": -1.0}, ValueError),
        ({"monotone": (0, 1)}, ValueError),
        ({"monotone": (0, 0, 2, 0, 0)}, ValueError),
        ({"interaction": ((0, 5),)}, ValueError),
        ({"interaction": ((0, 1.5),)}, TypeError),
    ],
)
def test_bad_parameters(parameters, error):
    with pytest.raises(error, match=next(iter(parameters))):
        TreeGrower(BINS, COLUMN_BINS, parameters=GrowthParameters(**parameters))


def test_no_monotone_categories():
    parameters = GrowthParameters(monotone=(1, 0, 0, 0, 0))
    with pytest.raises(ValueError, match="categorical column"):
        TreeGrower(
            BINS, COLUMN_BINS, categorical=np.arange(5) == 0, parameters=parameters
        )


ROWS = np.arange(20, dtype=np.int32)
BAD_CALLS = {
    "grad dtype": ({"grad": GRAD.astype(float)}, "float32"),
    "grad shape": ({"grad": GRAD[1:]}, "n_rows"),
    "hess shape": ({"hess": HESS[1:]}, "n_rows"),
    "grad strided": ({"grad": np.repeat(GRAD, 2)[::2]}, "C-contiguous"),
    "NaN": ({"grad": changed(GRAD, np.nan)}, "grad finite"),
    "infinity": ({"hess": changed(HESS, np.inf)}, "hess finite"),
    "rows dtype": ({"rows": ROWS.astype(np.int64)}, "int32"),
    "rows descend": ({"rows": ROWS[::-1].copy()}, "ascending"),
    "rows repeat": ({"rows": ROWS // 2}, "ascending"),
    "rows too large": ({"rows": ROWS + 1}, "n_rows - 1"),
    "rows negative": ({"rows": ROWS - 1}, "from 0"),
    "columns dtype": ({"columns": np.ones(5, int)}, "dtype bool"),
    "columns shape": ({"columns": np.ones(4, bool)}, "shape"),
    "no columns": ({"columns": np.zeros(5, bool)}, "at least one column"),
}


@pytest.mark.parametrize(("call", "message"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_bad_calls(call, message):
    grower = TreeGrower(BINS, COLUMN_BINS)
    expected = grower.grow(GRAD, HESS)
    with pytest.raises(
        ValueError, match=rf"\[boosting\.TreeGrower\.grow\] .*{message}"
    ):
        grower.grow(**{"grad": GRAD, "hess": HESS, **call})
    again = grower.grow(GRAD, HESS)
    assert again.value.tobytes() == expected.value.tobytes()


def test_bad_margins():
    grower = TreeGrower(BINS, COLUMN_BINS)
    tree = grower.grow(GRAD, HESS)
    for margins in (np.zeros(19), np.zeros(20, np.float32), np.zeros(40)[::2]):
        with pytest.raises(ValueError, match="margins"):
            grower.add_leaf_values(margins, tree)
        with pytest.raises(ValueError, match="margins"):
            add_tree_values(BINS, tree, margins)
    with pytest.raises(ValueError, match="columns"):
        add_tree_values(BINS[:, :1].copy(), tree, np.zeros(20))
