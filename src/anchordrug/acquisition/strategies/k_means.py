"""The drugs in the middle of clusters of the network's embeddings."""

import numpy as np

from anchordrug.acquisition.k_means_plus_plus import k_means_plus_plus
from anchordrug.acquisition.kernel import embedding_kernel, squared_distances
from anchordrug.acquisition.reasons import alike
from anchordrug.acquisition.registry import Selection, register
from anchordrug.acquisition.scores import first_of_largest
from anchordrug.acquisition.view import PoolView

MOST_ITERATIONS = 100


@register("k_means")
def k_means(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
    """Cluster penultimate embeddings into `batch` clusters; of each the drug nearest to its centre.

    Lloyd's iterations from k-means++ seeds, on inner products alone: a centre is the mean of its members.
    The score is minus the distance to the centre.
    """
    kernel = embedding_kernel(view.network, view.drugs)
    pool = len(view.drugs)
    seeds, _ = k_means_plus_plus(kernel, int(rng.integers(pool)), batch, rng)
    distances = np.stack([squared_distances(kernel, seed) for seed in seeds], axis=1)
    cluster = distances.argmin(axis=1)
    for _ in range(MOST_ITERATIONS):
        moved = _to_centres(kernel, cluster, batch).argmin(axis=1)
        if (moved == cluster).all():
            break
        cluster = moved
    own = _to_centres(kernel, cluster, batch)[np.arange(pool), cluster]
    chosen = []
    for number in range(batch):
        members = np.flatnonzero(cluster == number)
        if len(members):
            chosen.append(int(members[first_of_largest(-own[members])]))
    # Where drugs coincide, clusters are fewer than seeds; the rest are the drugs farthest from their centres.
    while len(chosen) < batch:
        rest = own.copy()
        rest[chosen] = -1
        chosen.append(first_of_largest(rest))
    distances = np.sqrt(own[chosen])
    reason = "It is {} away from the middle of its cluster of drugs, in the network's embedding."
    return Selection(np.array(chosen), -distances, alike(reason, distances))


def _to_centres(kernel: np.ndarray, cluster: np.ndarray, clusters: int) -> np.ndarray:
    """Return squared distances [drugs, clusters] to the clusters' means; infinite to an empty cluster."""
    share = np.zeros((len(cluster), clusters), kernel.dtype)
    share[np.arange(len(cluster)), cluster] = 1
    size = share.sum(axis=0)
    share /= np.maximum(size, 1)
    to_members = (kernel @ share).astype(np.float64)
    spread = np.einsum("dc,dc->c", share, to_members)
    distances = kernel.diagonal()[:, None] - 2 * to_members + spread
    return np.where(size > 0, np.maximum(distances, 0), np.inf)
