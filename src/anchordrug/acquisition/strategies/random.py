"""The baseline: drugs at random."""

import numpy as np

from anchordrug.acquisition.registry import Selection, register
from anchordrug.acquisition.view import PoolView


@register("random")
def random(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
    """Choose `batch` drugs uniformly without replacement (PAPER, Baselines); the scores are 0."""
    reasons = ("It was drawn at random.",) * batch
    return Selection(rng.permutation(len(view.drugs))[:batch], np.zeros(batch), reasons)
