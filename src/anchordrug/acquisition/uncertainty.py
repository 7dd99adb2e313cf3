"""Strategies that ask for the drugs whose responses the predictor is least sure of.

Each measure of doubt is one number per (drug, gene). A strategy on drugs sums them up; the original form,
made for single data points, lets the most doubtful gene speak for its drug (PAPER, Active learning; table 3).
"""

import numpy as np

from anchordrug.acquisition.registry import Selection, highest, register
from anchordrug.acquisition.view import PoolView

DROPOUT_PASSES = 5


def doubt_of_top(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 - the top class probability, float64 [drugs, genes]."""
    return 1 - probabilities.max(axis=2).astype(np.float64)


def doubt_of_margin(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 - (best - second best class probability), float64 [drugs, genes]."""
    ordered = np.sort(probabilities, axis=2).astype(np.float64)
    return 1 - (ordered[:, :, 2] - ordered[:, :, 1])


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


@register("least_confidence")
def least_confidence(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Smallest mean over genes of the top class probability; score 1 - mean."""
    return highest(doubt_of_top(view.probabilities).mean(axis=1), batch)


@register("least_confidence_points")
def least_confidence_points(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Smallest top class probability of any gene; score 1 - that."""
    return highest(doubt_of_top(view.probabilities).max(axis=1), batch)


@register("margin")
def margin(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Smallest mean over genes of best - second best class probability; score 1 - mean."""
    return highest(doubt_of_margin(view.probabilities).mean(axis=1), batch)


@register("margin_points")
def margin_points(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Smallest difference of best and second best class probability in any gene; score 1 - that."""
    return highest(doubt_of_margin(view.probabilities).max(axis=1), batch)


@register("bald")
def bald(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
    """Largest mutual information between label and weights, summed over genes (BALD with MC dropout)."""
    return highest(mutual_information(view, rng).sum(axis=1), batch)


@register("bald_points")
def bald_points(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
    """Largest mutual information between label and weights in any gene."""
    return highest(mutual_information(view, rng).max(axis=1), batch)
