"""Strategies that ask for the drugs whose responses the predictor is least sure of."""

import numpy as np

from anchordrug.acquisition.registry import Selection, highest, register
from anchordrug.acquisition.view import PoolView

DROPOUT_PASSES = 5


@register("least_confidence")
def least_confidence(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Smallest mean over genes of the top class probability (PAPER, Active learning); score 1 - mean."""
    top = view.probabilities.max(axis=2).mean(axis=1, dtype=np.float64)
    return highest(1 - top, batch)


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Return the Shannon entropy in nats over the last axis; 0 log 0 is 0."""
    p = probabilities.astype(np.float64)
    return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1)


@register("bald")
def bald(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
    """Largest mutual information between label and weights, summed over genes (BALD with MC dropout).

    Entropy of the mean prediction minus mean entropy of the predictions over five dropout passes
    (PAPER, Active learning). The passes are summed as they come, so memory does not grow with them.
    Both entropies are exact; the published code adds a small number to the argument of only one.
    """
    mean = np.zeros((len(view.drugs), 0, 0))
    each = np.zeros(len(view.drugs))
    for probabilities in view.dropout_probabilities(DROPOUT_PASSES, rng):
        share = probabilities.astype(np.float64) / DROPOUT_PASSES
        mean = mean + share if mean.size else share
        each += entropy(probabilities).sum(axis=1) / DROPOUT_PASSES
    return highest(entropy(mean).sum(axis=1) - each, batch)
