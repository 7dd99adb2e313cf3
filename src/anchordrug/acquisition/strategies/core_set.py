"""The drugs that are the farthest from all anchors: a core set of the pool (Sener and Savarese 2018)."""

import numpy as np

from anchordrug.acquisition.kernel import embedding_kernel, squared_distances
from anchordrug.acquisition.reasons import alike
from anchordrug.acquisition.registry import Selection, register
from anchordrug.acquisition.scores import first_of_largest
from anchordrug.acquisition.view import PoolView


@register("core_set")
def core_set(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Greedy k-center on penultimate embeddings: always the drug farthest from all drugs chosen so far.

    Anchors of earlier rounds are the first centres; without any, the drug nearest to the pool's mean is.
    The score is the distance at which a drug was chosen; that first drug's is its own to the mean.
    """
    pool = len(view.drugs)
    kernel = embedding_kernel(view.network, np.concatenate([view.drugs, view.anchors]))
    chosen, scores = [], []
    if len(view.anchors):
        to_anchors = [squared_distances(kernel, pool + anchor)[:pool] for anchor in range(len(view.anchors))]
        nearest = np.min(to_anchors, axis=0)
    else:
        centrality = kernel.mean(axis=1, dtype=np.float64)
        to_mean = np.maximum(kernel.diagonal() - 2 * centrality + centrality.mean(), 0)
        chosen = [first_of_largest(-to_mean)]
        scores = [float(np.sqrt(to_mean[chosen[0]]))]
        nearest = squared_distances(kernel, chosen[0])[:pool]
    while len(chosen) < batch:
        nearest[chosen] = -1
        position = first_of_largest(nearest)
        chosen.append(position)
        scores.append(float(np.sqrt(nearest[position])))
        nearest = np.minimum(nearest, squared_distances(kernel, position)[:pool])
    reasons = alike("It is {} away from the nearest chosen drug, in the network's embedding.", scores)
    if not len(view.anchors):
        middle = "It is {} away from the middle of all drugs, in the network's embedding; no drug is nearer."
        reasons = alike(middle, scores[:1]) + reasons[1:]
    return Selection(np.array(chosen), np.array(scores), reasons)
