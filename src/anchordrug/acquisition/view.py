"""What a strategy may look at: the pool drugs still free, and the predictor fitted so far."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anchordrug.predictors.base import FittedPredictor


@dataclass(frozen=True)
class Catalogue:
    """What is known of every drug before it is measured; rows are those of the drug table.

    Attributes
    ----------
    fingerprints
        [drugs, bits], non-zero where a bit is set.
    mechanisms
        A drug's mechanism of action, or None.
    """

    fingerprints: np.ndarray
    mechanisms: list[str | None]


@dataclass(frozen=True)
class PoolView:
    """The free pool drugs, int64 rows of the drug table in the order of their InChIKeys.

    It holds no measured response of the target, so that no strategy can peek. What is costly is
    computed when first asked for, and once. In scenario `common` the predictor is one of several targets,
    whose genes stand side by side.

    Attributes
    ----------
    anchors
        The drugs chosen in earlier rounds, in order.
    """

    predictor: FittedPredictor
    drugs: np.ndarray
    anchors: np.ndarray
    catalogue: Catalogue

    @cached_property
    def probabilities(self) -> np.ndarray:
        """float32 [pool, genes, 3]."""
        return self.predictor.probabilities(self.drugs)

    def dropout_probabilities(self, passes: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield `passes` arrays like `probabilities` under dropout noise."""
        return self.predictor.dropout_probabilities(self.drugs, passes, rng)
