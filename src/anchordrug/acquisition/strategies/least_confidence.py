"""The drugs whose top labels are the least certain (PAPER, Active learning; table 3)."""

import numpy as np

from anchordrug.acquisition.registry import Selection, register
from anchordrug.acquisition.scores import highest
from anchordrug.acquisition.view import PoolView


def doubt_of_top(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 - the top class probability, float64 [drugs, genes]."""
    return 1 - probabilities.max(axis=2).astype(np.float64)


@register("least_confidence")
def least_confidence(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Smallest mean over genes of the top class probability; score 1 - mean."""
    reason = "The predictor is unsure of its labels: on average, other labels have a probability of {}."
    return highest(doubt_of_top(view.probabilities).mean(axis=1), batch, reason)


@register("least_confidence_points")
def least_confidence_points(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Smallest top class probability of any gene; score 1 - that."""
    reason = "The predictor is unsure of one of its genes: other labels have a probability of {}."
    return highest(doubt_of_top(view.probabilities).max(axis=1), batch, reason)
