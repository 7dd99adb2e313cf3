"""The drugs on which dropout networks disagree: BALD with Monte Carlo dropout (PAPER, Active learning)."""

import numpy as np

from anchordrug.acquisition.registry import Selection, register
from anchordrug.acquisition.scores import highest
from anchordrug.acquisition.view import PoolView

DROPOUT_PASSES = 5


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Return the Shannon entropy in nats over the last axis; 0 log 0 is 0."""
    p = probabilities.astype(np.float64)
    return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1)


def mutual_information(view: PoolView, rng: np.random.Generator) -> np.ndarray:
    """Return the mutual information of label and weights in nats, float64 [drugs, genes].

    Entropy of the mean prediction minus mean entropy of the predictions over five dropout passes. The
    passes are summed as they come, so memory does not grow with them. Both entropies are exact; the
    published code adds a small number to the argument of only one.
    """
    mean = each = np.zeros(())
    for probabilities in view.dropout_probabilities(DROPOUT_PASSES, rng):
        mean = mean + probabilities.astype(np.float64) / DROPOUT_PASSES
        each = each + entropy(probabilities) / DROPOUT_PASSES
    return entropy(mean) - each


@register("bald")
def bald(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
    """Largest mutual information between label and weights, summed over genes (BALD with MC dropout)."""
    reason = "Random parts of the network disagree about its labels (information: {} nats over all genes)."
    return highest(mutual_information(view, rng).sum(axis=1), batch, reason)


@register("bald_points")
def bald_points(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
    """Largest mutual information between label and weights in any gene."""
    reason = "Random parts of the network disagree about one of its genes (information: {} nats)."
    return highest(mutual_information(view, rng).max(axis=1), batch, reason)
