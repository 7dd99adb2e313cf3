"""What a strategy may look at: the pool drugs still free, and the predictor fitted so far."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anchordrug.predictors.base import FittedPredictor


@dataclass(frozen=True)
class PoolView:
    """The free pool drugs, int64 rows of the drug table in the order of their InChIKeys.

    It holds no measured response of the target, so that no strategy can peek. What is costly is
    computed when first asked for, and once.
    """

    predictor: FittedPredictor
    drugs: np.ndarray

    @cached_property
    def probabilities(self) -> np.ndarray:
        """float32 [pool, genes, 3]."""
        return self.predictor.probabilities(self.drugs)

    def dropout_probabilities(self, passes: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield `passes` arrays like `probabilities` under dropout noise."""
        return self.predictor.dropout_probabilities(self.drugs, passes, rng)
