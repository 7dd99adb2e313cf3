"""What a strategy may look at: the pool drugs still free, and the predictor fitted so far."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anchordrug.errors import SettingsError
from anchordrug.predictors.base import FittedNetwork, FittedPredictor, Task, network_of
from anchordrug.predictors.response.prior import ResponsePrior, mechanisms_of, prior_of


@dataclass(frozen=True)
class Catalogue:
    """What is known of every drug before it is measured; rows are those of the drug table.

    Attributes
    ----------
    fingerprints
        [drugs, bits], non-zero where a bit is set.
    mechanisms
        A drug's mechanism of action, or None.
    prior
        What source lines say of every drug, where strategies may need it.
    aim
        int64 rows of the drugs that the campaign is for, those one wants predicted; None for the pool itself.
        Of them too only structure and prior are known.
    """

    fingerprints: np.ndarray
    mechanisms: list[str | None]
    prior: ResponsePrior | None = None
    aim: np.ndarray | None = None

    @classmethod
    def of(cls, task: Task, aim: np.ndarray | None = None) -> "Catalogue":
        """Return what is known of every drug of the atlas before anything is measured in the target."""
        return cls(task.features.drugs, mechanisms_of(task.sources.drugs), prior_of(task), aim)


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

    @property
    def network(self) -> FittedNetwork:
        """The predictor, for strategies that look inside it.

        Raises
        ------
        SettingsError
            It has neither dropout nor embeddings nor gradients.
        """
        network = network_of(self.predictor)
        if network is None:
            raise SettingsError(
                "select.strategy: needs a network's dropout, embeddings or gradients, which this predictor "
                "does not offer; choose predictor mlp, or strategy a_optimal, facility_location or random"
            )
        return network

    def dropout_probabilities(self, passes: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield `passes` arrays like `probabilities` under dropout noise."""
        return self.network.dropout_probabilities(self.drugs, passes, rng)
