"""Seeds of k-means++ (Arthur and Vassilvitskii 2007) on inner products alone."""

import numpy as np

from anchordrug.acquisition.kernel import squared_distances


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
