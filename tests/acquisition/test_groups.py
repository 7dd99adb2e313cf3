"""Drugs of groups: one of each in turn, groups with the fewest chosen drugs first."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anchordrug.acquisition.groups import one_of_each_group


@given(
    groups=st.lists(st.integers(0, 4), min_size=1, max_size=15),
    chosen=st.lists(st.integers(0, 4), max_size=6),
    share=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_every_drug_comes_from_an_open_group_with_the_fewest_chosen_drugs(groups, chosen, share, seed):
    batch = max(1, round(share * len(groups)))
    rows = np.array([*groups, *chosen])
    selection = one_of_each_group(rows, len(groups), batch, np.random.default_rng(seed), "group")
    taken, left = Counter(chosen), Counter(groups)
    for position, reason in zip(selection.positions.tolist(), selection.reasons, strict=True):
        group = groups[position]
        assert taken[group] == min(taken[other] for other in left if left[other])
        assert reason == f"It is a random drug of a group; {taken[group]} drugs of it had been chosen."
        taken[group] += 1
        left[group] -= 1
    assert len(set(selection.positions.tolist())) == batch
    assert selection.scores.tolist() == [0] * batch
