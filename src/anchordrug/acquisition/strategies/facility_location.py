"""The drugs that leave no drug one wants to predict without a chosen drug that acts like it.

It needs nothing measured in the target, and chooses in a fixed order, whatever the batch: the first ten of a
hundred drugs are the best ten.
"""

import numpy as np

from anchordrug.acquisition.reasons import represented
from anchordrug.acquisition.registry import Selection, register
from anchordrug.acquisition.scores import first_of_largest
from anchordrug.acquisition.spacing import evenly_spaced
from anchordrug.acquisition.view import PoolView

# Of more drugs to be predicted, an evenly spaced subset is used.
MOST_AIMED = 2000
ROWS_AT_ONCE = 4096


@register("facility_location")
def facility_location(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Choose drugs such that every drug one wants to predict has one with a similar prior response.

    Greedy facility location: each next drug adds most to the sum, over the catalogue's `queries`, of the
    similarity to the nearest chosen drug, (1 + cosine of prior responses) / 2. The score is the gain of this
    sum.
    """
    prior = view.prior
    queries = evenly_spaced(np.unique(view.queries), MOST_AIMED)
    aimed = _unit(prior.evidence_of(queries).prior)
    pool = (1 + _unit(prior.evidence_of(view.drugs).prior) @ aimed.T) / 2
    nearest = np.zeros(len(queries), np.float32)
    if len(view.anchors):
        nearest = ((1 + _unit(prior.evidence_of(view.anchors).prior) @ aimed.T) / 2).max(axis=0)
    mechanisms = [view.catalogue.mechanisms[row] for row in queries]
    positions, scores, reasons = [], [], []
    for _ in range(batch):
        value = _added(pool, nearest)
        value[positions] = -1
        best = first_of_largest(value)
        positions.append(best)
        scores.append(float(value[best]))
        reasons.append(represented(pool[best] - nearest, mechanisms))
        nearest = np.maximum(nearest, pool[best])
    return Selection(np.array(positions), np.array(scores), tuple(reasons))


def _unit(prior: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(prior, axis=1, keepdims=True)
    return prior / np.where(norm > 0, norm, 1)


def _added(similarity: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Return the gain of each pool drug, float64 [pool]."""
    parts = [
        np.maximum(similarity[start : start + ROWS_AT_ONCE] - nearest, 0).sum(axis=1, dtype=np.float64)
        for start in range(0, len(similarity), ROWS_AT_ONCE)
    ]
    return np.concatenate(parts)
