"""The drugs whose two most probable labels are the closest (PAPER, Active learning; table 3)."""

import numpy as np

from anchordrug.acquisition.registry import Selection, register
from anchordrug.acquisition.scores import highest
from anchordrug.acquisition.view import PoolView


def doubt_of_margin(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 - (best - second best class probability), float64 [drugs, genes]."""
    ordered = np.sort(probabilities, axis=2).astype(np.float64)
    return 1 - (ordered[:, :, 2] - ordered[:, :, 1])


@register("margin")
def margin(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Smallest mean over genes of best - second best class probability; score 1 - mean."""
    reason = "The two most probable labels of its genes are close: 1 - their difference is {} on average."
    return highest(doubt_of_margin(view.probabilities).mean(axis=1), batch, reason)


@register("margin_points")
def margin_points(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Smallest difference of best and second best class probability in any gene; score 1 - that."""
    reason = "The two most probable labels of one of its genes are close: 1 - their difference is {}."
    return highest(doubt_of_margin(view.probabilities).max(axis=1), batch, reason)
