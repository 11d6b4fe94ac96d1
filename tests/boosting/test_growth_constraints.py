from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from boosting.growing import grow, random_table, walk

SEEDS = st.integers(0, 2**32 - 1)
POLICIES = st.sampled_from(["depthwise", "lossguide"])


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from([-1, 1]), st.integers(0, 4), POLICIES)
def test_predictions_follow_a_monotone_column(seed, sign, column, policy):
    table = random_table(seed, 300, missing=0.05)
    monotone = tuple(sign if c == column else 0 for c in range(5))
    tree = grow(table, monotone=monotone, grow_policy=policy, max_leaves=30)
    rows = np.repeat(table[0][:40], 12, axis=0)
    rows[:, column] = np.tile(np.arange(12), 40)
    value = tree.value[walk(tree, rows)].reshape(40, 12)
    assert (sign * np.diff(value, axis=1) >= 0).all()


@settings(max_examples=60, deadline=None)
@given(SEEDS, POLICIES)
def test_paths_stay_within_interactions(seed, policy):
    sets = ((0, 1), (2, 3), (1, 4))
    table = random_table(seed, 300)
    tree = grow(table, interaction=sets, grow_policy=policy, max_leaves=30)
    paths = {0: frozenset()}
    for node in np.flatnonzero(tree.feature >= 0).tolist():
        path = paths[node] | {int(tree.feature[node])}
        assert len(path) == 1 or any(path <= set(one) for one in sets)
        paths[int(tree.left[node])] = paths[int(tree.right[node])] = path
