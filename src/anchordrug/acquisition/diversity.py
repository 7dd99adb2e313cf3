"""Strategies that spread a batch over what the predictor makes of the drugs."""

import numpy as np

from anchordrug.acquisition.kernel import embedding_kernel, gradient_kernel, squared_distances
from anchordrug.acquisition.registry import Selection, first_of_largest, register
from anchordrug.acquisition.view import PoolView

MOST_ITERATIONS = 100


@register("core_set")
def core_set(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Greedy k-center on penultimate embeddings: always the drug farthest from all chosen ones so far.

    Anchors of earlier rounds are the first centres; without any, the drug nearest to the pool's mean is.
    The score is the distance at which a drug was chosen; that first drug's is its own to the mean.
    """
    pool = len(view.drugs)
    kernel = embedding_kernel(view.network, np.concatenate([view.drugs, view.anchors]))
    chosen, scores = [], []
    if len(view.anchors):
        to_anchors = [squared_distances(kernel, pool + one)[:pool] for one in range(len(view.anchors))]
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
    return Selection(np.array(chosen), np.array(scores))


def k_means_plus_plus(
    kernel: np.ndarray, first: int, batch: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions of k-means++ seeds and the distance at which each was drawn (the first one's is 0).

    After the first, each is drawn with a probability proportional to its squared distance to the nearest
    seed so far. Where all are 0, the first position not yet drawn comes next.
    """
    chosen, distances = [first], [0.0]
    nearest = squared_distances(kernel, first)
    while len(chosen) < batch:
        total = nearest.sum()
        if total > 0:
            position = int(rng.choice(len(nearest), p=nearest / total))
        else:
            position = int(np.setdiff1d(np.arange(len(nearest)), chosen)[0])
        chosen.append(position)
        distances.append(float(np.sqrt(nearest[position])))
        nearest = np.minimum(nearest, squared_distances(kernel, position))
    return np.array(chosen), np.array(distances)


@register("badge")
def badge(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
    """Draw k-means++ seeds on gradient embeddings, starting at the longest (Ash et al. 2020).

    The score is the distance to the nearest drug drawn before; the first one's is its embedding's length.
    """
    kernel = gradient_kernel(view.network, view.drugs)
    first = first_of_largest(kernel.diagonal())
    positions, scores = k_means_plus_plus(kernel, first, batch, rng)
    scores[0] = np.sqrt(kernel[first, first])
    return Selection(positions, scores)


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
    return Selection(np.array(chosen), -np.sqrt(own[chosen]))


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
