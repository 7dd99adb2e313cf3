"""The drugs that would move the network's last layer far, and in different directions (Ash et al. 2020)."""

import numpy as np

from anchordrug.acquisition.k_means_plus_plus import k_means_plus_plus
from anchordrug.acquisition.kernel import gradient_kernel
from anchordrug.acquisition.reasons import alike
from anchordrug.acquisition.registry import Selection, register
from anchordrug.acquisition.scores import first_of_largest
from anchordrug.acquisition.view import PoolView


@register("badge")
def badge(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
    """Draw k-means++ seeds on gradient embeddings, starting at the longest (Ash et al. 2020).

    The score is the distance to the nearest drug drawn before; the first one's is its embedding's length.
    """
    kernel = gradient_kernel(view.network, view.drugs)
    first = first_of_largest(kernel.diagonal())
    positions, scores = k_means_plus_plus(kernel, first, batch, rng)
    scores[0] = np.sqrt(kernel[first, first])
    reason = "It would change the network in another way than the drugs before it (distance {} of gradients)."
    return Selection(positions, scores, alike(reason, scores))
