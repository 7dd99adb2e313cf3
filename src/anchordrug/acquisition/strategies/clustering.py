"""Drugs of different clusters of structures (PAPER, Baselines)."""

import numpy as np

from anchordrug.acquisition.groups import one_of_each_group
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
    return one_of_each_group(clusters, len(view.drugs), batch, rng, "cluster of structures")
