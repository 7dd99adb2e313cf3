"""Choosing by score: the pool's order settles ties."""

import numpy as np

from anchordrug.acquisition.reasons import alike
from anchordrug.acquisition.registry import Selection


def highest(scores: np.ndarray, batch: int, reason: str) -> Selection:
    """Return the `batch` highest of `scores` [pool]; ties keep the order of the pool (by InChIKey).

    `reason` is the sentence for every drug, with ``{}`` in the place of its score.
    """
    positions = np.argsort(-scores, kind="stable")[:batch]
    chosen = scores[positions].astype(np.float64)
    return Selection(positions, chosen, alike(reason, chosen))


def first_of_largest(values: np.ndarray) -> int:
    """Return the first position whose value is the largest to within rounding.

    Twins, such as stereo-isomers with one fingerprint, differ by rounding that depends on their place in
    the pool; the pool's order has to settle them.
    """
    largest = values.max()
    return int(np.argmax(values >= largest - abs(largest) * 1e-5))
