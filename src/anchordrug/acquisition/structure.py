"""Baselines that look at the drugs alone: groups by structure or by mechanism, a random drug of each."""

import numpy as np

from anchordrug.acquisition.registry import Selection, register
from anchordrug.acquisition.view import PoolView

MOST_ITERATIONS = 10


@register("clustering")
def clustering(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
    """Cluster fingerprint bits by k-modes; a random drug of each cluster (PAPER, Baselines). Scores are 0.

    The clusters are those of free drugs and anchors together, as many as there will be anchors after this
    batch, and clusters without an anchor come first. So a budget of N spreads over N clusters.
    """
    from kmodes.kmodes import KModes

    rows = np.concatenate([view.drugs, view.anchors])
    bits = (view.catalogue.fingerprints[rows] > 0).astype(np.uint8)
    count = len(view.anchors) + batch
    modes = bits[rng.choice(len(bits), count, replace=False)]
    model = KModes(
        count,
        init=modes,  # pyright: ignore[reportArgumentType]  # a name or the modes themselves
        n_init=1,
        max_iter=MOST_ITERATIONS,
        random_state=int(rng.integers(2**31)),
    )
    clusters = model.fit_predict(bits)
    return _one_of_each(clusters, len(view.drugs), batch, rng)


@register("moa")
def moa(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
    """Draw random mechanisms of action, a random drug of each (PAPER, Baselines). Scores are 0.

    Drugs of one mechanism (or the same several) are a group; a drug without a known one is a group of its
    own. Groups with an anchor come last.
    """
    rows = np.concatenate([view.drugs, view.anchors])
    names = [view.catalogue.mechanisms[row] for row in rows]
    keys = [(name, False) if name else (f"drug {place}", True) for place, name in enumerate(names)]
    number = {key: place for place, key in enumerate(sorted(set(keys)))}
    groups = np.array([number[key] for key in keys])
    return _one_of_each(groups, len(view.drugs), batch, rng)


def _one_of_each(group: np.ndarray, pool: int, batch: int, rng: np.random.Generator) -> Selection:
    """Choose `batch` of the first `pool` rows: one each of random groups, those with fewest taken first.

    Rows after the first `pool` are chosen already.
    """
    taken = np.bincount(group[pool:], minlength=group.max() + 1)
    free = rng.permutation(pool)
    rank = np.empty(pool, np.int64)
    for number in np.unique(group):
        members = free[group[free] == number]
        rank[members] = taken[number] + np.arange(len(members))
    order = rng.permutation(group.max() + 1)[group[:pool]]
    positions = np.lexsort((order, rank))[:batch]
    return Selection(positions, np.zeros(batch))
