"""Drugs of groups: one of each in turn, groups with the fewest chosen drugs first."""

import numpy as np

from anchordrug.acquisition.reasons import alike
from anchordrug.acquisition.registry import Selection


def one_of_each_group(
    group: np.ndarray, pool: int, batch: int, rng: np.random.Generator, noun: str
) -> Selection:
    """Choose `batch` of the first `pool` rows: one each of random groups, those with fewest taken first.

    Parameters
    ----------
    group
        int64 [rows], each row's group, numbered from 0; rows after the first `pool` are chosen already.
    noun
        A group in words, for the reasons.

    Returns
    -------
    Selection
        Its scores are 0.
    """
    taken = np.bincount(group[pool:], minlength=group.max() + 1)
    free = rng.permutation(pool)
    rank = np.empty(pool, np.int64)
    for number in np.unique(group):
        members = free[group[free] == number]
        rank[members] = taken[number] + np.arange(len(members))
    order = rng.permutation(group.max() + 1)[group[:pool]]
    positions = np.lexsort((order, rank))[:batch]
    reason = f"It is a random drug of a {noun}; {{}} drugs of it had been chosen."
    return Selection(positions, np.zeros(batch), alike(reason, rank[positions]))
